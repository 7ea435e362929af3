package dhcp

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// disk is a Writer that keeps what it is given, slowly or not at all.
type disk struct {
	mu      sync.Mutex
	leases  map[netip.Addr]Lease
	batches []int
	delay   time.Duration
	err     error
}

func newDisk() *disk { return &disk{leases: map[netip.Addr]Lease{}} }

func (d *disk) WriteLeases(changes []Change) error {
	d.mu.Lock()
	delay := d.delay
	d.mu.Unlock()
	time.Sleep(delay)
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.err != nil {
		return d.err
	}
	d.batches = append(d.batches, len(changes))
	for _, c := range changes {
		if c.Delete {
			delete(d.leases, c.Lease.Addr)
		} else {
			d.leases[c.Lease.Addr] = c.Lease
		}
	}
	return nil
}

func (d *disk) slow(delay time.Duration) { d.mu.Lock(); d.delay = delay; d.mu.Unlock() }

func (d *disk) fail(err error) { d.mu.Lock(); d.err = err; d.mu.Unlock() }

func (d *disk) load(f func(Lease) error) error {
	for _, l := range d.leases {
		if err := f(l); err != nil {
			return err
		}
	}
	return nil
}

// bench is a running table in a synctest bubble.
type bench struct {
	*Table
	t      *testing.T
	engine *Engine
	link   Link
}

func newBench(t *testing.T, cfg Config, d *disk, clock func() time.Time) *bench {
	t.Helper()
	g := newRig(t, cfg, nil, phones{})
	b := &bench{Table: NewTable(cfg, d, clock), t: t, engine: g.engine, link: g.link}
	if err := b.Load(d.load); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); _ = b.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-ended })
	return b
}

// Serve classifies a request and has it decided.
func (b *bench) Serve(e *Engine, r *Request, link *Link, done func(*Decision, error)) {
	serveOn(b.Table, e, r, link, done)
}

// serve waits for the answer.
func (b *bench) serve(r *Request) (*Decision, error) {
	type answer struct {
		d   *Decision
		err error
	}
	c := make(chan answer, 1)
	b.Serve(b.engine, r, &b.link, func(d *Decision, err error) { c <- answer{d, err} })
	b.Flush()
	a := <-c
	return a.d, a.err
}

func (b *bench) want(v Verdict, r *Request) *Decision {
	b.t.Helper()
	d, err := b.serve(r)
	if err != nil || d.Event.Verdict != v {
		b.t.Fatalf("%s: %s (%s), %v; want %s", r.Type, d.Event.Verdict, d.Event.Reason, err, v)
	}
	return d
}

// An ACK waits for its lease to be on disk; then, and not before, the lease proves something.
func TestTableAckAfterCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDisk()
		d.slow(time.Second)
		b := newBench(t, config(voice()), d, time.Now)
		a := b.want(VerdictOffered, discoverOf(1)).Reply.YIAddr
		var acked time.Time
		b.Serve(b.engine, selectingOf(1, a), &b.link, func(*Decision, error) { acked = time.Now() })
		b.Flush()
		began := time.Now()
		synctest.Wait()
		if _, ok := b.LeaseAt(a); ok || !acked.IsZero() || len(b.All()) != 0 {
			t.Fatal("acknowledged or readable before it was written")
		}
		b.Read(func(v *Leases) {
			if !v.Pending(a) {
				t.Error("not pending")
			}
		})
		if got := b.want(VerdictOffered, discoverOf(2)).Reply.YIAddr; got == a {
			t.Error("the pending address is offered to another")
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if l, ok := b.LeaseAt(a); !ok || l.MAC != mac(1) || acked.Sub(began) != time.Second {
			t.Errorf("lease %+v, acknowledged after %s", l, acked.Sub(began))
		}
		if got := b.LeasesOf(mac(1)); len(got) != 1 || got[0].Addr != a {
			t.Errorf("LeasesOf: %v", got)
		}
		if got := b.LeasesOf(mac(2)); len(got) != 0 {
			t.Errorf("an offer is no lease: %v", got)
		}
	})
}

