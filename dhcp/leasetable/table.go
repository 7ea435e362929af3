// Package leasetable owns the leases of the daemon: it finds free addresses, writes changes by group commit, and answers which client
// holds an address.
//
// It opens no socket and has no disk (a Writer has) and no clock but the one that it is given.
package leasetable

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"plugtone/dhcp"
)

// clockStep is by how much wall clock and monotonic clock may drift apart between two messages before it counts as a step.
const clockStep = 5 * time.Second

// Table owns all leases of the daemon: in memory, written by group commit. All methods may be called at any time from
// any goroutine.
//
// The next decision sees a change at once. A change is pending until it is on disk; when the write fails, it is withdrawn.
//
// Leases are stored in wall-clock time, but age by the monotonic clock (C36): when the two drift apart by more than five
// seconds, the wall clock was set, and every lease is shifted by the same step and written again. A clock that is behind at start
// (no battery, no NTP yet) is recognised by many leases that begin in the future (clockBehind); a single such lease is corrected by itself.
type Table struct {
	writer Writer
	clock  func() time.Time
	since  func(now, before time.Time) time.Duration // monotonic; replaced in tests

	mu     sync.Mutex
	view   *Leases
	last   atomic.Pointer[time.Time] // when the clock was read last; written under mu
	queue  []job
	began  time.Time // when the current write began; zero: none is running
	closed bool
	wake   chan struct{}

	clockWrong bool // since the leases were loaded; a step of the clock sets it right

	writing sync.Mutex    // held to write; comes before mu
	slow    atomic.Bool   // the last write took longer than inlineWrite
	batch   []dhcp.Change // buffer of the last write, reused, with writing held

	durable durableIndex // read without mu

	shared *Shared // of subnets that other servers serve, too; nil: there are none
}

// Stats counts one subnet's addresses.
type Stats struct {
	Subnet   netip.Prefix
	Pool     int // addresses that may be handed out
	Active   int
	Phones   int // of the active ones
	Offered  int
	Declined int
	Free     int // of the pool
}

// NewTable returns a table for the subnets of cfg that reads the time from clock and writes through w. The clock's times
// must carry a monotonic reading, as those of time.Now do.
func NewTable(cfg dhcp.Config, w Writer, clock func() time.Time) *Table {
	t := &Table{
		writer: w, clock: clock, since: func(now, before time.Time) time.Duration { return now.Sub(before) },
		view: NewLeases(cfg), wake: make(chan struct{}, 1),
		durable: durableIndex{leases: map[uint32]*packedLease{}, macs: map[dhcp.MAC]int{}},
	}
	now := clock()
	t.last.Store(&now)
	t.view.Advance(now)
	return t
}

// Load fills the table at start. load must call its argument for each stored lease; its error is returned.
func (t *Table) Load(load func(func(dhcp.Lease) error) error) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	var all []*packedLease
	err := load(func(l dhcp.Lease) error {
		if !l.Addr.Is4() {
			return fmt.Errorf("lease of %s: address %q is not an IPv4 address", l.MAC, l.Addr)
		}
		all = append(all, new(packLease(&l)))
		return nil
	})
	if err != nil {
		return err
	}
	// This order makes the lists of free addresses begin with the one that has been unused longest.
	slices.SortFunc(all, func(a, b *packedLease) int {
		return cmp.Or(cmp.Compare(a.expires, b.expires), cmp.Compare(a.addr, b.addr))
	})
	now := t.tick()
	behind := clockBehind(all, now)
	t.clockWrong = behind != 0
	var corrected []dhcp.Change
	for _, k := range all {
		was := k
		if k = k.shifted(-behind).notBefore(now); *k != *was {
			corrected = append(corrected, dhcp.Change{Lease: k.lease(), ClockShifted: true})
		}
		t.durable.put(k.addr, t.view.load(k))
	}
	if len(corrected) > 0 {
		t.enqueue(corrected, nil)
		t.Flush()
	}
	return nil
}

// Notify makes changed receive every change of a durable lease: the address with the MACs that have its record before and after, zero
// for none. It is called before anything else of the table, which changed must not call, and must not wait.
func (t *Table) Notify(changed func(addr netip.Addr, was, is dhcp.MAC)) { t.durable.changed = changed }

// Configure changes the subnets after a reload; leases stay.
func (t *Table) Configure(cfg dhcp.Config) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.tick()
	t.view.configure(cfg, func(k *packedLease) { t.durable.put(k.addr, k) })
}

// tick reads the clock, and corrects the leases if it was set. The caller holds mu.
func (t *Table) tick() time.Time {
	now := t.clock()
	before := *t.last.Load()
	step := now.Round(0).Sub(before.Round(0)) - t.since(now, before)
	if step > clockStep || step < -clockStep {
		t.step(step, now)
	}
	t.last.Store(&now)
	t.view.Advance(now)
	return now
}

// step shifts all leases along with the wall clock. The caller holds mu.
func (t *Table) step(d time.Duration, now time.Time) {
	t.clockWrong = false
	moved := t.view.shift(d, now, func(k *packedLease) { t.durable.put(k.addr, k) })
	if t.shared != nil { // the time of the store has no steps
		t.shared.offset = (t.shared.offset - d).Round(time.Second)
	}
	t.enqueue(moved, nil)
	t.Flush()
}

// adjustedNow returns the current time on the clock of the durable leases: a step of the wall clock does not show in it before
// the leases are shifted.
func (t *Table) adjustedNow() time.Time {
	before := *t.last.Load()
	return before.Round(0).Add(t.since(t.clock(), before))
}

