package server

import (
	"bytes"
	"net"
	"net/netip"
	"slices"
	"testing"
)

func (f *wireFixture) decline(t *testing.T) {
	a := f.bind(t, 37)
	f.checkNoReply(t, func() { f.sendBroadcast(f.message(38, tDecline, addrOption(50, a), addrOption(54, serverIP))) }) // not its own
	f.exchange(t, f.message(37, tRequest, addrOption(50, a)), tAck)
	f.checkNoReply(t, func() { f.sendBroadcast(f.message(37, tDecline, addrOption(50, a), addrOption(54, serverIP))) })
	f.exchange(t, f.message(39, tRequest, addrOption(50, a)), tNak)
	if b := f.exchange(t, f.message(39, tDiscover, addrOption(50, a)), tOffer).bootp.yiaddr; b == a {
		t.Error("a declined address is offered")
	}
}

func (f *wireFixture) release(t *testing.T) {
	a := f.bind(t, 40)
	f.checkNoReply(t, func() { f.sendUnicast(f.message(41, tRelease, ciaddr(a), addrOption(54, serverIP)), a) }) // not its own
	f.exchange(t, f.message(41, tRequest, addrOption(50, a)), tNak)
	f.checkNoReply(t, func() { f.sendUnicast(f.message(40, tRelease, ciaddr(a), addrOption(54, serverIP)), a) })
	if b := f.exchange(t, f.message(42, tDiscover), tOffer).bootp.yiaddr; b == a {
		t.Error("a released address goes to another while fresh ones are left")
	}
	if b := f.bind(t, 43, addrOption(12, [4]byte{'a', 'b', 'c', 'd'})); b == a {
		t.Error("a released address goes to another while fresh ones are left")
	}
}

func (f *wireFixture) notServed(t *testing.T) {
	for _, kind := range []byte{tOffer, tAck, tNak, 9, tLeaseQuery, 13, 200} {
		f.checkNoReply(t, func() { f.sendBroadcast(f.message(44, kind)) })
	}
	c := f.exchange(t, f.message(44, tDiscover, option(80), option(90, 1, 1, 0), option(55, 1, 80, 90)), tOffer) // no rapid commit, no authentication
	if o := c.bootp.order(); slices.Contains(o, 80) || slices.Contains(o, 90) {
		t.Errorf("options %v", o)
	}
}

func (f *wireFixture) again(t *testing.T) {
	a := f.exchange(t, f.message(45, tDiscover), tOffer).bootp.yiaddr
	m := f.message(45, tRequest, addrOption(50, a), addrOption(54, serverIP))
	for range 3 {
		if c := f.exchange(t, m, tAck); c.bootp.yiaddr != a {
			t.Errorf("acknowledged %v", c.bootp.yiaddr)
		}
	}
}

// through sends a message by the relay and returns the answer that the relay receives.
func (f *wireFixture) through(t *testing.T, m *bootp, kind byte) bootp {
	t.Helper()
	_, err := f.relay.WriteTo(m.bytes(), &net.UDPAddr{IP: serverIP[:], Port: 67})
	f.ok(err)
	for buf := make([]byte, 4096); ; {
		n, from, err := f.relay.ReadFrom(buf)
		if err != nil {
			t.Fatal(err)
		}
		b, ok := readBootp(buf[:n])
		if port := from.(*net.UDPAddr).Port; port != 67 {
			continue // a client on the link
		}
		if !ok || b.xid != m.xid || b.kind() != kind || from.String() != "10.20.0.2:67" {
			t.Fatalf("from %s: type %d for %x, want type %d for %x", from, b.kind(), b.xid, kind, m.xid)
		}
		return b
	}
}

func via(last byte, info ...byte) func(*bootp) {
	return func(m *bootp) {
		m.giaddr, m.hops = [4]byte{10, last, 0, 1}, 1
		if len(info) > 0 {
			option(82, info...)(m)
		}
	}
}

