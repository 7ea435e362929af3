package engine_test

import (
	"net/netip"
	"testing"
	"time"

	"plugtone/dhcp"
	"plugtone/dhcp/dhcptest"
)

// relayFixture returns a server with a subnet of phones on its link and one behind a relay. Tests set the source of relayed packets.
func relayFixture(t *testing.T, change func(near, far *dhcp.Subnet)) *dhcptest.Fixture {
	near, far := dhcptest.Voice(), dhcptest.Relayed()
	if change != nil {
		change(&near, &far)
	}
	g := dhcptest.NewFixture(t, dhcptest.ConfigOf(near, far), nil, dhcptest.Phones{})
	g.Link.LocalAddr = dhcptest.Addr("10.20.0.2")
	return g
}

// through makes a request a phone's that came through a relay.
func through(giaddr string) func(*dhcp.Request) {
	return func(r *dhcp.Request) { dhcptest.AsPhone(r); r.GIAddr = dhcptest.Addr(giaddr) }
}

func declineOf(n int, a netip.Addr, opts ...func(*dhcp.Request)) *dhcp.Request {
	return dhcptest.Message(n, dhcp.MessageTypeDecline, append([]func(*dhcp.Request){dhcptest.AsPhone, func(r *dhcp.Request) { r.Requested = a }}, opts...)...)
}

func releaseOf(n int, a netip.Addr, opts ...func(*dhcp.Request)) *dhcp.Request {
	return dhcptest.Message(n, dhcp.MessageTypeRelease, append([]func(*dhcp.Request){dhcptest.AsPhone, func(r *dhcp.Request) { r.CIAddr = a }}, opts...)...)
}

// A relay may relay for a subnet if its address is inside it, or is listed; a list leaves out every other address.
func TestRelaysOfSubnet(t *testing.T) {
	listed := func(_, far *dhcp.Subnet) {
		far.Relays = []netip.Addr{dhcptest.Addr("10.30.0.1"), dhcptest.Addr("10.99.0.1")}
	}
	selects := func(r *dhcp.Request) { r.LinkSelection = dhcptest.Addr("10.30.0.0") }
	chooses := func(r *dhcp.Request) { r.SubnetSelection = dhcptest.Addr("10.30.0.0") }
	for _, tc := range []struct {
		name   string
		change func(near, far *dhcp.Subnet)
		req    *dhcp.Request
		want   dhcp.Verdict
	}{
		{"inside the subnet", nil, dhcptest.Discover(1, through("10.30.0.77")), dhcp.VerdictOffered},
		{"not in the list", listed, dhcptest.Discover(1, through("10.30.0.77")), dhcp.VerdictIgnored},
		{"in the list", listed, dhcptest.Discover(1, through("10.30.0.1")), dhcp.VerdictOffered},
		{"a network of no subnet selects the link", nil, dhcptest.Discover(1, through("172.16.9.5"), selects), dhcp.VerdictIgnored},
		{"a network of no subnet selects the subnet", nil, dhcptest.Discover(1, through("172.16.9.5"), chooses), dhcp.VerdictIgnored},
		{"another subnet selects the link", nil, dhcptest.Discover(1, through("10.20.0.1"), selects), dhcp.VerdictIgnored},
		{"a listed one selects the link", listed, dhcptest.Discover(1, through("10.99.0.1"), selects), dhcp.VerdictOffered},
		{"a listed one selects the subnet", listed, dhcptest.Discover(1, through("10.99.0.1"), chooses), dhcp.VerdictOffered},
	} {
		t.Run(tc.name, func(t *testing.T) {
			g := relayFixture(t, tc.change)
			g.From(tc.req.GIAddr.String(), func() { g.Want(tc.want, tc.req) })
		})
	}
}

