package provision

import (
	"fmt"
	"net/http"

	"plugtone/provision/fleet"
	"plugtone/provision/trust"
	"plugtone/provision/trust/httpauth"
)

// limit slows or shuts out a requester without proof that has requested too many phones' files. A phone that proves itself is
// never limited, and one that has yet to make its first step towards a proof gets its challenge all the same.
func (s producer) limit(q *fileRequest, p product) product {
	if q.Transport == fleet.Preview || p.Outcome == InternalError {
		return p
	}
	if q.auth.wrongPassword() && p.Outcome == Refused && s.trust.Passwords().Limited(q.who.claimed(), q.Time) {
		p.Delay = trust.PasswordDelay
		p.Reason += "; slowed: many wrong passwords were tried for this phone"
	}
	if q.auth.Proven {
		return p
	}
	end := s.trust.Enumeration().Limited(q.who.source, q.Time)
	switch {
	case end.IsZero():
		return p
	case q.who.place().Leased:
		if p.Outcome == Refused {
			p.Delay, p.Silent = trust.EnumerationDelay, q.Transport == fleet.TFTP
			p.Reason += "; slowed until " + until(end) + ": it requested the files of too many phones"
		}
		return p
	}
	if p.Outcome != Refused {
		p = s.shutOut(q, p)
	}
	if isFirstStep(q, &p) {
		p.Reason += "; unless it logs in it is shut out until " + until(end) + ": it requested the files of too many phones"
		return p
	}
	p.Silent = true
	p.Reason = fmt.Sprintf("%s is shut out until %s: it requested the files of too many phones", q.who.source.Addr, until(end))
	return p
}

// isFirstStep reports whether the requester is challenged and has not tried a password yet. Credentials for an older
// challenge or for another file do not count: their password was not compared.
func isFirstStep(q *fileRequest, p *product) bool { return p.Challenge != "" && !q.auth.login.compared }

// shutOut refuses what any other requester may have. A phone behind the same address that can log in is challenged, also for a
// file that needs no proof: else it could not show that it isn't the one that guesses.
func (s producer) shutOut(q *fileRequest, p product) product {
	p.discard()
	p.rendering = nil
	p.Outcome, p.Status = Refused, http.StatusNotFound
	p.Body, p.Size, p.ETag, p.Digest, p.MediaType = nil, 0, "", "", ""
	scheme := challengeScheme(q.Request, q.generation.packs, q.name)
	if len(q.name.Matches) == 0 && q.isHTTP() {
		scheme = httpauth.Digest // the vendor is unknown: most support that
	}
	s.challenge(q, &p.Answer, scheme)
	return p
}
