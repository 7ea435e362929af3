package dhcp

import (
	"net/netip"
	"testing"
	"time"
)

// relayFixture is a server with a subnet of phones on its link and one behind a relay, on whose packets it is up to the test where
// they come from.
func relayFixture(t *testing.T, change func(near, far *Subnet)) *rig {
	near, far := voice(), relayed()
	if change != nil {
		change(&near, &far)
	}
	g := newRig(t, config(near, far), nil, phones{})
	g.link.LocalAddr = ip("10.20.0.2")
	return g
}

// through returns options of a request that came through a relay.
func through(giaddr string) func(*Request) {
	return func(r *Request) { asPhone(r); r.GIAddr = ip(giaddr) }
}

// from lets the packets of f come from src, addressed to this host.
func (g *rig) from(src string, f func()) {
	saved := g.link
	g.link.Source, g.link.Dest = netip.AddrPortFrom(ip(src), 67), ip("10.20.0.2")
	f()
	g.link = saved
}

func declineOf(n int, a netip.Addr, opts ...func(*Request)) *Request {
	return request(n, MessageTypeDecline, append([]func(*Request){asPhone, func(r *Request) { r.Requested = a }}, opts...)...)
}

func releaseOf(n int, a netip.Addr, opts ...func(*Request)) *Request {
	return request(n, MessageTypeRelease, append([]func(*Request){asPhone, func(r *Request) { r.CIAddr = a }}, opts...)...)
}

