package leasetable_test

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"plugtone/dhcp"
	"plugtone/dhcp/dhcptest"
	"plugtone/dhcp/engine"
	"plugtone/dhcp/leasetable"
)

// An ACK waits until its lease is on disk; only then can the lease be looked up.
func TestTableAckAfterCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := dhcptest.NewDisk()
		d.Slow(time.Second)
		b := dhcptest.NewTableFixture(t, dhcptest.ConfigOf(dhcptest.Voice()), d, time.Now)
		a := b.Want(dhcp.VerdictOffered, dhcptest.Discover(1)).Reply.YIAddr
		var acked time.Time
		b.Serve(b.Engine, dhcptest.Selecting(1, a), &b.Link, func(*dhcp.Decision, error) { acked = time.Now() })
		b.Flush()
		began := time.Now()
		synctest.Wait()
		if _, ok := b.LeaseAt(a); ok || !acked.IsZero() || len(b.All()) != 0 {
			t.Fatal("acknowledged or readable before it was written")
		}
		v := dhcptest.LeasesOf(b.Table)
		if !v.Pending(a) {
			t.Error("not pending")
		}
		if got := b.Want(dhcp.VerdictOffered, dhcptest.Discover(2)).Reply.YIAddr; got == a {
			t.Error("the pending address is offered to another")
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if l, ok := b.LeaseAt(a); !ok || l.MAC != dhcptest.ClientMAC(1) || acked.Sub(began) != time.Second {
			t.Errorf("lease %+v, acknowledged after %s", l, acked.Sub(began))
		}
		if got := b.LeasesOf(dhcptest.ClientMAC(1)); len(got) != 1 || got[0].Addr != a {
			t.Errorf("LeasesOf: %v", got)
		}
		if got := b.LeasesOf(dhcptest.ClientMAC(2)); len(got) != 0 {
			t.Errorf("an offer is no lease: %v", got)
		}
	})
}

// Commits that arrive during a write form the next batch; no commit waits for further ones.
func TestTableGroupCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := dhcptest.NewDisk()
		d.Slow(10 * time.Millisecond)
		s := dhcptest.Voice()
		s.Pools = []dhcp.Range{{First: dhcptest.Addr("10.20.0.10"), Last: dhcptest.Addr("10.20.0.250")}}
		b := dhcptest.NewTableFixture(t, dhcptest.ConfigOf(s), d, time.Now)
		began := time.Now()
		var slowest time.Duration
		var mu sync.Mutex
		for n := range 100 {
			b.Serve(b.Engine, dhcptest.Selecting(n, dhcptest.AddrOf(dhcptest.NumberOf(dhcptest.Addr("10.20.0.20"))+uint32(n))), &b.Link, func(dec *dhcp.Decision, err error) {
				mu.Lock()
				defer mu.Unlock()
				if err != nil || dec.Event.Verdict != dhcp.VerdictAcked {
					t.Errorf("%v %v", dec.Event, err)
				}
				slowest = max(slowest, time.Since(began))
			})
			if b.Flush(); n == 0 {
				synctest.Wait() // the writer has begun
			}
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if !slices.Equal(d.Batches, []int{1, 99}) || slowest != 20*time.Millisecond {
			t.Errorf("batches %v, slowest after %s", d.Batches, slowest)
		}
	})
}

// Acknowledged leases survive a restart and can be renewed; expired leases keep their affinity.
func TestLeasesSurviveARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := dhcptest.NewDisk()
		b := dhcptest.NewTableFixture(t, dhcptest.ConfigOf(dhcptest.Voice()), d, time.Now)
		b.Want(dhcp.VerdictAcked, dhcptest.Selecting(1, dhcptest.Addr("10.20.0.105"), dhcptest.AsPhone))
		b.Want(dhcp.VerdictAcked, dhcptest.Selecting(2, dhcptest.Addr("10.20.0.106")))
		time.Sleep(2 * time.Hour) // the second has ended
		again := dhcptest.NewTableFixture(t, dhcptest.ConfigOf(dhcptest.Voice()), d, time.Now)
		if l, ok := again.LeaseAt(dhcptest.Addr("10.20.0.105")); !ok || !l.Phone {
			t.Errorf("%+v %v", l, ok)
		}
		if _, ok := again.LeaseAt(dhcptest.Addr("10.20.0.106")); ok {
			t.Error("an expired lease is a proof")
		}
		if all := again.All(); len(all) != 2 || all[0].State != dhcp.LeaseActive || all[1].State != dhcp.LeaseExpired {
			t.Errorf("%+v", all)
		}
		again.Want(dhcp.VerdictAcked, dhcptest.Renew(1, dhcptest.Addr("10.20.0.105"), dhcptest.AsPhone))
		if a := again.Want(dhcp.VerdictOffered, dhcptest.Discover(2)).Reply.YIAddr; a != dhcptest.Addr("10.20.0.106") {
			t.Errorf("offered %s", a)
		}
	})
}