// RELEASE and DECLINE end a lease only if they come the way that it was bound.
func TestRelayedReleaseAndDeclineNeedTheRelayOfTheLease(t *testing.T) {
	for _, tc := range []struct {
		name   string
		bound  string // giaddr at the time, "" for none
		from   string // source address then
		giaddr string
		source string // source address of the RELEASE or DECLINE
		ends   bool
	}{
		{"the same relay", "10.30.0.1", "10.30.0.1", "10.30.0.1", "10.30.0.1", true},
		{"the same relay by its other address", "10.30.0.1", "192.0.2.254", "10.30.0.1", "192.0.2.254", true},
		{"its giaddr, written by a host of no subnet", "10.30.0.1", "10.30.0.1", "10.30.0.1", "172.16.9.5", false},
		{"its giaddr, from nowhere", "10.30.0.1", "10.30.0.1", "10.30.0.1", "0.0.0.0", false},
		{"another relay of the subnet", "10.30.0.1", "10.30.0.1", "10.30.0.77", "10.30.0.77", false},
		{"its giaddr, written by a host of the subnet", "10.30.0.1", "10.30.0.1", "10.30.0.1", "10.30.0.77", false},
		{"its giaddr, written by the client", "10.30.0.1", "192.0.2.254", "10.30.0.1", "10.30.0.109", false},
		{"a relay, though it was bound on the link", "", "0.0.0.0", "10.20.0.77", "10.20.0.77", false},
		{"a forged relay, though it was bound on the link", "", "0.0.0.0", "10.20.0.1", "172.16.9.5", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			g := relayFixture(t, nil)
			var a netip.Addr
			if tc.bound == "" {
				a = g.Bind(1, dhcptest.AsPhone)
			} else {
				g.Link.Source = netip.AddrPortFrom(dhcptest.Addr(tc.from), 67)
				a = g.Bind(1, through(tc.bound))
			}
			for _, req := range []*dhcp.Request{releaseOf(1, a, through(tc.giaddr)), declineOf(1, a, through(tc.giaddr))} {
				g := *g
				g.From(tc.source, func() {
					if d := g.Decide(req); (len(d.Changes) > 0) != tc.ends {
						t.Errorf("%s: %s (%s)", req.Type, d.Event.Verdict, d.Event.Reason)
					}
				})
			}
		})
	}
}

// A lease that was written before relays were recorded ends through any relay of its subnet, if the packet comes from there.
func TestLeaseWithoutRecordedRelay(t *testing.T) {
	for source, want := range map[string]dhcp.Verdict{"10.30.0.1": dhcp.VerdictReleased, "172.16.9.5": dhcp.VerdictIgnored} {
		g := relayFixture(t, nil)
		l := dhcp.Lease{Addr: dhcptest.Addr("10.30.0.105"), MAC: dhcptest.ClientMAC(1), Subnet: dhcptest.Relayed().Prefix, State: dhcp.LeaseActive, Starts: dhcptest.Start, Expires: dhcptest.Start.Add(time.Hour)}
		g.Load(l)
		g.From(source, func() { g.Want(want, releaseOf(1, l.Addr, through("10.30.0.1"))) })
	}
}

// A client with a lease does not pass as relay, neither by its own address as giaddr nor as sender, unless the configuration lists it.
func TestClientWithALeaseIsNoRelay(t *testing.T) {
	for _, listed := range []bool{false, true} {
		var a netip.Addr
		g := relayFixture(t, func(_, far *dhcp.Subnet) {
			if listed {
				far.Relays = []netip.Addr{dhcptest.Addr("10.30.0.1"), dhcptest.Addr("10.30.0.109"), dhcptest.Addr("10.30.0.100")}
			}
		})
		g.Link.Source = netip.MustParseAddrPort("10.30.0.1:67")
		a = g.Bind(1, through("10.30.0.1"))
		want := map[bool]dhcp.Verdict{false: dhcp.VerdictIgnored, true: dhcp.VerdictOffered}[listed]
		for source, relay := range map[string]string{a.String(): "10.30.0.1", "10.30.0.1": a.String(), "172.16.9.5": a.String()} {
			g.From(source, func() { g.Want(want, dhcptest.Discover(2, through(relay))) })
		}
		g.From("10.30.0.77", func() { // an address without a lease may be a relay's
			g.Want(map[bool]dhcp.Verdict{false: dhcp.VerdictOffered, true: dhcp.VerdictIgnored}[listed], dhcptest.Discover(3, through("10.30.0.77")))
		})
	}
}

