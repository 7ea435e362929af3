// Package simulated is the part of etcd that shared leases need, in memory, behind a network that delays, loses and is cut. It is for
// simulations in testing/synctest.
package simulated

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"plugtone/store/etcd/sharedleases"
)

// ErrCompacted ends a watch whose changes are no longer kept.
var ErrCompacted = errors.New("simulated: the revision has been compacted")

// Store is one etcd cluster.
type Store struct {
	mu       sync.Mutex
	revision int64
	records  map[string]sharedleases.Record
	changes  []sharedleases.Record // in order
	compact  int64                 // changes up to this revision are gone
	grown    chan struct{}         // closed when changes grows

	Written func(sharedleases.Record) // receives each change; it must not call the store
}

// New returns an empty store.
func New() *Store {
	return &Store{records: map[string]sharedleases.Record{}, revision: 1, grown: make(chan struct{})}
}

// Txn implements sharedleases.Store.
func (s *Store) Txn(_ context.Context, t sharedleases.Txn) (sharedleases.TxnResult, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range t.If {
		if s.records[c.Key].Revision != c.Revision {
			return s.otherwise(t), nil
		}
	}
	if len(t.Then) > 0 {
		s.revision++
	}
	for _, w := range t.Then {
		r := sharedleases.Record{Key: w.Key, Value: slices.Clone(w.Value), Revision: s.revision, Deleted: w.Delete}
		if w.Delete {
			delete(s.records, w.Key)
		} else {
			s.records[w.Key] = r
		}
		s.changes = append(s.changes, r)
		if s.Written != nil {
			s.Written(r)
		}
	}
	close(s.grown)
	s.grown = make(chan struct{})
	return sharedleases.TxnResult{Done: true, Revision: s.revision}, nil
}

func (s *Store) otherwise(t sharedleases.Txn) sharedleases.TxnResult {
	r := sharedleases.TxnResult{Revision: s.revision}
	for _, key := range t.Else {
		if rec, ok := s.records[key]; ok {
			r.Read = append(r.Read, rec)
		}
	}
	return r
}

// List implements sharedleases.Store.
func (s *Store) List(_ context.Context, prefix string) (out []sharedleases.Record, revision int64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.records {
		if strings.HasPrefix(r.Key, prefix) {
			out = append(out, r)
		}
	}
	slices.SortFunc(out, func(a, b sharedleases.Record) int { return strings.Compare(a.Key, b.Key) })
	return out, s.revision, nil
}

// Watch implements sharedleases.Store.
func (s *Store) Watch(ctx context.Context, prefix string, from int64, f func([]sharedleases.Record)) error {
	for {
		s.mu.Lock()
		var out []sharedleases.Record
		for _, r := range s.changes {
			if r.Revision >= from && strings.HasPrefix(r.Key, prefix) {
				out = append(out, r)
			}
		}
		lost, grown := from <= s.compact, s.grown
		next := max(from, s.revision+1)
		s.mu.Unlock()
		if lost {
			return ErrCompacted
		}
		if from = next; len(out) > 0 {
			f(out)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-grown:
		}
	}
}

// Lose makes the store lose its data. Watches get nothing more until it has come to their revision again, as those of etcd do.
func (s *Store) Lose() { s.SetBack(Snapshot{revision: 1}) }

// Snapshot is what a store had at a time.
type Snapshot struct {
	revision int64
	records  map[string]sharedleases.Record
}

// Snapshot returns what the store has.
func (s *Store) Snapshot() Snapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Snapshot{s.revision, maps.Clone(s.records)}
}

// SetBack makes the store have what it had at the time of a snapshot.
func (s *Store) SetBack(to Snapshot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.revision, s.records, s.changes = to.revision, map[string]sharedleases.Record{}, nil
	maps.Copy(s.records, to.records)
}

// Compact removes the changes so far: a watch from one of them fails.
func (s *Store) Compact() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.compact, s.changes = s.revision, nil
}

// Client is a member's connection to a store.
type Client struct {
	store *Store
	rand  func(n int) int // a number below n

	mu        sync.Mutex
	cut       bool          // nothing passes
	stop      chan struct{} // while the member is stopped: closed when it goes on
	slow      time.Duration // the most that one way takes
	slowList  time.Duration // that a list takes besides
	stopAtTxn bool
	lose      int           // one in so many requests, or their answers, is lost; 0: none
	ended     chan struct{} // closed to end them
}