// A reload changes pools and subnets; leases stay, and their addresses are free when they end.
func TestLeasesSurviveAReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := dhcptest.NewDisk()
		b := dhcptest.NewTableFixture(t, dhcptest.ConfigOf(dhcptest.Voice()), d, time.Now)
		b.Want(dhcp.VerdictAcked, dhcptest.Selecting(1, dhcptest.Addr("10.20.0.105")))
		b.Want(dhcp.VerdictAcked, dhcptest.Selecting(2, dhcptest.Addr("10.20.0.106")))
		b.Want(dhcp.VerdictOffered, dhcptest.Discover(3))
		s := dhcptest.Voice()
		s.Prefix, s.Pools = netip.MustParsePrefix("10.20.0.0/22"), []dhcp.Range{{First: dhcptest.Addr("10.20.0.105"), Last: dhcptest.Addr("10.20.0.105")}, {First: dhcptest.Addr("10.20.1.1"), Last: dhcptest.Addr("10.20.1.3")}}
		b.Configure(dhcptest.ConfigOf(s))
		g := dhcptest.NewFixture(t, dhcptest.ConfigOf(s), nil, dhcptest.Phones{})
		b.Engine = g.Engine
		if st := b.Stats(); len(st) != 1 || st[0].Pool != 4 || st[0].Active != 2 || st[0].Offered != 1 || st[0].Free != 3 {
			t.Errorf("%+v", st)
		}
		if l, ok := b.LeaseAt(dhcptest.Addr("10.20.0.106")); !ok || l.MAC != dhcptest.ClientMAC(2) {
			t.Error("a lease outside the new pools is forgotten")
		}
		for what, table := range map[string]*leasetable.Table{"a reload": b.Table, "a restart": dhcptest.NewTableFixture(t, dhcptest.ConfigOf(s), d, time.Now).Table} {
			for _, l := range append(table.All(), table.LeasesOf(dhcptest.ClientMAC(1))...) {
				if l.Subnet != s.Prefix {
					t.Errorf("after %s: the lease of %s has the subnet %s, which grew to %s", what, l.Addr, l.Subnet, s.Prefix)
				}
			}
		}
		time.Sleep(time.Minute)
		b.Want(dhcp.VerdictAcked, dhcptest.Renew(1, dhcptest.Addr("10.20.0.105")))
		b.Want(dhcp.VerdictNak, dhcptest.Renew(2, dhcptest.Addr("10.20.0.106"))) // in no pool any more
		if a := b.Want(dhcp.VerdictOffered, dhcptest.Discover(2)).Reply.YIAddr; a != dhcptest.Addr("10.20.1.1") {
			t.Errorf("offered %s", a)
		}
		b.Configure(dhcptest.ConfigOf(dhcptest.Relayed()))
		if all := b.All(); len(all) != 2 {
			t.Errorf("after the subnet is gone: %v", all)
		}
		b.Configure(dhcptest.ConfigOf(dhcptest.Voice()))
		if st := b.Stats(); st[0].Active != 2 {
			t.Errorf("%+v", st)
		}
	})
}

func TestDeleteIsDurable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := dhcptest.NewDisk()
		b := dhcptest.NewTableFixture(t, dhcptest.ConfigOf(dhcptest.Voice()), d, time.Now)
		a := dhcptest.Addr("10.20.0.105")
		b.Want(dhcp.VerdictAcked, dhcptest.Selecting(1, a))
		if err := b.Delete(t.Context(), a); err != nil {
			t.Fatal(err)
		}
		if err := b.Delete(t.Context(), a); err == nil {
			t.Error("deleted twice")
		}
		if _, ok := b.LeaseAt(a); ok || len(d.Leases) != 0 || len(b.LeasesOf(dhcptest.ClientMAC(1))) != 0 || b.Stats()[0].Free != 10 {
			t.Error("still there")
		}
		b.Want(dhcp.VerdictAcked, dhcptest.Selecting(2, a))
	})
}

