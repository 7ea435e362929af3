package provision

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/provision/pack"
	"plugtone/provision/trust"
	"plugtone/provision/trust/httpauth"
)

// guarded tells whether the file that was asked for is one that only a phone itself may have.
func (q *inquiry) guarded() bool {
	kind := func(m pack.Match) bool { return m.Kind == pack.KindDevice || m.Kind == pack.KindPrivate }
	if q.match != nil {
		return kind(*q.match)
	}
	return slices.ContainsFunc(q.matches, kind)
}

func (q *inquiry) source() trust.Source {
	return trust.Source{Addr: q.r.From.Unmap(), Datagram: q.r.Transport == fleet.TFTP}
}

// limit slows or shuts out a requester without proof that has asked for too many phones' files. Who proves itself is
// never limited, and who has yet to make its first step towards a proof gets its challenge all the same.
func (q *inquiry) limit() {
	if q.verdict.Proven || q.r.Transport == fleet.Preview || q.answer.Outcome == Fault {
		return
	}
	if q.wrongPassword() && q.s.trust.PasswordsLimited(q.claimed(), q.now) {
		q.answer.Delay = trust.PasswordDelay
		q.answer.Reason += "; slowed: many wrong passwords were tried for this phone"
	}
	until := q.s.trust.Enumeration().Limited(q.source(), q.now)
	if until.IsZero() {
		return
	}
	when := until.UTC().Format(time.RFC3339)
	if q.place.Leased {
		if q.answer.Outcome == Refused {
			q.answer.Delay, q.answer.Silent = trust.EnumerationDelay, q.r.Transport == fleet.TFTP
			q.answer.Reason += "; slowed until " + when + ": it asked for the files of too many phones"
		}
		return
	}
	if q.answer.Outcome != Refused {
		q.shutOut()
	}
	if q.firstStep() {
		q.answer.Reason += "; unless it logs in it is shut out until " + when + ": it asked for the files of too many phones"
		return
	}
	q.answer.Silent = true
	q.answer.Reason = fmt.Sprintf("%s is shut out until %s: it asked for the files of too many phones", q.source().Addr, when)
}

// firstStep tells whether the requester is asked to log in and has not tried a password yet: what it may have answered to an
// older challenge, or for another file, was not looked at.
func (q *inquiry) firstStep() bool { return q.answer.Challenge != "" && !q.tried }

// shutOut takes back what anybody else may have. A phone behind the same address that can log in is asked to, also for a file
// that needs no proof: else it could not show that it isn't who guesses.
func (q *inquiry) shutOut() {
	q.close()
	a := &q.answer
	a.Outcome, a.Status = Refused, http.StatusNotFound
	a.Body, a.Size, a.ETag, a.Digest, a.MediaType = nil, 0, "", "", ""
	scheme := q.scheme()
	if len(q.matches) == 0 && (q.r.Transport == fleet.HTTP || q.r.Transport == fleet.HTTPS) {
		scheme = httpauth.Digest // nothing tells whose file it is: most know that
	}
	q.challenge(scheme)
}

// settle remembers what an answered request tells of its sender, and raises the alarms. Only real requests come here.
func (s *Service) settle(q *inquiry) {
	if q.r.Transport == fleet.Preview || q.answer.Outcome == Fault {
		return
	}
	if q.verdict.Contradiction {
		s.trust.Report(trust.Event{Time: q.now, Kind: trust.EventContradiction, MAC: q.answer.MAC, Addr: q.source().Addr, Reason: q.verdict.Reason})
	}
	if q.wrongPassword() {
		s.trust.WrongPassword(q.claimed(), q.source().Addr, q.now)
	}
	if q.lease != nil && q.verdict.Proven && q.guarded() {
		s.trust.Requested(q.lease.MAC, q.verdict.Proof.Own(), q.now)
	}
	if q.verdict.Proven {
		s.trust.Enumeration().Proved(q.source(), macsOf(q.verdict.MAC, q.device), q.now)
		s.recordServed(q)
		if q.retire {
			s.trust.MarkUsed(q.device.MAC, q.device.Credentials.Password)
			s.c.Used(q.device.MAC, q.device.Credentials.Password)
		}
		return
	}
	// A challenge without an answer isn't counted at once: the answer may be on its way. It would not help a contradiction.
	challenged := q.firstStep() && !q.verdict.Contradiction
	for _, what := range q.guessed() {
		if began := s.trust.Enumeration().Failed(q.source(), what, challenged, q.now); began {
			s.trust.Report(q.guessing())
		}
	}
}

// wrongPassword reports whether a password was compared and refused.
func (q *inquiry) wrongPassword() bool { return q.tried && !q.verdict.Proof.Own() }

// claimed is the phone that the credentials are for, whether it exists or not: by the user, else by the name of the file.
func (q *inquiry) claimed() dhcp.MAC {
	mac, err := dhcp.ParseMAC(q.sent.User)
	if err != nil {
		mac = q.named()
	}
	return mac
}

// guessed lists the phones that a requester without proof has asked for: by the name of a file that only the phone may have, and
// as whom it tried to log in, whatever the file.
func (q *inquiry) guessed() []string {
	var out []string
	if named := q.named(); q.guarded() && !named.IsZero() {
		out = append(out, named.Hex())
	}
	if q.tried || q.guarded() && q.sent != nil && len(out) == 0 {
		user := q.sent.User
		if mac, err := dhcp.ParseMAC(user); err == nil {
			user = mac.Hex()
		}
		if !slices.Contains(out, user) {
			out = append(out, user)
		}
	}
	return out
}

// guessing is the alarm about a requester that is limited from now on.
func (q *inquiry) guessing() trust.Event {
	a := trust.Event{Time: q.now, Kind: trust.EventShutOut, Addr: q.source().Addr}
	how := "is shut out"
	if q.place.Leased {
		a.Kind, how = trust.EventSlowed, "is answered slowly"
	}
	if q.lease != nil {
		a.MAC = q.lease.MAC
	}
	a.Reason = fmt.Sprintf("%s asked over %s for the files of more than %d phones without a proof: it %s for %s",
		a.Addr, q.r.Transport, trust.EnumerationFree, how, trust.EnumerationPause)
	return a
}

// portOf is the switch port that a relay or switch put into option 82, in words; "" when none did.
func portOf(l *dhcp.Lease) string {
	if l == nil || l.CircuitID == "" && l.RemoteID == "" {
		return ""
	}
	show := func(s string) string {
		if strings.IndexFunc(s, func(r rune) bool { return r < ' ' || r > '~' }) >= 0 {
			return fmt.Sprintf("0x%x", s)
		}
		return s
	}
	return strings.Trim(show(l.RemoteID)+" "+show(l.CircuitID), " ")
}
