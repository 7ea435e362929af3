package sharedleases

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"
)

// clockKey holds a reading.
const clockKey = "clock"

// reading is the value of the clock in the store.
type reading struct {
	Time int64  `json:"time"` // of the cluster, Unix milliseconds
	ID   string `json:"id"`   // names what the store has; another one is made when the leases of all members are to be brought together again
	Hold int64  `json:"hold"` // no lease is bound before this time of the cluster, so that members can bring theirs; Unix milliseconds
}

func (r reading) value() []byte {
	b, err := json.Marshal(r)
	if err != nil {
		panic(err) // every value of the type has a JSON form
	}
	return b
}

func (r reading) time() time.Time { return time.UnixMilli(r.Time).UTC() }

const (
	clockEvery   = 2 * time.Second // how often a member reads the clock
	clockTimeout = 2 * time.Second // of a reading
	advanceAfter = 4 * time.Second // a member advances the clock when no other one has for so long
	clockFresh   = 6 * time.Second // leases are bound only if the clock was read within it
	clockTight   = 4 * time.Second // and if it is known to within it when the clock was written
	// driftPart is the part by which a clock is assumed to be slow at most while the store is not reachable: a thousandth. Crystals are off
	// by a ten-thousandth.
	driftPart = 1000
)

// errClockGone is returned when the store has lost its data, has been set back to an older state, or has another ID.
var errClockGone = errors.New("etcd has lost what it had, or has an older state")

// clock is the time of the cluster. In the store it never goes back, and never runs faster than real time: a member advances it by what its
// monotonic clock has counted since it received the value. It stands still while no member reaches the store, and one that was cut off may
// catch up later. A member's own idea of it, now, is therefore never behind: it counts from the last time at which the value was not written
// yet. Of a value that was found at start this time is not known: the member advances the clock itself, or waits until another one does.
//
// The idea of a member whose clock is fresh is ahead of that of any other by less than clockTight, advanceAfter, clockEvery and clockFresh together.
type clock struct {
	store   Store
	elapsed func() time.Duration // monotonic

	turn chan struct{} // holds a token while no update is under way: a reading that is overtaken by another would look older

	mu       sync.Mutex
	revision int64 // 0: not read yet
	last     reading
	written  time.Duration // not later than when the value was written
	received time.Duration // when it was read first
	checked  time.Duration // when the request was sent that read it last
	timed    bool          // written is known
	gone     bool          // what was read is not what the store has any more
}

func newClock(s Store, elapsed func() time.Duration) *clock {
	c := &clock{store: s, elapsed: elapsed, turn: make(chan struct{}, 1)}
	c.turn <- struct{}{}
	return c
}

// now returns the time of the cluster; the zero time while it is not known.
func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.timed {
		return time.Time{}
	}
	d := c.elapsed() - c.written
	return c.last.time().Add(d + d/driftPart)
}

// fresh reports whether leases may be bound by this clock.
func (c *clock) fresh() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.tight() && !c.gone && c.elapsed()-c.checked <= clockFresh
}

// tight reports whether it is known well enough when the value was written. The caller holds mu.
func (c *clock) tight() bool { return c.timed && c.received-c.written <= clockTight }

// id returns the ID of the store; "" while it is not known.
func (c *clock) id() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.last.ID
}

// held reports whether no lease may be bound yet, so that members can bring theirs.
func (c *clock) held() bool {
	now := c.now()
	c.mu.Lock()
	defer c.mu.Unlock()
	return now.UnixMilli() < c.last.Hold
}

// lost reports whether what was read is not what the store has any more.
func (c *clock) lost() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.gone
}

// at returns the revision of the last change that was read.
func (c *clock) at() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.revision
}

// forget forgets what was read.
func (c *clock) forget(ctx context.Context) error {
	select {
	case <-c.turn:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { c.turn <- struct{}{} }()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.revision, c.last, c.written, c.received, c.checked, c.timed, c.gone = 0, reading{}, 0, 0, 0, false, false
	return nil
}

// create writes the clock if there is none, and reports whether it did.
func (c *clock) create(ctx context.Context, r reading) (made bool, err error) {
	x, err := c.store.Txn(ctx, Txn{If: []Condition{{Key: clockKey}}, Then: []Write{{Key: clockKey, Value: r.value()}}})
	return x.Done, err
}

// change advances the clock with another ID, "" for the same one, and a hold from now on. It was read before.
func (c *clock) change(ctx context.Context, id string, hold time.Duration) error {
	select {
	case <-c.turn:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { c.turn <- struct{}{} }()
	for {
		c.mu.Lock()
		sent, was, next := c.elapsed(), c.revision, c.last
		next.ID, next.Hold = cmp.Or(id, next.ID), next.time().Add(sent-c.received+hold).UnixMilli()
		c.mu.Unlock()
		done, _, err := c.advance(ctx, sent, was, next)
		if err != nil || done {
			return err
		}
	}
}

// update reads the clock, and advances it when it is due, or when its value is too old to be used. exists is false when there is none.
func (c *clock) update(ctx context.Context) (exists bool, err error) {
	select {
	case <-c.turn:
	case <-ctx.Done():
		return true, ctx.Err()
	}
	defer func() { c.turn <- struct{}{} }()
	c.mu.Lock()
	sent, was := c.elapsed(), c.revision
	advance, next := was != 0 && (!c.tight() || sent-c.received >= advanceAfter), c.last
	c.mu.Unlock()
	if !advance {
		records, _, err := c.store.List(ctx, clockKey)
		if err != nil {
			return true, err
		}
		return c.read(records, sent, false)
	}
	_, exists, err = c.advance(ctx, sent, was, next)
	return exists, err
}

// advance writes next with the time since it was read, unless another member has changed the clock, which is read then. turn is held.
func (c *clock) advance(ctx context.Context, sent time.Duration, was int64, next reading) (done, exists bool, err error) {
	c.mu.Lock()
	next.Time = c.last.time().Add(sent - c.received).UnixMilli()
	c.mu.Unlock()
	r, err := c.store.Txn(ctx, Txn{If: []Condition{{clockKey, was}}, Then: []Write{{Key: clockKey, Value: next.value()}}, Else: []string{clockKey}})
	if err != nil {
		return false, true, err
	}
	if r.Done {
		r.Read = []Record{{Key: clockKey, Value: next.value(), Revision: r.Revision}}
	}
	exists, err = c.read(r.Read, sent, r.Done)
	return r.Done, exists, err
}

// read takes a reading whose request was sent at that time, and has written the value if own is set.
func (c *clock) read(records []Record, sent time.Duration, own bool) (exists bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.revision == 0 && len(records) != 1:
		return false, nil
	case len(records) != 1 || records[0].Revision < c.revision:
		c.gone = true
		return len(records) > 0, errClockGone
	}
	r, v := records[0], reading{}
	if err := json.Unmarshal(r.Value, &v); err != nil {
		return true, fmt.Errorf("%s in etcd can't be read: %w", clockKey, err)
	}
	if c.revision != 0 && !own && v.ID != c.last.ID {
		c.gone = true
	}
	if c.gone { // until forget, whatever else is read
		return true, errClockGone
	}
	if r.Revision > c.revision {
		c.timed = own || c.revision != 0
		if c.written = c.checked; own {
			c.written = sent
		}
		c.revision, c.last, c.received = r.Revision, v, c.elapsed()
	}
	c.checked = max(c.checked, sent)
	return true, nil
}
