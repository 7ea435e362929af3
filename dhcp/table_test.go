package dhcp

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
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
		b.Read(func(v *View) {
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

// When the disk refuses we are silent, never NAK, and what was on disk goes on; when it recovers, so do we.
func TestTableDiskFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDisk()
		b := newBench(t, config(voice()), d, time.Now)
		a := b.want(VerdictOffered, discoverOf(1)).Reply.YIAddr
		b.want(VerdictAcked, selectingOf(1, a))
		full := errors.New("no space left on device")
		d.fail(full)
		c := b.want(VerdictOffered, discoverOf(2)).Reply.YIAddr
		if dec, err := b.serve(selectingOf(2, c)); !errors.Is(err, full) || dec.Reply.Type == Nak {
			t.Errorf("%v %v", dec.Event, err)
		}
		if _, ok := b.LeaseAt(c); ok {
			t.Error("a withdrawn lease can be read")
		}
		if _, ok := b.LeaseAt(a); !ok {
			t.Error("the lease on disk is gone")
		}
		time.Sleep(2 * time.Minute)
		if _, err := b.serve(renewOf(1, a)); !errors.Is(err, full) {
			t.Errorf("renewal: %v", err)
		}
		if l, ok := b.LeaseAt(a); !ok || l != d.leases[a] {
			t.Error("a failed renewal changed the lease")
		}
		// What is on disk is acknowledged for as long as it is there; nothing else is.
		b.link.NoWrite = true
		left := time.Until(d.leases[a].Expires)
		if r := b.want(VerdictAcked, renewOf(1, a)).Reply; binary.BigEndian.Uint32(optionOf(r, optLeaseTime)) != uint32(left/time.Second) || r.YIAddr != a {
			t.Errorf("renewed for % x s of %s", optionOf(r, optLeaseTime), left)
		}
		b.want(VerdictFault, selectingOf(2, c))
		b.want(VerdictNak, selectingOf(3, a))
		b.link.NoWrite = false
		if s := b.Stats()[0]; s.Active != 1 || s.Offered != 0 || s.Free != 9 {
			t.Errorf("%+v", s)
		}
		d.fail(nil)
		b.want(VerdictAcked, selectingOf(2, c))
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

// steppingClock is a wall clock that can be set, with the monotonic time behind each reading.
type steppingClock struct {
	mu     sync.Mutex
	offset time.Duration
	truth  map[int64]time.Time
}

func (c *steppingClock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	wall := now.Round(0).Add(c.offset)
	c.truth[wall.UnixNano()] = now
	return wall
}

func (c *steppingClock) since(now, before time.Time) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.truth[now.UnixNano()].Sub(c.truth[before.UnixNano()])
}

func (c *steppingClock) step(d time.Duration) { c.mu.Lock(); c.offset += d; c.mu.Unlock() }

// C36: a step of the wall clock, either way, ends no lease early and keeps none too long; what is on disk follows.
func TestClockStepC36(t *testing.T) {
	for name, step := range map[string]time.Duration{"a year ahead": 365 * 24 * time.Hour, "a year back": -365 * 24 * time.Hour, "slewed": 3 * time.Second} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := &steppingClock{truth: map[int64]time.Time{}}
				d := newDisk()
				b := newBench(t, config(voice()), d, c.now)
				b.since = c.since
				a := ip("10.20.0.105")
				b.want(VerdictAcked, selectingOf(1, a))
				time.Sleep(30 * time.Minute)
				c.step(step)
				if _, ok := b.LeaseAt(a); !ok {
					t.Error("gone right after the step")
				}
				b.want(VerdictNak, selectingOf(2, a))
				synctest.Wait()
				if _, ok := b.LeaseAt(a); !ok {
					t.Error("gone after the next message")
				}
				if left := d.leases[a].Expires.Sub(c.now()); left < 29*time.Minute || left > 31*time.Minute {
					t.Errorf("on disk %s are left of half an hour", left)
				}
				time.Sleep(31 * time.Minute)
				if _, ok := b.LeaseAt(a); ok {
					t.Error("still there after its time")
				}
				b.want(VerdictAcked, selectingOf(2, a))
			})
		})
	}
}

