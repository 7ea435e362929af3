package server

import (
	"bytes"
	"net"
	"slices"
	"testing"
)

// udpRelay is a relay that the server sees; its socket receives what the server sends to it.
type udpRelay struct{ conn *net.UDPConn }

func (u udpRelay) send(t *testing.T, m *bootp) {
	t.Helper()
	if _, err := u.conn.WriteTo(m.bytes(), &net.UDPAddr{IP: serverIP[:], Port: 67}); err != nil {
		t.Fatal(err)
	}
}

// through sends a message by the relay and returns the answer that the relay receives.
func (u udpRelay) through(t *testing.T, m *bootp, kind byte) bootp {
	t.Helper()
	u.send(t, m)
	for buf := make([]byte, 4096); ; {
		n, from, err := u.conn.ReadFrom(buf)
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

// relayRules are the rules about messages that come by a relay.
type relayRules struct {
	*rawClients
	udpRelay
	network *network
}

func (r relayRules) options(t *testing.T) {
	info := []byte{1, 2, 'g', '7', 2, 3, 's', 'w', '1'}
	b := r.through(t, r.message(46, tDiscover, via(41, info...), wantsBroadcast, option(61, 1)), tOffer)
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
		m := r.message(47+byte(len(c.mods)), tDiscover, c.mods...)
		m.chaddr[4], m.xid[0] = byte(r.seq), byte(r.seq)
		if b := r.through(t, m, tOffer); b.yiaddr[1] != c.net || b.giaddr != m.giaddr {
			t.Errorf("offered %v by %v", b.yiaddr, b.giaddr)
		}
	}
	// RFC 8357: a relay that listens on another port.
	r.own(t, [4]byte{10, 20, 0, 6})
	other := udpRelay{r.network.udp(r.host, "10.20.0.6:6767")} // its other address is leased to a client: no relay's
	m := r.message(52, tDiscover, via(20, 19, 0), func(m *bootp) { m.giaddr = [4]byte{10, 20, 0, 6} })
	other.send(t, m)
	n, _, err := other.conn.ReadFrom(make([]byte, 4096))
	if err != nil || n < 300 {
		t.Errorf("%d bytes, %v", n, err)
	}
	if c := r.answer(t, m, tOffer); c.dst.String() != "10.20.0.6:6767" {
		t.Errorf("sent to %s", c.dst)
	}
}

func (r relayRules) relayedNAK(t *testing.T) {
	b := r.through(t, r.message(53, tRequest, via(41, 1, 1, 'x'), addrOption(50, [4]byte{192, 168, 1, 5})), tNak)
	if o := b.order(); !slices.Equal(o, []byte{53, 54, 56, 82}) || b.flags&0x8000 == 0 || b.giaddr != [4]byte{10, 41, 0, 1} {
		t.Errorf("order %v, %+v", o, b)
	}
	if b = r.through(t, r.message(53, tInform, via(41), option(55, 66)), tAck); b.flags&0x8000 == 0 || b.opt(51) != nil || b.yiaddr != [4]byte{} {
		t.Errorf("%+v", b)
	}
}

func (r relayRules) override(t *testing.T) {
	relay := [4]byte{10, 41, 0, 1}
	over := via(41, 11, 4, 10, 41, 0, 1)
	b := r.through(t, r.message(54, tDiscover, over), tOffer)
	if !bytes.Equal(b.opt(54), relay[:]) {
		t.Errorf("server %v", b.opt(54))
	}
	r.through(t, r.message(54, tRequest, over, addrOption(50, b.yiaddr), addrOption(54, relay)), tAck)
}

func (r relayRules) exhausted(t *testing.T) {
	for n := range byte(2) {
		r.through(t, r.message(55+n, tDiscover, via(40)), tOffer)
	}
	r.send(t, r.message(57, tDiscover, via(40)))
	r.through(t, r.message(58, tDiscover, via(41)), tOffer) // the exhausted client got no answer before
}
