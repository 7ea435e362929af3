package engine_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"plugtone/dhcp"
	"plugtone/dhcp/dhcptest"
)

// C37: the order in which an address is chosen.
func TestOrderOfChoiceC37(t *testing.T) {
	s := dhcptest.Voice()
	s.Phones = dhcp.PhonesNone
	s.OtherLeaseTime = 10 * time.Minute
	res := dhcptest.FakeReservations{}
	g := dhcptest.NewFixture(t, dhcptest.ConfigOf(s), res, nil)
	offered := func(n int, opts ...func(*dhcp.Request)) netip.Addr {
		t.Helper()
		return g.Want(dhcp.VerdictOffered, dhcptest.Discover(n, opts...)).Reply.YIAddr
	}
	requesting := func(a string) func(*dhcp.Request) { return func(r *dhcp.Request) { r.Requested = dhcptest.Addr(a) } }
	a := g.Bind(1)
	if got := offered(1, requesting("10.20.0.109")); got != a {
		t.Errorf("current lease: %s, not %s", got, a)
	}
	if got := offered(2, requesting("10.20.0.109")); got != dhcptest.Addr("10.20.0.109") {
		t.Errorf("wish: %s", got)
	}
	if got := offered(3, requesting("10.20.0.109")); got == dhcptest.Addr("10.20.0.109") {
		t.Error("wish for what is offered to another")
	}
	g.Now = g.Now.Add(time.Hour) // everything has ended
	if got := offered(1, requesting("10.20.0.108")); got != a {
		t.Errorf("previous lease: %s, not %s", got, a)
	}
	if got := offered(4); got == a {
		t.Error("another's previous lease before one never used")
	}
	res[dhcptest.ClientMAC(5)] = dhcptest.Addr("10.20.0.7")
	if got := offered(5, requesting("10.20.0.108")); got != dhcptest.Addr("10.20.0.7") {
		t.Errorf("reservation: %s", got)
	}
}

// Router7 offered expired or just released addresses while others were free; ISC's order is longest ago first. C37.
func TestRouter7LongestAgoFirstC37(t *testing.T) {
	s := dhcptest.Voice()
	s.Phones, s.OtherLeaseTime = dhcp.PhonesNone, time.Minute
	g := dhcptest.NewFixture(t, dhcptest.ConfigOf(s), nil, nil)
	var order []netip.Addr
	for n := range 10 {
		order = append(order, g.Bind(n))
		g.Now = g.Now.Add(time.Second)
	}
	g.Now = g.Now.Add(30 * time.Second)
	g.Want(dhcp.VerdictAcked, dhcptest.Renew(0, order[0])) // the first one ends last now
	g.Want(dhcp.VerdictExhausted, dhcptest.Discover(100))
	g.Now = g.Now.Add(5 * time.Minute)
	for i, want := range append(order[1:], order[0]) {
		if got := g.Bind(200 + i); got != want {
			t.Fatalf("%d: got %s, want %s", i, got, want)
		}
	}
}

