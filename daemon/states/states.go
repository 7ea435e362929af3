// Package states keeps the states of devices up to date: it reports what they depend on to the index, and lets the index compute them again
// while phones can spare the time.
package states

import (
	"context"
	"log/slog"
	"time"

	"plugtone/provision/deviceindex"
	"plugtone/provision/fleet"
	"plugtone/provision/timeline"
	"plugtone/store"
)

// Store is a store that reports to the index what the states of devices depend on.
type Store struct {
	*store.Store
	Index   *deviceindex.Index
	Fetched func(fleet.Fetch) // is called with each fetch; nil: no one is notified
}

// RecordFetch implements observe.Store.
func (s Store) RecordFetch(f fleet.Fetch) {
	s.Store.RecordFetch(f)
	if s.Fetched != nil {
		s.Fetched(f)
	}
	s.Index.Touch(f.MAC)
}

// AppendTimeline implements observe.Store.
func (s Store) AppendTimeline(e timeline.Entry) {
	s.Store.AppendTimeline(e)
	if timeline.IsFile(e.Source) {
		s.Index.Touch(e.MAC)
	}
}

const (
	every = 2 * time.Second       // how often the states that may have changed are computed again
	pause = 20 * time.Millisecond // before each state, when a phone was served as long ago at most
	waits = 10                    // how often that is repeated while phones are served: a state costs as much as ten files
)

// Config is what Run needs. All members are required.
type Config struct {
	Index     *deviceindex.Index
	LastPhone func() time.Time // when a phone was last served
	Now       func() time.Time
	Log       *slog.Logger
}

// Run computes states in the background until ctx ends. ready is called at once.
func (c Config) Run(ctx context.Context, ready func()) error {
	ready()
	tick := time.NewTicker(every)
	defer tick.Stop()
	c.Index.Run(ctx, tick.C, c.wait, c.logged())
	return nil
}

// again is how long an error is not logged again.
const again = 10 * time.Minute

// logged returns a function that logs errors: without the key of the records there is the same one every two seconds.
func (c Config) logged() func(error) {
	last, at := "", time.Time{}
	return func(err error) {
		if now := c.Now(); err.Error() != last || now.Sub(at).Abs() >= again {
			last, at = err.Error(), now
			c.Log.Warn("states of devices", "err", err)
		}
	}
}

// wait leaves the processor to phones that are being served. It returns an error when the daemon stops.
func (c Config) wait(ctx context.Context) error {
	for n := 0; n < waits && c.Now().Sub(c.LastPhone()) < pause && ctx.Err() == nil; n++ {
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
	return ctx.Err()
}
