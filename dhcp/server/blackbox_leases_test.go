package server

import (
	"net/netip"
	"slices"
	"testing"
)

// leaseRules are the rules about which client gets, keeps and loses which address.
type leaseRules struct{ *rawClients }

func (r leaseRules) otherServer(t *testing.T) {
	a := r.exchange(t, r.message(4, tDiscover), tOffer).bootp.yiaddr
	r.checkNoReply(t, func() {
		r.sendBroadcast(r.message(4, tRequest, addrOption(50, a), addrOption(54, [4]byte{10, 20, 0, 66})))
	})
	// Its offer is dropped: another client can have the address.
	if b := r.exchange(t, r.message(5, tDiscover, addrOption(50, a)), tOffer).bootp.yiaddr; b != a {
		t.Errorf("%v is still held", a)
	}
}

func (r leaseRules) nak(t *testing.T) {
	a := r.bind(t, 6)
	c := r.exchange(t, r.message(7, tRequest, addrOption(50, a), addrOption(54, serverIP), option(61, 9, 9), option(55, 1, 3, 6)), tNak)
	b := c.bootp
	if c.to != broadcastHW || c.dst.String() != "255.255.255.255:68" || !slices.Equal(b.order(), []byte{53, 54, 56, 61}) {
		t.Errorf("order %v to %s", b.order(), c.dst)
	}
	if b.yiaddr != [4]byte{} || b.siaddr != [4]byte{} || b.ciaddr != [4]byte{} || b.sname != [64]byte{} || b.file != [128]byte{} {
		t.Errorf("%+v", b)
	}
}

func (r leaseRules) noOffer(t *testing.T) {
	want := [4]byte{10, 20, 0, 200}
	if c := r.exchange(t, r.message(8, tRequest, addrOption(50, want), addrOption(54, serverIP)), tAck); c.bootp.yiaddr != want {
		t.Errorf("acknowledged %v", c.bootp.yiaddr)
	}
}

func (r leaseRules) initReboot(t *testing.T) {
	a := r.bind(t, 9)
	if c := r.exchange(t, r.message(9, tRequest, addrOption(50, a)), tAck); c.bootp.yiaddr != a || c.bootp.ciaddr != [4]byte{} {
		t.Errorf("%+v", c.bootp)
	}
	r.exchange(t, r.message(9, tRequest, addrOption(50, [4]byte{10, 20, 0, 180})), tNak)
	r.exchange(t, r.message(9, tRequest, addrOption(50, [4]byte{192, 168, 1, 5})), tNak)
	r.exchange(t, r.message(10, tRequest, addrOption(50, a)), tNak)
	r.exchange(t, r.message(10, tRequest, addrOption(50, [4]byte{10, 20, 0, 190})), tAck) // a lease that the server lost
}

func (r leaseRules) renewal(t *testing.T) {
	a := r.bind(t, 11)
	r.own(t, a)
	lost := [4]byte{10, 20, 0, 170}
	r.own(t, lost)
	for _, c := range []struct {
		client byte
		addr   [4]byte
		send   func(*bootp)
	}{
		{11, a, func(m *bootp) { r.sendUnicast(m, a) }},
		{11, a, r.sendBroadcast}, // REBINDING
		{12, lost, func(m *bootp) { r.sendUnicast(m, lost) }},
	} {
		m := r.message(c.client, tRequest, ciaddr(c.addr), wantsBroadcast)
		c.send(m)
		got := r.answer(t, m, tAck)
		if got.dst != netip.AddrPortFrom(netip.AddrFrom4(c.addr), 68) || got.to != [6]byte(m.chaddr[:6]) || got.bootp.yiaddr != c.addr || got.bootp.ciaddr != c.addr || got.src.String() != "10.20.0.2:67" {
			t.Errorf("%+v", got)
		}
	}
}

