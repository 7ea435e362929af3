package leasetable

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"time"

	"plugtone/dhcp"
)

// SharedStore binds the leases of subnets that several servers serve.
type SharedStore interface {
	// Bind makes the changes of each job durable, all of them or none, if the records still have the revisions that the job names. It
	// returns one result for each job, and is called from several goroutines.
	Bind(jobs [][]SharedChange) []SharedResult
}

// SharedChange is a change of a shared lease. Its times are those of the store, which all servers share.
type SharedChange struct {
	dhcp.Change
	Revision int64 // of the record: the one that the decision was made on, or the one that was written; 0: there is none
	Check    bool  // nothing is changed: only the revision matters
}

// SharedResult is what became of a job.
type SharedResult struct {
	Revision int64          // of what was written
	Err      error          // nothing was written, or it is not known whether it was
	Current  []SharedChange // with an error: the records that the store has instead, as far as they are known
}

// Errors of changes to shared leases.
var (
	ErrOtherServer = errors.New("another server has changed the lease")
	ErrLate        = errors.New("the answer of the store of shared leases came too late")
	errNotRead     = errors.New("the shared leases have not been read from their store yet")
)

const (
	// SharedMargin is for how long after its end a shared lease is not given to another client. The servers' ideas of the time differ by less.
	SharedMargin = time.Minute
	// maxBindAge is how old a decision may become until its lease is bound. Later its client has given up, or this process was stopped.
	maxBindAge = 4 * time.Second
	maxBinding = 4   // requests under way
	maxBatch   = 100 // changes in a request
	// copyEvery is how often shared leases that were bound are written to the disk, for a start without their store.
	copyEvery = 500 * time.Millisecond
)

// Shared is the part of a Table that binds leases in a SharedStore. mu of the table guards it.
type Shared struct {
	table    *Table
	store    SharedStore
	queue    []*sharedJob
	busy     map[uint32]bool     // addresses in requests under way
	known    map[uint32]revision // what is known of the store
	copies   map[uint32]bool     // addresses whose records are to be written to the disk; true: only their times have changed
	received received            // of releases
	read     bool                // the store has been read
	epoch    int                 // from 1 on; another one when the store has lost what was read
	timed    bool                // offset is known
	offset   time.Duration       // time of the store minus that of the table, in whole seconds
	bound    func(dhcp.Lease)    // see OnBound; nil: there is none
	wake     chan struct{}       // holds a token when the queue is to be sent
	slots    chan struct{}       // one for each request under way
}

// revision is what is known of one record of the store.
type revision struct {
	record int64 // of the record; 0: there is none
	seen   int64 // of the store, when it had that record or none
}

// sharedJob is one queued commit of shared leases.
type sharedJob struct {
	changes []SharedChange
	follows []bool        // the change was decided on one that is not bound yet
	rest    []dhcp.Change // of other subnets, to be made afterwards
	began   time.Time
	done    func(error)
	err     error // it follows a change that failed
	epoch   int   // in which it was sent; 0: it was not
}

// Share makes the table bind leases of shared subnets in store. It is called before Load.
func (t *Table) Share(store SharedStore) *Shared {
	t.shared = &Shared{
		table: t, store: store, busy: map[uint32]bool{}, known: map[uint32]revision{}, copies: map[uint32]bool{}, received: newReceived(),
		epoch: 1, wake: make(chan struct{}, 1), slots: make(chan struct{}, maxBinding),
	}
	t.view.revision = t.shared.revisionAt
	return t.shared
}

// OnBound makes f receive each lease that this server has bound, before its client receives it. It is called before Run.
func (s *Shared) OnBound(f func(dhcp.Lease)) { s.bound = f }

// flush starts a request with what is queued.
func (s *Shared) flush() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// shared reports whether addr belongs to a shared subnet.
func (s indexSet) shared(addr netip.Addr) bool {
	x := s.of(addr)
	return x != nil && x.shared
}

