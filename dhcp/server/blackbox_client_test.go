package server

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"
)

func (f *wireFixture) broadcast(t *testing.T) {
	c := f.exchange(t, f.message(1, tDiscover, wantsBroadcast), tOffer)
	if c.to != broadcastHW || c.dst.String() != "255.255.255.255:68" || c.src.String() != "10.20.0.2:67" || c.from != pbxMAC || c.bootp.flags != 0x8000 {
		t.Errorf("%+v", c)
	}
	if [4]byte(c.bootp.opt(54)) != [4]byte(c.src.Addr().AsSlice()) {
		t.Errorf("server %v, sent from %s", c.bootp.opt(54), c.src)
	}
}

func (f *wireFixture) unicast(t *testing.T) {
	m := f.message(2, tDiscover)
	m.hops, m.secs = 3, 9
	c := f.exchange(t, m, tOffer)
	b := c.bootp
	if c.to != [6]byte(m.chaddr[:6]) || c.dst != netip.AddrPortFrom(netip.AddrFrom4(b.yiaddr), 68) || !c.checked || c.src.String() != "10.20.0.2:67" {
		t.Errorf("%+v", c)
	}
	if b.htype != 1 || b.hlen != 6 || b.hops != 0 || b.secs != 0 || b.flags != 0 || b.chaddr != m.chaddr || b.ciaddr != [4]byte{} || b.giaddr != [4]byte{} || c.size < 300 {
		t.Errorf("%d bytes: %+v", c.size, b)
	}
	if len(b.opt(51)) != 4 || !bytes.Equal(b.opt(54), serverIP[:]) || !bytes.Equal(b.opt(1), []byte{255, 255, 255, 0}) {
		t.Errorf("options % x", b.opts)
	}
	for _, r := range []byte{tOffer, tAck} {
		if r == tAck {
			c = f.exchange(t, f.message(2, tRequest, addrOption(50, b.yiaddr), addrOption(54, serverIP)), tAck)
		}
		o := c.bootp.order()
		if mask, router := bytes.IndexByte(o, 1), bytes.IndexByte(o, 3); mask < 0 || router < mask || c.bootp.opt(51) == nil {
			t.Errorf("order %v", o)
		}
	}
}

func (f *wireFixture) order(t *testing.T) {
	c := f.exchange(t, f.message(3, tDiscover, option(55, 200, 3, 6, 6, 51, 3, 1, 0, 255), option(61, 1, 2, 3)), tOffer)
	if got := c.bootp.order(); !slices.Equal(got, []byte{53, 54, 1, 3, 6, 51, 58, 59, 61}) {
		t.Errorf("order %v", got)
	}
}

func (f *wireFixture) otherServer(t *testing.T) {
	a := f.exchange(t, f.message(4, tDiscover), tOffer).bootp.yiaddr
	f.checkNoReply(t, func() {
		f.sendBroadcast(f.message(4, tRequest, addrOption(50, a), addrOption(54, [4]byte{10, 20, 0, 66})))
	})
	// Its offer is dropped: another client can have the address.
	if b := f.exchange(t, f.message(5, tDiscover, addrOption(50, a)), tOffer).bootp.yiaddr; b != a {
		t.Errorf("%v is still held", a)
	}
}

func (f *wireFixture) nak(t *testing.T) {
	a := f.bind(t, 6)
	c := f.exchange(t, f.message(7, tRequest, addrOption(50, a), addrOption(54, serverIP), option(61, 9, 9), option(55, 1, 3, 6)), tNak)
	b := c.bootp
	if c.to != broadcastHW || c.dst.String() != "255.255.255.255:68" || !slices.Equal(b.order(), []byte{53, 54, 56, 61}) {
		t.Errorf("order %v to %s", b.order(), c.dst)
	}
	if b.yiaddr != [4]byte{} || b.siaddr != [4]byte{} || b.ciaddr != [4]byte{} || b.sname != [64]byte{} || b.file != [128]byte{} {
		t.Errorf("%+v", b)
	}
}

