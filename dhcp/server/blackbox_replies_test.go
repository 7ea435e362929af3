package server

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"
)

// replyRules are the rules about replies: which messages have one, and its addresses, size and options.
type replyRules struct{ *rawClients }

func (r replyRules) broadcast(t *testing.T) {
	c := r.exchange(t, r.message(1, tDiscover, wantsBroadcast), tOffer)
	if c.to != broadcastHW || c.dst.String() != "255.255.255.255:68" || c.src.String() != "10.20.0.2:67" || c.from != pbxMAC || c.bootp.flags != 0x8000 {
		t.Errorf("%+v", c)
	}
	if [4]byte(c.bootp.opt(54)) != [4]byte(c.src.Addr().AsSlice()) {
		t.Errorf("server %v, sent from %s", c.bootp.opt(54), c.src)
	}
}

func (r replyRules) unicast(t *testing.T) {
	m := r.message(2, tDiscover)
	m.hops, m.secs = 3, 9
	c := r.exchange(t, m, tOffer)
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
	for _, kind := range []byte{tOffer, tAck} {
		if kind == tAck {
			c = r.exchange(t, r.message(2, tRequest, addrOption(50, b.yiaddr), addrOption(54, serverIP)), tAck)
		}
		o := c.bootp.order()
		if mask, router := bytes.IndexByte(o, 1), bytes.IndexByte(o, 3); mask < 0 || router < mask || c.bootp.opt(51) == nil {
			t.Errorf("order %v", o)
		}
	}
}

func (r replyRules) order(t *testing.T) {
	c := r.exchange(t, r.message(3, tDiscover, option(55, 200, 3, 6, 6, 51, 3, 1, 0, 255), option(61, 1, 2, 3)), tOffer)
	if got := c.bootp.order(); !slices.Equal(got, []byte{53, 54, 1, 3, 6, 51, 58, 59, 61}) {
		t.Errorf("order %v", got)
	}
}