// enqueue queues the changes of shared subnets, and returns those that the caller must queue. The first change is the one that the client
// waits for: changes of the other kind are made when it is durable. The caller holds mu.
func (s *Shared) enqueue(changes []dhcp.Change, done func(error)) (local []dhcp.Change) {
	var shared []dhcp.Change
	for _, c := range changes {
		switch {
		case !s.table.view.indexes.shared(c.Lease.Addr):
			local = append(local, c)
		case c.ClockShifted:
			s.copyLater(dhcp.AddrNumber(c.Lease.Addr), true)
		default:
			shared = append(shared, c)
		}
	}
	switch {
	case len(shared) == 0:
		return local
	case s.table.view.indexes.shared(changes[0].Lease.Addr):
		s.bind(shared, local, done)
		return nil
	}
	s.table.enqueue(local, func(err error) {
		if err == nil {
			s.commitRest(shared)
		}
		if done != nil {
			done(err)
		}
	})
	return nil
}

// commitRest makes the changes that end a client's leases in other subnets, unless these have changed since.
func (s *Shared) commitRest(changes []dhcp.Change) {
	t := s.table
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, c := range changes {
		if l, ok := t.view.At(c.Lease.Addr); ok && l.MAC == c.Lease.MAC && l.State == dhcp.LeaseActive && !t.closed {
			t.enqueue([]dhcp.Change{c}, nil)
		}
	}
	t.Flush()
}

// bind makes changes of shared leases pending and queues them. The caller holds mu.
func (s *Shared) bind(changes, rest []dhcp.Change, done func(error)) {
	j := &sharedJob{rest: rest, done: done, began: *s.table.last.Load()}
	for _, c := range changes {
		c.Lease.Subnet = s.table.view.indexes.of(c.Lease.Addr).prefix
		e := s.table.view.indexes.state(c.Lease.Addr)
		j.follows = append(j.follows, e != nil && e.pending > 0)
		j.changes = append(j.changes, SharedChange{Change: movedChange(c, s.offset), Revision: s.known[dhcp.AddrNumber(c.Lease.Addr)].record})
		s.table.view.apply(c)
	}
	s.queue = append(s.queue, j)
}

// verify calls done when the records of the addresses are in the store as they are here, or with an error. The caller holds mu.
func (s *Shared) verify(addrs []netip.Addr, done func(error)) {
	j := &sharedJob{done: done, began: *s.table.last.Load()}
	for _, a := range addrs {
		x, e := s.table.view.indexes.of(a), s.table.view.indexes.state(a)
		if x == nil { // briefly while a reload replaces engine and table
			continue
		}
		j.follows = append(j.follows, e != nil && e.pending > 0)
		c := SharedChange{Change: dhcp.Change{Lease: dhcp.Lease{Addr: a, Subnet: x.prefix}}, Revision: s.known[dhcp.AddrNumber(a)].record, Check: true}
		j.changes = append(j.changes, c)
	}
	s.queue = append(s.queue, j)
}

// run sends what is queued until ctx ends, and returns when no request is under way.
func (s *Shared) run(ctx context.Context) {
	var requests sync.WaitGroup
	defer requests.Wait()
	copies := time.NewTicker(copyEvery)
	defer copies.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-copies.C:
			s.queueCopies()
		case <-s.wake:
			s.sendQueued(ctx, &requests)
		}
	}
}

// sendQueued begins as many requests as the queue has jobs for.
func (s *Shared) sendQueued(ctx context.Context, requests *sync.WaitGroup) {
	for {
		select {
		case s.slots <- struct{}{}:
		case <-ctx.Done():
			return
		}
		jobs := s.nextJobs()
		if len(jobs) == 0 {
			<-s.slots
			return
		}
		requests.Go(func() {
			s.send(jobs)
			<-s.slots
			s.flush() // jobs may have waited for these addresses
		})
	}
}

// close refuses what is still queued, and writes the shared leases that are not on disk yet, after the table was closed.
func (s *Shared) close() {
	t := s.table
	t.mu.Lock()
	jobs := s.queue
	s.queue = nil
	t.mu.Unlock()
	for _, j := range jobs {
		s.complete(j, SharedResult{Err: ErrClosed})
	}
	s.queueCopies()
	t.writing.Lock()
	t.writeQueue()
}

