package engine_test

import (
	"net/netip"
	"testing"
	"time"

	"plugtone/dhcp"
	"plugtone/dhcp/dhcptest"
	"plugtone/dhcp/leasetable"
	"plugtone/dhcp/wire"
)

// C01: a client that accepts another server's offer gets no reply, and the address that was held for it is free.
func TestSelectingOtherServerC01(t *testing.T) {
	s := dhcptest.Voice()
	s.Pools, s.Phones = []dhcp.Range{{First: dhcptest.Addr("10.20.0.100"), Last: dhcptest.Addr("10.20.0.100")}}, dhcp.PhonesNone
	g := dhcptest.NewFixture(t, dhcptest.ConfigOf(s), nil, nil)
	g.Want(dhcp.VerdictOffered, dhcptest.Discover(1))
	g.Want(dhcp.VerdictExhausted, dhcptest.Discover(2))
	d := g.Want(dhcp.VerdictOtherServer, dhcptest.Message(1, dhcp.MessageTypeRequest, func(r *dhcp.Request) {
		r.Requested, r.ServerID = dhcptest.Addr("10.20.0.100"), dhcptest.Addr("10.20.0.9")
	}))
	if d.Reply != nil || d.Event.Server != dhcptest.Addr("10.20.0.9") {
		t.Errorf("%+v", d)
	}
	g.Want(dhcp.VerdictOffered, dhcptest.Discover(2))
}

// C01: any address of ours names this server.
func TestSelectingOwnAddressesC01(t *testing.T) {
	g := dhcptest.NewFixture(t, dhcptest.ConfigOf(dhcptest.Voice()), nil, nil)
	g.Want(dhcp.VerdictAcked, dhcptest.Message(1, dhcp.MessageTypeRequest, func(r *dhcp.Request) {
		r.Requested, r.ServerID = dhcptest.Addr("10.20.0.100"), dhcptest.Addr("192.0.2.2")
	}))
}

// Coredhcp and smee acknowledge every REQUEST, for any address and any server.
func TestCoredhcpDoesNotAckAnything(t *testing.T) {
	g := dhcptest.NewFixture(t, dhcptest.ConfigOf(dhcptest.Voice()), nil, nil)
	a := g.Bind(1)
	g.Want(dhcp.VerdictNak, dhcptest.Selecting(2, a))
	g.Want(dhcp.VerdictNak, dhcptest.Selecting(2, dhcptest.Addr("10.20.0.50")))
	g.Want(dhcp.VerdictNak, dhcptest.Selecting(2, dhcptest.Addr("10.99.0.50")))
	g.Want(dhcp.VerdictOtherServer, dhcptest.Message(2, dhcp.MessageTypeRequest, func(r *dhcp.Request) {
		r.Requested, r.ServerID = dhcptest.Addr("10.20.0.105"), dhcptest.Addr("10.20.0.66")
	}))
}

// C02: another address than the one offered is as good if the client may have it.
func TestSelectingOtherAddressC02(t *testing.T) {
	g := dhcptest.NewFixture(t, dhcptest.ConfigOf(dhcptest.Voice()), dhcptest.FakeReservations{dhcptest.ClientMAC(9): dhcptest.Addr("10.20.0.107")}, nil)
	g.Want(dhcp.VerdictOffered, dhcptest.Discover(1))
	g.Want(dhcp.VerdictAcked, dhcptest.Selecting(1, dhcptest.Addr("10.20.0.105")))
	g.Want(dhcp.VerdictNak, dhcptest.Selecting(2, dhcptest.Addr("10.20.0.105"))) // leased
	g.Want(dhcp.VerdictNak, dhcptest.Selecting(2, dhcptest.Addr("10.20.0.107"))) // reserved
}

// C03: a server that restarted between offer and request acknowledges all the same; AdGuard Home refused.
func TestAdGuardSelectingWithoutOfferC03(t *testing.T) {
	g := dhcptest.NewFixture(t, dhcptest.ConfigOf(dhcptest.Voice()), nil, nil)
	g.Want(dhcp.VerdictAcked, dhcptest.Selecting(1, dhcptest.Addr("10.20.0.104")))
}