// A step of the clock writes every record again; a client's declines aren't counted again for that, and what is in quarantine
// stays there for as long as it would have.
func TestClockStepIsNoDecline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &steppingClock{truth: map[int64]time.Time{}}
		b := newBench(t, config(voice()), newDisk(), c.now)
		b.since = c.since
		for range maxDeclines - 1 {
			a := b.want(VerdictOffered, discoverOf(1)).Reply.YIAddr
			b.want(VerdictAcked, selectingOf(1, a))
			b.want(VerdictDeclined, request(1, Decline, func(r *Request) { r.Requested = a }))
		}
		c.step(-time.Hour)
		a := b.want(VerdictOffered, discoverOf(1)).Reply.YIAddr
		b.want(VerdictAcked, selectingOf(1, a))
		b.want(VerdictDeclined, request(1, Decline, func(r *Request) { r.Requested = a }))
		states := func(want LeaseState) {
			t.Helper()
			for _, l := range b.All() {
				if l.State != want {
					t.Errorf("%s is %s, want %s", l.Addr, l.State, want)
				}
			}
		}
		states(LeaseDeclined)
		time.Sleep(quarantine + 2*second)
		states(LeaseExpired)
		if s := b.Stats()[0]; s.Declined != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// What a step of the wall clock moves must not have a monotonic reading, which that would move too: declines would count for as
// long as the step.
func TestWhatAClockStepMovesIsWallClock(t *testing.T) {
	g := newRig(t, config(voice()), nil, nil)
	g.now = time.Now()
	a := g.bind(1)
	g.want(VerdictDeclined, request(1, Decline, func(r *Request) { r.Requested = a }))
	g.view.shift(24*time.Hour, time.Now(), func(*kept) {})
	if c := g.view.declines[mac(1)]; c.n != 1 || c.since != c.since.Round(0) {
		t.Errorf("counted since %s", c.since)
	}
}

// A disk that hangs costs no memory, however many ask for something that would have to be written; who has a lease on it keeps it.
func TestHangingDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDisk()
		b := newBench(t, config(voice()), d, time.Now)
		a := b.want(VerdictOffered, discoverOf(1)).Reply.YIAddr
		b.want(VerdictAcked, selectingOf(1, a))
		c := b.want(VerdictOffered, discoverOf(2)).Reply.YIAddr
		d.slow(time.Hour)
		var refused, acked int
		named := func(n int) func(*Request) {
			return func(r *Request) { r.Client.Hostname = fmt.Sprint("host", n) }
		}
		for n := range maxQueued + 100 {
			b.Serve(b.engine, selectingOf(2, c, named(n)), &b.link, func(d *Decision, err error) {
				switch {
				case errors.Is(err, ErrBehind):
					refused++
				case err == nil:
					acked++
				}
			})
			if b.Flush(); n == 0 {
				synctest.Wait() // the writer has begun
			}
		}
		if refused != 99 || acked != 0 || len(b.queue) != maxQueued {
			t.Errorf("%d refused, %d acknowledged, %d wait", refused, acked, len(b.queue))
		}
		b.link.NoWrite = true
		b.want(VerdictAcked, renewOf(1, a))
		time.Sleep(3 * time.Hour)
		synctest.Wait()
		if acked != maxQueued+1 || len(b.queue) != 0 || d.leases[c].Hostname != fmt.Sprint("host", maxQueued) {
			t.Errorf("%d acknowledged, %d wait, on disk is %+v", acked, len(b.queue), d.leases[c])
		}
	})
}