// nextJobs takes jobs for one request from the queue: none whose address another request has, or an earlier job.
func (s *Shared) nextJobs() []*sharedJob {
	s.table.mu.Lock()
	defer s.table.mu.Unlock()
	var next, later []*sharedJob
	size, waits := 0, map[uint32]bool{}
	for _, j := range s.queue {
		ready := size == 0 || size+len(j.changes) <= maxBatch
		for _, c := range j.changes {
			a := dhcp.AddrNumber(c.Lease.Addr)
			ready = ready && !s.busy[a] && !waits[a]
		}
		for _, c := range j.changes {
			waits[dhcp.AddrNumber(c.Lease.Addr)] = true
		}
		if !ready {
			later = append(later, j)
			continue
		}
		next, size = append(next, j), size+len(j.changes)
	}
	for _, j := range next {
		for _, c := range j.changes {
			s.busy[dhcp.AddrNumber(c.Lease.Addr)] = true
		}
	}
	s.queue = later
	return next
}

// send sends one request and completes its jobs.
func (s *Shared) send(jobs []*sharedJob) {
	var due []*sharedJob
	var changes [][]SharedChange
	s.table.mu.Lock()
	now := s.table.tick()
	for _, j := range jobs {
		switch {
		case j.err != nil:
		case !s.read:
			j.err = errNotRead
		case s.table.since(now, j.began) > maxBindAge:
			j.err = ErrLate
		default:
			j.epoch = s.epoch
			due, changes = append(due, j), append(changes, j.changes)
		}
	}
	s.table.mu.Unlock()
	if len(due) > 0 {
		for i, r := range s.store.Bind(changes) {
			s.complete(due[i], r)
		}
	}
	for _, j := range jobs {
		if j.err != nil {
			s.complete(j, SharedResult{Err: j.err})
		}
	}
}

// complete ends the pending changes of a job, and calls its done.
func (s *Shared) complete(j *sharedJob, r SharedResult) {
	t := s.table
	var bound []dhcp.Lease
	t.mu.Lock()
	if j.epoch != 0 && j.epoch != s.epoch {
		r = SharedResult{Err: errNotRead}
	}
	now, err := t.tick(), r.Err
	for _, c := range r.Current {
		s.apply(c)
	}
	for _, c := range j.changes {
		a := dhcp.AddrNumber(c.Lease.Addr)
		if c.Check {
			delete(s.busy, a)
			s.resolve(a, r.Err == nil)
			continue
		}
		local, written := movedChange(c.Change, -s.offset), r.Err == nil
		if written && s.known[a].seen > r.Revision {
			written, err = false, ErrOtherServer // a later change has arrived before this result
		}
		if written {
			s.known[a] = revisionOf(c.Change, r.Revision)
			s.copyLater(a, false)
			if !local.Delete {
				bound = append(bound, local.Lease)
			}
		}
		t.durable.put(a, t.view.completeWrite(local, written))
		delete(s.busy, a)
		s.resolve(a, written)
	}
	if err == nil && t.since(now, j.began) > maxBindAge {
		err = ErrLate
	}
	t.mu.Unlock()
	for i := range bound {
		if s.bound != nil {
			s.bound(bound[i])
		}
	}
	if err == nil && len(j.rest) > 0 {
		s.commitRest(j.rest)
	}
	if j.done != nil {
		j.done(err)
	}
}

// resolve passes the result of a change on to the next one of the same address, which was decided on it. The caller holds mu.
func (s *Shared) resolve(addr uint32, written bool) {
	for _, j := range s.queue {
		for i := range j.changes {
			if dhcp.AddrNumber(j.changes[i].Lease.Addr) != addr {
				continue
			}
			if j.follows[i] && !written {
				j.err = ErrOtherServer
			} else if j.follows[i] {
				j.follows[i], j.changes[i].Revision = false, s.known[addr].record
			}
			return
		}
	}
}