func (f *wireFixture) relays(t *testing.T) {
	info := []byte{1, 2, 'g', '7', 2, 3, 's', 'w', '1'}
	b := f.through(t, f.message(46, tDiscover, via(41, info...), wantsBroadcast, option(61, 1)), tOffer)
	if o := b.order(); o[len(o)-1] != 82 || !bytes.Equal(b.opt(82), info) || b.giaddr != [4]byte{10, 41, 0, 1} || b.flags != 0x8000 || b.hops != 0 || b.yiaddr[1] != 41 {
		t.Errorf("order %v, %+v", o, b)
	}
	// Link selection (RFC 3527) goes before option 118 (RFC 3011), and that before giaddr; the answer goes to giaddr.
	for _, c := range []struct {
		net  byte
		mods []func(*bootp)
	}{
		{41, []func(*bootp){via(20, 5, 4, 10, 41, 0, 0), func(m *bootp) { m.giaddr = [4]byte{10, 20, 0, 5} }}},
		{41, []func(*bootp){addrOption(118, [4]byte{10, 41, 0, 0}), func(m *bootp) { m.giaddr = [4]byte{10, 20, 0, 5} }}},
		{41, []func(*bootp){via(40, 5, 4, 10, 41, 0, 0), addrOption(118, [4]byte{10, 40, 0, 0})}},
	} {
		m := f.message(47+byte(len(c.mods)), tDiscover, c.mods...)
		m.chaddr[4], m.xid[0] = byte(f.seq), byte(f.seq)
		if b := f.through(t, m, tOffer); b.yiaddr[1] != c.net || b.giaddr != m.giaddr {
			t.Errorf("offered %v by %v", b.yiaddr, b.giaddr)
		}
	}
	// RFC 8357: a relay that listens on another port.
	f.ok(f.phone.AddAddr("eth0", netip.MustParsePrefix("10.20.0.6/24")))
	other := f.udp(f.phone, "10.20.0.6:6767") // its other address is leased to a client: no relay's
	m := f.message(52, tDiscover, via(20, 19, 0), func(m *bootp) { m.giaddr = [4]byte{10, 20, 0, 6} })
	_, err := other.WriteTo(m.bytes(), &net.UDPAddr{IP: serverIP[:], Port: 67})
	f.ok(err)
	n, _, err := other.ReadFrom(make([]byte, 4096))
	if err != nil || n < 300 {
		t.Errorf("%d bytes, %v", n, err)
	}
	if c := f.answer(t, m, tOffer); c.dst.String() != "10.20.0.6:6767" {
		t.Errorf("sent to %s", c.dst)
	}
}

func (f *wireFixture) relayedNAK(t *testing.T) {
	b := f.through(t, f.message(53, tRequest, via(41, 1, 1, 'x'), addrOption(50, [4]byte{192, 168, 1, 5})), tNak)
	if o := b.order(); !slices.Equal(o, []byte{53, 54, 56, 82}) || b.flags&0x8000 == 0 || b.giaddr != [4]byte{10, 41, 0, 1} {
		t.Errorf("order %v, %+v", o, b)
	}
	if b = f.through(t, f.message(53, tInform, via(41), option(55, 66)), tAck); b.flags&0x8000 == 0 || b.opt(51) != nil || b.yiaddr != [4]byte{} {
		t.Errorf("%+v", b)
	}
}

func (f *wireFixture) override(t *testing.T) {
	relay := [4]byte{10, 41, 0, 1}
	over := via(41, 11, 4, 10, 41, 0, 1)
	b := f.through(t, f.message(54, tDiscover, over), tOffer)
	if !bytes.Equal(b.opt(54), relay[:]) {
		t.Errorf("server %v", b.opt(54))
	}
	f.through(t, f.message(54, tRequest, over, addrOption(50, b.yiaddr), addrOption(54, relay)), tAck)
}

func (f *wireFixture) exhausted(t *testing.T) {
	for n := range byte(2) {
		f.through(t, f.message(55+n, tDiscover, via(40)), tOffer)
	}
	_, err := f.relay.WriteTo(f.message(57, tDiscover, via(40)).bytes(), &net.UDPAddr{IP: serverIP[:], Port: 67})
	f.ok(err)
	f.through(t, f.message(58, tDiscover, via(41)), tOffer) // the exhausted client got no answer before
}
