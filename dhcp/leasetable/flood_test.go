package leasetable_test

import (
	"net/netip"
	"testing"
	"time"

	"plugtone/dhcp"
	"plugtone/dhcp/dhcptest"
	"plugtone/dhcp/leasetable"
)

// A hundred thousand MACs request, accept and decline addresses, on the link and through forged relays. Memory use is bounded by the
// pool and by time, a tenth of the pool is kept for phones, and phones get their addresses back at the end.
func TestFloodOfMACs(t *testing.T) {
	t.Run("of other clients", func(t *testing.T) { flood(t, false) })
	t.Run("that claim to be phones", func(t *testing.T) { flood(t, true) }) // these may use the whole pool
}

func flood(t *testing.T, claimed bool) {
	s := dhcptest.Voice()
	s.Prefix, s.Pools = netip.MustParsePrefix("10.20.0.0/22"), []dhcp.Range{{First: dhcptest.Addr("10.20.1.0"), Last: dhcptest.Addr("10.20.3.200")}}
	s.LeaseTime = time.Minute
	cfg := dhcptest.ConfigOf(s, dhcptest.Relayed())
	cfg.ConflictCheck = true
	g := dhcptest.NewFixture(t, cfg, nil, dhcptest.Phones{})
	g.Link.LocalAddr = dhcptest.Addr("10.20.0.2")
	pool := g.Leases().Stats()[0].Pool
	known := make([]netip.Addr, 5)
	boot := func(n int) netip.Addr {
		d := g.Do(dhcptest.Discover(n, dhcptest.AsPhone))
		for ; d.Probe.IsValid(); d = g.Do(dhcptest.Discover(n, dhcptest.AsPhone)) {
			g.ProbedFree(d.Probe)
		}
		if d.Reply == nil {
			t.Fatalf("phone %d: %s", n, d.Event.Reason)
		}
		return g.Want(dhcp.VerdictAcked, dhcptest.Selecting(n, d.Reply.YIAddr, dhcptest.AsPhone)).Reply.YIAddr
	}
	for n := range known {
		known[n] = boot(n)
	}
	g.Now = g.Now.Add(time.Hour) // they were off for a long time
	for n := 100; n < 100_100; n++ {
		g.Now = g.Now.Add(20 * time.Millisecond)
		var from []func(*dhcp.Request)
		if claimed {
			from = append(from, dhcptest.AsPhone)
		}
		if n%5 == 0 {
			from = append(from, func(r *dhcp.Request) { r.GIAddr = dhcptest.Addr("10.30.0.1") })
		}
		d := g.Do(dhcptest.Discover(n, from...))
		if d.Probe.IsValid() {
			g.ProbedFree(d.Probe)
			d = g.Do(dhcptest.Discover(n, from...))
		}
		if d.Reply != nil && n%3 == 0 {
			d = g.Do(dhcptest.Selecting(n, d.Reply.YIAddr, from...))
		}
		if d.Reply != nil && n%2 == 0 {
			g.Do(dhcptest.Message(n, dhcp.MessageTypeDecline, append(from, func(r *dhcp.Request) { r.Requested = d.Reply.YIAddr })...))
		}
		if n%1000 == 0 {
			bounded(t, n, g.Leases(), pool)
		}
	}
	if claimed {
		return
	}
	for n, a := range known {
		if got := boot(n); got != a {
			t.Errorf("phone %d gets %s, had %s", n, got, a)
		}
	}
	boot(50)
}

// bounded checks that memory use after n clients is bounded by the pool and by time.
func bounded(t *testing.T, n int, leases *leasetable.Leases, pool int) {
	t.Helper()
	z := leasetable.SizesOf(leases)
	if z.States > pool || z.Clients > pool || z.Offers > pool || z.Busy > pool || z.NonPhones > pool-pool/10 {
		t.Fatalf("after %d: %+v; the pool has %d", n, z, pool)
	}
	if z.Probes > pool+10 || z.Declines > leasetable.MaxDecliners || z.Subnets != 2 {
		t.Fatalf("after %d: %+v", n, z)
	}
	if why := leasetable.Inconsistent(leases); why != "" {
		t.Fatalf("after %d: %s", n, why)
	}
}