// C04: a client that remembers its address.
func TestInitRebootC04(t *testing.T) {
	g := dhcptest.NewFixture(t, dhcptest.ConfigOf(dhcptest.Voice()), nil, nil)
	a := g.Bind(1)
	g.Now = g.Now.Add(20 * dhcptest.Second)
	g.Want(dhcp.VerdictAcked, dhcptest.InitReboot(1, a))
	g.Want(dhcp.VerdictNak, dhcptest.InitReboot(1, dhcptest.Addr("10.20.0.108")))   // its lease is another
	g.Want(dhcp.VerdictNak, dhcptest.InitReboot(1, dhcptest.Addr("192.168.1.5")))   // wrong network
	g.Want(dhcp.VerdictNak, dhcptest.InitReboot(2, a))                              // another client's
	g.Want(dhcp.VerdictNak, dhcptest.InitReboot(2, dhcptest.Addr("10.20.0.50")))    // in no pool
	g.Want(dhcp.VerdictAcked, dhcptest.InitReboot(2, dhcptest.Addr("10.20.0.107"))) // a lost lease

	g.Reconfigure(func(c *dhcp.Config) { c.Authoritative = false })
	g.Want(dhcp.VerdictSilent, dhcptest.InitReboot(3, dhcptest.Addr("10.20.0.106")))
	g.Want(dhcp.VerdictSilent, dhcptest.InitReboot(3, dhcptest.Addr("192.168.1.5")))
	g.Want(dhcp.VerdictNak, dhcptest.InitReboot(2, dhcptest.Addr("10.20.0.108"))) // its lease is known
}

// C05: a renewed lease that is unknown is created again when the address is free, else refused.
func TestRenewUnknownC05(t *testing.T) {
	g := dhcptest.NewFixture(t, dhcptest.ConfigOf(dhcptest.Voice()), dhcptest.FakeReservations{dhcptest.ClientMAC(9): dhcptest.Addr("10.20.0.107")}, nil)
	g.Unicast("10.20.0.104", func() {
		g.Want(dhcp.VerdictAcked, dhcptest.Renew(1, dhcptest.Addr("10.20.0.104")))
		g.Want(dhcp.VerdictNak, dhcptest.Renew(2, dhcptest.Addr("10.20.0.104")))
		g.Want(dhcp.VerdictNak, dhcptest.Renew(2, dhcptest.Addr("10.20.0.107")))
	})
	g.Want(dhcp.VerdictAcked, dhcptest.Renew(3, dhcptest.Addr("10.20.0.105"))) // REBINDING: broadcast
	g.Want(dhcp.VerdictNak, dhcptest.Renew(4, dhcptest.Addr("10.20.0.105")))
	g.Reconfigure(func(c *dhcp.Config) { c.Authoritative = false })
	g.Want(dhcp.VerdictSilent, dhcptest.Renew(4, dhcptest.Addr("10.20.0.105")))
	g.Unicast("10.20.0.105", func() { g.Want(dhcp.VerdictNak, dhcptest.Renew(4, dhcptest.Addr("10.20.0.105"))) })
}

// C06: a renewal is refused because of a changed reservation only if the client would get the reserved address: no loop.
func TestRenewMovedReservationC06(t *testing.T) {
	res := dhcptest.FakeReservations{}
	g := dhcptest.NewFixture(t, dhcptest.ConfigOf(dhcptest.Voice()), res, nil)
	a, b := g.Bind(1), g.Bind(2)
	res[dhcptest.ClientMAC(1)] = b // still leased to the other client
	g.Now = g.Now.Add(time.Minute)
	g.Want(dhcp.VerdictAcked, dhcptest.Renew(1, a))
	res[dhcptest.ClientMAC(1)] = dhcptest.Addr("10.20.0.50") // free, outside the pools
	g.Want(dhcp.VerdictNak, dhcptest.Renew(1, a))
	if d := g.Want(dhcp.VerdictOffered, dhcptest.Discover(1)); d.Reply.YIAddr != dhcptest.Addr("10.20.0.50") {
		t.Errorf("after the refusal it is offered %s", d.Reply.YIAddr)
	}
	g.Want(dhcp.VerdictAcked, dhcptest.Selecting(1, dhcptest.Addr("10.20.0.50")))
	if l, _ := g.Leases().At(a); l.State != dhcp.LeaseReleased {
		t.Errorf("its former address is %s", l.State)
	}
}

