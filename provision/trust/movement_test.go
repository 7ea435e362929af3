package trust

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"plugtone/dhcp"
)

var (
	here  = netip.MustParsePrefix("10.20.0.0/22")
	there = netip.MustParsePrefix("10.30.0.0/24")
)

// fixture is a Service over leases in memory, two voice subnets and a prober whose results the test sets.
type fixture struct {
	*Service
	now    time.Time
	leases map[netip.Addr]dhcp.Lease
	events []Event
	probed []netip.Addr
	done   []func(bool, error)
	limits Limits
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{now: testNow, leases: map[netip.Addr]dhcp.Lease{}, limits: Limits{StepUp: StepUpAuto, Resets: DefaultResets}}
	s, err := New(Config{
		Leases: f, Policy: func() Policy { return f }, Probe: f, Now: func() time.Time { return f.now },
		Event: func(e Event) { f.events = append(f.events, e) },
	})
	if err != nil {
		t.Fatal(err)
	}
	f.Service = s
	return f
}

func (f *fixture) Limits() Limits { return f.limits }

func (f *fixture) TrustAt(addr netip.Addr) Place {
	for _, p := range []netip.Prefix{here, there} {
		if p.Contains(addr) {
			return Place{Subnet: p, Leased: true, Proofs: []Proof{ProofLease}}
		}
	}
	return Place{}
}

func (f *fixture) LeasesOf(mac dhcp.MAC) (out []dhcp.Lease) {
	for _, l := range f.leases {
		if l.MAC == mac {
			out = append(out, l)
		}
	}
	return out
}

func (f *fixture) Probe(l dhcp.Lease, done func(bool, error)) {
	f.probed, f.done = append(f.probed, l.Addr), append(f.done, done)
}

// bind gives a phone a lease of a day.
func (f *fixture) bind(addr string, mac dhcp.MAC) dhcp.Lease {
	a := netip.MustParseAddr(addr)
	l := dhcp.Lease{Addr: a, MAC: mac, Subnet: f.TrustAt(a).Subnet, State: dhcp.LeaseActive, Phone: true, FirstSeen: f.now, Starts: f.now, Expires: f.now.Add(24 * time.Hour)}
	if old, ok := f.leases[a]; ok && old.MAC == mac {
		l.FirstSeen = old.FirstSeen
	}
	f.leases[a] = l
	f.Bound(l)
	return l
}

func (f *fixture) kinds() (out []EventKind) {
	for _, e := range f.events {
		out = append(out, e.Kind)
	}
	return out
}

func TestSecondLeaseInAnotherSubnetMakesNeitherProof(t *testing.T) {
	f := newFixture(t)
	old := f.bind("10.20.1.7", macA)
	f.bind("10.20.1.8", macB)
	f.now = f.now.Add(time.Hour)
	latest := f.bind("10.30.0.7", macA)
	if got := f.kinds(); !slices.Equal(got, []EventKind{EventSecondLease}) || f.events[0].MAC != macA || f.events[0].Addr != latest.Addr {
		t.Fatalf("events %+v", f.events)
	}
	for _, l := range []dhcp.Lease{old, latest} {
		if why := f.LeaseDoubt(l); !strings.Contains(why, "neither is proof") {
			t.Errorf("%s is proof: %q", l.Addr, why)
		}
	}
	if why := f.LeaseDoubt(f.leases[netip.MustParseAddr("10.20.1.8")]); why != "" {
		t.Errorf("another phone's lease is no proof: %s", why)
	}
	if !slices.Equal(f.probed, []netip.Addr{old.Addr}) {
		t.Errorf("probed %v", f.probed)
	}
}

func TestPhoneThatMovedIsProvenOnceItsOldAddressIsSilent(t *testing.T) {
	f := newFixture(t)
	old := f.bind("10.20.1.7", macA)
	f.now = f.now.Add(time.Hour)
	latest := f.bind("10.30.0.7", macA)
	f.done[0](false, nil)
	if why := f.LeaseDoubt(latest); why != "" {
		t.Errorf("the new lease is no proof: %s", why)
	}
	if why := f.LeaseDoubt(old); why == "" {
		t.Error("the old lease is proof all the same")
	}
	// Something renews the old lease: there is a client after all.
	f.now = f.now.Add(time.Minute)
	old = f.bind("10.20.1.7", macA)
	for _, l := range []dhcp.Lease{old, latest} {
		if why := f.LeaseDoubt(l); why == "" {
			t.Errorf("%s is proof after the old lease was renewed", l.Addr)
		}
	}
}

func TestLeaseIsProofAgainWhenTheOtherOneEnds(t *testing.T) {
	for name, end := range map[string]func(*fixture, *dhcp.Lease){
		"released": func(f *fixture, l *dhcp.Lease) { l.State = dhcp.LeaseReleased; f.Bound(*l) },
		"expired":  func(f *fixture, l *dhcp.Lease) { l.Expires = f.now.Add(-25 * time.Hour) },
	} {
		for _, ended := range []string{"10.20.1.7", "10.30.0.7"} {
			f := newFixture(t)
			f.bind("10.20.1.7", macA)
			f.now = f.now.Add(time.Hour)
			f.bind("10.30.0.7", macA)
			f.done[0](true, nil)
			f.now = f.now.Add(time.Hour)
			if name == "expired" && ended == "10.20.1.7" {
				f.now = f.now.Add(22 * time.Hour) // the lease of an hour earlier ends
			}
			a := netip.MustParseAddr(ended)
			l := f.leases[a]
			end(f, &l)
			f.leases[a] = l
			for addr, other := range f.leases {
				if why := f.LeaseDoubt(other); addr != a && why != "" {
					t.Errorf("%s %s: the other lease is no proof: %s", ended, name, why)
				}
			}
		}
	}
}