// C37: a declined address is the last resort, after all others, and only after a probe.
func TestDeclinedIsLastResortC37(t *testing.T) {
	s := dhcptest.Voice()
	s.Pools, s.Phones = []dhcp.Range{{First: dhcptest.Addr("10.20.0.100"), Last: dhcptest.Addr("10.20.0.101")}}, dhcp.PhonesNone
	g := dhcptest.NewFixture(t, dhcptest.ConfigOf(s), nil, nil)
	a := g.Bind(1)
	g.Want(dhcp.VerdictDeclined, dhcptest.Message(1, dhcp.MessageTypeDecline, func(r *dhcp.Request) { r.Requested = a }))
	if b := g.Bind(1); b == a {
		t.Fatal("declined address first")
	}
	g.Want(dhcp.VerdictExhausted, dhcptest.Discover(2))
	g.Reconfigure(func(c *dhcp.Config) { c.ConflictCheck = true })
	if d := g.Want(dhcp.VerdictProbing, dhcptest.Discover(2)); d.Probe != a {
		t.Errorf("probes %s", d.Probe)
	}
	g.ProbedFree(a)
	g.Want(dhcp.VerdictOffered, dhcptest.Discover(2))
	// Another DECLINE makes the result of the probe invalid.
	g.Want(dhcp.VerdictDeclined, dhcptest.Message(2, dhcp.MessageTypeDecline, func(r *dhcp.Request) { r.Requested = a }))
	g.Want(dhcp.VerdictNak, dhcptest.Selecting(2, a))
	if d := g.Want(dhcp.VerdictProbing, dhcptest.Discover(2)); d.Probe != a {
		t.Errorf("probes %s", d.Probe)
	}
	g.ProbedFree(a)
	g.Want(dhcp.VerdictOffered, dhcptest.Discover(2))
	g.Now = g.Now.Add(dhcptest.ProbeFresh + dhcptest.Second) // after which the result of a probe is no longer valid
	g.Want(dhcp.VerdictNak, dhcptest.Selecting(2, a))
	g.Want(dhcp.VerdictProbing, dhcptest.Discover(2))
	g.ProbedFree(a)
	g.Want(dhcp.VerdictOffered, dhcptest.Discover(2))
	g.Want(dhcp.VerdictAcked, dhcptest.Selecting(2, a))
}

// C38 and metal3 ironic-image 195: an offered address is held for its client for a minute, and the client is offered it again.
func TestOfferIsHeldC38(t *testing.T) {
	g := dhcptest.NewFixture(t, dhcptest.ConfigOf(dhcptest.Voice()), nil, dhcptest.Phones{})
	a := g.Want(dhcp.VerdictOffered, dhcptest.Discover(1, dhcptest.AsPhone)).Reply.YIAddr
	seen := map[netip.Addr]bool{a: true}
	for n := 2; n <= 10; n++ {
		b := g.Want(dhcp.VerdictOffered, dhcptest.Discover(n, dhcptest.AsPhone)).Reply.YIAddr
		if seen[b] {
			t.Fatalf("%s is offered twice", b)
		}
		seen[b] = true
	}
	g.Want(dhcp.VerdictNak, dhcptest.Selecting(11, a, dhcptest.AsPhone))
	g.Want(dhcp.VerdictExhausted, dhcptest.Discover(11, dhcptest.AsPhone))
	g.Now = g.Now.Add(50 * time.Second)
	if b := g.Want(dhcp.VerdictOffered, dhcptest.Discover(1, dhcptest.AsPhone)).Reply.YIAddr; b != a {
		t.Errorf("offered %s, then %s", a, b)
	}
	g.Now = g.Now.Add(15 * time.Second)
	if b := g.Want(dhcp.VerdictOffered, dhcptest.Discover(11, dhcptest.AsPhone)).Reply.YIAddr; b == a {
		t.Error("an offer that was repeated ended early")
	}
	if s := g.Leases().Stats()[0]; s.Offered != 2 || s.Free != 8 {
		t.Errorf("%+v", s)
	}
}

// C40: where the network is wider than /24, addresses that end in 0 or 255 are assigned by reservation only.
func TestAwkwardAddressesC40(t *testing.T) {
	for bits, want := range map[int]int{22: 2, 24: 3} {
		s := dhcptest.Voice()
		s.Prefix = netip.PrefixFrom(dhcptest.Addr("10.20.0.0"), bits)
		s.Pools, s.Phones = []dhcp.Range{{First: dhcptest.Addr("10.20.0.253"), Last: dhcptest.Addr("10.20.0.254")}}, dhcp.PhonesNone
		if bits < 24 {
			s.Pools = []dhcp.Range{{First: dhcptest.Addr("10.20.0.254"), Last: dhcptest.Addr("10.20.1.1")}}
		} else {
			s.Prefix, s.Pools = netip.MustParsePrefix("10.20.1.0/24"), []dhcp.Range{{First: dhcptest.Addr("10.20.1.253"), Last: dhcptest.Addr("10.20.1.255")}, {First: dhcptest.Addr("10.20.1.9"), Last: dhcptest.Addr("10.20.1.9")}}
		}
		s.Routers = nil
		g := dhcptest.NewFixture(t, dhcptest.ConfigOf(s), dhcptest.FakeReservations{dhcptest.ClientMAC(99): dhcptest.Addr("10.20.1.0")}, nil)
		if got := g.Leases().Stats()[0].Pool; got != want {
			t.Errorf("/%d: %d addresses may be handed out, want %d", bits, got, want)
		}
		if bits == 22 {
			g.Want(dhcp.VerdictNak, dhcptest.InitReboot(50, dhcptest.Addr("10.20.0.255")))
			if d := g.Want(dhcp.VerdictOffered, dhcptest.Discover(99)); d.Reply.YIAddr != dhcptest.Addr("10.20.1.0") {
				t.Errorf("its reservation: %s", d.Reply.YIAddr)
			}
		}
	}
}

