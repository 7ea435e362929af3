package engine_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"plugtone/dhcp"
	"plugtone/dhcp/dhcptest"
)

// Every refusal has a reason, and it is the right one.
func TestReasonsOfRefusals(t *testing.T) {
	g := dhcptest.NewFixture(t, dhcptest.ConfigOf(dhcptest.Voice()), dhcptest.FakeReservations{dhcptest.ClientMAC(9): dhcptest.Addr("10.20.0.107")}, dhcptest.Phones{})
	a := g.Bind(1)
	g.Because(dhcp.VerdictNak, "not in subnet 10.20.0.0/24", dhcptest.InitReboot(2, dhcptest.Addr("10.21.0.5")))
	g.Because(dhcp.VerdictNak, "is reserved", dhcptest.InitReboot(2, dhcptest.Addr("10.20.0.107")))
	g.Because(dhcp.VerdictNak, "in no pool", dhcptest.InitReboot(2, dhcptest.Addr("10.20.0.50")))
	g.Because(dhcp.VerdictNak, "leased to another", dhcptest.InitReboot(2, a))
	g.Because(dhcp.VerdictNak, "its lease is "+a.String(), dhcptest.InitReboot(1, dhcptest.Addr("10.20.0.108")))
	offered := g.Want(dhcp.VerdictOffered, dhcptest.Discover(3)).Reply.YIAddr
	g.Because(dhcp.VerdictNak, "offered to another", dhcptest.InitReboot(2, offered))
	g.Because(dhcp.VerdictDeclined, "another host uses the address: duplicate", dhcptest.Message(3, dhcp.MessageTypeDecline, func(r *dhcp.Request) { r.Requested, r.Message = offered, "duplicate" }))
	g.Because(dhcp.VerdictNak, "in use by an unknown host", dhcptest.InitReboot(2, offered))
	b := g.Bind(4)
	if d := g.Because(dhcp.VerdictDeclined, "another host uses the address", dhcptest.Message(4, dhcp.MessageTypeDecline, func(r *dhcp.Request) { r.Requested = b })); strings.HasSuffix(d.Event.Reason, ": ") {
		t.Errorf("%q", d.Event.Reason)
	}
	for n := 10; n < 15; n++ {
		g.Bind(n)
	}
	g.Bind(9) // takes its reservation
	g.Because(dhcp.VerdictNak, "kept for phones", dhcptest.InitReboot(2, dhcptest.Addr("10.20.0.109")))
	g.Because(dhcp.VerdictIgnored, "names no address", dhcptest.Message(1, dhcp.MessageTypeDecline))
	g.Because(dhcp.VerdictIgnored, "not the client's in this subnet", dhcptest.Message(2, dhcp.MessageTypeDecline, func(r *dhcp.Request) { r.Requested = a }))
	g.Because(dhcp.VerdictIgnored, "names no address", dhcptest.Message(1, dhcp.MessageTypeRelease))
	g.Because(dhcp.VerdictIgnored, "not the client's in this subnet", dhcptest.Message(2, dhcp.MessageTypeRelease, func(r *dhcp.Request) { r.CIAddr = a }))
	g.Now = g.Now.Add(time.Minute)
	g.Because(dhcp.VerdictAcked, "remembered its lease", dhcptest.InitReboot(1, a))
	g.Now = g.Now.Add(time.Minute)
	if d := g.Because(dhcp.VerdictAcked, "rebound", dhcptest.Renew(1, a)); strings.Contains(d.Event.Reason, "no lease") {
		t.Errorf("%q", d.Event.Reason)
	}
	g.Now = g.Now.Add(48 * time.Hour)
	g.Because(dhcp.VerdictAcked, "remembered an address that is free", dhcptest.InitReboot(20, dhcptest.Addr("10.20.0.106")))
	g.Because(dhcp.VerdictAcked, "rebound without a known lease", dhcptest.Renew(21, dhcptest.Addr("10.20.0.105")))
}

// A client that accepts an offer of this server without naming an address gets the offered one, else its current one.
func TestSelectingWithoutAddress(t *testing.T) {
	g := dhcptest.NewFixture(t, dhcptest.ConfigOf(dhcptest.Voice()), nil, nil)
	nameless := func(n int) *dhcp.Request {
		return dhcptest.Message(n, dhcp.MessageTypeRequest, func(r *dhcp.Request) { r.ServerID = dhcptest.Addr("10.20.0.2") })
	}
	g.Want(dhcp.VerdictSilent, nameless(1))
	offered := g.Want(dhcp.VerdictOffered, dhcptest.Discover(1)).Reply.YIAddr
	if d := g.Want(dhcp.VerdictAcked, nameless(1)); d.Reply.YIAddr != offered {
		t.Errorf("offered %s, acknowledged %s", offered, d.Reply.YIAddr)
	}
	g.Now = g.Now.Add(time.Minute)
	if d := g.Want(dhcp.VerdictAcked, nameless(1)); d.Reply.YIAddr != offered {
		t.Errorf("has %s, acknowledged %s", offered, d.Reply.YIAddr)
	}
	g.Now = g.Now.Add(2 * time.Hour)
	g.Want(dhcp.VerdictSilent, nameless(1)) // it has ended
}