// DHCP frees the old lease as soon as the new one is acknowledged. The old address is probed nevertheless.
func TestOldLeaseThatDHCPFreesAtOnceStillCounts(t *testing.T) {
	f := newFixture(t)
	old := f.bind("10.20.1.7", macA)
	f.now = f.now.Add(time.Hour)
	latest := f.bind("10.30.0.7", macA)
	old.State = dhcp.LeaseReleased
	f.leases[old.Addr] = old
	f.Bound(old)
	f.done[0](true, nil)
	if why := f.LeaseDoubt(latest); !strings.Contains(why, "neither is proof") {
		t.Errorf("the new lease is proof while the phone answers at its old address: %q", why)
	}
	// The phone renews: it has a lease again, and the other host's is freed. Both answer.
	f.now = f.now.Add(time.Minute)
	back := f.bind("10.20.1.7", macA)
	latest.State = dhcp.LeaseReleased
	f.leases[latest.Addr] = latest
	f.Bound(latest)
	f.done[1](true, nil)
	if why := f.LeaseDoubt(back); why == "" {
		t.Error("the phone's lease is proof while the other host answers")
	}
	f.now = f.now.Add(time.Minute)
	f.LeaseDoubt(back)
	f.done[2](false, nil)
	if why := f.LeaseDoubt(back); why != "" {
		t.Errorf("the other host is gone: %s", why)
	}
}

func TestProbeIsRepeatedWhileTheOldAddressAnswers(t *testing.T) {
	f := newFixture(t)
	f.bind("10.20.1.7", macA)
	f.now = f.now.Add(time.Hour)
	latest := f.bind("10.30.0.7", macA)
	f.LeaseDoubt(latest)
	if len(f.probed) != 1 {
		t.Fatalf("%d probes at once", len(f.probed))
	}
	f.done[0](true, nil)
	f.now = f.now.Add(probeEvery)
	if why := f.LeaseDoubt(latest); why == "" || len(f.probed) != 2 {
		t.Fatalf("%q after %d probes", why, len(f.probed))
	}
	f.done[1](false, errors.New("network is down"))
	if why := f.LeaseDoubt(latest); why == "" {
		t.Error("an address that could not be probed counts as silent")
	}
	f.now = f.now.Add(probeEvery)
	f.LeaseDoubt(latest)
	f.done[2](false, nil)
	if why := f.LeaseDoubt(latest); why != "" {
		t.Errorf("silent, but %s", why)
	}
}

func TestSecondLeaseIsNoticedAfterARestart(t *testing.T) {
	f := newFixture(t)
	a, b := f.bind("10.20.1.7", macA), f.bind("10.30.0.7", macA)
	again := newFixture(t)
	again.leases = f.leases
	again.Replay([]dhcp.Lease{a, b})
	if why := again.LeaseDoubt(b); why == "" || !slices.Contains(again.kinds(), EventSecondLease) {
		t.Errorf("%q, events %v", why, again.kinds())
	}
}

// boot gives n phones a lease and has them request their files.
func (f *fixture) boot(n int, own bool) {
	for i := range n {
		f.bind(netip.AddrFrom4([4]byte{10, 20, 1, byte(i)}).String(), phone(i))
		f.Requested(phone(i), own, f.now)
	}
}

func TestManyKnownPhonesAtOnceAreReportedOnce(t *testing.T) {
	for _, tt := range []struct {
		known, again int
		want         bool
	}{{120, 120, true}, {120, 13, true}, {120, 12, false}, {250, 20, true}, {250, 19, false}, {10, 4, false}, {10, 5, true}} {
		f := newFixture(t)
		f.boot(tt.known, false)
		if len(f.events) != 0 {
			t.Fatalf("%d new phones: %v", tt.known, f.events)
		}
		f.now = f.now.Add(time.Hour)
		f.boot(tt.again, true)
		if got := slices.Equal(f.kinds(), []EventKind{EventManyPhones}); got != tt.want || !tt.want && len(f.events) != 0 {
			t.Errorf("%d of %d: events %+v", tt.again, tt.known, f.events)
		}
	}
}

func TestRenewalsAndSlowRestartsAreNotReportedAsManyPhones(t *testing.T) {
	f := newFixture(t)
	f.boot(120, false)
	f.now = f.now.Add(12 * time.Hour) // half of the lease has passed
	f.boot(120, false)
	if len(f.events) != 0 {
		t.Errorf("renewals: %+v", f.events)
	}
	for i := range 120 { // a phone every ten seconds
		f.now = f.now.Add(10 * time.Second)
		f.bind(netip.AddrFrom4([4]byte{10, 20, 1, byte(i)}).String(), phone(i))
		f.Requested(phone(i), false, f.now)
	}
	if len(f.events) != 0 {
		t.Errorf("one after the other: %+v", f.events)
	}
}

func TestManyPhonesEventHasTheFigures(t *testing.T) {
	f := newFixture(t)
	f.boot(120, false)
	f.now = f.now.Add(time.Hour)
	f.boot(6, true)
	f.now = f.now.Add(time.Second)
	f.boot(13, false)
	if len(f.events) != 1 || !strings.Contains(f.events[0].Reason, "13 of 120 known phones were bound long before their leases needed it") ||
		!strings.Contains(f.events[0].Reason, "since 2026-11-22T13:00:00Z; 6 of them have sent credentials") {
		t.Errorf("events %+v", f.events)
	}
}