// While a disk hangs nobody waits for it longer than for a moment: what is on it already is acknowledged for the time that is left.
func TestSlowDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDisk()
		b := newBench(t, config(voice()), d, time.Now)
		given := map[int]netip.Addr{}
		for n := range 3 {
			given[n] = b.want(VerdictOffered, discoverOf(n)).Reply.YIAddr
			b.want(VerdictAcked, selectingOf(n, given[n]))
		}
		time.Sleep(time.Minute)
		d.slow(20 * time.Minute)
		late := 0
		for n := range 2 { // these are on their way to the disk
			b.Serve(b.engine, renewOf(n, given[n]), &b.link, func(*Decision, error) { late++ })
			b.Flush()
			synctest.Wait()
		}
		left := func(n int) {
			t.Helper()
			if _, err := b.serve(renewOf(n, given[n])); !errors.Is(err, ErrBehind) {
				t.Errorf("client %d: %v", n, err)
			}
			b.link.NoWrite = true
			secs := seconds(optionOf(b.want(VerdictAcked, renewOf(n, given[n])).Reply, 51))
			if most := int(time.Until(d.leases[given[n]].Expires) / time.Second); secs > most || secs < most-1 {
				t.Errorf("client %d is told %d seconds, on disk are %d", n, secs, most)
			}
			b.link.NoWrite = false
		}
		time.Sleep(slowWrite + second)
		left(2)
		time.Sleep(retransmitted)
		for n := range 3 {
			left(n)
		}
		offered := b.want(VerdictOffered, discoverOf(9)).Reply.YIAddr
		if _, err := b.serve(selectingOf(9, offered)); !errors.Is(err, ErrBehind) {
			t.Error(err)
		}
		b.Read(func(v *View) {
			if held, ok := v.Offered(b.engine.cfg.Subnets[0].Prefix, mac(9)); !ok || held != offered {
				t.Errorf("offered %s, held is %s: the client will ask for it again", offered, held)
			}
		})
		d.slow(0)
		time.Sleep(time.Hour / 2)
		synctest.Wait()
		if late != 2 {
			t.Errorf("%d of 2 were written", late)
		}
		b.want(VerdictAcked, selectingOf(9, ip("10.20.0.109")))
	})
}

// C36: a host that boots without knowing the time keeps its leases for the time they had left.
func TestClockBehindAtStartC36(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDisk()
		b := newBench(t, config(voice()), d, func() time.Time { return time.Now().Add(50 * 365 * 24 * time.Hour) })
		b.want(VerdictAcked, selectingOf(1, ip("10.20.0.105")))
		again := newBench(t, config(voice()), d, time.Now)
		synctest.Wait()
		l, ok := again.LeaseAt(ip("10.20.0.105"))
		if left := time.Until(l.Expires); !ok || left > 61*time.Minute || left < 59*time.Minute {
			t.Errorf("%s left of an hour", left)
		}
		if age := time.Since(l.FirstSeen); age < 0 || age > time.Minute {
			t.Errorf("first seen %s ago: it is new for as long as it was before", age)
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
		b.want(VerdictOtherServer, request(1, Ask, func(r *Request) { r.Requested, r.ServerID = ip("10.20.0.100"), ip("10.20.0.9") }))
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
		table.Serve(g.engine, selectingOf(1, ip("10.20.0.105")), &g.link, func(_ *Decision, e error) { err = e })
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_ = table.Run(ctx)
		if err != nil || len(d.leases) != 1 {
			t.Errorf("%v, %d leases", err, len(d.leases))
		}
		table.Serve(g.engine, selectingOf(2, ip("10.20.0.106")), &g.link, func(_ *Decision, e error) { err = e })
		if !errors.Is(err, ErrClosed) {
			t.Error(err)
		}
		table.Serve(g.engine, discoverOf(3), &g.link, func(_ *Decision, e error) { err = e })
		if err != nil {
			t.Error("offers need no disk:", err)
		}
	})
}
