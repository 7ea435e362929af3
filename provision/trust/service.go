package trust

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"plugtone/dhcp"
	"plugtone/provision/internal/lru"
)

// Leases is what trust reads of the lease table. It must be quick and must not wait for a disk.
type Leases interface {
	LeasesOf(mac dhcp.MAC) []dhcp.Lease
}

// Config is everything that a Service needs.
type Config struct {
	Leases  Leases
	Policy  func() Policy
	History func(mac dhcp.MAC) (History, error) // what is stored of a phone's fetches; nil: nothing is
	Probe   Prober                              // nil: no address is probed
	Windows WindowStore                         // nil: enrollment windows end with the service
	Resets  ResetStore                          // nil: a new service has its whole budget of resets
	Event   func(Event)                         // receives each security event; it must not wait. nil: dropped
	Now     func() time.Time
}

// History is what a phone's fetches have shown.
type History struct {
	Port     string    // switch port (option 82) of the last proven fetch; "" when none is known
	OwnProof time.Time // of the last fetch that was proved by own credentials or certificate; zero: there was none
	Given    time.Time // of the first fetch that gave the phone its credentials; zero: there was none
}

// Service holds what trust remembers between requests: enrollment windows, limits, switch ports and used passwords. It is
// safe for concurrent use.
type Service struct {
	c           Config
	windows     *windows
	newPhones   bindingLimiter
	enumeration *EnumerationLimiter
	passwords   *Passwords
	stepUp      *stepUp
	movements   movements
	watch       phoneWatch
	counted     *lru.Cache[dhcp.MAC, time.Time] // new phones by when they were first seen
	history     *lru.Cache[dhcp.MAC, History]   // as stored, and what has happened since
	refused     *lru.Cache[dhcp.MAC, string]    // switch ports that phones were refused at

	resets resetSaver
}

// rememberedPhones bounds what is remembered of single phones.
const rememberedPhones = 8192

// New loads the enrollment windows.
func New(c Config) (*Service, error) {
	if c.Leases == nil || c.Policy == nil || c.Now == nil {
		return nil, errors.New("trust: leases, policy or clock is missing")
	}
	if c.Event == nil {
		c.Event = func(Event) {}
	}
	if c.History == nil {
		c.History = func(dhcp.MAC) (History, error) { return History{}, nil }
	}
	w, err := newWindows(c.Windows, c.Now())
	if err != nil {
		return nil, err
	}
	if c.Resets == nil {
		c.Resets = noResetStore{}
	}
	resets, err := c.Resets.LoadResets()
	if err != nil {
		return nil, fmt.Errorf("resets: %w", err)
	}
	s := &Service{
		c: c, windows: w, enumeration: NewEnumerationLimiter(), passwords: newPasswords(), stepUp: newStepUp(),
		movements: movements{probe: c.Probe},
		counted:   lru.New[dhcp.MAC, time.Time](rememberedPhones),
		history:   lru.New[dhcp.MAC, History](4 * rememberedPhones),
		refused:   lru.New[dhcp.MAC, string](rememberedPhones),
	}
	s.resets.store, s.resets.stepUp = c.Resets, s.stepUp
	s.stepUp.restore(resets, c.Now())
	return s, nil
}

// Report passes a security event on.
func (s *Service) Report(e Event) { s.c.Event(e) }

// Enumeration returns the limiter of requesters without proof.
func (s *Service) Enumeration() *EnumerationLimiter { return s.enumeration }

// Passwords returns what is remembered of phones' passwords.
func (s *Service) Passwords() *Passwords { return s.passwords }

// Windows lists the enrollment windows that are open.
func (s *Service) Windows() []Window { return s.windows.open(s.c.Now()) }

// ReloadWindows reads the enrollment windows from their store again.
func (s *Service) ReloadWindows() error { return s.windows.load(s.c.Now()) }

// Enrolled reports whether an enrollment window is open for the phone at the requester's address.
func (s *Service) Enrolled(mac dhcp.MAC, from netip.Addr, now time.Time) bool {
	return s.windows.covers(mac, from, now)
}

// Enroll opens a window for the phone with these MACs, or for all phones when there are none, from the addresses of from,
// or from anywhere when it is zero. A length of 0 closes it. For all phones it also lifts the freeze of new phones'
// leases. It is on disk when Enroll returns. Errors: ErrTooManyWindows, and those of the store.
func (s *Service) Enroll(macs []dhcp.MAC, from netip.Prefix, length time.Duration) (Window, error) {
	now := s.c.Now()
	x := EnrollmentWindow{Window: Window{From: from.Masked(), Until: now.Add(length).UTC()}, Opened: now.UTC(), MACs: macs}
	if len(macs) > 0 {
		x.MAC = macs[0]
	}
	if err := s.windows.put(x, now); err != nil {
		return x.Window, err
	}
	reason := x.String()
	if length == 0 {
		reason = fmt.Sprintf("files of %s need a proof again from %s", x.Phones(), x.where())
	}
	s.Report(Event{Time: now, Kind: EventEnroll, MAC: x.MAC, Reason: reason})
	if limit := s.c.Policy().Limits().NewPhones; len(macs) == 0 && length > 0 && limit != nil {
		if n := s.newPhones.admitAll(*limit, now); n > 0 {
			s.Report(Event{Time: now, Kind: EventThawed, Reason: fmt.Sprintf("leases of %d new phones are proof from now on: enrolled by hand", n)})
		}
	}
	return x.Window, nil
}

