package server

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"sync/atomic"
	"time"
)

const (
	// queuedPerTurn is how many queued packets are served before the socket is read again. It bounds how long a renewal
	// waits behind a flood, and how much the kernel must buffer meanwhile: with 16 instead of 4, up to 7 % of renewals were
	// lost beside 10,000 forged packets a second and a buffer of 208 KiB (BenchmarkRenewalsBesideFlood).
	queuedPerTurn = 4
	// maxTurns is how many turns there are at most before their leases are written.
	maxTurns = 64
)

// maxReadErrors is how many reads in a row may fail before the socket is given up. ICMP errors about earlier replies are
// reported there, too: they pass.
const maxReadErrors = 100

// A goroutine that has been writing for hangs, up to twice that, reads no more: another takes its place. The period is long,
// because each look at it wakes three threads of the Go runtime. It ends some periods after the last write.
const (
	hangs       = 200 * time.Millisecond
	idlePeriods = 3
)

// yieldEvery is how often the reader yields. To Go's scheduler a goroutine that only waits in system calls runs all the time; after 10 ms
// the scheduler's monitor looks every 20 µs for one of them to interrupt. Without yielding, an exchange takes a fifth more of the
// processor at 400 a second, a sixth more at 1,000 and a tenth more at 4,000 (make bench-dhcp).
const yieldEvery = 5 * time.Millisecond

// priority is what is done with a received packet.
type priority int

const (
	drop          priority = iota // nothing; counted already
	unknownClient                 // served after all others, and dropped first
	knownClient                   // has a lease record: served at once
)

// receiver reads packets in batches, as many as the socket holds, and serves them in order of priority. It waits for a batch to
// grow only while very many packets come, and for less than a millisecond; see pace.
//
// One goroutine does all: it reads, decides, writes the leases and sends, for each switch to another thread would cost as much as
// a decision. It waits only in the kernel, for a packet or for the disk. When the disk hangs, another goroutine takes over
// the reading, and what needs no disk is served.
type receiver struct {
	sock     *socket
	observer *Observer
	log      *slog.Logger
	now      func() time.Time
	classify func(*packet) priority
	serve    func(p *packet, busy bool) // keeps nothing of p
	write    func()                     // ends a batch: writes its leases
	delay    func(time.Duration)        // waits for so long

	queue *packetQueue
	in    *inbox
	lost  uint32 // by the kernel so far

	turn    atomic.Uint64 // counts the begins and ends of writes: odd during one
	watched atomic.Bool   // run looks at turn from time to time
	watch   chan struct{} // holds a token when run is to begin with that
}

// run serves until ctx ends. It returns an error when the socket has failed for good.
func (r *receiver) run(ctx context.Context) error {
	r.in, r.watch = newInbox(), make(chan struct{}, 1)
	ended := make(chan error, 1)
	read := func() {
		if replaced, err := r.read(ctx); !replaced {
			ended <- err
		}
	}
	go read()
	tick := time.NewTicker(hangs)
	defer tick.Stop()
	for last, idle := uint64(0), 0; ; {
		select {
		case err := <-ended:
			return err
		case <-r.watch:
			tick.Reset(hangs)
			continue
		case <-tick.C:
		}
		now := r.turn.Load()
		idle++
		switch {
		case now != last:
			idle = 0
		case now%2 == 1 && r.turn.CompareAndSwap(now, now+1):
			if ctx.Err() != nil {
				return nil // its replies are waited for in Server.close
			}
			go read()
		case idle >= idlePeriods:
			tick.Stop()
			r.watched.Store(false)
			if r.turn.Load() != now {
				r.beWatched() // it began to write just before
			}
		}
		last = now
	}
}

// beWatched makes run check for writes that hang.
func (r *receiver) beWatched() {
	if r.watched.Swap(true) {
		return
	}
	select {
	case r.watch <- struct{}{}:
	default: // there is a token already; run, which takes them, must not wait for itself
	}
}

// read serves until ctx ends, or until another goroutine has taken its place because a write hung.
func (r *receiver) read(ctx context.Context) (replaced bool, err error) {
	failed, turns := 0, 0
	var yielded time.Time
	var pace pace
	for ctx.Err() == nil {
		if turns == 0 && pace.dense {
			r.delay(min(collectFor, collectFor-r.now().Sub(pace.began))) // less than nothing: not at all; more: the clock was set back
		}
		n, err := r.in.read(r.sock, r.queue.used == 0)
		if err != nil && ctx.Err() == nil {
			if failed++; failed > maxReadErrors {
				return false, fmt.Errorf("dhcp server: read: %w", err)
			}
			r.log.Debug("dhcp read", "err", err)
			continue
		}
		failed = 0
		at := r.now()
		if at.Sub(yielded) > yieldEvery {
			runtime.Gosched()
			yielded = at
		}
		pace.count(n, at, turns == 0)
		for i := range n {
			r.receive(i, at)
		}
		if n < batchSize { // else the socket holds more: a renewal may be among them
			r.serveQueued()
		}
		if turns++; r.queue.used > 0 && turns < maxTurns {
			continue
		}
		turns = 0
		if !r.endTurn() {
			return true, nil
		}
	}
	return false, nil
}

// endTurn writes the leases of what was served. It returns false when that took so long that another goroutine reads now.
func (r *receiver) endTurn() bool {
	began := r.turn.Add(1)
	r.beWatched()
	r.write()
	return r.turn.CompareAndSwap(began, began+1)
}

// receive handles packet i of a batch.
func (r *receiver) receive(i int, at time.Time) {
	lost, truncated := r.in.fill(i, at)
	if lost != r.lost {
		r.observer.dropped(DropKernel, int(lost-r.lost))
		r.lost = lost
	}
	if truncated {
		r.observer.dropped(DropTruncated, 1)
		return
	}
	r.in.packets[i] = r.dispatch(r.in.packets[i])
}

// dispatch serves, queues or drops p, and returns a packet that can be used again: p or another.
func (r *receiver) dispatch(p *packet) (unused *packet) {
	switch r.classify(p) {
	case knownClient:
		r.serve(p, r.busy())
	case unknownClient:
		unused, ok := r.queue.push(p)
		if !ok {
			r.observer.dropped(DropQueue, 1)
		}
		return unused
	}
	return p
}

// serveQueued serves some of the queued packets.
func (r *receiver) serveQueued() {
	for range queuedPerTurn {
		p := r.queue.pop()
		if p == nil {
			return
		}
		r.serve(p, r.busy())
	}
}

// busy reports whether clients arrive faster than they are served.
func (r *receiver) busy() bool { return r.queue.used > len(r.queue.slots)/2 }