// A routed client ends its lease from its own address only. Without an address its messages are ignored.
func TestRoutedReleaseComesFromItsAddress(t *testing.T) {
	g := relayFixture(t, nil)
	g.Link.Source = netip.MustParseAddrPort("10.30.0.1:67")
	far := g.Bind(1, through("10.30.0.1"))
	g.Link.Source = netip.MustParseAddrPort("0.0.0.0:68")
	near := g.Bind(2, dhcptest.AsPhone)
	g.From("172.16.9.5", func() {
		g.Want(dhcp.VerdictIgnored, releaseOf(1, far))
		g.Want(dhcp.VerdictIgnored, releaseOf(2, near))
		g.Want(dhcp.VerdictIgnored, declineOf(2, near))
		g.Want(dhcp.VerdictIgnored, dhcptest.Discover(2, dhcptest.AsPhone))
		g.Want(dhcp.VerdictIgnored, dhcptest.Selecting(2, dhcptest.Addr("10.20.0.109"), dhcptest.AsPhone))
	})
	g.From(far.String(), func() { g.Want(dhcp.VerdictReleased, releaseOf(1, far)) })
	g.From(near.String(), func() { g.Want(dhcp.VerdictReleased, releaseOf(2, near)) })
}

// A packet that only claims to come from a relay moves no lease, neither from another subnet nor to another address. The stored path
// stays that of the real relay.
func TestForgedRelayMovesNoLease(t *testing.T) {
	g := relayFixture(t, nil)
	near := g.Bind(1, dhcptest.AsPhone)
	g.Link.Source = netip.MustParseAddrPort("10.30.0.1:67")
	far := g.Bind(2, through("10.30.0.1"))
	request := func(n int, a netip.Addr) *dhcp.Request {
		return dhcptest.Message(n, dhcp.MessageTypeRequest, through("10.30.0.1"), func(r *dhcp.Request) { r.Requested, r.ServerID = a, dhcptest.Addr("10.20.0.2") })
	}
	g.From("172.16.9.5", func() {
		g.Do(request(1, dhcptest.Addr("10.30.0.108")))
		g.Want(dhcp.VerdictIgnored, request(2, dhcptest.Addr("10.30.0.109")))
		g.Do(request(2, far))
		g.Want(dhcp.VerdictIgnored, releaseOf(2, far, through("10.30.0.1")))
	})
	for _, a := range []netip.Addr{near, far} {
		if l, _ := g.Leases().At(a); l.State != dhcp.LeaseActive {
			t.Errorf("%s is %s", a, l.State)
		}
	}
	// The relay itself moves the client (C44).
	d := g.Want(dhcp.VerdictAcked, request(1, dhcptest.Addr("10.30.0.107")))
	if l, _ := g.Leases().At(near); l.State != dhcp.LeaseReleased || len(d.Event.Vacated) == 0 {
		t.Errorf("%s is %s, vacated %v", near, l.State, d.Event.Vacated)
	}
}

// A renewal goes past the relay; the lease keeps the relay through which it was bound.
func TestRenewalKeepsTheRelay(t *testing.T) {
	g := relayFixture(t, nil)
	g.Link.Source = netip.MustParseAddrPort("10.30.0.1:67")
	a := g.Bind(1, through("10.30.0.1"))
	g.Now = g.Now.Add(time.Hour)
	g.From(a.String(), func() { g.Want(dhcp.VerdictAcked, dhcptest.Renew(1, a, dhcptest.AsPhone)) })
	if l, _ := g.Leases().At(a); l.Relay != (dhcp.Relay{GIAddr: dhcptest.Addr("10.30.0.1"), Source: dhcptest.Addr("10.30.0.1")}) || !l.Starts.Equal(g.Now) {
		t.Errorf("%+v", l)
	}
}
