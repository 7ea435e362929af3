package engine_test

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"plugtone/dhcp"
	"plugtone/dhcp/dhcptest"
	"plugtone/dhcp/wire"
)

// Bugs of other servers. Each test is named after the server. Tests that belong to a rule are with that rule:
//
//	router7   never keep a part of the receive buffer, addresses are values, host names that aren't UTF-8 (decode_test.go);
//	          DECLINE quarantines, message types that aren't served (states_test.go); longest ago first (alloc_test.go)
//	AdGuard   a REQUEST without an offer before, server id together with ciaddr (states_test.go)
//	coredhcp  no ACK for every REQUEST (states_test.go)
//	Kea       where a NAK and the broadcast flag send a reply (destination_test.go)

// Router7 offered a client its expired address although another client had been given it.
func TestRouter7ExpiredAddressOfAnotherClient(t *testing.T) {
	s := dhcptest.Voice()
	s.Pools, s.Phones = []dhcp.Range{{First: dhcptest.Addr("10.20.0.100"), Last: dhcptest.Addr("10.20.0.100")}}, dhcp.PhonesNone
	g := dhcptest.NewFixture(t, dhcptest.ConfigOf(s), nil, nil)
	a := g.Bind(1)
	g.Now = g.Now.Add(30 * 24 * time.Hour)
	if b := g.Bind(2); b != a {
		t.Fatalf("the only address is %s, given was %s", a, b)
	}
	g.Want(dhcp.VerdictExhausted, dhcptest.Discover(1))
	g.Want(dhcp.VerdictNak, dhcptest.InitReboot(1, a))
	g.Unicast(a.String(), func() { g.Want(dhcp.VerdictNak, dhcptest.Renew(1, a)) })
	g.Want(dhcp.VerdictAcked, dhcptest.Renew(2, a))
}

// Router7 reassigned an address as soon as its lease had ended, although others had been free for longer: a client that returned
// shortly after found its address taken.
func TestRouter7JustExpiredAddressIsNotNext(t *testing.T) {
	s := dhcptest.Voice()
	s.Pools = []dhcp.Range{{First: dhcptest.Addr("10.20.0.100"), Last: dhcptest.Addr("10.20.0.102")}}
	s.Phones = dhcp.PhonesNone
	g := dhcptest.NewFixture(t, dhcptest.ConfigOf(s), nil, nil)
	first := g.Bind(1)
	g.Now = g.Now.Add(10 * time.Minute)
	second := g.Bind(2)
	g.Now = g.Now.Add(3 * time.Hour) // both have ended, the first one earlier
	third := g.Bind(3)
	if third == first || third == second {
		t.Errorf("%s is assigned again although another was never used", third)
	}
	if next := g.Bind(4); next != first {
		t.Errorf("%s is assigned, want %s, which has been free for longest", next, first)
	}
}

// Router7 leased one address to two clients that requested it at the same time (its issue 18).
func TestRouter7TwoClientsRequestOneAddress(t *testing.T) {
	g := dhcptest.NewFixture(t, dhcptest.ConfigOf(dhcptest.Voice()), nil, nil)
	wish := func(r *dhcp.Request) { r.Requested = dhcptest.Addr("10.20.0.105") }
	if a := g.Want(dhcp.VerdictOffered, dhcptest.Discover(1, wish)).Reply.YIAddr; a != dhcptest.Addr("10.20.0.105") {
		t.Fatalf("offered %s", a)
	}
	if a := g.Want(dhcp.VerdictOffered, dhcptest.Discover(2, wish)).Reply.YIAddr; a == dhcptest.Addr("10.20.0.105") {
		t.Error("both are offered the same")
	}
	g.Want(dhcp.VerdictAcked, dhcptest.Selecting(1, dhcptest.Addr("10.20.0.105")))
	g.Want(dhcp.VerdictNak, dhcptest.Selecting(2, dhcptest.Addr("10.20.0.105")))
}

// Router7 ignored the broadcast bit and replied by unicast: clients that cannot receive a unicast before they are configured never got
// an address.
func TestRouter7BroadcastBit(t *testing.T) {
	g := dhcptest.NewFixture(t, dhcptest.ConfigOf(dhcptest.Voice()), nil, nil)
	for flags, broadcast := range map[uint16]bool{0x8000: true, 0: false} {
		req := dhcptest.Discover(1, func(r *dhcp.Request) { r.Flags = flags })
		if to := wire.ReplyDestination(req, g.Want(dhcp.VerdictOffered, req).Reply, &g.Link); to.Broadcast != broadcast || to.Raw == broadcast {
			t.Errorf("flags %#x: sent to %+v", flags, to)
		}
	}
}

// Kea sent a broadcast reply to the client's own hardware address (its issue 2211): a phone behind some switches never received it.
func TestKea2211BroadcastUsesTheBroadcastMAC(t *testing.T) {
	g := dhcptest.NewFixture(t, dhcptest.ConfigOf(dhcptest.Voice()), nil, nil)
	req := dhcptest.Discover(1, func(r *dhcp.Request) { r.Flags = 0x8000 })
	if to := wire.ReplyDestination(req, g.Want(dhcp.VerdictOffered, req).Reply, &g.Link); to.MAC != (dhcp.MAC{255, 255, 255, 255, 255, 255}) {
		t.Errorf("frame to %s", to.MAC)
	}
}