// C41: a probe that is answered puts the address into quarantine, on disk, and the client gets another one.
func TestAnsweredProbeQuarantinesTheAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := dhcptest.ConfigOf(dhcptest.Voice())
		cfg.ConflictCheck = true
		d := dhcptest.NewDisk()
		b := dhcptest.NewTableFixture(t, cfg, d, time.Now)
		first := b.Want(dhcp.VerdictProbing, dhcptest.Discover(1)).Probe
		b.Probed(first, true)
		second := b.Want(dhcp.VerdictProbing, dhcptest.Discover(1)).Probe
		b.Probed(second, false)
		if a := b.Want(dhcp.VerdictOffered, dhcptest.Discover(1)).Reply.YIAddr; a != second || first == second {
			t.Errorf("offered %s after probes of %s and %s", a, first, second)
		}
		synctest.Wait()
		if d.Leases[first].State != dhcp.LeaseDeclined || b.Stats()[0].Declined != 1 {
			t.Errorf("%+v", d.Leases)
		}
		b.Want(dhcp.VerdictAcked, dhcptest.Selecting(1, second))
		b.Probed(second, true) // late, and the client itself answered
		if _, ok := b.LeaseAt(second); !ok {
			t.Error("a lease ended by its own holder's answer")
		}
	})
}

// C41, C45: after a probe finds a reserved address in use, its client waits no longer than after its own DECLINE.
func TestProbedReservationIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := dhcptest.ConfigOf(dhcptest.Voice())
		cfg.ConflictCheck = true
		b := dhcptest.NewTableFixture(t, cfg, dhcptest.NewDisk(), time.Now)
		var err error
		if b.Engine, err = engine.New(cfg, dhcptest.FakeReservations{dhcptest.ClientMAC(1): dhcptest.Addr("10.20.0.50")}, dhcptest.Phones{}); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if p := b.Want(dhcp.VerdictProbing, dhcptest.Discover(1)).Probe; p != dhcptest.Addr("10.20.0.50") {
				t.Fatalf("probed %s", p)
			}
			b.Probed(dhcptest.Addr("10.20.0.50"), true)
			other := b.Want(dhcp.VerdictProbing, dhcptest.Discover(1)).Probe
			b.Probed(other, false)
			if a := b.Want(dhcp.VerdictOffered, dhcptest.Discover(1)).Reply.YIAddr; a != other || a == dhcptest.Addr("10.20.0.50") {
				t.Fatalf("offered %s", a)
			}
			time.Sleep(dhcptest.ShortQuarantine + 2*dhcptest.Second)
		}
		b.Probed(b.Want(dhcp.VerdictProbing, dhcptest.Discover(1)).Probe, false)
		a := b.Want(dhcp.VerdictOffered, dhcptest.Discover(1)).Reply.YIAddr
		if b.Want(dhcp.VerdictAcked, dhcptest.Selecting(1, a)); a != dhcptest.Addr("10.20.0.50") {
			t.Errorf("offered %s", a)
		}
	})
}

// Requests that are queued before a Flush are written together.
func TestTableWritesWhatWasServedTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := dhcptest.NewDisk()
		b := dhcptest.NewTableFixture(t, dhcptest.ConfigOf(dhcptest.Voice()), d, time.Now)
		acked := 0
		for n := range 5 {
			b.Serve(b.Engine, dhcptest.Selecting(n, dhcptest.AddrOf(dhcptest.NumberOf(dhcptest.Addr("10.20.0.105"))+uint32(n))), &b.Link, func(*dhcp.Decision, error) { acked++ })
			synctest.Wait()
		}
		if acked != 0 || len(d.Batches) != 0 {
			t.Errorf("%d acknowledged, batches %v before Flush", acked, d.Batches)
		}
		b.Flush()
		synctest.Wait()
		if acked != 5 || !slices.Equal(d.Batches, []int{5}) {
			t.Errorf("%d acknowledged, batches %v", acked, d.Batches)
		}
	})
}

// A pool may be as large as the largest network: without the addresses that end in 0 or 255, which include those of the network itself.
func TestTableOfTheLargestPool(t *testing.T) {
	s := dhcptest.Voice()
	s.Prefix, s.Pools = netip.MustParsePrefix("10.0.0.0/8"), []dhcp.Range{{First: dhcptest.Addr("10.0.0.0"), Last: dhcptest.Addr("10.255.255.255")}}
	s.Routers, s.NextServer = []netip.Addr{dhcptest.Addr("10.0.0.1")}, netip.Addr{}
	s.Exclude = []dhcp.Range{{First: dhcptest.Addr("10.0.0.250"), Last: dhcptest.Addr("10.0.1.9")}}
	cfg := dhcptest.ConfigOf(s)
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	want := 1<<24 - 2<<16 - 1 - 14 // the router, .250 to .254 and .1 to .9
	if got := leasetable.NewTable(cfg, dhcptest.NewDisk(), time.Now).Stats()[0]; got.Pool != want || got.Free != want {
		t.Errorf("%+v, want a pool of %d", got, want)
	}
}