// C07: a REQUEST that names no address.
func TestRequestWithoutAddressC07(t *testing.T) {
	g := dhcptest.NewFixture(t, dhcptest.ConfigOf(dhcptest.Voice()), nil, nil)
	g.Want(dhcp.VerdictSilent, dhcptest.Message(1, dhcp.MessageTypeRequest))
	a := g.Bind(1)
	g.Now = g.Now.Add(time.Minute)
	if d := g.Want(dhcp.VerdictAcked, dhcptest.Message(1, dhcp.MessageTypeRequest)); d.Reply.YIAddr != a {
		t.Errorf("acknowledged %s", d.Reply.YIAddr)
	}
}

// C08: clients of RFC 1541 fill in both server id and ciaddr; AdGuard Home drops them. The answer goes to the hardware address.
func TestAdGuardServerIDWithCiaddrC08(t *testing.T) {
	g := dhcptest.NewFixture(t, dhcptest.ConfigOf(dhcptest.Voice()), nil, nil)
	req := dhcptest.Message(1, dhcp.MessageTypeRequest, func(r *dhcp.Request) { r.CIAddr, r.ServerID = dhcptest.Addr("10.20.0.104"), dhcptest.Addr("10.20.0.2") })
	d := g.Want(dhcp.VerdictAcked, req)
	if d.Reply.YIAddr != dhcptest.Addr("10.20.0.104") || !wire.ReplyDestination(req, d.Reply, &g.Link).Raw {
		t.Errorf("%+v", d.Reply)
	}
}

// C10: a DISCOVER must not name a server; a ciaddr in it does no harm.
func TestDiscoverNamesNoServerC10(t *testing.T) {
	g := dhcptest.NewFixture(t, dhcptest.ConfigOf(dhcptest.Voice()), nil, nil)
	g.Want(dhcp.VerdictIgnored, dhcptest.Discover(1, func(r *dhcp.Request) { r.ServerID = dhcptest.Addr("10.20.0.2") }))
	d := g.Want(dhcp.VerdictOffered, dhcptest.Discover(1, func(r *dhcp.Request) { r.CIAddr = dhcptest.Addr("10.20.0.9") }))
	if d.Reply.CIAddr.IsValid() {
		t.Error("ciaddr in an OFFER")
	}
}

// C18: impossible relay addresses.
func TestBogusRelayC18(t *testing.T) {
	g := dhcptest.NewFixture(t, dhcptest.ConfigOf(dhcptest.Voice()), nil, nil)
	for _, gi := range []string{"0.1.2.3", "127.0.0.1", "224.0.0.1", "255.255.255.255", "10.20.0.2", "192.0.2.2"} {
		g.Because(dhcp.VerdictIgnored, "can't be a relay's", dhcptest.Discover(1, func(r *dhcp.Request) { r.GIAddr = dhcptest.Addr(gi) }))
		g.Because(dhcp.VerdictIgnored, "can't be a client's", dhcptest.Renew(1, dhcptest.Addr(gi)))
	}
	g.Want(dhcp.VerdictOffered, dhcptest.Discover(1, func(r *dhcp.Request) { r.GIAddr, r.Hops = dhcptest.Addr("10.20.0.1"), 16 }))
}