func (r leaseRules) wrongRenewal(t *testing.T) {
	a := r.bind(t, 13)
	m := r.message(14, tRequest, ciaddr(a))
	r.sendUnicast(m, a)
	if c := r.answer(t, m, tNak); c.to != broadcastHW || c.dst.String() != "255.255.255.255:68" || c.bootp.ciaddr != [4]byte{} {
		t.Errorf("%+v", c)
	}
	r.exchange(t, r.message(14, tRequest, ciaddr(a)), tNak)
}

func (r leaseRules) noAddress(t *testing.T) {
	r.checkNoReply(t, func() { r.sendBroadcast(r.message(15, tRequest)) })
	a := r.bind(t, 15)
	if c := r.exchange(t, r.message(15, tRequest), tAck); c.bootp.yiaddr != a {
		t.Errorf("acknowledged %v", c.bootp.yiaddr)
	}
}

func (r leaseRules) oldClient(t *testing.T) {
	a := [4]byte{10, 20, 0, 150}
	if c := r.exchange(t, r.message(16, tRequest, ciaddr(a), addrOption(54, serverIP)), tAck); c.bootp.yiaddr != a || c.to != [6]byte{0, 0x15, 0x65, 0, 1, 16} {
		t.Errorf("%+v", c)
	}
}

func (r leaseRules) sameOffer(t *testing.T) {
	a := r.exchange(t, r.message(35, tDiscover, option(61, 1)), tOffer).bootp.yiaddr
	r.exchange(t, r.message(36, tDiscover, addrOption(50, a)), tOffer) // another client requests the same address
	r.exchange(t, r.message(35, tRequest, addrOption(50, a), addrOption(54, serverIP), option(61, 1)), tAck)
	if c := r.exchange(t, r.message(35, tRequest, addrOption(50, a), addrOption(54, serverIP), option(61, 2, 2)), tAck); c.bootp.yiaddr != a {
		t.Errorf("another client id gets %v", c.bootp.yiaddr)
	}
	r.exchange(t, r.message(36, tRequest, addrOption(50, a), addrOption(54, serverIP)), tNak)
}

func (r leaseRules) decline(t *testing.T) {
	a := r.bind(t, 37)
	r.checkNoReply(t, func() { r.sendBroadcast(r.message(38, tDecline, addrOption(50, a), addrOption(54, serverIP))) }) // not its own
	r.exchange(t, r.message(37, tRequest, addrOption(50, a)), tAck)
	r.checkNoReply(t, func() { r.sendBroadcast(r.message(37, tDecline, addrOption(50, a), addrOption(54, serverIP))) })
	r.exchange(t, r.message(39, tRequest, addrOption(50, a)), tNak)
	if b := r.exchange(t, r.message(39, tDiscover, addrOption(50, a)), tOffer).bootp.yiaddr; b == a {
		t.Error("a declined address is offered")
	}
}

func (r leaseRules) release(t *testing.T) {
	a := r.bind(t, 40)
	r.checkNoReply(t, func() { r.sendUnicast(r.message(41, tRelease, ciaddr(a), addrOption(54, serverIP)), a) }) // not its own
	r.exchange(t, r.message(41, tRequest, addrOption(50, a)), tNak)
	r.checkNoReply(t, func() { r.sendUnicast(r.message(40, tRelease, ciaddr(a), addrOption(54, serverIP)), a) })
	if b := r.exchange(t, r.message(42, tDiscover), tOffer).bootp.yiaddr; b == a {
		t.Error("a released address goes to another while fresh ones are left")
	}
	if b := r.bind(t, 43, addrOption(12, [4]byte{'a', 'b', 'c', 'd'})); b == a {
		t.Error("a released address goes to another while fresh ones are left")
	}
}

func (r leaseRules) again(t *testing.T) {
	a := r.exchange(t, r.message(45, tDiscover), tOffer).bootp.yiaddr
	m := r.message(45, tRequest, addrOption(50, a), addrOption(54, serverIP))
	for range 3 {
		if c := r.exchange(t, m, tAck); c.bootp.yiaddr != a {
			t.Errorf("acknowledged %v", c.bootp.yiaddr)
		}
	}
}