// Bound must be called for each lease as soon as it is on disk and before its phone receives it, where a lease is a proof
// it counts new phones, watches for many early ones, and notices a phone with leases in two subnets.
func (s *Service) Bound(l dhcp.Lease) {
	now := s.c.Now()
	if l.State != dhcp.LeaseActive {
		s.watch.ended(l)
		s.movements.ended(l, now)
		return
	}
	s.bound(l, now)
	if l.FirstSeen.Equal(l.Starts) {
		s.count(l, now)
	}
}

func (s *Service) bound(l dhcp.Lease, now time.Time) {
	policy := s.c.Policy()
	if !l.Phone || !policy.TrustAt(l.Addr).Accepts(ProofLease) {
		return
	}
	if moved := s.watch.bound(l); moved {
		s.noticeMovement(policy, l, now)
	}
}

// noticeMovement looks for a lease of the phone in another subnet that is in force.
func (s *Service) noticeMovement(policy Policy, l dhcp.Lease, now time.Time) {
	for _, o := range s.c.Leases.LeasesOf(l.MAC) {
		if o.Subnet == l.Subnet || o.State != dhcp.LeaseActive || !o.Expires.After(now) || !policy.TrustAt(o.Addr).Accepts(ProofLease) {
			continue
		}
		old, latest := o, l
		if old.Starts.After(latest.Starts) {
			old, latest = latest, old
		}
		s.movements.begin(old, latest, now)
		s.Report(Event{Time: now, Kind: EventSecondLease, MAC: l.MAC, Addr: latest.Addr, Reason: movementReason(latest, old)})
		return
	}
}

// Replay counts the new phones among the leases that were there at start as if they came again, so that a restart doesn't
// end a freeze. Those for which an operator lifted it are left out.
func (s *Service) Replay(leases []dhcp.Lease) {
	leases = slices.Clone(leases)
	slices.SortFunc(leases, func(a, b dhcp.Lease) int { return a.FirstSeen.Compare(b.FirstSeen) })
	horizon := s.c.Now().Add(-24 * time.Hour)
	if at := s.windows.lastOpenedForAll(); at.After(horizon) {
		horizon = at
	}
	for _, l := range leases {
		s.bound(l, s.c.Now())
		if l.FirstSeen.After(horizon) {
			s.count(l, l.FirstSeen)
		}
	}
}

func (s *Service) count(l dhcp.Lease, now time.Time) {
	policy := s.c.Policy()
	limit := policy.Limits().NewPhones
	if limit == nil || !policy.TrustAt(l.Addr).Accepts(ProofLease) || s.windows.forAll(l.Addr, now) || s.seenBefore(policy, *limit, l, now) {
		return
	}
	if at, twice := s.counted.Get(l.MAC); twice && at.Equal(l.FirstSeen) {
		return
	}
	s.counted.Put(l.MAC, l.FirstSeen, 1)
	frozen, resumed := s.newPhones.bound(*limit, l.MAC, l.FirstSeen, now)
	if resumed && !frozen {
		s.reportThawed(now)
	}
	if frozen {
		st, _ := s.newPhones.status(*limit, now)
		s.Report(Event{Time: now, Kind: EventFrozen, Addr: l.Addr, MAC: l.MAC, Reason: st.String()})
	}
}

func (s *Service) reportThawed(now time.Time) {
	s.Report(Event{Time: now, Kind: EventThawed, Reason: "leases of new phones are proof again"})
}

// seenBefore reports whether the phone has had a lease on another network before, where a lease is a proof too: a phone that moves
// is not a new one.
func (s *Service) seenBefore(policy Policy, limit NewPhones, l dhcp.Lease, now time.Time) bool {
	for _, o := range s.c.Leases.LeasesOf(l.MAC) {
		if o.Addr != l.Addr && o.State != dhcp.LeaseDeclined && o.FirstSeen.Before(l.FirstSeen) &&
			policy.TrustAt(o.Addr).Accepts(ProofLease) && !s.waits(limit, o, now) {
			return true
		}
	}
	return false
}

func (s *Service) waits(limit NewPhones, l dhcp.Lease, now time.Time) bool {
	waiting, resumed := s.newPhones.waits(limit, l.MAC, l.FirstSeen, now)
	if resumed {
		s.reportThawed(now)
	}
	return waiting
}

// LeaseDoubt returns why a lease that is in force is no proof now; "" when it is.
func (s *Service) LeaseDoubt(l dhcp.Lease) string {
	now, policy := s.c.Now(), s.c.Policy()
	limit := policy.Limits().NewPhones
	if limit != nil && s.waits(*limit, l, now) && !s.seenBefore(policy, *limit, l, now) {
		return fmt.Sprintf("%s is leased to %s, but more new phones came than provisioning.new_phones allows", l.Addr, l.MAC)
	}
	if other, yes := s.movements.unsettled(l, s.c.Leases.LeasesOf, now); yes {
		return movementReason(l, other)
	}
	return ""
}

// Freeze returns the state of the lease proof for new phones.
func (s *Service) Freeze() Freeze {
	limit := s.c.Policy().Limits().NewPhones
	if limit == nil {
		return Freeze{}
	}
	now := s.c.Now()
	st, resumed := s.newPhones.status(*limit, now)
	if resumed {
		s.reportThawed(now)
	}
	return st
}
