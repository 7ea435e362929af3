package engine_test

import (
	"bytes"
	"net/netip"
	"reflect"
	"testing"

	"plugtone/dhcp"
	"plugtone/dhcp/dhcptest"
	"plugtone/dhcp/engine"
	"plugtone/dhcp/wire"
)

// seeds returns packets of every kind, including relayed, overloaded and malformed ones.
func seeds() [][]byte {
	relay := dhcptest.Packet(dhcp.MessageTypeDiscover, 82, 14, 1, 2, 'g', '7', 5, 4, 10, 30, 0, 0, 19, 0, 1, 0, 55, 3, 3, 1, 66, 255)
	copy(relay[24:], []byte{10, 30, 0, 1})
	renew := dhcptest.Packet(dhcp.MessageTypeRequest, 61, 7, 1, 0, 21, 101, 18, 52, 86, 255)
	copy(renew[12:], []byte{10, 20, 0, 100})
	over := dhcptest.Packet(dhcp.MessageTypeDiscover, 52, 1, 3, 255)
	copy(over[108:], []byte{12, 1, 'b', 60, 2, 'p', 'h', 255})
	return [][]byte{
		dhcptest.Packet(dhcp.MessageTypeDiscover, 255), dhcptest.Packet(dhcp.MessageTypeDiscover, 57, 2, 1, 0, 55, 2, 66, 43, 60, 1, 'x', 255), relay, renew, over,
		dhcptest.Packet(dhcp.MessageTypeRequest, 50, 4, 10, 20, 0, 101, 54, 4, 10, 20, 0, 2, 255), dhcptest.Packet(dhcp.MessageTypeRequest, 50, 4, 10, 20, 0, 101, 255), dhcptest.Packet(dhcp.MessageTypeRequest, 50, 4, 192, 168, 1, 1),
		relayedInform(), dhcptest.Packet(dhcp.MessageTypeDecline, 50, 4, 10, 20, 0, 100, 255), dhcptest.Packet(dhcp.MessageTypeRelease, 255), dhcptest.Packet(dhcp.MessageTypeInform, 255), dhcptest.Packet(13, 255), dhcptest.Packet(dhcp.MessageTypeDiscover, 118, 4, 10, 30, 0, 0, 80, 0, 255), {},
	}
}

func relayedInform() []byte {
	p := dhcptest.Packet(dhcp.MessageTypeInform, 55, 1, 66, 255)
	copy(p[12:], []byte{172, 16, 7, 7})
	copy(p[24:], []byte{172, 16, 0, 1})
	return p
}

// FuzzDecode checks that decoding never panics, retains no part of the buffer and returns one type of error.
func FuzzDecode(f *testing.F) {
	for _, s := range seeds() {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		_, _ = wire.DecodeServerMessage(b)
		r, err := wire.Decode(b)
		if (r == nil) == (err == nil) {
			t.Fatalf("%v and %v", r, err)
		}
		if err != nil {
			return
		}
		twin, _ := wire.Decode(bytes.Clone(b))
		for i := range b {
			b[i] ^= 0xff
		}
		if !reflect.DeepEqual(r, twin) {
			t.Fatal("the request holds a part of the buffer")
		}
	})
}

// FuzzDecide runs decoding, decision, encoding and the send rule together. For every packet the reply must be readable by a client,
// fit its limits, go to a permitted destination and assign a permitted address.
func FuzzDecide(f *testing.F) {
	for i, s := range seeds() {
		f.Add(s, i%2 == 0)
	}
	cfg := dhcptest.ConfigOf(dhcptest.Voice(), dhcptest.Relayed(), dhcptest.Data(dhcp.PhonesMove))
	cfg.RapidCommit = true
	reserved := dhcptest.FakeReservations{dhcptest.ClientMAC(9): dhcptest.Addr("10.20.0.105")}
	e, err := engine.New(cfg, reserved, dhcptest.Phones{Policy: dhcp.Policy{Options: []dhcp.Option{{Code: 66, Data: bytes.Repeat([]byte("u"), 200), Force: true}, {Code: 43, Data: bytes.Repeat([]byte("v"), 300)}}}})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, b []byte, unicast bool) {
		req, err := wire.Decode(b)
		if err != nil {
			return
		}
		g := dhcptest.FixtureOf(t, cfg, e)
		g.Reservations = reserved
		g.Link = dhcp.Link{Interface: "voice0", Addrs: []netip.Prefix{netip.MustParsePrefix("10.20.0.2/24")}, LocalAddr: dhcptest.Addr("192.0.2.2"), Source: netip.AddrPortFrom(req.CIAddr, 68), Dest: dhcptest.Broadcast}
		if unicast {
			g.Link.Dest = dhcptest.Addr("10.20.0.2")
		}
		from := g.Link.Source
		g.Link.Source = netip.AddrPort{}
		g.Bind(1)
		g.Link.Source = from
		for range 2 {
			checkAnswer(t, g, req, g.Do(req))
		}
		g.Link.NoWrite = true
		d := g.Do(req)
		checkAnswer(t, g, req, d)
		if d.Reply != nil && len(d.Changes) > 0 {
			t.Fatalf("%s needs %d changes although nothing can be written", d.Reply.Type, len(d.Changes))
		}
	})
}

// checkAnswer checks what must hold for every decision.
func checkAnswer(t *testing.T, g *dhcptest.Fixture, req *dhcp.Request, d dhcp.Decision) {
	t.Helper()
	r := d.Reply
	if r == nil {
		return
	}
	p, dropped := wire.Encode(r, nil, 1500)
	if limit := max(576, min(max(req.MaxSize, 576), 1500)) - 28; len(p) > limit || len(p) < 300 {
		// The echo of a huge option 82 is the relay's own doing, and the relay takes it out again.
		if len(req.RelayInfo) < 100 || len(p)-len(req.RelayInfo) > limit {
			t.Fatalf("%d bytes, at most %d; dropped %v", len(p), limit, dropped)
		}
	}
	m := dhcptest.Parsed(t, p)
	if typ := m.Options[53]; len(typ) != 1 || typ[0] != byte(r.Type) {
		t.Fatalf("option 53 is %v", typ)
	}
	_ = wire.Summary(d.Event.Reply, nil)
	to := wire.ReplyDestination(req, r, &g.Link)
	if !to.Addr.IsValid() || !to.From.IsValid() {
		t.Fatalf("sent to %v from %v", to.Addr, to.From)
	}
	if req.Type == dhcp.MessageTypeInform && req.CIAddr.IsValid() {
		if to.Addr.Addr() != req.CIAddr || to.Raw || to.Broadcast { // C17: also past a relay
			t.Fatalf("not sent to the client that has its address: %+v", to)
		}
	} else if req.GIAddr.IsValid() && (to.Addr.Addr() != req.GIAddr || to.Raw || to.Broadcast) {
		t.Fatalf("not sent to the relay: %+v", to)
	}
	if r.Type == dhcp.MessageTypeNak && (r.YIAddr.IsValid() || len(d.Changes) > 0) || r.Type == dhcp.MessageTypeNak && req.Type != dhcp.MessageTypeRequest {
		t.Fatalf("NAK %+v", r)
	}
	if y := r.YIAddr; y.IsValid() {
		if holder, ok := g.Reservations.HolderOf(y); ok && holder != req.MAC || y == dhcptest.Addr("10.20.0.100") && req.MAC != dhcptest.ClientMAC(1) || !d.Event.Subnet.Contains(y) {
			t.Fatalf("%s given to %s", y, req.MAC)
		}
	}
}
