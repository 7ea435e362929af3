package sharedleases

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"time"
)

// clockKey holds the time of the cluster in Unix milliseconds.
const clockKey = "clock"

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

// errClockGone is why no lease is bound after the store has lost its data.
var errClockGone = errors.New("etcd has lost what it had: restart this appliance, which writes its leases there again")

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
	value    time.Time
	written  time.Duration // not later than when the value was written
	received time.Duration // when it was read first
	checked  time.Duration // when the request was sent that read it last
	timed    bool          // written is known
	gone     bool
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
	return c.value.Add(d + d/driftPart)
}

// fresh reports whether leases may be bound by this clock.
func (c *clock) fresh() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.tight() && !c.gone && c.elapsed()-c.checked <= clockFresh
}

// tight reports whether it is known well enough when the value was written. The caller holds mu.
func (c *clock) tight() bool { return c.timed && c.received-c.written <= clockTight }

// create writes the clock if there is none.
func (c *clock) create(ctx context.Context, now time.Time) error {
	_, err := c.store.Txn(ctx, Txn{If: []Condition{{Key: clockKey}}, Then: []Write{{Key: clockKey, Value: formatClock(now)}}})
	return err
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
	advance := was != 0 && (!c.tight() || sent-c.received >= advanceAfter)
	next := formatClock(c.value.Add(sent - c.received))
	c.mu.Unlock()
	if !advance {
		records, _, err := c.store.List(ctx, clockKey)
		if err != nil {
			return true, err
		}
		return c.read(records, sent, false)
	}
	r, err := c.store.Txn(ctx, Txn{If: []Condition{{clockKey, was}}, Then: []Write{{Key: clockKey, Value: next}}, Else: []string{clockKey}})
	if err != nil {
		return true, err
	}
	if r.Done {
		r.Read = []Record{{Key: clockKey, Value: next, Revision: r.Revision}}
	}
	return c.read(r.Read, sent, r.Done)
}

// read takes a reading whose request was sent at that time, and has written the value if own is set.
func (c *clock) read(records []Record, sent time.Duration, own bool) (exists bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(records) != 1 || records[0].Revision < c.revision {
		if c.gone = c.revision != 0; c.gone {
			return len(records) > 0, errClockGone
		}
		return false, nil
	}
	r := records[0]
	ms, err := strconv.ParseInt(string(r.Value), 10, 64)
	if err != nil {
		return true, err
	}
	if r.Revision > c.revision {
		c.timed = own || c.revision != 0
		if c.written = c.checked; own {
			c.written = sent
		}
		c.revision, c.value, c.received = r.Revision, time.UnixMilli(ms).UTC(), c.elapsed()
	}
	c.checked = max(c.checked, sent)
	return true, nil
}

func formatClock(t time.Time) []byte { return strconv.AppendInt(nil, t.UnixMilli(), 10) }
