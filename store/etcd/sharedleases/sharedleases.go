// Package sharedleases holds the leases of subnets that several members of a cluster serve: in etcd, where each is bound by one transaction
// before its ACK, and by a watch in the lease table of each member.
//
// Times of leases in etcd are times of the cluster, which no wall clock moves: see clock.
package sharedleases

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"plugtone/dhcp/leasetable"
	"plugtone/store/leases"
)

const (
	bindTimeout = 2 * time.Second  // a client repeats its REQUEST after about four seconds
	retryAfter  = time.Second      // of a reading that failed
	readTimeout = 10 * time.Minute // 100,000 leases over a line of 1 Mbit/s take three
	importBatch = 100              // leases in one transaction
)

// ErrNotUsable is why nothing is bound while the clock or the leases of the cluster are not known.
var ErrNotUsable = errors.New("etcd is not reachable")

// Config is what shared leases need.
type Config struct {
	Store   Store
	Subnets []netip.Prefix
	Elapsed func() time.Duration // a clock that no one sets, which counts while the machine sleeps
	Wall    func() time.Time     // the time of a new cluster begins with it
	Log     *slog.Logger
	Changed func() // Usable has changed; it must not wait
}

// Leases binds leases in etcd and follows what other members bind.
type Leases struct {
	ctx    context.Context
	cfg    Config
	clock  *clock
	read   atomic.Bool // the table has what etcd has
	usable atomic.Bool // what Changed was called for last
	stats  counters
}

// New returns the shared leases of a member. Calls of Bind end with ctx.
func New(ctx context.Context, cfg Config) *Leases {
	return &Leases{ctx: ctx, cfg: cfg, clock: newClock(cfg.Store, cfg.Elapsed)}
}

// Usable reports whether leases can be bound now.
func (l *Leases) Usable() bool { return l.read.Load() && l.clock.fresh() }

// Bind implements leasetable.SharedStore.
func (l *Leases) Bind(jobs [][]leasetable.SharedChange) []leasetable.SharedResult {
	results := make([]leasetable.SharedResult, len(jobs))
	open := make([]int, len(jobs)) // jobs without a result
	for i := range jobs {
		open[i] = i
	}
	fail := func(err error) []leasetable.SharedResult {
		for _, i := range open {
			results[i].Err = err
		}
		l.stats.failed.Add(int64(len(open)))
		return results
	}
	if !l.Usable() {
		return fail(ErrNotUsable)
	}
	ctx, cancel := context.WithTimeout(l.ctx, bindTimeout)
	defer cancel()
	for len(open) > 0 {
		r, err := l.cfg.Store.Txn(ctx, txnOf(jobs, open))
		if err != nil {
			return fail(err)
		}
		if r.Done {
			for _, i := range open {
				results[i].Revision = r.Revision
			}
			l.stats.bound.Add(int64(len(open)))
			break
		}
		if open, err = l.refuse(jobs, open, r, results); err != nil {
			return fail(err)
		}
	}
	return results
}

// txnOf returns the transaction that makes the changes of the open jobs.
func txnOf(jobs [][]leasetable.SharedChange, open []int) Txn {
	var t Txn
	for _, i := range open {
		for _, c := range jobs[i] {
			key := keyOf(c.Lease.Subnet, c.Lease.Addr)
			t.If = append(t.If, Condition{key, c.Revision})
			t.Else = append(t.Else, key)
			if c.Check {
				continue
			}
			w := Write{Key: key, Delete: c.Delete}
			if !c.Delete {
				w.Value = leases.AppendLease(nil, c.Lease)
			}
			t.Then = append(t.Then, w)
		}
	}
	return t
}

// refuse ends the jobs whose records have changed, by what a transaction that was not done has read, and returns those that are still open.
func (l *Leases) refuse(jobs [][]leasetable.SharedChange, open []int, r TxnResult, results []leasetable.SharedResult) (left []int, err error) {
	there := map[string]Record{}
	for _, rec := range r.Read {
		there[rec.Key] = rec
	}
	for _, i := range open {
		for _, c := range jobs[i] {
			key := keyOf(c.Lease.Subnet, c.Lease.Addr)
			rec, ok := there[key]
			if rec.Revision == c.Revision {
				continue
			}
			if !ok {
				rec = Record{Key: key, Revision: r.Revision, Deleted: true}
			}
			results[i].Err = leasetable.ErrOtherServer
			if now, ok := l.changeOf(rec); ok {
				results[i].Current = append(results[i].Current, now)
			}
		}
		if results[i].Err == nil {
			left = append(left, i)
		}
	}
	if len(left) == len(open) {
		return left, errors.New("etcd refuses a transaction whose conditions hold")
	}
	l.stats.conflicts.Add(int64(len(open) - len(left)))
	return left, nil
}

// Run follows etcd until ctx ends, and applies to the table what it has.
func (l *Leases) Run(ctx context.Context, table *leasetable.Shared) {
	var tasks sync.WaitGroup
	defer tasks.Wait()
	tasks.Go(func() { l.keepTime(ctx, table) })
	for ctx.Err() == nil {
		if err := l.follow(ctx, table); err != nil && ctx.Err() == nil {
			l.cfg.Log.Debug("shared leases are read again", "err", err)
		}
		wait(ctx, retryAfter)
	}
}