// What arrives during a write makes the next batch; nothing lingers for company.
func TestTableGroupCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDisk()
		d.slow(10 * time.Millisecond)
		s := voice()
		s.Pools = []Range{{ip("10.20.0.10"), ip("10.20.0.250")}}
		b := newBench(t, config(s), d, time.Now)
		began := time.Now()
		var slowest time.Duration
		var mu sync.Mutex
		for n := range 100 {
			b.Serve(b.engine, selectingOf(n, addr4(u32(ip("10.20.0.20"))+uint32(n))), &b.link, func(dec *Decision, err error) {
				mu.Lock()
				defer mu.Unlock()
				if err != nil || dec.Event.Verdict != VerdictAcked {
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
		if !slices.Equal(d.batches, []int{1, 99}) || slowest != 20*time.Millisecond {
			t.Errorf("batches %v, slowest after %s", d.batches, slowest)
		}
	})
}

// A restart knows what was acknowledged; a renewal is acknowledged; expired leases keep their affinity.
func TestTableRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDisk()
		b := newBench(t, config(voice()), d, time.Now)
		b.want(VerdictAcked, selectingOf(1, ip("10.20.0.105"), asPhone))
		b.want(VerdictAcked, selectingOf(2, ip("10.20.0.106")))
		time.Sleep(2 * time.Hour) // the second has ended
		again := newBench(t, config(voice()), d, time.Now)
		if l, ok := again.LeaseAt(ip("10.20.0.105")); !ok || !l.Phone {
			t.Errorf("%+v %v", l, ok)
		}
		if _, ok := again.LeaseAt(ip("10.20.0.106")); ok {
			t.Error("an expired lease is a proof")
		}
		if all := again.All(); len(all) != 2 || all[0].State != LeaseActive || all[1].State != LeaseExpired {
			t.Errorf("%+v", all)
		}
		again.want(VerdictAcked, renewOf(1, ip("10.20.0.105"), asPhone))
		if a := again.want(VerdictOffered, discoverOf(2)).Reply.YIAddr; a != ip("10.20.0.106") {
			t.Errorf("offered %s", a)
		}
	})
}

// A reload changes pools and subnets; leases stay, and their addresses are free when they end.
func TestTableConfigure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDisk()
		b := newBench(t, config(voice()), d, time.Now)
		b.want(VerdictAcked, selectingOf(1, ip("10.20.0.105")))
		b.want(VerdictAcked, selectingOf(2, ip("10.20.0.106")))
		b.want(VerdictOffered, discoverOf(3))
		s := voice()
		s.Prefix, s.Pools = netip.MustParsePrefix("10.20.0.0/22"), []Range{{ip("10.20.0.105"), ip("10.20.0.105")}, {ip("10.20.1.1"), ip("10.20.1.3")}}
		b.Configure(config(s))
		g := newRig(t, config(s), nil, phones{})
		b.engine = g.engine
		if st := b.Stats(); len(st) != 1 || st[0].Pool != 4 || st[0].Active != 2 || st[0].Offered != 1 || st[0].Free != 3 {
			t.Errorf("%+v", st)
		}
		if l, ok := b.LeaseAt(ip("10.20.0.106")); !ok || l.MAC != mac(2) {
			t.Error("a lease outside the new pools is forgotten")
		}
		for what, table := range map[string]*Table{"a reload": b.Table, "a restart": newBench(t, config(s), d, time.Now).Table} {
			for _, l := range append(table.All(), table.LeasesOf(mac(1))...) {
				if l.Subnet != s.Prefix {
					t.Errorf("after %s: %s says that it is of %s, which grew to %s", what, l.Addr, l.Subnet, s.Prefix)
				}
			}
		}
		time.Sleep(time.Minute)
		b.want(VerdictAcked, renewOf(1, ip("10.20.0.105")))
		b.want(VerdictNak, renewOf(2, ip("10.20.0.106"))) // in no pool any more
		if a := b.want(VerdictOffered, discoverOf(2)).Reply.YIAddr; a != ip("10.20.1.1") {
			t.Errorf("offered %s", a)
		}
		b.Configure(config(relayed()))
		if all := b.All(); len(all) != 2 {
			t.Errorf("after the subnet is gone: %v", all)
		}
		b.Configure(config(voice()))
		if st := b.Stats(); st[0].Active != 2 {
			t.Errorf("%+v", st)
		}
	})
}

func TestTableDelete(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDisk()
		b := newBench(t, config(voice()), d, time.Now)
		a := ip("10.20.0.105")
		b.want(VerdictAcked, selectingOf(1, a))
		if err := b.Delete(t.Context(), a); err != nil {
			t.Fatal(err)
		}
		if err := b.Delete(t.Context(), a); err == nil {
			t.Error("deleted twice")
		}
		if _, ok := b.LeaseAt(a); ok || len(d.leases) != 0 || len(b.LeasesOf(mac(1))) != 0 || b.Stats()[0].Free != 10 {
			t.Error("still there")
		}
		b.want(VerdictAcked, selectingOf(2, a))
	})
}

