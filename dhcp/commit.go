package dhcp

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Writer makes changes durable: all of them in one transaction, or none. It keeps nothing of the slice.
type Writer interface {
	WriteLeases([]Change) error
}

// batchKept is up to how many changes the buffer of a write is used again.
const batchKept = 512

// A disk has a backlog when a write takes longer than slowWrite, which is before clients ask again, or maxQueued decisions wait for one:
// to wait would be silence for those whose lease is written already, and memory without end.
const (
	slowWrite = 3 * time.Second
	maxQueued = 8192
)

// ErrClosed is what a commit gets after Run has ended.
var ErrClosed = errors.New("lease table is closed")

// ErrWriteBacklog is what a decision gets when the disk hangs, or can't keep up.
var ErrWriteBacklog = errors.New("write backlog: earlier leases are still being written")

// job is one commit on its way to the disk.
type job struct {
	changes []Change
	done    func(error)
}

// Run writes what is committed until ctx ends and everything queued before is written. What arrives during a write makes
// the next: the writer never waits for more.
func (t *Table) Run(ctx context.Context) error {
	for {
		select {
		case <-t.wake:
		case <-ctx.Done():
			t.mu.Lock()
			t.closed = true
			t.mu.Unlock()
			t.flush()
			return nil
		}
		t.flush()
	}
}

// flush writes the whole queue in one transaction and completes it.
func (t *Table) flush() {
	t.mu.Lock()
	jobs := t.queue
	t.queue = nil
	if len(jobs) == 0 {
		t.mu.Unlock()
		return
	}
	t.began = t.tick()
	t.mu.Unlock()
	changes := t.batch[:0]
	for _, j := range jobs {
		changes = append(changes, j.changes...)
	}
	err := t.write(changes)
	t.mu.Lock()
	t.began = time.Time{}
	if len(changes) > 0 {
		t.view.writeFailed = err != nil
	}
	for _, c := range changes {
		t.durable.put(u32(c.Lease.Addr), t.view.completeWrite(c, err == nil))
	}
	t.mu.Unlock()
	if t.batch = changes[:0]; cap(changes) > batchKept {
		t.batch = nil
	}
	for _, j := range jobs {
		if j.done != nil {
			j.done(err)
		}
	}
}

// writeBacklog reports whether a decision had better not wait for the disk. The caller holds mu.
func (t *Table) writeBacklog(now time.Time) bool {
	return len(t.queue) >= maxQueued || !t.began.IsZero() && t.since(now, t.began) > slowWrite
}

func (t *Table) write(changes []Change) error {
	if len(changes) == 0 {
		return nil
	}
	if err := t.writer.WriteLeases(changes); err != nil {
		return fmt.Errorf("commit lease %s: %w", changes[0].Lease.Addr, err)
	}
	return nil
}

// enqueue makes changes pending and queues them; Flush lets them be written. The caller holds mu.
func (t *Table) enqueue(changes []Change, done func(error)) {
	for _, c := range changes {
		t.view.apply(c)
	}
	t.queue = append(t.queue, job{changes, done})
}

// Flush lets the writer write what is queued. It waits for nothing.
func (t *Table) Flush() {
	select {
	case t.wake <- struct{}{}:
	default:
	}
}