func (f *wireFixture) noOffer(t *testing.T) {
	want := [4]byte{10, 20, 0, 200}
	if c := f.exchange(t, f.message(8, tRequest, addrOption(50, want), addrOption(54, serverIP)), tAck); c.bootp.yiaddr != want {
		t.Errorf("acknowledged %v", c.bootp.yiaddr)
	}
}

func (f *wireFixture) initReboot(t *testing.T) {
	a := f.bind(t, 9)
	if c := f.exchange(t, f.message(9, tRequest, addrOption(50, a)), tAck); c.bootp.yiaddr != a || c.bootp.ciaddr != [4]byte{} {
		t.Errorf("%+v", c.bootp)
	}
	f.exchange(t, f.message(9, tRequest, addrOption(50, [4]byte{10, 20, 0, 180})), tNak)
	f.exchange(t, f.message(9, tRequest, addrOption(50, [4]byte{192, 168, 1, 5})), tNak)
	f.exchange(t, f.message(10, tRequest, addrOption(50, a)), tNak)
	f.exchange(t, f.message(10, tRequest, addrOption(50, [4]byte{10, 20, 0, 190})), tAck) // a lease that the server lost
}

// own gives the phone's host an address, for which it then answers by ARP.
func (f *wireFixture) own(a [4]byte) {
	f.t.Helper()
	f.ok(f.phone.AddAddr("eth0", netip.PrefixFrom(netip.AddrFrom4(a), 24)))
}

func (f *wireFixture) renewal(t *testing.T) {
	a := f.bind(t, 11)
	f.own(a)
	lost := [4]byte{10, 20, 0, 170}
	f.own(lost)
	for _, c := range []struct {
		client byte
		addr   [4]byte
		send   func(*bootp)
	}{
		{11, a, func(m *bootp) { f.sendUnicast(m, a) }},
		{11, a, f.sendBroadcast}, // REBINDING
		{12, lost, func(m *bootp) { f.sendUnicast(m, lost) }},
	} {
		m := f.message(c.client, tRequest, ciaddr(c.addr), wantsBroadcast)
		c.send(m)
		got := f.answer(t, m, tAck)
		if got.dst != netip.AddrPortFrom(netip.AddrFrom4(c.addr), 68) || got.to != [6]byte(m.chaddr[:6]) || got.bootp.yiaddr != c.addr || got.bootp.ciaddr != c.addr || got.src.String() != "10.20.0.2:67" {
			t.Errorf("%+v", got)
		}
	}
}

func (f *wireFixture) wrongRenewal(t *testing.T) {
	a := f.bind(t, 13)
	m := f.message(14, tRequest, ciaddr(a))
	f.sendUnicast(m, a)
	if c := f.answer(t, m, tNak); c.to != broadcastHW || c.dst.String() != "255.255.255.255:68" || c.bootp.ciaddr != [4]byte{} {
		t.Errorf("%+v", c)
	}
	f.exchange(t, f.message(14, tRequest, ciaddr(a)), tNak)
}

func (f *wireFixture) noAddress(t *testing.T) {
	f.checkNoReply(t, func() { f.sendBroadcast(f.message(15, tRequest)) })
	a := f.bind(t, 15)
	if c := f.exchange(t, f.message(15, tRequest), tAck); c.bootp.yiaddr != a {
		t.Errorf("acknowledged %v", c.bootp.yiaddr)
	}
}

func (f *wireFixture) oldClient(t *testing.T) {
	a := [4]byte{10, 20, 0, 150}
	if c := f.exchange(t, f.message(16, tRequest, ciaddr(a), addrOption(54, serverIP)), tAck); c.bootp.yiaddr != a || c.to != [6]byte{0, 0x15, 0x65, 0, 1, 16} {
		t.Errorf("%+v", c)
	}
}