// C45: a DECLINE of the client's own address puts it into quarantine; any other does nothing.
func TestRouter7DeclineC45(t *testing.T) {
	g := dhcptest.NewFixture(t, dhcptest.ConfigOf(dhcptest.Voice()), dhcptest.FakeReservations{dhcptest.ClientMAC(9): dhcptest.Addr("10.20.0.50")}, nil)
	a := g.Bind(1)
	decline := func(n int, a netip.Addr) *dhcp.Request {
		return dhcptest.Message(n, dhcp.MessageTypeDecline, func(r *dhcp.Request) { r.Requested = a })
	}
	g.Want(dhcp.VerdictIgnored, decline(2, a))
	g.Want(dhcp.VerdictIgnored, dhcptest.Message(1, dhcp.MessageTypeDecline))
	g.Want(dhcp.VerdictIgnored, dhcptest.Message(1, dhcp.MessageTypeDecline, func(r *dhcp.Request) { r.Requested, r.ServerID = a, dhcptest.Addr("10.20.0.66") }))
	d := g.Want(dhcp.VerdictDeclined, decline(1, a))
	if d.Reply != nil || d.Changes[0].Lease.State != dhcp.LeaseDeclined || d.Changes[0].Lease.Expires.Sub(g.Now) < leasetable.Quarantine {
		t.Errorf("%+v", d)
	}
	g.Want(dhcp.VerdictNak, dhcptest.InitReboot(2, a))
	if b := g.Bind(1); b == a {
		t.Error("the declined address is given again")
	}
	g.Now = g.Now.Add(leasetable.Quarantine + 2*dhcptest.Second)
	g.Want(dhcp.VerdictAcked, dhcptest.InitReboot(2, a))

	// The client may try its reserved address again soon, but is not forced to leave another one for it.
	r := g.Bind(9)
	g.Want(dhcp.VerdictDeclined, decline(9, r))
	other := g.Bind(9)
	if other == r {
		t.Fatal("a reserved address is given again at once")
	}
	g.Now = g.Now.Add(dhcptest.ShortQuarantine + 2*dhcptest.Second)
	g.Want(dhcp.VerdictAcked, dhcptest.Renew(9, other))
	g.Want(dhcp.VerdictAcked, dhcptest.InitReboot(9, other))
	if again := g.Bind(9); again != r {
		t.Errorf("after %s it gets %s, not the address that is reserved for it", dhcptest.ShortQuarantine, again)
	}
}

// C45: a client that declines every address is ignored after a few.
func TestDeclineFloodC45(t *testing.T) {
	g := dhcptest.NewFixture(t, dhcptest.ConfigOf(dhcptest.Voice()), nil, nil)
	for i := range dhcptest.MaxDeclines + 1 {
		a := g.Bind(1)
		want := dhcp.VerdictDeclined
		if i == dhcptest.MaxDeclines {
			want = dhcp.VerdictIgnored
		}
		g.Want(want, dhcptest.Message(1, dhcp.MessageTypeDecline, func(r *dhcp.Request) { r.Requested = a }))
	}
	if s := g.Leases().Stats()[0]; s.Declined != dhcptest.MaxDeclines {
		t.Errorf("%d addresses in Quarantine", s.Declined)
	}
}

// C46: a RELEASE by the holder frees the address and keeps it for the holder; reserved ones stay.
func TestReleaseFreesTheAddressC46(t *testing.T) {
	g := dhcptest.NewFixture(t, dhcptest.ConfigOf(dhcptest.Voice()), dhcptest.FakeReservations{dhcptest.ClientMAC(9): dhcptest.Addr("10.20.0.50")}, nil)
	a, r := g.Bind(1), g.Bind(9)
	release := func(n int, a netip.Addr) *dhcp.Request {
		return dhcptest.Message(n, dhcp.MessageTypeRelease, func(r *dhcp.Request) { r.CIAddr = a })
	}
	g.Unicast("10.20.0.100", func() {
		g.Want(dhcp.VerdictIgnored, release(2, a))
		g.Want(dhcp.VerdictIgnored, dhcptest.Message(1, dhcp.MessageTypeRelease))
		g.Want(dhcp.VerdictIgnored, dhcptest.Message(1, dhcp.MessageTypeRelease, func(r *dhcp.Request) { r.CIAddr, r.ServerID = a, dhcptest.Addr("10.20.0.66") }))
		g.Want(dhcp.VerdictSilent, release(9, r))
		if d := g.Want(dhcp.VerdictReleased, release(1, a)); d.Reply != nil || d.Changes[0].Lease.State != dhcp.LeaseReleased {
			t.Errorf("%+v", d)
		}
		g.Want(dhcp.VerdictIgnored, release(1, a))
	})
	for n := 2; n < 8; n++ {
		if b := g.Bind(n); b == a {
			t.Error("the released address goes to another while fresh ones are left")
		}
	}
	if b := g.Bind(1); b != a {
		t.Errorf("its former holder gets %s", b)
	}
}

