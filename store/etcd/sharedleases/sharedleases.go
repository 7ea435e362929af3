// Package sharedleases holds the leases of subnets that several members of a cluster serve: in etcd, where each is bound by one transaction
// before its ACK, and by a watch in the lease table of each member.
//
// Times of leases in etcd are times of the cluster, which no wall clock moves: see clock.
package sharedleases

import (
	"context"
	"errors"
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
)

// Errors of leases that can't be bound now.
var (
	ErrNotUsable = errors.New("etcd is not reachable") // the clock or the leases of the cluster are not known
	ErrHeld      = errors.New("etcd has other leases than before: members bring theirs, and none is bound for a minute or more")
)

// Config is what shared leases need.
type Config struct {
	Store   Store
	Subnets []netip.Prefix
	Copy    Copy                 // where the table's leases are kept on this member
	Elapsed func() time.Duration // a clock that no one sets, which counts while the machine sleeps
	Wall    func() time.Time     // the time of a new cluster begins with it
	Log     *slog.Logger
	Changed func() // Unusable has changed; it must not wait
	Doubt   func() // the store was made again: leases of members that have not brought theirs may be missing
}

// Leases binds leases in etcd and follows what other members bind.
type Leases struct {
	ctx    context.Context
	cfg    Config
	clock  *clock
	stats  counters
	read   atomic.Bool           // the table has what etcd has
	why    atomic.Pointer[error] // what Changed was called for last
	lost   chan struct{}         // holds a token when what was read is not what etcd has any more
	timing sync.Mutex            // held while the table's idea of the time changes
	origin origin                // of the table's leases
}

// New returns the shared leases of a member. Calls of Bind end with ctx.
func New(ctx context.Context, cfg Config) *Leases {
	return &Leases{ctx: ctx, cfg: cfg, clock: newClock(cfg.Store, cfg.Elapsed), lost: make(chan struct{}, 1), origin: origin{copy: cfg.Copy}}
}

// Unusable returns why no lease can be bound now, nil when they can.
func (l *Leases) Unusable() error {
	switch {
	case !l.read.Load() || !l.clock.fresh():
		return ErrNotUsable
	case l.clock.held():
		return ErrHeld
	}
	return nil
}

// ID returns the ID of the store that leases are read from; "" while it is not known.
func (l *Leases) ID() string { return l.clock.id() }

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
	if err := l.Unusable(); err != nil {
		return fail(err)
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
	if err := l.origin.save(); err != nil {
		l.cfg.Log.Warn("it is not stored which leases of the cluster this member has", "err", err)
	}
}

// keepTime keeps the clock, and the table's idea of it.
func (l *Leases) keepTime(ctx context.Context, table *leasetable.Shared) {
	for ctx.Err() == nil {
		err := l.readClock(ctx)
		if errors.Is(err, errClockGone) {
			select {
			case l.lost <- struct{}{}:
			default:
			}
		}
		l.timing.Lock()
		if l.read.Load() && !l.clock.lost() {
			table.SyncTime(l.clock.now)
			l.origin.advance(l.clock.at(), l.cfg.Elapsed())
		}
		l.timing.Unlock()
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

// notify calls Changed when Unusable has changed.
func (l *Leases) notify() {
	now := l.Unusable()
	if was := l.why.Swap(&now); was == nil && now != ErrNotUsable || was != nil && *was != now {
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
	select {
	case <-ctx.Done():
	case <-l.lost:
		cancel(errClockGone)
	}
	watches.Wait()
	return context.Cause(ctx)
}

// readAll passes all shared leases to the table and returns the revision of the store. What this member alone has is written first, if the store
// is not the one that its leases are from.
func (l *Leases) readAll(ctx context.Context, table *leasetable.Shared) (revision int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	if err := l.restart(ctx, table); err != nil {
		return 0, err
	}
	if err := l.readClock(ctx); err != nil {
		return 0, err
	}
	made := false
	if l.clock.now().IsZero() {
		if made, err = l.begin(ctx); err != nil {
			return 0, err
		}
	}
	table.SyncTime(l.clock.now)
	from, err := l.origin.get() // keepTime advances it while the list is read
	if err != nil {
		return 0, err
	}
	all, revision, err := l.list(ctx)
	if err != nil {
		return 0, err
	}
	brought, err := l.bring(ctx, table, from, all, revision, made)
	if brought && err == nil {
		all, revision, err = l.list(ctx)
	}
	if err != nil {
		return 0, err
	}
	table.Reset(l.changesOf(all), revision)
	return revision, l.origin.set(leases.Origin{ID: l.clock.id(), Revision: revision}, l.cfg.Elapsed())
}

// list returns all records of shared leases, and the lowest of the revisions at which those of a subnet were read.
func (l *Leases) list(ctx context.Context) (all []Record, revision int64, err error) {
	for i, p := range l.cfg.Subnets {
		records, at, err := l.cfg.Store.List(ctx, prefixOf(p))
		if err != nil {
			return nil, 0, err
		}
		all = append(all, records...)
		if i == 0 || at < revision {
			revision = at
		}
	}
	return all, revision, nil
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