// Kea tests for ciaddr before it tests for a NAK, and so sends the NAK to the very address that the client must give up.
func TestKeaNakGoesToTheLink(t *testing.T) {
	g := dhcptest.NewFixture(t, dhcptest.ConfigOf(dhcptest.Voice()), nil, nil)
	a := g.Bind(1)
	g.Unicast("10.20.0.103", func() {
		req := dhcptest.Renew(2, a)
		if to := wire.ReplyDestination(req, g.Want(dhcp.VerdictNak, req).Reply, &g.Link); !to.Broadcast {
			t.Errorf("sent to %+v", to)
		}
	})
}

// An authoritative Kea refuses every client whose lease it lost: with its lease file gone, all phones of a site lost their calls.
func TestKeaRefusesAfterALostLeaseFile(t *testing.T) {
	g := dhcptest.NewFixture(t, dhcptest.ConfigOf(dhcptest.Voice()), nil, nil)
	g.Want(dhcp.VerdictAcked, dhcptest.InitReboot(1, dhcptest.Addr("10.20.0.104")))
	g.Unicast("10.20.0.105", func() { g.Want(dhcp.VerdictAcked, dhcptest.Renew(2, dhcptest.Addr("10.20.0.105"))) })
	g.Want(dhcp.VerdictAcked, dhcptest.Renew(3, dhcptest.Addr("10.20.0.106")))
}

// Kea ignores option 57: a client that accepts 576 bytes was sent more.
func TestKeaReplyLargerThanTheClientAccepts(t *testing.T) {
	big := dhcp.Policy{Phone: true, Options: []dhcp.Option{{Code: 43, Data: make([]byte, 250), Force: true}, {Code: 125, Data: make([]byte, 250), Force: true}}}
	g := dhcptest.NewFixture(t, dhcptest.ConfigOf(dhcptest.Voice()), nil, dhcptest.Phones{Policy: big})
	for most, permitted := range map[int]bool{0: false, 576: false, 1500: true} {
		r := g.Want(dhcp.VerdictOffered, dhcptest.Discover(1, dhcptest.AsPhone, func(r *dhcp.Request) { r.MaxSize = most })).Reply
		p, dropped := wire.Encode(r, nil, 1500)
		if limit := max(most, 576) - 28; len(p) > limit || permitted != (len(dropped) == 0) {
			t.Errorf("option 57 is %d: %d bytes, left out %v", most, len(p), dropped)
		}
	}
}

// AdGuard Home refused a client that requested another address than the one it had been offered, even a free one.
func TestAdGuardAnotherAddressThanOffered(t *testing.T) {
	g := dhcptest.NewFixture(t, dhcptest.ConfigOf(dhcptest.Voice()), nil, nil)
	g.Want(dhcp.VerdictOffered, dhcptest.Discover(1))
	g.Want(dhcp.VerdictAcked, dhcptest.Selecting(1, dhcptest.Addr("10.20.0.108")))
}

// AdGuard Home padded replies to 576 bytes (its issue 4904), which some clients dropped, and went back to 300.
func TestAdGuardPadding(t *testing.T) {
	g := dhcptest.NewFixture(t, dhcptest.ConfigOf(dhcptest.Voice()), nil, nil)
	p, _ := wire.Encode(g.Want(dhcp.VerdictOffered, dhcptest.Discover(1, dhcptest.Params(1))).Reply, nil, 1500)
	if len(p) != 300 {
		t.Errorf("a small reply has %d bytes", len(p))
	}
}

// AdGuard Home probes each address while it holds its lock: an unused address delayed all clients for a second.
func TestAdGuardProbeDelaysNoOtherClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := dhcptest.ConfigOf(dhcptest.Voice())
		cfg.ConflictCheck = true
		b := dhcptest.NewTableFixture(t, cfg, dhcptest.NewDisk(), time.Now)
		first := b.Want(dhcp.VerdictProbing, dhcptest.Discover(1)).Probe
		began := time.Now()
		b.Want(dhcp.VerdictAcked, dhcptest.InitReboot(2, dhcptest.Addr("10.20.0.107")))
		if other := b.Want(dhcp.VerdictProbing, dhcptest.Discover(3)).Probe; other == first {
			t.Error("two clients wait for one address")
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("others waited %s for the probe", took)
		}
		b.Probed(first, false)
		b.Want(dhcp.VerdictOffered, dhcptest.Discover(1))
	})
}

// Coredhcp never gives an address back to its pool (its issues 148 and 182).
func TestCoredhcpExpiredLeasesAreFreed(t *testing.T) {
	s := dhcptest.Voice()
	s.Phones = dhcp.PhonesNone
	g := dhcptest.NewFixture(t, dhcptest.ConfigOf(s), nil, nil)
	given := map[netip.Addr]bool{}
	for n := range 30 {
		if n%10 == 0 {
			g.Now = g.Now.Add(30 * 24 * time.Hour)
		}
		given[g.Bind(n)] = true
	}
	if len(given) != 10 {
		t.Errorf("%d addresses were given from a pool of ten", len(given))
	}
}