// countingReservations counts the look-ups.
type countingReservations struct {
	dhcptest.FakeReservations
	lookups *int
}

func (c countingReservations) HolderOf(a netip.Addr) (dhcp.MAC, bool) {
	*c.lookups++
	return c.FakeReservations.HolderOf(a)
}

// When only reserved addresses are left, the search for a free one is not repeated for each client.
func TestReservedAddressesAreNotSearchedEachTime(t *testing.T) {
	s := dhcptest.Voice()
	s.Prefix, s.Phones = netip.MustParsePrefix("10.20.0.0/22"), dhcp.PhonesNone
	s.Pools = []dhcp.Range{{First: dhcptest.Addr("10.20.1.1"), Last: dhcptest.Addr("10.20.2.200")}}
	lookups := 0
	all := countingReservations{dhcptest.FakeReservations{}, &lookups}
	for a := dhcptest.Addr("10.20.1.1"); a != dhcptest.Addr("10.20.2.200"); a = a.Next() {
		all.FakeReservations[dhcptest.ClientMAC(int(dhcptest.NumberOf(a)))] = a
	}
	g := dhcptest.NewFixture(t, dhcptest.ConfigOf(s), all, nil)
	if d := g.Want(dhcp.VerdictOffered, dhcptest.Discover(1)); d.Reply.YIAddr != dhcptest.Addr("10.20.2.200") {
		t.Fatalf("offered %s", d.Reply.YIAddr)
	}
	g.Want(dhcp.VerdictExhausted, dhcptest.Discover(2))
	lookups = 0
	for n := range 100 {
		g.Want(dhcp.VerdictExhausted, dhcptest.Discover(10+n))
	}
	if lookups > 100 {
		t.Errorf("%d look-ups for a hundred clients", lookups)
	}
	g.Now = g.Now.Add(2 * time.Minute) // the offer has ended
	if d := g.Want(dhcp.VerdictOffered, dhcptest.Discover(3)); d.Reply.YIAddr != dhcptest.Addr("10.20.2.200") {
		t.Errorf("offered %s", d.Reply.YIAddr)
	}
}

