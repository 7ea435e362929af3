package leasetable

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"plugtone/dhcp"
)

// Writer makes changes durable: all of them in one transaction, or none. It must not retain the slice.
type Writer interface {
	WriteLeases([]dhcp.Change) error
}

// maxReusedBatch is the capacity, in changes, up to which the buffer of a write is reused.
const maxReusedBatch = 512

// There is a write backlog when a write takes longer than slowWrite, which is shorter than a client's retry, or when maxQueued decisions
// wait. Clients whose lease is already written are then answered without a write, and memory use stays bounded.
const (
	slowWrite = 3 * time.Second
	maxQueued = 8192
)

// inlineWrite is how long the last write may have taken for WriteQueued to write. Meanwhile no other client is served, while a
// hand-over to Run costs all of them a part of a millisecond.
const inlineWrite = 10 * time.Millisecond

// ErrClosed is the error of a commit after Run has returned.
var ErrClosed = errors.New("lease table is closed")

// ErrWriteBacklog is the error of a decision while the disk hangs or cannot keep up.
var ErrWriteBacklog = errors.New("write backlog: earlier leases are still being written")

// job is one queued commit.
type job struct {
	changes []dhcp.Change
	done    func(error)
	copied  func(error) // for copies of shared leases, which are bound already: not pending; called with mu held, in the order of writes
}

// Run writes what no other goroutine writes, until ctx ends, and returns after everything queued before is written. Commits that
// arrive during a write form the next one: the writer never waits to collect more.
func (t *Table) Run(ctx context.Context) error {
	if t.shared != nil {
		var binding sync.WaitGroup
		binding.Go(func() { t.shared.run(ctx) })
		defer func() { binding.Wait(); t.shared.close() }()
	}
	for running := true; running; {
		select {
		case <-t.wake:
		case <-ctx.Done():
			t.mu.Lock()
			t.closed, running = true, false
			t.mu.Unlock()
		}
		t.writing.Lock()
		t.writeQueue()
	}
	return nil
}

// WriteQueued writes what is queued on the caller's goroutine, which spares two switches of threads. It does not wait for another
// write, nor for a slow disk: then Run writes it.
func (t *Table) WriteQueued() {
	if t.shared != nil {
		t.shared.flush()
	}
	if t.slow.Load() || !t.writing.TryLock() {
		t.Flush()
		return
	}
	t.writeQueue()
}

// writeQueue writes the whole queue in one transaction and completes it. The caller holds writing; it is released.
func (t *Table) writeQueue() {
	t.mu.Lock()
	jobs := t.queue
	t.queue = nil
	if len(jobs) == 0 {
		t.mu.Unlock()
		t.writing.Unlock()
		return
	}
	t.began = t.tick()
	t.mu.Unlock()
	changes := t.batch[:0]
	for _, j := range jobs {
		changes = append(changes, j.changes...)
	}
	var err error
	if len(changes) > 0 {
		if err = t.writer.WriteLeases(changes); err != nil {
			err = fmt.Errorf("commit lease %s: %w", changes[0].Lease.Addr, err)
		}
		t.slow.Store(t.since(t.clock(), t.began) > inlineWrite)
	}
	t.mu.Lock()
	t.began = time.Time{}
	if len(changes) > 0 {
		t.view.writeFailed = err != nil
	}
	for _, j := range jobs {
		if j.copied != nil {
			j.copied(err)
			continue
		}
		for _, c := range j.changes {
			t.durable.put(dhcp.AddrNumber(c.Lease.Addr), t.view.completeWrite(c, err == nil))
		}
	}
	t.mu.Unlock()
	if t.batch = changes[:0]; cap(changes) > maxReusedBatch {
		t.batch = nil
	}
	t.writing.Unlock()
	for _, j := range jobs {
		if j.done != nil {
			j.done(err)
		}
	}
}

// writeBacklog reports whether decisions must not wait for the disk. The caller holds mu.
func (t *Table) writeBacklog(now time.Time) bool {
	return len(t.queue) >= maxQueued || t.shared != nil && len(t.shared.queue) >= maxQueued || !t.began.IsZero() && t.since(now, t.began) > slowWrite
}

// enqueue makes changes pending and queues them for the next Flush. The caller holds mu.
func (t *Table) enqueue(changes []dhcp.Change, done func(error)) {
	if t.shared != nil {
		if changes = t.shared.enqueue(changes, done); len(changes) == 0 {
			return
		}
	}
	for _, c := range changes {
		t.view.apply(c)
	}
	t.queue = append(t.queue, job{changes: changes, done: done})
}

// Flush starts a write of what is queued, and does not wait for it.
func (t *Table) Flush() {
	if t.shared != nil {
		t.shared.flush()
	}
	select {
	case t.wake <- struct{}{}:
	default:
	}
}