func (r replyRules) size(t *testing.T) {
	all := option(55, 1, 3, 6, 224, 225, 226)
	for i, c := range []struct {
		max  int // option 57, 0 for none
		most int
	}{{0, 548}, {300, 548}, {576, 548}, {800, 772}, {1500, 1472}} {
		mods := []func(*bootp){all}
		if c.max > 0 {
			mods = append(mods, option(57, byte(c.max>>8), byte(c.max)))
		}
		got := r.exchange(t, r.message(23+byte(i), tDiscover, mods...), tOffer)
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

func (r replyRules) overload(t *testing.T) {
	m := r.message(30, tDiscover, option(52, 3), option(61, bytes.Repeat([]byte{1}, 30)...))
	copy(m.file[:], []byte{61, 2, 2, 2, 55, 1, 6, 255})
	copy(m.sname[:], []byte{61, 1, 3, 255})
	c := r.exchange(t, m, tOffer)
	if want := append(bytes.Repeat([]byte{1}, 30), 2, 2, 3); !bytes.Equal(c.bootp.opt(61), want) {
		t.Errorf("61 comes back as % x", c.bootp.opt(61))
	}
	if o := c.bootp.order(); !slices.Contains(o, 6) || slices.Contains(o, 3) {
		t.Errorf("the list in file is not read: %v", o)
	}
}

func (r replyRules) times(t *testing.T) {
	secs := func(c received, code byte) uint32 {
		return binary.BigEndian.Uint32(append(c.bootp.opt(code), 0, 0, 0, 0))
	}
	for i, requested := range []uint32{0, 600, 0xffffffff} {
		mods := []func(*bootp){}
		if requested > 0 {
			mods = append(mods, option(51, binary.BigEndian.AppendUint32(nil, requested)...))
		}
		client := 31 + byte(i)
		o := r.exchange(t, r.message(client, tDiscover, mods...), tOffer)
		a := r.exchange(t, r.message(client, tRequest, append(mods, addrOption(50, o.bootp.yiaddr), addrOption(54, serverIP))...), tAck)
		lease := secs(a, 51)
		if want := map[bool]uint32{true: 600, false: 3600}[requested == 600]; lease != want || secs(o, 51) != want {
			t.Errorf("requested %d, offered %d, granted %d", requested, secs(o, 51), lease)
		}
		if t1, t2 := secs(a, 58), secs(a, 59); t1 == 0 || t1 > lease/2 || t1 < lease/2-lease/16-1 || t2 <= t1 || t2 >= lease {
			t.Errorf("lease %d, T1 %d, T2 %d", lease, t1, t2)
		}
	}
}

func (r replyRules) malformed(t *testing.T) {
	// Each is another client: a repeated DISCOVER would be dropped.
	set := func(g func(*bootp)) *bootp {
		return r.message(17, tDiscover, func(m *bootp) { m.chaddr[4] = byte(r.seq) }, g)
	}
	for name, m := range map[string]*bootp{
		"50 of 3 bytes": r.message(17, tRequest, option(50, 1, 2, 3)), "54 of 5": r.message(17, tRequest, option(54, 1, 2, 3, 4, 5)), "54 of none": r.message(17, tRequest, option(54)),
		"hlen 0": set(func(m *bootp) { m.hlen = 0 }), "hlen 7": set(func(m *bootp) { m.hlen = 7 }), "hlen 16": set(func(m *bootp) { m.hlen = 16 }), "hlen 255": set(func(m *bootp) { m.hlen = 255 }),
		"htype 6": set(func(m *bootp) { m.htype = 6 }), "op 2": set(func(m *bootp) { m.op = 2 }), "op 0": set(func(m *bootp) { m.op = 0 }),
		"too long an option": set(func(m *bootp) { m.opts = append(m.opts, 12, 200, 'a') }),
		"no options at all":  set(func(m *bootp) { m.opts = nil }), "a relay at 127.0.0.1": set(func(m *bootp) { m.giaddr = [4]byte{127, 0, 0, 1} }),
		"a relay that is the server": set(func(m *bootp) { m.giaddr = serverIP }), "a multicast relay": set(func(m *bootp) { m.giaddr = [4]byte{224, 0, 0, 1} }),
	} {
		t.Run(name, func(t *testing.T) { r.checkNoReply(t, func() { r.sendBroadcast(m) }) })
	}
	t.Run("not even a header", func(t *testing.T) {
		r.checkNoReply(t, func() {
			r.tap.send(r.tap.mac, broadcastHW, unspecified, limitedBroadcast, []byte("GET / HTTP/1.1\r\n\r\n"))
		})
	})
	for i, g := range []func(*bootp){func(m *bootp) { m.opts = append(m.opts, make([]byte, 1200)...) }, func(m *bootp) { m.opts = append(m.opts, 12, 0, 60, 0, 61, 0, 55, 0) }} {
		r.exchange(t, r.message(18+byte(i), tDiscover, g), tOffer) // unusual, but valid
	}
	endless := r.message(20, tDiscover)
	endless.opts = endless.opts[:len(endless.opts)-1]
	r.exchange(t, endless, tOffer)
}

func (r replyRules) notServed(t *testing.T) {
	for _, kind := range []byte{tOffer, tAck, tNak, 9, tLeaseQuery, 13, 200} {
		r.checkNoReply(t, func() { r.sendBroadcast(r.message(44, kind)) })
	}
	c := r.exchange(t, r.message(44, tDiscover, option(80), option(90, 1, 1, 0), option(55, 1, 80, 90)), tOffer) // no rapid commit, no authentication
	if o := c.bootp.order(); slices.Contains(o, 80) || slices.Contains(o, 90) {
		t.Errorf("options %v", o)
	}
}

func (r replyRules) discoverWithServer(t *testing.T) {
	r.checkNoReply(t, func() { r.sendBroadcast(r.message(21, tDiscover, addrOption(54, serverIP))) })
	if c := r.exchange(t, r.message(60, tDiscover, ciaddr([4]byte{10, 20, 0, 77})), tOffer); c.bootp.ciaddr != [4]byte{} {
		t.Errorf("%+v", c.bootp)
	}
}

func (r replyRules) inform(t *testing.T) {
	a, foreign := [4]byte{10, 20, 0, 30}, [4]byte{10, 20, 0, 31}
	r.own(t, a)
	r.own(t, foreign)
	for _, m := range []*bootp{r.message(22, tInform, ciaddr(a), option(55, 1, 51, 58, 66)), r.message(22, tInform, option(55, 1, 51, 59, 66))} {
		r.sendUnicast(m, a)
		c := r.answer(t, m, tAck)
		b := c.bootp
		if c.to != [6]byte(m.chaddr[:6]) || c.dst != netip.AddrPortFrom(netip.AddrFrom4(a), 68) || b.yiaddr != [4]byte{} || b.ciaddr != m.ciaddr || b.opt(51) != nil || b.opt(58) != nil || b.opt(59) != nil {
			t.Errorf("to %s: %+v", c.dst, b)
		}
		if string(b.opt(66)) != "http://10.20.0.2/" {
			t.Errorf("66 is %q", b.opt(66))
		}
	}
	m := r.message(22, tInform, ciaddr(foreign))
	r.sendBroadcast(m) // without a lease on that address
	r.answer(t, m, tAck)
}