// C47, C52 and router7: message types that are not served are counted and not answered.
func TestRouter7OtherMessageTypesC47(t *testing.T) {
	g := dhcptest.NewFixture(t, dhcptest.ConfigOf(dhcptest.Voice()), nil, nil)
	for typ := 0; typ < 256; typ++ {
		switch dhcp.MessageType(typ) {
		case dhcp.MessageTypeDiscover, dhcp.MessageTypeRequest, dhcp.MessageTypeDecline, dhcp.MessageTypeRelease, dhcp.MessageTypeInform:
		default:
			if d := g.Want(dhcp.VerdictIgnored, dhcptest.Message(1, dhcp.MessageType(typ))); d.Reply != nil || len(d.Changes) > 0 {
				t.Errorf("type %d is answered", typ)
			}
		}
	}
}

// C49: a REQUEST that is sent again is answered again, written once, and not at all while the first is being written.
func TestRetransmittedRequestC49(t *testing.T) {
	g := dhcptest.NewFixture(t, dhcptest.ConfigOf(dhcptest.Voice()), nil, nil)
	a := g.Bind(1)
	g.Now = g.Now.Add(3 * dhcptest.Second)
	d := g.Want(dhcp.VerdictAcked, dhcptest.Selecting(1, a))
	if len(d.Changes) != 0 {
		t.Error("written twice")
	}
	if secs := dhcptest.Seconds(dhcptest.OptionOf(d.Reply, 51)); secs > 3600-2 || secs < 3500 {
		t.Errorf("sent %d seconds: more than is on disk, or far less", secs)
	}
	g.Now = g.Now.Add(dhcptest.Retransmitted)
	if d := g.Want(dhcp.VerdictAcked, dhcptest.Selecting(1, a)); len(d.Changes) != 1 {
		t.Error("a real renewal is not written")
	}
	g.Now = g.Now.Add(time.Minute)
	dhcptest.ServeOn(g.Table, g.Engine, dhcptest.Renew(1, a), &g.Link, func(*dhcp.Decision, error) {}) // and is on its way to the disk
	g.Want(dhcp.VerdictSilent, dhcptest.Renew(1, a))
}

// C50: rapid commit only when it is configured, and never a NAK.
func TestRapidCommitC50(t *testing.T) {
	rapid := func(r *dhcp.Request) { r.RapidCommit = true }
	g := dhcptest.NewFixture(t, dhcptest.ConfigOf(dhcptest.Voice()), nil, nil)
	g.Want(dhcp.VerdictOffered, dhcptest.Discover(1, rapid))
	cfg := dhcptest.ConfigOf(dhcptest.Voice())
	cfg.RapidCommit = true
	g = dhcptest.NewFixture(t, cfg, nil, nil)
	d := g.Want(dhcp.VerdictAcked, dhcptest.Discover(1, rapid))
	if len(d.Changes) != 1 || dhcptest.Codes(d.Reply)[2] != 80 || d.Reply.Type != dhcp.MessageTypeAck {
		t.Errorf("%+v", d)
	}
	for n := 2; n < 10; n++ {
		g.Do(dhcptest.Discover(n, rapid))
	}
	if d := g.Want(dhcp.VerdictExhausted, dhcptest.Discover(10, rapid)); d.Reply != nil {
		t.Error("answered without an address")
	}
}

// esp-idf, 19120: a NAK without option 54 is ignored by strict clients; mORMot2, 580: it must not carry lease data. C20.
func TestNakContentC20(t *testing.T) {
	g := dhcptest.NewFixture(t, dhcptest.ConfigOf(dhcptest.Voice()), nil, nil)
	d := g.Want(dhcp.VerdictNak, dhcptest.InitReboot(1, dhcptest.Addr("192.168.1.5"), dhcptest.Params(1, 3, 66), func(r *dhcp.Request) { r.Client.ClientID, r.RelayInfo = "id", "\x01\x01a" }))
	r := d.Reply
	if r.YIAddr.IsValid() || r.SIAddr.IsValid() || r.CIAddr.IsValid() {
		t.Errorf("addresses in a NAK: %+v", r)
	}
	p, _ := wire.Encode(r, nil, 1500)
	if got := dhcptest.OptionOrder(p); string(got) != string([]byte{53, 54, 56, 61, 82}) {
		t.Errorf("options %v", got)
	}
	r.GIAddr = dhcptest.Addr("10.20.0.1")
	if p, _ = wire.Encode(r, nil, 1500); p[10]&0x80 == 0 {
		t.Error("C11: no broadcast flag in a relayed NAK")
	}
}