// C07: only a lease that is in force, and that it may still have.
func TestRequestWithoutAddressAfterTheLeaseC07(t *testing.T) {
	res := dhcptest.FakeReservations{}
	g := dhcptest.NewFixture(t, dhcptest.ConfigOf(dhcptest.Voice()), res, nil)
	a := g.Bind(1)
	res[dhcptest.ClientMAC(2)] = a
	g.Want(dhcp.VerdictSilent, dhcptest.Message(1, dhcp.MessageTypeRequest))
	delete(res, dhcptest.ClientMAC(2))
	g.Now = g.Now.Add(2 * time.Hour)
	g.Want(dhcp.VerdictSilent, dhcptest.Message(1, dhcp.MessageTypeRequest))
}

// C04: an expired lease binds no client; a server that is not authoritative still recognises the clients of its own leases.
func TestInitRebootAfterTheLeaseC04(t *testing.T) {
	g := dhcptest.NewFixture(t, dhcptest.ConfigOf(dhcptest.Voice()), nil, nil)
	a, b := g.Bind(1), g.Bind(2)
	g.Now = g.Now.Add(2 * time.Hour)
	g.Want(dhcp.VerdictAcked, dhcptest.InitReboot(1, dhcptest.Addr("10.20.0.108")))
	g.Reconfigure(func(c *dhcp.Config) { c.Authoritative = false })
	g.Want(dhcp.VerdictSilent, dhcptest.InitReboot(3, a))
	g.Want(dhcp.VerdictAcked, dhcptest.InitReboot(2, b))
}

// The time at which a phone was first bound is kept through renewals and absence, and so is the port that its relay reported.
func TestFirstSeenAndPortAreKept(t *testing.T) {
	g := dhcptest.NewFixture(t, dhcptest.ConfigOf(dhcptest.Relayed()), nil, dhcptest.Phones{})
	g.Link.LocalAddr = dhcptest.Addr("192.0.2.2")
	relay := func(port string) func(*dhcp.Request) {
		return func(r *dhcp.Request) {
			dhcptest.AsPhone(r)
			r.GIAddr, r.Client.CircuitID, r.Client.RemoteID = dhcptest.Addr("10.30.0.1"), port, "sw1"
		}
	}
	bind := func(n int, port string) (netip.Addr, bool) {
		t.Helper()
		a := g.Want(dhcp.VerdictOffered, dhcptest.Discover(n, relay(port))).Reply.YIAddr
		d := g.Want(dhcp.VerdictAcked, dhcptest.Message(n, dhcp.MessageTypeRequest, relay(port), func(r *dhcp.Request) { r.Requested, r.ServerID = a, dhcptest.Addr("192.0.2.2") }))
		return a, d.Event.NewLease
	}
	a, neverLeased := bind(1, "gi7")
	if !neverLeased {
		t.Error("the first lease is not new")
	}
	check := func(what, port string) {
		t.Helper()
		if l, _ := g.Leases().At(a); !l.FirstSeen.Equal(dhcptest.Start) || l.CircuitID != port || l.RemoteID != "sw1" {
			t.Errorf("after %s: first seen %s, port %q of %q", what, l.FirstSeen, l.CircuitID, l.RemoteID)
		}
	}
	g.Now = g.Now.Add(time.Hour)
	g.Link.Source, g.Link.Dest = netip.AddrPortFrom(a, 68), dhcptest.Addr("192.0.2.2")
	if d := g.Want(dhcp.VerdictAcked, dhcptest.Renew(1, a, dhcptest.AsPhone)); d.Event.NewLease {
		t.Error("a renewal is a new lease")
	}
	check("a renewal past the relay", "gi7")
	g.Link.Source = netip.MustParseAddrPort("10.30.0.1:67")
	g.Now = g.Now.Add(60 * 24 * time.Hour)
	again, neverLeased := bind(1, "gi8")
	if neverLeased || again != a {
		t.Errorf("back at %s, had %s; new: %v", again, a, neverLeased)
	}
	check("two months", "gi8")
	if other, _ := bind(2, "gi9"); other == a {
		t.Fatal("one address for two")
	} else if l, _ := g.Leases().At(other); !l.FirstSeen.Equal(g.Now) {
		t.Errorf("the second phone was first seen %s", l.FirstSeen)
	}
}