func (f *wireFixture) malformed(t *testing.T) {
	// Each is another client: a repeated DISCOVER would be dropped.
	set := func(g func(*bootp)) *bootp {
		return f.message(17, tDiscover, func(m *bootp) { m.chaddr[4] = byte(f.seq) }, g)
	}
	for name, m := range map[string]*bootp{
		"50 of 3 bytes": f.message(17, tRequest, option(50, 1, 2, 3)), "54 of 5": f.message(17, tRequest, option(54, 1, 2, 3, 4, 5)), "54 of none": f.message(17, tRequest, option(54)),
		"hlen 0": set(func(m *bootp) { m.hlen = 0 }), "hlen 7": set(func(m *bootp) { m.hlen = 7 }), "hlen 16": set(func(m *bootp) { m.hlen = 16 }), "hlen 255": set(func(m *bootp) { m.hlen = 255 }),
		"htype 6": set(func(m *bootp) { m.htype = 6 }), "op 2": set(func(m *bootp) { m.op = 2 }), "op 0": set(func(m *bootp) { m.op = 0 }),
		"too long an option": set(func(m *bootp) { m.opts = append(m.opts, 12, 200, 'a') }),
		"no options at all":  set(func(m *bootp) { m.opts = nil }), "a relay at 127.0.0.1": set(func(m *bootp) { m.giaddr = [4]byte{127, 0, 0, 1} }),
		"a relay that is the server": set(func(m *bootp) { m.giaddr = serverIP }), "a multicast relay": set(func(m *bootp) { m.giaddr = [4]byte{224, 0, 0, 1} }),
	} {
		t.Run(name, func(t *testing.T) { f.checkNoReply(t, func() { f.sendBroadcast(m) }) })
	}
	t.Run("not even a header", func(t *testing.T) {
		f.checkNoReply(t, func() {
			f.w.send(f.w.mac, broadcastHW, unspecified, limitedBroadcast, []byte("GET / HTTP/1.1\r\n\r\n"))
		})
	})
	for i, g := range []func(*bootp){func(m *bootp) { m.opts = append(m.opts, make([]byte, 1200)...) }, func(m *bootp) { m.opts = append(m.opts, 12, 0, 60, 0, 61, 0, 55, 0) }} {
		f.exchange(t, f.message(18+byte(i), tDiscover, g), tOffer) // unusual, but valid
	}
	endless := f.message(20, tDiscover)
	endless.opts = endless.opts[:len(endless.opts)-1]
	f.exchange(t, endless, tOffer)
}

func (f *wireFixture) discoverWithServer(t *testing.T) {
	f.checkNoReply(t, func() { f.sendBroadcast(f.message(21, tDiscover, addrOption(54, serverIP))) })
	if c := f.exchange(t, f.message(60, tDiscover, ciaddr([4]byte{10, 20, 0, 77})), tOffer); c.bootp.ciaddr != [4]byte{} {
		t.Errorf("%+v", c.bootp)
	}
}

func (f *wireFixture) inform(t *testing.T) {
	a, foreign := [4]byte{10, 20, 0, 30}, [4]byte{10, 20, 0, 31}
	f.own(a)
	f.own(foreign)
	for _, m := range []*bootp{f.message(22, tInform, ciaddr(a), option(55, 1, 51, 58, 66)), f.message(22, tInform, option(55, 1, 51, 59, 66))} {
		f.sendUnicast(m, a)
		c := f.answer(t, m, tAck)
		b := c.bootp
		if c.to != [6]byte(m.chaddr[:6]) || c.dst != netip.AddrPortFrom(netip.AddrFrom4(a), 68) || b.yiaddr != [4]byte{} || b.ciaddr != m.ciaddr || b.opt(51) != nil || b.opt(58) != nil || b.opt(59) != nil {
			t.Errorf("to %s: %+v", c.dst, b)
		}
		if string(b.opt(66)) != "http://10.20.0.2/" {
			t.Errorf("66 is %q", b.opt(66))
		}
	}
	m := f.message(22, tInform, ciaddr(foreign))
	f.sendBroadcast(m) // without a lease on that address
	f.answer(t, m, tAck)
}