// C40: addresses of a pool that are never leased.
func TestNeverAllocatedC40(t *testing.T) {
	s := dhcptest.Voice()
	s.Prefix = netip.MustParsePrefix("10.20.0.0/28")
	s.Pools = []dhcp.Range{{First: dhcptest.Addr("10.20.0.0"), Last: dhcptest.Addr("10.20.0.15")}}
	s.Exclude = []dhcp.Range{{First: dhcptest.Addr("10.20.0.10"), Last: dhcptest.Addr("10.20.0.12")}}
	s.NextServer, s.Phones = dhcptest.Addr("10.20.0.5"), dhcp.PhonesNone
	g := dhcptest.NewFixture(t, dhcptest.ConfigOf(s), dhcptest.FakeReservations{dhcptest.ClientMAC(99): dhcptest.Addr("10.20.0.6"), dhcptest.ClientMAC(98): dhcptest.Addr("10.20.0.1")}, nil)
	never := map[string]string{"10.20.0.0": "network", "10.20.0.15": "broadcast", "10.20.0.1": "router", "10.20.0.2": "our own", "10.20.0.5": "next server", "10.20.0.6": "reserved", "10.20.0.11": "excluded"}
	count := 0
	for n := range 30 {
		d := g.Do(dhcptest.Discover(n))
		if d.Reply == nil {
			continue
		}
		count++
		if what := never[d.Reply.YIAddr.String()]; what != "" {
			t.Errorf("offered the %s address", what)
		}
	}
	if count != 16-2-3-2-2 { // network and broadcast, excluded, router and next server, own and reserved
		t.Errorf("%d addresses offered", count)
	}
	for a := range never {
		g.Want(dhcp.VerdictNak, dhcptest.InitReboot(50, dhcptest.Addr(a)))
	}
	if d := g.Want(dhcp.VerdictOffered, dhcptest.Discover(99)); d.Reply.YIAddr != dhcptest.Addr("10.20.0.6") {
		t.Errorf("its reservation: %s", d.Reply.YIAddr)
	}
	if d := g.Do(dhcptest.Discover(98)); d.Reply != nil && d.Reply.YIAddr == dhcptest.Addr("10.20.0.1") {
		t.Error("a reservation of the router's address is offered")
	}
}

// C40: a reservation of an address that cannot be leased is ignored, and so is one in another subnet.
func TestReservationOfWhatCannotBeLeasedC40(t *testing.T) {
	s := dhcptest.Voice()
	s.NextServer = dhcptest.Addr("10.20.0.5")
	for _, a := range []string{"10.20.0.0", "10.20.0.255", "10.20.0.1", "10.20.0.2", "10.20.0.5", "10.21.0.7"} {
		g := dhcptest.NewFixture(t, dhcptest.ConfigOf(s), dhcptest.FakeReservations{dhcptest.ClientMAC(1): dhcptest.Addr(a)}, nil)
		d := g.Want(dhcp.VerdictOffered, dhcptest.Discover(1))
		if d.Reply.YIAddr != dhcptest.Addr("10.20.0.100") {
			t.Errorf("%s is reserved, offered is %s", a, d.Reply.YIAddr)
		}
		if named := strings.Contains(d.Event.Reason, "reserved"); named != (a != "10.21.0.7") {
			t.Errorf("%s is reserved: %q", a, d.Event.Reason)
		}
		g.Want(dhcp.VerdictNak, dhcptest.InitReboot(1, dhcptest.Addr(a)))
	}
}

// Other clients beyond their share are refused remembered addresses, too; phones and clients with a reservation are not.
func TestShareOfPhonesHoldsForRememberedAddresses(t *testing.T) {
	g := dhcptest.NewFixture(t, dhcptest.ConfigOf(dhcptest.Voice()), dhcptest.FakeReservations{dhcptest.ClientMAC(2): dhcptest.Addr("10.20.0.109"), dhcptest.ClientMAC(3): dhcptest.Addr("10.20.0.50")}, dhcptest.Phones{})
	for n := range 9 {
		g.Bind(100 + n)
	}
	g.Want(dhcp.VerdictNak, dhcptest.InitReboot(1, dhcptest.Addr("10.20.0.109")))
	g.Want(dhcp.VerdictAcked, dhcptest.InitReboot(2, dhcptest.Addr("10.20.0.109")))
	g.Want(dhcp.VerdictAcked, dhcptest.InitReboot(3, dhcptest.Addr("10.20.0.50")))
	g = dhcptest.NewFixture(t, dhcptest.ConfigOf(dhcptest.Voice()), nil, dhcptest.Phones{})
	for n := range 9 {
		g.Bind(100 + n)
	}
	g.Want(dhcp.VerdictAcked, dhcptest.InitReboot(1, dhcptest.Addr("10.20.0.109"), dhcptest.AsPhone))
}