// Serve runs decide on the leases and calls done exactly once: when Decision.Changes is on disk, at once if there are none.
// With an error nothing was written: the decision's reply must not be sent. done runs without locks, on the caller's
// goroutine or on the writer's: it must not block for long. When Decision.Probe is valid, the caller probes the address
// in the background, calls Probed and calls Serve again; meanwhile the address is held for the client.
//
// decide runs under the lock of the table. It is Engine.Decide with the result of Engine.Classify.
//
// What Serve queues is written after the next Flush, so that a caller can serve several requests and write them together.
func (t *Table) Serve(decide func(now time.Time, leases *Leases) dhcp.Decision, done func(*dhcp.Decision, error)) {
	d, queued, err := t.execute(decide, done)
	if !queued {
		done(d, err)
	}
}

// execute is the part of Serve that holds mu, also when decide panics.
func (t *Table) execute(decide func(now time.Time, leases *Leases) dhcp.Decision, done func(*dhcp.Decision, error)) (d *dhcp.Decision, queued bool, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	decision := decide(t.tick(), t.view)
	d = &decision
	switch {
	case len(d.Changes) == 0:
	case t.closed:
		return d, false, ErrClosed
	case t.writeBacklog(*t.last.Load()):
		return d, false, ErrWriteBacklog // the offer to the client remains
	}
	t.view.applyOffer(d)
	if len(d.Verify) > 0 && t.shared != nil && !t.closed {
		t.shared.verify(d.Verify, func(err error) { done(d, err) })
		return d, true, nil
	}
	if len(d.Changes) == 0 {
		return d, false, nil
	}
	t.enqueue(d.Changes, func(err error) { done(d, err) })
	return d, true, nil
}

// Commit queues changes and calls done, unless it is nil, when they are on disk or with the error of the write.
func (t *Table) Commit(changes []dhcp.Change, done func(error)) {
	t.mu.Lock()
	if !t.closed {
		t.tick()
		t.enqueue(changes, done)
		t.mu.Unlock()
		t.Flush()
		return
	}
	t.mu.Unlock()
	if done != nil {
		done(ErrClosed)
	}
}

// Probed records the result of a probe: an unused address counts as free for 30 s, a used one goes into quarantine.
func (t *Table) Probed(addr netip.Addr, inUse bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.tick()
	if !inUse {
		t.view.probes[dhcp.AddrNumber(addr)] = t.view.now
		return
	}
	x := t.view.indexes.of(addr)
	if x == nil {
		return
	}
	e := x.get(addr)
	if e.active(now) {
		return // it was leased meanwhile, and its client answers
	}
	x.drop(e, now)
	starts := now.UTC().Truncate(time.Second)
	l := dhcp.Lease{Addr: addr, Subnet: x.prefix, State: dhcp.LeaseDeclined, FirstSeen: starts, Starts: starts, Expires: starts.Add(Quarantine)}
	if !t.closed && !t.writeBacklog(now) {
		t.enqueue([]dhcp.Change{{Lease: l}}, nil)
		t.Flush()
	}
}

// LeaseAt returns the acknowledged, unexpired lease on addr that is safe on disk. It does not wait for decisions or the disk.
func (t *Table) LeaseAt(addr netip.Addr) (dhcp.Lease, bool) {
	if !addr.Is4() {
		return dhcp.Lease{}, false
	}
	k := t.durable.get(addr)
	if !k.endsAfter(t.adjustedNow(), packedActive) {
		return dhcp.Lease{}, false
	}
	return k.lease(), true
}

// Known reports whether mac has a durable lease record, in any state. It does not wait for decisions or the disk.
func (t *Table) Known(mac dhcp.MAC) bool { return t.durable.holds(mac) }

// LeasesOf returns the durable lease records of mac, newest first, in any state: one for each subnet it was seen in.
func (t *Table) LeasesOf(mac dhcp.MAC) []dhcp.Lease {
	var out []dhcp.Lease
	t.mu.Lock()
	now := t.tick()
	for _, x := range t.view.indexes {
		if e := x.byMAC[mac]; e != nil && e.durable != nil && e.durable.mac == mac {
			out = append(out, e.durable.at(now))
		}
	}
	t.mu.Unlock()
	slices.SortStableFunc(out, func(a, b dhcp.Lease) int { return b.Starts.Compare(a.Starts) })
	return out
}

// at returns the lease with its state at the time now.
func (k *packedLease) at(now time.Time) dhcp.Lease {
	l := k.lease()
	if (l.State == dhcp.LeaseActive || l.State == dhcp.LeaseDeclined) && !l.Expires.After(now) {
		l.State = dhcp.LeaseExpired // a quarantine that has ended counts as expired, too
	}
	return l
}

// All returns all durable lease records in address order.
func (t *Table) All() []dhcp.Lease {
	now, all := t.adjustedNow(), t.durable.all()
	out := make([]dhcp.Lease, 0, len(all))
	for _, k := range all {
		out = append(out, k.at(now))
	}
	slices.SortFunc(out, func(a, b dhcp.Lease) int { return a.Addr.Compare(b.Addr) })
	return out
}

// Delete removes the record of addr and returns when that is durable. It is an error when addr has none.
func (t *Table) Delete(ctx context.Context, addr netip.Addr) error {
	if !addr.Is4() {
		return fmt.Errorf("%q is not an IPv4 address", addr)
	}
	if t.durable.get(addr) == nil {
		return fmt.Errorf("address %s has no lease", addr)
	}
	done := make(chan error, 1)
	t.Commit([]dhcp.Change{{Lease: dhcp.Lease{Addr: addr}, Delete: true}}, func(err error) { done <- err })
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Stats counts the addresses of each subnet, in the order of the configuration.
func (t *Table) Stats() []Stats {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.tick()
	return t.view.Stats()
}