// keepTime keeps the clock, and the table's idea of it.
func (l *Leases) keepTime(ctx context.Context, table *leasetable.Shared) {
	for ctx.Err() == nil {
		_ = l.readClock(ctx)
		if !l.clock.now().IsZero() {
			table.SyncTime(l.clock.now)
		}
		l.notify()
		wait(ctx, clockEvery)
	}
}

// readClock reads the clock, until it is known what time it has if there is one.
func (l *Leases) readClock(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, clockTimeout)
	defer cancel()
	exists, err := l.clock.update(ctx)
	if err == nil && exists && !l.clock.fresh() {
		_, err = l.clock.update(ctx)
	}
	return err
}

// notify calls Changed when Usable has changed.
func (l *Leases) notify() {
	if now := l.Usable(); l.usable.Swap(now) != now {
		l.cfg.Changed()
	}
}

// follow reads all shared leases, then applies each change. It returns when changes may be missing.
func (l *Leases) follow(ctx context.Context, table *leasetable.Shared) error {
	from, err := l.readAll(ctx, table)
	if err != nil {
		return err
	}
	l.read.Store(true)
	l.notify()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var watches sync.WaitGroup
	for _, p := range l.cfg.Subnets {
		watches.Go(func() {
			cancel(l.cfg.Store.Watch(ctx, prefixOf(p), from+1, func(records []Record) { table.Apply(l.changesOf(records)) }))
		})
	}
	watches.Wait()
	return context.Cause(ctx)
}

// readAll passes all shared leases to the table and returns the revision of the store. In a new cluster, and in one whose etcd has lost its
// data, the leases that this member has are written first.
func (l *Leases) readAll(ctx context.Context, table *leasetable.Shared) (revision int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	if err := l.readClock(ctx); err != nil {
		return 0, err
	}
	if l.clock.now().IsZero() {
		if err := l.begin(ctx, table); err != nil {
			return 0, err
		}
	}
	table.SyncTime(l.clock.now)
	var all []leasetable.SharedChange
	for i, p := range l.cfg.Subnets {
		records, at, err := l.cfg.Store.List(ctx, prefixOf(p))
		if err != nil {
			return 0, err
		}
		all = append(all, l.changesOf(records)...)
		if i == 0 || at < revision {
			revision = at
		}
	}
	table.Reset(all, revision)
	return revision, nil
}

// begin writes the leases that the table has, where etcd has none, then the clock.
func (l *Leases) begin(ctx context.Context, table *leasetable.Shared) error {
	now := l.cfg.Wall().UTC()
	changes := table.Leases(now)
	for len(changes) > 0 {
		var jobs [][]leasetable.SharedChange
		n := min(importBatch, len(changes))
		for _, c := range changes[:n] {
			jobs = append(jobs, []leasetable.SharedChange{c})
		}
		changes = changes[n:]
		for open := indexes(n); len(open) > 0; {
			r, err := l.cfg.Store.Txn(ctx, txnOf(jobs, open))
			if err == nil && !r.Done {
				open, err = l.refuse(jobs, open, r, make([]leasetable.SharedResult, n))
			} else {
				open = nil
			}
			if err != nil {
				return fmt.Errorf("write the leases of this member into etcd: %w", err)
			}
		}
	}
	if err := l.clock.create(ctx, now); err != nil {
		return err
	}
	if err := l.readClock(ctx); err != nil {
		return err
	}
	if l.clock.now().IsZero() {
		return errors.New("the clock of the cluster is not known yet")
	}
	return nil
}

func indexes(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}

func (l *Leases) changesOf(records []Record) []leasetable.SharedChange {
	out := make([]leasetable.SharedChange, 0, len(records))
	for _, r := range records {
		if c, ok := l.changeOf(r); ok {
			out = append(out, c)
		}
	}
	return out
}

// changeOf reads a record. One that can't be read is logged and left out: its address is not bound again, for the revision differs.
func (l *Leases) changeOf(r Record) (c leasetable.SharedChange, ok bool) {
	subnet, addr, err := parseKey(r.Key)
	if err == nil && !r.Deleted {
		c.Lease, err = leases.ReadLease(r.Value)
	}
	if err != nil {
		l.cfg.Log.Error("shared lease left out", "key", r.Key, "err", err)
		return c, false
	}
	c.Lease.Addr, c.Lease.Subnet, c.Delete, c.Revision = addr, subnet, r.Deleted, r.Revision
	return c, true
}

const leasesPrefix = "leases/"

func prefixOf(subnet netip.Prefix) string { return leasesPrefix + subnet.String() + "/" }

func keyOf(subnet netip.Prefix, addr netip.Addr) string { return prefixOf(subnet) + addr.String() }

func parseKey(key string) (subnet netip.Prefix, addr netip.Addr, err error) {
	rest, _ := strings.CutPrefix(key, leasesPrefix)
	i := strings.LastIndexByte(rest, '/')
	if subnet, err = netip.ParsePrefix(rest[:max(i, 0)]); err != nil {
		return subnet, addr, err
	}
	addr, err = netip.ParseAddr(rest[i+1:])
	return subnet, addr, err
}

// wait waits for d, or until ctx ends.
func wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