// C41: only an address that is new to the client is probed, once, and not when probes are off.
func TestConflictCheckC41(t *testing.T) {
	cfg := dhcptest.ConfigOf(dhcptest.Voice())
	cfg.ConflictCheck = true
	g := dhcptest.NewFixture(t, cfg, nil, nil)
	d := g.Want(dhcp.VerdictProbing, dhcptest.Discover(1))
	if d.Reply != nil || !d.Probe.IsValid() {
		t.Fatalf("%+v", d)
	}
	if other := g.Want(dhcp.VerdictProbing, dhcptest.Discover(2)); other.Probe == d.Probe {
		t.Error("two clients wait for the probe of one address")
	}
	g.ProbedFree(d.Probe)
	g.Now = g.Now.Add(dhcptest.ProbeFresh + dhcptest.Second) // the result of a probe is valid for 30 s
	if again := g.Want(dhcp.VerdictProbing, dhcptest.Discover(1)); again.Probe != d.Probe {
		t.Errorf("probed %s, then %s", d.Probe, again.Probe)
	}
	g.ProbedFree(d.Probe)
	g.Now = g.Now.Add(dhcptest.ProbeFresh - dhcptest.Second)
	if o := g.Want(dhcp.VerdictOffered, dhcptest.Discover(1)); o.Reply.YIAddr != d.Probe {
		t.Errorf("probed %s, offered %s", d.Probe, o.Reply.YIAddr)
	}
	g.Want(dhcp.VerdictAcked, dhcptest.Selecting(1, d.Probe))
	g.Now = g.Now.Add(24 * time.Hour)
	g.Want(dhcp.VerdictOffered, dhcptest.Discover(1)) // it had it until a day ago
	g.Now = g.Now.Add(2 * time.Hour)
	if own := g.Want(dhcp.VerdictProbing, dhcptest.Discover(1)); own.Probe != d.Probe {
		t.Errorf("probed %s, had %s", own.Probe, d.Probe)
	}
	g.Want(dhcp.VerdictProbing, dhcptest.Discover(3))
	g.Link.NoProbe = true
	g.Want(dhcp.VerdictOffered, dhcptest.Discover(3))

	s := dhcptest.Voice() // an address that another client just had is probed
	s.Pools, s.Phones, s.OtherLeaseTime = []dhcp.Range{{First: dhcptest.Addr("10.20.0.100"), Last: dhcptest.Addr("10.20.0.100")}}, dhcp.PhonesNone, time.Minute
	g = dhcptest.NewFixture(t, dhcptest.ConfigOf(s), nil, nil)
	a := g.Bind(1)
	g.Reconfigure(func(c *dhcp.Config) { c.ConflictCheck = true })
	g.Now = g.Now.Add(2 * time.Minute)
	if d := g.Want(dhcp.VerdictProbing, dhcptest.Discover(2)); d.Probe != a {
		t.Errorf("probes %s", d.Probe)
	}
}

// C42: nothing is free: silence, and never a NAK.
func TestExhaustedSubnetAnswersNothingC42(t *testing.T) {
	s := dhcptest.Voice()
	s.Phones = dhcp.PhonesNone
	g := dhcptest.NewFixture(t, dhcptest.ConfigOf(s), nil, nil)
	for n := range 10 {
		g.Bind(n)
	}
	if d := g.Want(dhcp.VerdictExhausted, dhcptest.Discover(10)); d.Reply != nil {
		t.Errorf("%+v", d.Reply)
	}
}

// C43: a reserved address that another client holds: another one for now, the right one as soon as it is free.
func TestReservationInUseC43(t *testing.T) {
	res := dhcptest.FakeReservations{}
	g := dhcptest.NewFixture(t, dhcptest.ConfigOf(dhcptest.Voice()), res, nil)
	a := g.Bind(1)
	res[dhcptest.ClientMAC(2)] = a
	o := g.Want(dhcp.VerdictOffered, dhcptest.Discover(2))
	b := o.Reply.YIAddr
	if b == a || !strings.Contains(o.Event.Reason, "its reserved address is in use by another") {
		t.Fatalf("offered %s: %s", b, o.Event.Reason)
	}
	g.Want(dhcp.VerdictAcked, dhcptest.Selecting(2, b))
	g.Now = g.Now.Add(10 * time.Minute)
	g.Want(dhcp.VerdictAcked, dhcptest.Renew(2, b))
	g.Want(dhcp.VerdictNak, dhcptest.Renew(1, a)) // the address is now another client's
	g.Now = g.Now.Add(2 * time.Hour)
	g.Want(dhcp.VerdictNak, dhcptest.Renew(2, b))
	if c := g.Bind(2); c != a {
		t.Errorf("ends with %s", c)
	}
}