func (f *wireFixture) size(t *testing.T) {
	all := option(55, 1, 3, 6, 224, 225, 226)
	for i, c := range []struct {
		max  int // option 57, 0 for none
		most int
	}{{0, 548}, {300, 548}, {576, 548}, {800, 772}, {1500, 1472}} {
		mods := []func(*bootp){all}
		if c.max > 0 {
			mods = append(mods, option(57, byte(c.max>>8), byte(c.max)))
		}
		got := f.exchange(t, f.message(23+byte(i), tDiscover, mods...), tOffer)
		if got.size > c.most {
			t.Errorf("%d bytes for a client that takes %d", got.size, c.most)
		}
		o := got.bootp.order()
		if want := c.max == 1500; want != (len(got.bootp.opt(224))+len(got.bootp.opt(225))+len(got.bootp.opt(226)) == 600) {
			t.Errorf("57 is %d: options %v", c.max, o)
		}
		if !slices.Contains(o, 1) || !slices.Contains(o, 3) || !slices.Contains(o, 51) {
			t.Errorf("options %v", o)
		}
	}
}

func (f *wireFixture) overload(t *testing.T) {
	m := f.message(30, tDiscover, option(52, 3), option(61, bytes.Repeat([]byte{1}, 30)...))
	copy(m.file[:], []byte{61, 2, 2, 2, 55, 1, 6, 255})
	copy(m.sname[:], []byte{61, 1, 3, 255})
	c := f.exchange(t, m, tOffer)
	if want := append(bytes.Repeat([]byte{1}, 30), 2, 2, 3); !bytes.Equal(c.bootp.opt(61), want) {
		t.Errorf("61 comes back as % x", c.bootp.opt(61))
	}
	if o := c.bootp.order(); !slices.Contains(o, 6) || slices.Contains(o, 3) {
		t.Errorf("the list in file is not read: %v", o)
	}
}

func (f *wireFixture) times(t *testing.T) {
	secs := func(c received, code byte) uint32 {
		return binary.BigEndian.Uint32(append(c.bootp.opt(code), 0, 0, 0, 0))
	}
	for i, requested := range []uint32{0, 600, 0xffffffff} {
		mods := []func(*bootp){}
		if requested > 0 {
			mods = append(mods, option(51, binary.BigEndian.AppendUint32(nil, requested)...))
		}
		client := 31 + byte(i)
		o := f.exchange(t, f.message(client, tDiscover, mods...), tOffer)
		a := f.exchange(t, f.message(client, tRequest, append(mods, addrOption(50, o.bootp.yiaddr), addrOption(54, serverIP))...), tAck)
		lease := secs(a, 51)
		if want := map[bool]uint32{true: 600, false: 3600}[requested == 600]; lease != want || secs(o, 51) != want {
			t.Errorf("requested %d, offered %d, granted %d", requested, secs(o, 51), lease)
		}
		if t1, t2 := secs(a, 58), secs(a, 59); t1 == 0 || t1 > lease/2 || t1 < lease/2-lease/16-1 || t2 <= t1 || t2 >= lease {
			t.Errorf("lease %d, T1 %d, T2 %d", lease, t1, t2)
		}
	}
}

func (f *wireFixture) sameOffer(t *testing.T) {
	a := f.exchange(t, f.message(35, tDiscover, option(61, 1)), tOffer).bootp.yiaddr
	f.exchange(t, f.message(36, tDiscover, addrOption(50, a)), tOffer) // another client requests the same address
	f.exchange(t, f.message(35, tRequest, addrOption(50, a), addrOption(54, serverIP), option(61, 1)), tAck)
	if c := f.exchange(t, f.message(35, tRequest, addrOption(50, a), addrOption(54, serverIP), option(61, 2, 2)), tAck); c.bootp.yiaddr != a {
		t.Errorf("another client id gets %v", c.bootp.yiaddr)
	}
	f.exchange(t, f.message(36, tRequest, addrOption(50, a), addrOption(54, serverIP)), tNak)
}
