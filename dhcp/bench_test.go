package dhcp

import (
	"fmt"
	"net/netip"
	"testing"
	"time"
)

// BenchmarkDecide is the server's share of a four-way exchange without sockets and disk: two packets decoded, decided, encoded, for a
// new client each time.
func BenchmarkDecide(b *testing.B) {
	for _, held := range []int{0, 100_000} {
		b.Run(fmt.Sprintf("leases=%d", held), func(b *testing.B) {
			s := voice()
			s.Prefix = netip.MustParsePrefix("10.0.0.0/8")
			s.Pools = []Range{{ip("10.1.0.0"), ip("10.4.255.255")}}
			s.Routers, s.DNSServers = []netip.Addr{ip("10.0.0.1")}, []netip.Addr{ip("10.0.0.3")}
			cfg := config(s)
			e, err := NewEngine(cfg, nil, phones{Policy{Options: []Option{{Code: 66, Data: []byte("http://10.0.0.2/"), Force: true}}}})
			if err != nil {
				b.Fatal(err)
			}
			v := NewLeases(cfg)
			now := start
			v.Advance(now)
			for n := range held {
				v.load(new(packLease(&Lease{Addr: addr4(u32(ip("10.1.0.1")) + uint32(n)), MAC: mac(n + 1<<20), Subnet: s.Prefix, State: LeaseActive, Phone: true, Starts: now, Expires: now.Add(time.Hour + time.Duration(n)*time.Millisecond)})))
			}
			link := Link{Interface: "voice0", Addrs: []netip.Prefix{netip.MustParsePrefix("10.0.0.2/8")}, Dest: limitedBroadcast, MTU: 1500}
			discover := packet(MessageTypeDiscover, 60, 7, 'y', 'e', 'a', 'l', 'i', 'n', 'k', 61, 7, 1, 0, 21, 101, 0, 0, 0, 55, 6, 1, 3, 6, 15, 42, 66, 12, 4, 's', 'i', 'p', 't', 255)
			ask := append(packet(MessageTypeRequest, 50, 4, 0, 0, 0, 0, 54, 4, 10, 0, 0, 2), discover[243:]...)
			buf := make([]byte, 0, 1500)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				now = now.Add(10 * time.Millisecond)
				m := mac(i % (1 << 17))
				copy(discover[28:], m[:])
				copy(ask[28:], m[:])
				o := benchServe(b, e, v, now, discover, &link, buf)
				a := o.Reply.YIAddr.As4()
				copy(ask[245:], a[:])
				if d := benchServe(b, e, v, now, ask, &link, buf); d.Reply.Type != MessageTypeAck {
					b.Fatal(d.Event.Reason)
				}
			}
		})
	}
}

func benchServe(b *testing.B, e *Engine, v *Leases, now time.Time, p []byte, link *Link, buf []byte) Decision {
	req, err := Decode(p)
	if err != nil {
		b.Fatal(err)
	}
	v.Advance(now)
	d := e.Decide(now, req, link, e.Classify(req, link), v)
	if d.Unhold {
		v.dropOffer(req.MAC)
	}
	if d.Hold.IsValid() {
		v.hold(req.MAC, d.Hold, d.Event.Phone)
	}
	for _, c := range d.Changes {
		v.apply(c)
		v.completeWrite(c, true)
	}
	if d.Reply == nil {
		b.Fatal(d.Event.Reason)
	}
	d.Reply.Encode(buf[:0], 1500)
	return d
}

// BenchmarkLoad is the start with 100,000 leases.
func BenchmarkLoad(b *testing.B) {
	s := voice()
	s.Prefix = netip.MustParsePrefix("10.0.0.0/8")
	s.Pools = []Range{{ip("10.1.0.0"), ip("10.4.255.255")}}
	for b.Loop() {
		t := NewTable(config(s), newDisk(), func() time.Time { return start })
		_ = t.Load(func(f func(Lease) error) error {
			for n := range 100_000 {
				if err := f(Lease{Addr: addr4(u32(ip("10.1.0.1")) + uint32(n)), MAC: mac(n), Subnet: s.Prefix, State: LeaseActive, Starts: start, Expires: start.Add(time.Hour)}); err != nil {
					return err
				}
			}
			return nil
		})
	}
}
