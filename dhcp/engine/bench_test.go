package engine_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"plugtone/dhcp"
	"plugtone/dhcp/dhcptest"
	"plugtone/dhcp/engine"
	"plugtone/dhcp/leasetable"
	"plugtone/dhcp/wire"
)

// BenchmarkDecide is the server's share of a four-way exchange without sockets and disk: two packets decoded, decided, encoded, for a
// new client each time.
func BenchmarkDecide(b *testing.B) {
	for _, held := range []int{0, 100_000} {
		b.Run(fmt.Sprintf("leases=%d", held), func(b *testing.B) {
			s := dhcptest.Voice()
			s.Prefix = netip.MustParsePrefix("10.0.0.0/8")
			s.Pools = []dhcp.Range{{First: dhcptest.Addr("10.1.0.0"), Last: dhcptest.Addr("10.4.255.255")}}
			s.Routers, s.DNSServers = []netip.Addr{dhcptest.Addr("10.0.0.1")}, []netip.Addr{dhcptest.Addr("10.0.0.3")}
			cfg := dhcptest.ConfigOf(s)
			e, err := engine.New(cfg, nil, dhcptest.Phones{Policy: dhcp.Policy{Options: []dhcp.Option{{Code: 66, Data: []byte("http://10.0.0.2/"), Force: true}}}})
			if err != nil {
				b.Fatal(err)
			}
			now := dhcptest.Start
			table := leasetable.NewTable(cfg, dhcptest.NewDisk(), func() time.Time { return now })
			err = table.Load(func(f func(dhcp.Lease) error) error {
				for n := range held {
					l := dhcp.Lease{Addr: dhcptest.AddrOf(10<<24 + 1<<16 + 1 + uint32(n)), MAC: dhcptest.ClientMAC(n + 1<<20), Subnet: s.Prefix, State: dhcp.LeaseActive, Phone: true, Starts: now, Expires: now.Add(time.Hour + time.Duration(n)*time.Millisecond)}
					if err := f(l); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				b.Fatal(err)
			}
			dhcptest.RunTable(b, table)
			link := dhcp.Link{Interface: "voice0", Addrs: []netip.Prefix{netip.MustParsePrefix("10.0.0.2/8")}, Dest: dhcptest.Broadcast, MTU: 1500}
			discover := dhcptest.Packet(dhcp.MessageTypeDiscover, 60, 7, 'y', 'e', 'a', 'l', 'i', 'n', 'k', 61, 7, 1, 0, 21, 101, 0, 0, 0, 55, 6, 1, 3, 6, 15, 42, 66, 12, 4, 's', 'i', 'p', 't', 255)
			request := append(dhcptest.Packet(dhcp.MessageTypeRequest, 50, 4, 0, 0, 0, 0, 54, 4, 10, 0, 0, 2), discover[243:]...)
			buf := make([]byte, 0, 1500)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				now = now.Add(10 * time.Millisecond)
				m := dhcptest.ClientMAC(i % (1 << 17))
				copy(discover[28:], m[:])
				copy(request[28:], m[:])
				o := benchServe(b, e, table, discover, &link, buf)
				a := o.Reply.YIAddr.As4()
				copy(request[245:], a[:])
				if d := benchServe(b, e, table, request, &link, buf); d.Reply.Type != dhcp.MessageTypeAck {
					b.Fatal(d.Event.Reason)
				}
			}
		})
	}
}

func benchServe(b *testing.B, e *engine.Engine, table *leasetable.Table, p []byte, link *dhcp.Link, buf []byte) *dhcp.Decision {
	req, err := wire.Decode(p)
	if err != nil {
		b.Fatal(err)
	}
	d, err := dhcptest.ServeAndWait(table, e, req, link)
	if err != nil || d.Reply == nil {
		b.Fatal(d.Event.Reason, err)
	}
	wire.Encode(d.Reply, buf[:0], 1500)
	return d
}

// BenchmarkLoad is the start with 100,000 leases.
func BenchmarkLoad(b *testing.B) {
	s := dhcptest.Voice()
	s.Prefix = netip.MustParsePrefix("10.0.0.0/8")
	s.Pools = []dhcp.Range{{First: dhcptest.Addr("10.1.0.0"), Last: dhcptest.Addr("10.4.255.255")}}
	for b.Loop() {
		t := leasetable.NewTable(dhcptest.ConfigOf(s), dhcptest.NewDisk(), func() time.Time { return dhcptest.Start })
		_ = t.Load(func(f func(dhcp.Lease) error) error {
			for n := range 100_000 {
				if err := f(dhcp.Lease{Addr: dhcptest.AddrOf(10<<24 + 1<<16 + 1 + uint32(n)), MAC: dhcptest.ClientMAC(n), Subnet: s.Prefix, State: dhcp.LeaseActive, Starts: dhcptest.Start, Expires: dhcptest.Start.Add(time.Hour)}); err != nil {
					return err
				}
			}
			return nil
		})
	}
}
