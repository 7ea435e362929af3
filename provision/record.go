package provision

import (
	"fmt"
	"net/http"
	"slices"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/provision/phonefile"
	"plugtone/provision/resolve"
	"plugtone/provision/setting"
	"plugtone/provision/trust"
)

// recorder remembers what requests show of phones and requesters.
type recorder struct {
	trust *trust.Service
	used  func(mac dhcp.MAC, password setting.Secret) // receives each phone that has used its new password
}

// recordOutcome remembers what an answered request shows of its sender and reports security events. It is the last step of a
// real request, and returns the answer with what is known now.
func (s recorder) recordOutcome(q *fileRequest, p *product) Answer {
	a := p.Answer
	if q.Transport == fleet.Preview || a.Outcome == InternalError {
		return a
	}
	source := q.who.source
	if q.auth.Contradiction {
		s.trust.Report(trust.Event{Time: q.Time, Kind: trust.EventContradiction, MAC: a.MAC, Addr: source.Addr, Reason: q.auth.Reason})
	}
	if q.auth.wrongPassword() && !(q.auth.Proven && a.Outcome == Served) { // a phone with a lease may have an old password
		if e := s.trust.Passwords().Wrong(q.who.claimed(), source.Addr, q.Time); e != nil {
			s.trust.Report(*e)
		}
	}
	if !q.auth.Proven {
		s.recordUnproven(q, p)
		return a
	}
	if l := q.who.lease(); l != nil && q.isGuarded() {
		s.trust.Requested(l.MAC, q.auth.Proof.Own(), q.Time)
	}
	s.trust.Enumeration().Proved(source, q.auth.macs, q.Time)
	if d := q.auth.device; d != nil && q.auth.Proof.Own() {
		s.trust.Answered(d.MAC)
	}
	a = s.recordServed(q, p)
	if d := q.auth.device; q.auth.login.newest {
		s.trust.Passwords().MarkUsed(d.MAC, d.Credentials.Password)
		s.used(d.MAC, d.Credentials.Password)
	}
	return a
}

// isGuarded reports whether the requested file is one that only its phone may have.
func (q *fileRequest) isGuarded() bool {
	if m := q.file.match; m != nil {
		return isGuarded(*m)
	}
	return q.name.guarded()
}

// recordUnproven counts the phones that a requester without proof has requested.
func (s recorder) recordUnproven(q *fileRequest, p *product) {
	// A challenge without an answer isn't counted at once: the answer may be on its way. It would not help a contradiction.
	challenged := isFirstStep(q, p) && !q.auth.Contradiction
	for _, phone := range q.phonesTried() {
		if began := s.trust.Enumeration().Failed(q.who.source, phone, challenged, q.Time); began {
			s.trust.Report(q.enumerationEvent())
		}
	}
}

// phonesTried lists the phones that a requester without proof has requested: by the name of a guarded file, and as which phone it
// tried to log in, for any file.
func (q *fileRequest) phonesTried() []string {
	var out []string
	if !q.name.MAC.IsZero() && q.isGuarded() {
		out = append(out, q.name.MAC.Hex())
	}
	if q.auth.login.compared || q.isGuarded() && q.who.sent != nil && len(out) == 0 {
		user := q.who.sent.User
		if mac, err := dhcp.ParseMAC(user); err == nil {
			user = mac.Hex()
		}
		if !slices.Contains(out, user) {
			out = append(out, user)
		}
	}
	return out
}

// enumerationEvent is the event about a requester that is limited from now on.
func (q *fileRequest) enumerationEvent() trust.Event {
	e := trust.Event{Time: q.Time, Kind: trust.EventShutOut, Addr: q.who.source.Addr}
	how := "is shut out"
	if q.who.place().Leased {
		e.Kind, how = trust.EventSlowed, "is answered slowly"
	}
	if l := q.who.lease(); l != nil {
		e.MAC = l.MAC
	}
	e.Reason = fmt.Sprintf("%s requested over %s the files of more than %d phones without a proof: it %s for %s",
		e.Addr, q.Transport, trust.EnumerationFree, how, trust.EnumerationPause)
	return e
}

// recordServed remembers what a guarded file that leaves shows of its phone.
func (s recorder) recordServed(q *fileRequest, p *product) Answer {
	a, d, proof := p.Answer, q.auth.device, q.auth.Proof
	if d == nil || !proof.Weak() && !proof.Own() || a.Outcome != Served || !q.isGuarded() {
		return a
	}
	served := trust.Served{Time: q.Time, MAC: d.MAC, From: q.who.source.Addr, Proof: proof, Port: trust.PortOf(q.who.lease()), Since: d.CreatedAt}
	if v, ok := q.generation.packs.Vendor(d.Vendor); ok && p.rendering != nil && q.file.match.Kind == phonefile.KindDevice && q.Method != http.MethodHead {
		served.Given = d.Enabled && v.Supports(d.Model, "provisioning_password") && resolve.GivesCredentials(v, q.generation.site, p.rendering.subnet, d)
	}
	h := s.trust.Record(served)
	a.Port, a.OwnProof, a.Given = served.Port, h.OwnProof, h.Given
	return a
}
