package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/sys/unix"
)

// queuedPerTurn is how many queued packets are served before the socket is read again. It bounds how long a renewal
// waits behind a flood, and how much the kernel must buffer meanwhile: with 16 instead of 4, up to 7 % of renewals were
// lost beside 10,000 forged packets a second and a buffer of 208 KiB (BenchmarkRenewalsBesideFlood).
const queuedPerTurn = 4

// maxReadErrors is how many reads in a row may fail before the socket is given up.
const maxReadErrors = 100

// priority is what is done with a received packet.
type priority int

const (
	drop          priority = iota // nothing; counted already
	unknownClient                 // served after all others, and dropped first
	knownClient                   // has a lease record: served at once
)

// receiver reads packets in batches, as many as the socket holds, and serves them in order of priority. It never waits
// for a batch to grow.
type receiver struct {
	sock     *socket
	observer *Observer
	log      *slog.Logger
	now      func() time.Time
	classify func(*packet) priority
	serve    func(p *packet, busy bool) // keeps nothing of p
	flush    func()                     // ends a batch

	queue   *packetQueue
	packets []*packet
	msgs    []ipv4.Message
	lost    uint32 // by the kernel so far
}

// run serves until ctx ends. It returns an error when the socket has failed for good.
func (r *receiver) run(ctx context.Context) error {
	r.packets, r.msgs = make([]*packet, batchSize), make([]ipv4.Message, batchSize)
	for i := range r.msgs {
		r.packets[i] = new(packet)
		r.msgs[i] = ipv4.Message{Buffers: [][]byte{r.packets[i].buf[:]}, OOB: make([]byte, controlSize)}
	}
	failed := 0
	for ctx.Err() == nil {
		n, err := r.sock.read(r.msgs, r.queue.used == 0)
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			// ICMP errors about earlier replies are reported here, too: they pass.
			if failed++; failed > maxReadErrors || errors.Is(err, os.ErrClosed) {
				return fmt.Errorf("dhcp server: read: %w", err)
			}
			r.log.Debug("dhcp read", "err", err)
			continue
		}
		failed = 0
		at := r.now()
		for i := range n {
			r.receive(i, at)
		}
		if n < batchSize { // else the socket holds more: a renewal may be among them
			r.serveQueued()
		}
		r.flush()
	}
	return nil
}

// receive handles message i of a batch.
func (r *receiver) receive(i int, at time.Time) {
	m, p := &r.msgs[i], r.packets[i]
	if lost := p.fill(m, at); lost != r.lost {
		r.observer.dropped(DropKernel, int(lost-r.lost))
		r.lost = lost
	}
	if m.Flags&unix.MSG_TRUNC != 0 {
		r.observer.dropped(DropTruncated, 1)
		return
	}
	r.packets[i] = r.dispatch(p)
	m.Buffers[0] = r.packets[i].buf[:]
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