// A relay speaks for a subnet if its address is inside it, or is listed; a list leaves out every other address.
func TestRelaysOfSubnet(t *testing.T) {
	listed := func(_, far *Subnet) { far.Relays = []netip.Addr{ip("10.30.0.1"), ip("10.99.0.1")} }
	selects := func(r *Request) { r.LinkSelection = ip("10.30.0.0") }
	chooses := func(r *Request) { r.SubnetSelection = ip("10.30.0.0") }
	for _, tc := range []struct {
		name   string
		change func(near, far *Subnet)
		req    *Request
		want   Verdict
	}{
		{"inside the subnet", nil, discoverOf(1, through("10.30.0.77")), VerdictOffered},
		{"not in the list", listed, discoverOf(1, through("10.30.0.77")), VerdictIgnored},
		{"in the list", listed, discoverOf(1, through("10.30.0.1")), VerdictOffered},
		{"a network of no subnet selects the link", nil, discoverOf(1, through("172.16.9.5"), selects), VerdictIgnored},
		{"a network of no subnet selects the subnet", nil, discoverOf(1, through("172.16.9.5"), chooses), VerdictIgnored},
		{"another subnet selects the link", nil, discoverOf(1, through("10.20.0.1"), selects), VerdictIgnored},
		{"a listed one selects the link", listed, discoverOf(1, through("10.99.0.1"), selects), VerdictOffered},
		{"a listed one selects the subnet", listed, discoverOf(1, through("10.99.0.1"), chooses), VerdictOffered},
	} {
		t.Run(tc.name, func(t *testing.T) {
			g := relayFixture(t, tc.change)
			g.from(tc.req.GIAddr.String(), func() { g.want(tc.want, tc.req) })
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
		{"a relay, though it was bound on the link", "", "0.0.0.0", "10.20.0.77", "10.20.0.77", false},
		{"a forged relay, though it was bound on the link", "", "0.0.0.0", "10.20.0.1", "172.16.9.5", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			g := relayFixture(t, nil)
			var a netip.Addr
			if tc.bound == "" {
				a = g.bind(1, asPhone)
			} else {
				g.link.Source = netip.AddrPortFrom(ip(tc.from), 67)
				a = g.bind(1, through(tc.bound))
			}
			for _, req := range []*Request{releaseOf(1, a, through(tc.giaddr)), declineOf(1, a, through(tc.giaddr))} {
				g := *g
				g.from(tc.source, func() {
					if d := g.decide(req); (len(d.Changes) > 0) != tc.ends {
						t.Errorf("%s: %s (%s)", req.Type, d.Event.Verdict, d.Event.Reason)
					}
				})
			}
		})
	}
}

// A lease that was written before relays were recorded ends through any relay of its subnet, if the packet comes from there.
func TestLeaseWithoutRecordedRelay(t *testing.T) {
	for source, want := range map[string]Verdict{"10.30.0.1": VerdictReleased, "172.16.9.5": VerdictIgnored} {
		g := relayFixture(t, nil)
		l := Lease{Addr: ip("10.30.0.105"), MAC: mac(1), Subnet: relayed().Prefix, State: LeaseActive, Starts: start, Expires: start.Add(time.Hour)}
		g.view.load(new(packLease(&l)))
		g.from(source, func() { g.want(want, releaseOf(1, l.Addr, through("10.30.0.1"))) })
	}
}

// A client that was routed here ends its lease from its own address only, and without an address of its own it isn't believed at all.
func TestRoutedReleaseComesFromItsAddress(t *testing.T) {
	g := relayFixture(t, nil)
	g.link.Source = netip.MustParseAddrPort("10.30.0.1:67")
	far := g.bind(1, through("10.30.0.1"))
	g.link.Source = netip.MustParseAddrPort("0.0.0.0:68")
	near := g.bind(2, asPhone)
	g.from("172.16.9.5", func() {
		g.want(VerdictIgnored, releaseOf(1, far))
		g.want(VerdictIgnored, releaseOf(2, near))
		g.want(VerdictIgnored, declineOf(2, near))
		g.want(VerdictIgnored, discoverOf(2, asPhone))
		g.want(VerdictIgnored, selectingOf(2, ip("10.20.0.109"), asPhone))
	})
	g.from(far.String(), func() { g.want(VerdictReleased, releaseOf(1, far)) })
	g.from(near.String(), func() { g.want(VerdictReleased, releaseOf(2, near)) })
}

// What only claims to come from a relay moves no lease: neither out of another subnet nor to another address. The path that is
// remembered stays that of the real relay.
func TestForgedRelayMovesNoLease(t *testing.T) {
	g := relayFixture(t, nil)
	near := g.bind(1, asPhone)
	g.link.Source = netip.MustParseAddrPort("10.30.0.1:67")
	far := g.bind(2, through("10.30.0.1"))
	ask := func(n int, a netip.Addr) *Request {
		return request(n, MessageTypeRequest, through("10.30.0.1"), func(r *Request) { r.Requested, r.ServerID = a, ip("10.20.0.2") })
	}
	g.from("172.16.9.5", func() {
		g.do(ask(1, ip("10.30.0.108")))
		g.want(VerdictIgnored, ask(2, ip("10.30.0.109")))
		g.do(ask(2, far))
		g.want(VerdictIgnored, releaseOf(2, far, through("10.30.0.1")))
	})
	for _, a := range []netip.Addr{near, far} {
		if l, _ := g.view.At(a); l.State != LeaseActive {
			t.Errorf("%s is %s", a, l.State)
		}
	}
	// The relay itself moves the client (C44).
	d := g.want(VerdictAcked, ask(1, ip("10.30.0.107")))
	if l, _ := g.view.At(near); l.State != LeaseReleased || len(d.Event.Vacated) == 0 {
		t.Errorf("%s is %s, vacated %v", near, l.State, d.Event.Vacated)
	}
}

// A renewal goes past the relay: the way that the lease was bound stays with it.
func TestRenewalKeepsTheRelay(t *testing.T) {
	g := relayFixture(t, nil)
	g.link.Source = netip.MustParseAddrPort("10.30.0.1:67")
	a := g.bind(1, through("10.30.0.1"))
	g.now = g.now.Add(time.Hour)
	g.from(a.String(), func() { g.want(VerdictAcked, renewOf(1, a, asPhone)) })
	if l, _ := g.view.At(a); l.Relay != (Relay{ip("10.30.0.1"), ip("10.30.0.1")}) || !l.Starts.Equal(g.now) {
		t.Errorf("%+v", l)
	}
}
