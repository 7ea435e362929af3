package dhcp

import (
	"net/netip"
	"testing"
	"time"
)

// A hundred thousand MACs ask, take, decline and forget, by the link and in the name of relays: what is remembered of them is bound
// by the pool and by the clock, a tenth stays for phones, and a phone gets its address at the end.
func TestFloodOfMACs(t *testing.T) {
	t.Run("of strangers", func(t *testing.T) { flood(t, false) })
	t.Run("that claim to be phones", func(t *testing.T) { flood(t, true) }) // these only find no more room than there is
}

func flood(t *testing.T, claimed bool) {
	s := voice()
	s.Prefix, s.Pools = netip.MustParsePrefix("10.20.0.0/22"), []Range{{ip("10.20.1.0"), ip("10.20.3.200")}}
	s.LeaseTime = time.Minute
	cfg := config(s, relayed())
	cfg.ConflictCheck = true
	g := newRig(t, cfg, nil, phones{})
	g.link.LocalAddr = ip("10.20.0.2")
	pool := g.view.Stats()[0].Pool
	known := make([]netip.Addr, 5)
	boot := func(n int) netip.Addr {
		d := g.do(discoverOf(n, asPhone))
		for ; d.Probe.IsValid(); d = g.do(discoverOf(n, asPhone)) {
			g.view.probed(d.Probe)
		}
		if d.Reply == nil {
			t.Fatalf("phone %d: %s", n, d.Event.Reason)
		}
		return g.want(VerdictAcked, selectingOf(n, d.Reply.YIAddr, asPhone)).Reply.YIAddr
	}
	for n := range known {
		known[n] = boot(n)
	}
	g.now = g.now.Add(time.Hour) // they were off for long
	for n := 100; n < 100_100; n++ {
		g.now = g.now.Add(20 * time.Millisecond)
		var from []func(*Request)
		if claimed {
			from = append(from, asPhone)
		}
		if n%5 == 0 {
			from = append(from, func(r *Request) { r.GIAddr = ip("10.30.0.1") })
		}
		d := g.do(discoverOf(n, from...))
		if d.Probe.IsValid() {
			g.view.probed(d.Probe)
			d = g.do(discoverOf(n, from...))
		}
		if d.Reply != nil && n%3 == 0 {
			d = g.do(selectingOf(n, d.Reply.YIAddr, from...))
		}
		if d.Reply != nil && n%2 == 0 {
			g.do(request(n, MessageTypeDecline, append(from, func(r *Request) { r.Requested = d.Reply.YIAddr })...))
		}
		if n%1000 == 0 {
			b := g.view.indexes[0]
			if len(b.states) > pool || len(b.byMAC) > pool || len(b.offers) > pool || len(b.busy) > pool || b.nonPhones > pool-pool/10 {
				t.Fatalf("after %d: %d entries, %d clients, %d offers, %d taken, %d by strangers; the pool has %d", n, len(b.states), len(b.byMAC), len(b.offers), len(b.busy), b.nonPhones, pool)
			}
			if len(g.view.probes) > pool+10 || len(g.view.declines) > maxDecliners || len(g.view.indexes) != 2 {
				t.Fatalf("after %d: %d probes, %d that declined, %d subnets", n, len(g.view.probes), len(g.view.declines), len(g.view.indexes))
			}
			if why := inconsistent(g.view); why != "" {
				t.Fatalf("after %d: %s", n, why)
			}
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