// A tenth of the pool is kept for phones, however many other clients there are, and phones keep their last addresses.
func TestShareOfPhones(t *testing.T) {
	g := dhcptest.NewFixture(t, dhcptest.ConfigOf(dhcptest.Voice()), nil, dhcptest.Phones{})
	phone := g.Bind(1, dhcptest.AsPhone)
	for n := 2; n < 50; n++ {
		d := g.Do(dhcptest.Discover(n))
		if d.Reply != nil {
			g.Want(dhcp.VerdictAcked, dhcptest.Selecting(n, d.Reply.YIAddr))
		}
	}
	if s := g.Leases().Stats()[0]; s.Active != 10 || s.Phones != 1 {
		t.Errorf("%+v", s)
	}
	g.Now = g.Now.Add(9 * 24 * time.Hour) // all leases have ended
	for n := 100; n < 150; n++ {
		if d := g.Do(dhcptest.Discover(n)); d.Reply != nil && d.Reply.YIAddr == phone {
			t.Fatal("another client gets the last address of a phone")
		}
	}
	g.Want(dhcp.VerdictNak, dhcptest.InitReboot(200, phone))
	if a := g.Bind(1, dhcptest.AsPhone); a != phone {
		t.Errorf("the phone gets %s, had %s", a, phone)
	}
	if s := g.Leases().Stats()[0]; s.Offered != 9 {
		t.Errorf("other clients were offered %d addresses, want at most 9", s.Offered)
	}
}

// When other clients come first, a tenth of the pool is left for phones.
func TestOtherClientsLeaveATenthOfThePool(t *testing.T) {
	g := dhcptest.NewFixture(t, dhcptest.ConfigOf(dhcptest.Voice()), nil, dhcptest.Phones{})
	for n := range 9 {
		g.Bind(100 + n)
	}
	g.Want(dhcp.VerdictExhausted, dhcptest.Discover(200))
	g.Bind(1, dhcptest.AsPhone)
	g.Want(dhcp.VerdictExhausted, dhcptest.Discover(2, dhcptest.AsPhone))
}

// Phones keep their last addresses for thirty days while they are off; then other clients may have them.
func TestPhonesKeepLastAddress(t *testing.T) {
	g := dhcptest.NewFixture(t, dhcptest.ConfigOf(dhcptest.Voice()), nil, dhcptest.Phones{})
	packedLease := map[netip.Addr]bool{}
	for n := range 6 {
		packedLease[g.Bind(n, dhcptest.AsPhone)] = true
	}
	g.Now = g.Now.Add(dhcptest.DefaultLease + 20*24*time.Hour)
	for n := 100; n < 104; n++ {
		if a := g.Want(dhcp.VerdictOffered, dhcptest.Discover(n)).Reply.YIAddr; packedLease[a] {
			t.Fatalf("%s was a phone's 20 days ago", a)
		}
	}
	g.Want(dhcp.VerdictExhausted, dhcptest.Discover(104))
	for a := range packedLease {
		g.Want(dhcp.VerdictNak, dhcptest.InitReboot(105, a))
	}
	g.Want(dhcp.VerdictOffered, dhcptest.Discover(50, dhcptest.AsPhone)) // a new phone may have it
	g.Now = g.Now.Add(11 * 24 * time.Hour)
	for n := range 9 {
		g.Want(dhcp.VerdictOffered, dhcptest.Discover(200+n))
	}
}