// WriteQueued writes on the caller's goroutine, unless the disk is slow or another goroutine is writing.
func TestTableWriteQueued(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := dhcptest.NewDisk()
		b := dhcptest.NewTableFixture(t, dhcptest.ConfigOf(dhcptest.Voice()), d, time.Now)
		var acked atomic.Int32
		serve := func(n int) {
			b.Serve(b.Engine, dhcptest.Selecting(n, dhcptest.AddrOf(dhcptest.NumberOf(dhcptest.Addr("10.20.0.100"))+uint32(n))), &b.Link, func(*dhcp.Decision, error) { acked.Add(1) })
		}
		serve(0)
		if b.WriteQueued(); acked.Load() != 1 {
			t.Errorf("%d acknowledged, want 1 at once", acked.Load())
		}
		d.Slow(time.Minute)
		serve(1)
		b.Flush()
		synctest.Wait() // it is being written
		serve(2)
		began := time.Now()
		if b.WriteQueued(); acked.Load() != 1 || time.Since(began) > 0 {
			t.Errorf("%d acknowledged after %s: it waited for another write", acked.Load(), time.Since(began))
		}
		time.Sleep(time.Hour)
		serve(3)
		began = time.Now()
		if b.WriteQueued(); acked.Load() != 3 || time.Since(began) > 0 {
			t.Errorf("%d acknowledged after %s: it waited for a slow disk", acked.Load(), time.Since(began))
		}
		d.Slow(0)
		time.Sleep(time.Hour)
		synctest.Wait()
		serve(4)
		if b.WriteQueued(); acked.Load() != 5 {
			t.Errorf("%d acknowledged, want 5: the disk is fast again", acked.Load())
		}
	})
}

// C01: the address held for a client that accepted another server's offer is free; other held addresses stay held.
func TestTableDropsOffersC01(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := dhcptest.NewTableFixture(t, dhcptest.ConfigOf(dhcptest.Voice()), dhcptest.NewDisk(), time.Now)
		b.Want(dhcp.VerdictOffered, dhcptest.Discover(1))
		held := b.Want(dhcp.VerdictOffered, dhcptest.Discover(2)).Reply.YIAddr
		b.Want(dhcp.VerdictOtherServer, dhcptest.Message(1, dhcp.MessageTypeRequest, func(r *dhcp.Request) {
			r.Requested, r.ServerID = dhcptest.Addr("10.20.0.100"), dhcptest.Addr("10.20.0.9")
		}))
		if s := b.Stats()[0]; s.Offered != 1 {
			t.Errorf("%+v", s)
		}
		b.Want(dhcp.VerdictIgnored, dhcptest.Discover(2, func(r *dhcp.Request) { r.ServerID = dhcptest.Addr("10.20.0.2") }))
		b.Want(dhcp.VerdictNak, dhcptest.Selecting(3, held))
	})
}

// On shutdown everything queued is written, and later commits are refused.
func TestCloseWritesWhatIsQueued(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := dhcptest.NewDisk()
		table := leasetable.NewTable(dhcptest.ConfigOf(dhcptest.Voice()), d, time.Now)
		g := dhcptest.NewFixture(t, dhcptest.ConfigOf(dhcptest.Voice()), nil, nil)
		var err error = errors.New("never called")
		dhcptest.ServeOn(table, g.Engine, dhcptest.Selecting(1, dhcptest.Addr("10.20.0.105")), &g.Link, func(_ *dhcp.Decision, e error) { err = e })
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_ = table.Run(ctx)
		if err != nil || len(d.Leases) != 1 {
			t.Errorf("%v, %d leases", err, len(d.Leases))
		}
		dhcptest.ServeOn(table, g.Engine, dhcptest.Selecting(2, dhcptest.Addr("10.20.0.106")), &g.Link, func(_ *dhcp.Decision, e error) { err = e })
		if !errors.Is(err, leasetable.ErrClosed) {
			t.Error(err)
		}
		dhcptest.ServeOn(table, g.Engine, dhcptest.Discover(3), &g.Link, func(_ *dhcp.Decision, e error) { err = e })
		if err != nil {
			t.Error("offers need no disk:", err)
		}
	})
}