// C41: a probe that is answered puts the address into quarantine, on disk, and the client gets another one.
func TestTableProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := config(voice())
		cfg.ConflictCheck = true
		d := newDisk()
		b := newBench(t, cfg, d, time.Now)
		first := b.want(VerdictProbing, discoverOf(1)).Probe
		b.Probed(first, true)
		second := b.want(VerdictProbing, discoverOf(1)).Probe
		b.Probed(second, false)
		if a := b.want(VerdictOffered, discoverOf(1)).Reply.YIAddr; a != second || first == second {
			t.Errorf("offered %s after probes of %s and %s", a, first, second)
		}
		synctest.Wait()
		if d.leases[first].State != LeaseDeclined || b.Stats()[0].Declined != 1 {
			t.Errorf("%+v", d.leases)
		}
		b.want(VerdictAcked, selectingOf(1, second))
		b.Probed(second, true) // late, and it is the client itself that answered
		if _, ok := b.LeaseAt(second); !ok {
			t.Error("a lease ended by its own holder's answer")
		}
	})
}

// C41, C45: a probe takes an address away from the phone that it is reserved for no longer than its own DECLINE does.
func TestProbedReservationIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := config(voice())
		cfg.ConflictCheck = true
		b := newBench(t, cfg, newDisk(), time.Now)
		b.engine.reserve = fakeReservations{mac(1): ip("10.20.0.50")}
		for range 3 {
			if p := b.want(VerdictProbing, discoverOf(1)).Probe; p != ip("10.20.0.50") {
				t.Fatalf("probed %s", p)
			}
			b.Probed(ip("10.20.0.50"), true)
			other := b.want(VerdictProbing, discoverOf(1)).Probe
			b.Probed(other, false)
			if a := b.want(VerdictOffered, discoverOf(1)).Reply.YIAddr; a != other || a == ip("10.20.0.50") {
				t.Fatalf("offered %s", a)
			}
			time.Sleep(shortQuarantine + 2*second)
		}
		b.Probed(b.want(VerdictProbing, discoverOf(1)).Probe, false)
		a := b.want(VerdictOffered, discoverOf(1)).Reply.YIAddr
		if b.want(VerdictAcked, selectingOf(1, a)); a != ip("10.20.0.50") {
			t.Errorf("offered %s", a)
		}
	})
}

// What several requests queue before a Flush is one write.
func TestTableWritesWhatWasServedTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDisk()
		b := newBench(t, config(voice()), d, time.Now)
		acked := 0
		for n := range 5 {
			b.Serve(b.engine, selectingOf(n, addr4(u32(ip("10.20.0.105"))+uint32(n))), &b.link, func(*Decision, error) { acked++ })
			synctest.Wait()
		}
		if acked != 0 || len(d.batches) != 0 {
			t.Errorf("%d acknowledged, batches %v before Flush", acked, d.batches)
		}
		b.Flush()
		synctest.Wait()
		if acked != 5 || !slices.Equal(d.batches, []int{5}) {
			t.Errorf("%d acknowledged, batches %v", acked, d.batches)
		}
	})
}

// C01: what was held for a client that took another's offer is free; what was not taken by anybody stays held.
func TestTableForgetsOffersC01(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, config(voice()), newDisk(), time.Now)
		b.want(VerdictOffered, discoverOf(1))
		held := b.want(VerdictOffered, discoverOf(2)).Reply.YIAddr
		b.want(VerdictOtherServer, request(1, MessageTypeRequest, func(r *Request) { r.Requested, r.ServerID = ip("10.20.0.100"), ip("10.20.0.9") }))
		if s := b.Stats()[0]; s.Offered != 1 {
			t.Errorf("%+v", s)
		}
		b.want(VerdictIgnored, discoverOf(2, func(r *Request) { r.ServerID = ip("10.20.0.2") }))
		b.want(VerdictNak, selectingOf(3, held))
	})
}

// At the end everything queued is written, and what comes later is refused.
func TestTableClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDisk()
		table := NewTable(config(voice()), d, time.Now)
		g := newRig(t, config(voice()), nil, nil)
		var err error = errors.New("never called")
		serveOn(table, g.engine, selectingOf(1, ip("10.20.0.105")), &g.link, func(_ *Decision, e error) { err = e })
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_ = table.Run(ctx)
		if err != nil || len(d.leases) != 1 {
			t.Errorf("%v, %d leases", err, len(d.leases))
		}
		serveOn(table, g.engine, selectingOf(2, ip("10.20.0.106")), &g.link, func(_ *Decision, e error) { err = e })
		if !errors.Is(err, ErrClosed) {
			t.Error(err)
		}
		serveOn(table, g.engine, discoverOf(3), &g.link, func(_ *Decision, e error) { err = e })
		if err != nil {
			t.Error("offers need no disk:", err)
		}
	})
}
