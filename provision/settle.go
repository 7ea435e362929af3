package provision

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"plugtone/dhcp"
	"plugtone/provision/httpauth"
	"plugtone/provision/pack"
)

func (s *Service) alarm(a Alarm) { s.c.Alarm(a) }

// guarded tells whether the file that was asked for is one that only a phone itself may have.
func (q *inquiry) guarded() bool {
	kind := func(m pack.Match) bool { return m.Kind == pack.KindDevice || m.Kind == pack.KindPrivate }
	if q.match != nil {
		return kind(*q.match)
	}
	return slices.ContainsFunc(q.matches, kind)
}

func (q *inquiry) source() sourceKey {
	return sourceKey{q.r.From.Unmap(), q.r.Transport == TFTP}
}

// limit slows or shuts out a requester without proof that has asked for too many phones' files. Who proves itself is
// never limited, and who has yet to make its first step towards a proof gets its challenge all the same.
func (q *inquiry) limit() {
	if q.verdict.Proven || q.r.Transport == Preview || q.answer.Outcome == Fault {
		return
	}
	until := q.s.guesses.limited(q.source(), q.now)
	if until.IsZero() {
		return
	}
	when := until.UTC().Format(time.RFC3339)
	if q.site.isOurs(q.source().addr) {
		if q.answer.Outcome == Refused {
			q.answer.Delay, q.answer.Silent = guessesDelay, q.r.Transport == TFTP
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
	q.answer.Reason = fmt.Sprintf("%s is shut out until %s: it asked for the files of too many phones", q.source().addr, when)
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
	if len(q.matches) == 0 && (q.r.Transport == HTTP || q.r.Transport == HTTPS) {
		scheme = httpauth.Digest // nothing tells whose file it is: most know that
	}
	q.challenge(scheme)
}

// settle remembers what an answered request tells of its sender, and raises the alarms. Only real requests come here.
func (s *Service) settle(q *inquiry) {
	if q.r.Transport == Preview || q.answer.Outcome == Fault {
		return
	}
	if q.verdict.Contradiction {
		s.alarm(Alarm{Time: q.now, Kind: AlarmContradiction, MAC: q.answer.MAC, Addr: q.source().addr, Reason: q.verdict.Reason})
	}
	if q.verdict.Proven {
		s.guesses.proved(q.source(), macsOf(q.verdict.MAC, q.device), q.now)
		s.rememberPort(q)
		if q.retire {
			s.used.put(loginKey{q.device.MAC, q.device.Credentials.Password}, struct{}{}, 1)
			s.c.Used(q.device.MAC, q.device.Credentials.Password)
		}
		return
	}
	// A challenge without an answer isn't counted at once: the answer may be on its way. It would not help a contradiction.
	challenged := q.firstStep() && !q.verdict.Contradiction
	for _, what := range q.guessed() {
		if began := s.guesses.failed(q.source(), what, challenged, q.now); began {
			s.alarm(q.guessing())
		}
	}
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
func (q *inquiry) guessing() Alarm {
	a := Alarm{Time: q.now, Kind: AlarmShutOut, Addr: q.source().addr}
	how := "is shut out"
	if q.site.isOurs(a.Addr) {
		a.Kind, how = AlarmSlowed, "is answered slowly"
	}
	if q.lease != nil {
		a.MAC = q.lease.MAC
	}
	a.Reason = fmt.Sprintf("%s asked over %s for the files of more than %d phones without a proof: it %s for %s",
		a.Addr, q.r.Transport, guessesFree, how, guessesPause)
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

// rememberPort notes where a phone is that proved itself by its lease, and says when it is somewhere else than before.
func (s *Service) rememberPort(q *inquiry) {
	port := portOf(q.lease)
	if port == "" || q.device == nil || q.verdict.Proof != ProofLease || q.answer.Outcome != Served || !q.guarded() {
		return
	}
	q.answer.Port = port
	mac := q.device.MAC
	before, ok := s.ports.get(mac)
	if !ok {
		before = lastPort(s.c.Fetches, mac)
	}
	if before == port && ok {
		return
	}
	s.ports.put(mac, port, 1)
	if before != "" && before != port {
		s.alarm(Alarm{Time: q.now, Kind: AlarmPort, MAC: mac, Addr: q.source().addr,
			Reason: fmt.Sprintf("the phone is behind switch port %q now; before it was behind %q", port, before)})
	}
}

// lastPort is the port of the latest fetch that has one. A fault of the store only costs the comparison.
func lastPort(fetches func(MAC) ([]Fetch, error), mac MAC) string {
	all, err := fetches(mac)
	if err != nil {
		return ""
	}
	all = slices.DeleteFunc(slices.Clone(all), func(f Fetch) bool { return f.Port == "" })
	if len(all) == 0 {
		return ""
	}
	return slices.MaxFunc(all, func(a, b Fetch) int { return cmp.Compare(a.Time.UnixNano(), b.Time.UnixNano()) }).Port
}

// Bound is told of each lease as soon as it is on disk and before its phone knows of it. New phones are counted, where a
// lease is a proof.
func (s *Service) Bound(l dhcp.Lease) {
	if l.State == dhcp.LeaseActive && l.FirstSeen.Equal(l.Starts) {
		s.count(l, s.c.Now())
	}
}

// Replay counts the new phones among leases that were there at start, as if they came again, so that a restart doesn't
// end a freeze. Those for which it was lifted by hand stay out of it.
func (s *Service) Replay(leases []dhcp.Lease) {
	leases = slices.Clone(leases)
	slices.SortFunc(leases, func(a, b dhcp.Lease) int { return a.FirstSeen.Compare(b.FirstSeen) })
	horizon := s.c.Now().Add(-24 * time.Hour)
	if at := s.windows.lifted(); at.After(horizon) {
		horizon = at
	}
	for _, l := range leases {
		if l.FirstSeen.After(horizon) {
			s.count(l, l.FirstSeen)
		}
	}
}

func (s *Service) count(l dhcp.Lease, now time.Time) {
	site := s.c.Site()
	if site.NewPhones == nil || !countsAt(site, l) || s.windows.forAll(l.Addr, now) || s.seenBefore(site, l, now) {
		return
	}
	if at, twice := s.bound.get(l.MAC); twice && at.Equal(l.FirstSeen) {
		return
	}
	s.bound.put(l.MAC, l.FirstSeen, 1)
	frozen, thawed := s.freeze.bound(*site.NewPhones, l.MAC, l.FirstSeen, now)
	s.say(frozen, thawed, now)
	if frozen {
		st, _ := s.freeze.status(*site.NewPhones, now)
		s.alarm(Alarm{Time: now, Kind: AlarmFrozen, Addr: l.Addr, MAC: l.MAC, Reason: st.String()})
	}
}

func (s *Service) say(frozen, thawed bool, now time.Time) {
	if thawed && !frozen {
		s.alarm(Alarm{Time: now, Kind: AlarmThawed, Reason: "leases of new phones are proof again"})
	}
}

// countsAt tells whether a lease is a proof where it is.
func countsAt(site *Site, l dhcp.Lease) bool {
	trust, _ := site.TrustAt(l.Addr)
	return slices.Contains(trust, ProofLease)
}

// seenBefore tells whether the phone has had a lease elsewhere before, where a lease is a proof too: a phone that moves is
// no new one.
func (s *Service) seenBefore(site *Site, l dhcp.Lease, now time.Time) bool {
	for _, o := range s.c.Leases.LeasesOf(l.MAC) {
		if o.Addr != l.Addr && o.State != dhcp.LeaseDeclined && o.FirstSeen.Before(l.FirstSeen) && countsAt(site, o) &&
			!s.freezes(site, o, now) {
			return true
		}
	}
	return false
}

func (s *Service) freezes(site *Site, l dhcp.Lease, now time.Time) bool {
	held, thawed := s.freeze.holds(*site.NewPhones, l.MAC, l.FirstSeen, now)
	s.say(false, thawed, now)
	return held
}

// frozen tells whether a lease is that of a new phone of which there were too many.
func (s *Service) frozen(site *Site, l dhcp.Lease) bool {
	now := s.c.Now()
	return site.NewPhones != nil && s.freezes(site, l, now) && !s.seenBefore(site, l, now)
}

// Freeze tells how the lease proof of new phones stands.
func (s *Service) Freeze() Freeze {
	site := s.c.Site()
	if site.NewPhones == nil {
		return Freeze{}
	}
	now := s.c.Now()
	st, thawed := s.freeze.status(*site.NewPhones, now)
	s.say(false, thawed, now)
	return st
}