// NewClient returns a connection. rand(n) returns a number below n; it is called from many goroutines.
func (s *Store) NewClient(rand func(n int) int) *Client {
	return &Client{store: s, rand: rand, ended: make(chan struct{})}
}

// Network sets how long a message takes at most, and that one in lose is lost.
func (c *Client) Network(slow time.Duration, lose int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.slow, c.lose = slow, lose
}

// SlowList sets how long a list takes besides its messages: one of many records, over a slow line.
func (c *Client) SlowList(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.slowList = d
}

// Cut cuts the connection, or joins it again: then watches and lists end.
func (c *Client) Cut(cut bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cut && !cut {
		close(c.ended)
		c.ended = make(chan struct{})
	}
	c.cut = cut
}

// Stop stops the member: what it has sent goes on, and it receives nothing until GoOn.
func (c *Client) Stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stop == nil {
		c.stop = make(chan struct{})
	}
}

// StopAtTxn stops the member when its next transaction is done, before it has the answer.
func (c *Client) StopAtTxn() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopAtTxn = true
}

// GoOn ends a stop.
func (c *Client) GoOn() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopAtTxn = false; c.stop != nil {
		close(c.stop)
		c.stop = nil
	}
}

// Stopped reports whether the member is stopped.
func (c *Client) Stopped() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stop != nil
}

// Connected reports whether the member reaches the store.
func (c *Client) Connected() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.cut && c.stop == nil
}

// way takes the time of one way, and returns an error when the message is lost. lose: it may be, even while the connection is not cut.
func (c *Client) way(ctx context.Context, lose bool) error {
	c.mu.Lock()
	slow, lost := c.slow, c.cut || lose && c.lose > 0 && c.rand(c.lose) == 0
	c.mu.Unlock()
	if lost {
		<-ctx.Done()
		return ctx.Err()
	}
	if slow > 0 {
		return pause(ctx, time.Duration(c.rand(int(slow))))
	}
	return nil
}

// pause waits for d, or returns an error when ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// untilJoined returns a context that ends when the connection is joined after a cut.
func (c *Client) untilJoined(ctx context.Context) (context.Context, context.CancelFunc) {
	c.mu.Lock()
	ended := c.ended
	c.mu.Unlock()
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		select {
		case <-ended:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}

// running waits until the member is not stopped.
func (c *Client) running() {
	for {
		c.mu.Lock()
		stop := c.stop
		c.mu.Unlock()
		if stop == nil {
			return
		}
		<-stop
	}
}

// call does f on the store, with the network in between. What is sent is done, whether or not the answer arrives.
func (c *Client) call(ctx context.Context, f func()) error {
	c.running()
	if err := c.way(ctx, true); err != nil {
		c.running()
		return err
	}
	f()
	err := c.way(ctx, true)
	c.running() // the answer is there, or the time has passed, while the member is stopped
	return err
}

// Txn implements sharedleases.Store.
func (c *Client) Txn(ctx context.Context, t sharedleases.Txn) (r sharedleases.TxnResult, err error) {
	err = c.call(ctx, func() {
		r, _ = c.store.Txn(ctx, t)
		c.mu.Lock()
		stop := c.stopAtTxn && len(t.Then) > 0 && t.Then[0].Key != "clock"
		c.mu.Unlock()
		if stop {
			c.Stop()
		}
	})
	if err != nil {
		return sharedleases.TxnResult{}, err
	}
	return r, nil
}

// List implements sharedleases.Store. One that is lost hangs until its context ends, or the connection is cut and joined.
func (c *Client) List(ctx context.Context, prefix string) (out []sharedleases.Record, revision int64, err error) {
	ctx, cancel := c.untilJoined(ctx)
	defer cancel()
	c.mu.Lock()
	slow := c.slowList
	c.mu.Unlock()
	if err = c.call(ctx, func() { out, revision, _ = c.store.List(ctx, prefix) }); err == nil {
		err = pause(ctx, slow)
	}
	c.running()
	return out, revision, err
}

// Watch implements sharedleases.Store.
func (c *Client) Watch(ctx context.Context, prefix string, from int64, f func([]sharedleases.Record)) error {
	ctx, cancel := c.untilJoined(ctx)
	defer cancel()
	return c.store.Watch(ctx, prefix, from, func(records []sharedleases.Record) {
		if c.way(ctx, false) == nil { // while the connection is cut it waits, and ends with it
			c.running()
			f(records)
		}
	})
}
