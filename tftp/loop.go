package tftp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// loop waits for the packets of many transfers at once, in one goroutine: a packet is read and answered without waking another. The first one
// reads the requests, too. What might wait, the disk and an answer, is done by a worker, which gives the transfer back.
type loop struct {
	s        *Server
	poll     *poller
	buf      []byte
	requests []*listener // watched first
	mine     []*transfer // watched after these, in this order
	ticking  bool

	mu      sync.Mutex
	added   []*transfer
	spare   []int // sockets without a port, for the next transfers
	asleep  bool  // it waits: what is added has to wake it
	stopped bool
	done    sync.WaitGroup
}

// maxSpare is how many sockets of ended transfers wait for others.
const maxSpare = 64

// newLoop returns a loop that reads the requests of these listeners. run is to be called.
func newLoop(s *Server, requests []*listener) (*loop, error) {
	p, err := newPoller(min(max(s.cfg.Resend/8, time.Millisecond), 100*time.Millisecond))
	if err != nil {
		return nil, err
	}
	for _, l := range requests {
		p.add(l.fd)
	}
	return &loop{s: s, poll: p, buf: make([]byte, chunkSize+5), requests: requests}, nil
}

// socket returns a socket on a new port for one peer. One that was used before, and had its port taken, costs the kernel less than a new
// one does (BenchmarkSocket).
func (l *loop) socket(local netip.Addr, peer netip.AddrPort) (socket, error) {
	l.mu.Lock()
	used := socket{peer: rawAddr(peer)}
	if last := len(l.spare) - 1; last >= 0 {
		used.fd, l.spare = l.spare[last], l.spare[:last]
	}
	l.mu.Unlock()
	if used.fd != 0 && used.rebind(local) == nil {
		return used, nil
	}
	used.close()
	return openSocket(local, peer)
}

// save takes the port of a socket whose peer has received everything, so that nothing of it waits to be sent, and stores the socket.
func (l *loop) save(s *socket) {
	if !s.unbind() {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.spare) < maxSpare && !l.stopped {
		l.spare = append(l.spare, s.fd)
		s.fd = 0
	}
}

// add adds a transfer to the loop.
func (l *loop) add(t *transfer) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stopped {
		return ErrStopped
	}
	l.added = append(l.added, t)
	if l.asleep {
		l.asleep = false
		l.poll.wake()
	}
	return nil
}

// close ends all transfers that the loop still has, and waits until it has released them.
func (l *loop) close() error {
	l.mu.Lock()
	l.stopped = true
	l.mu.Unlock()
	l.poll.wake()
	l.done.Wait()
	l.mu.Lock() // a worker may be late
	defer l.mu.Unlock()
	for _, fd := range l.spare {
		_ = unix.Close(fd)
	}
	l.spare = nil
	return l.poll.close()
}

func (l *loop) run() {
	// A request that was found is read when the packets of transfers that came before it have been: a phone's last ACK comes before its next
	// request, and may have come after they were looked at.
	asked := false
	for {
		stop := l.collect()
		if l.poll.look() || l.mayWait() && l.poll.wait() {
			now := l.s.cfg.Now()
			for i := len(l.mine) - 1; i >= 0; i-- { // backwards, as one that leaves is replaced by the last
				if l.poll.ready(len(l.requests) + i) {
					l.read(l.mine[i], now)
				}
			}
			if asked = !asked && l.requested(); !asked {
				l.readRequests()
			}
			if l.poll.ticked() {
				l.sweep(now, stop)
			}
		}
		if stop {
			l.sweep(l.s.cfg.Now(), stop)
			return
		}
	}
}

// requested reports whether a listener has packets.
func (l *loop) requested() bool {
	for i := range l.requests {
		if l.poll.ready(i) {
			return true
		}
	}
	return false
}

func (l *loop) readRequests() {
	for i, r := range l.requests {
		if l.poll.ready(i) && !l.s.readReady(r) {
			l.poll.ignore(i)
		}
	}
}

// collect takes over what has been added.
func (l *loop) collect() (stop bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asleep = false
	for _, t := range l.added {
		t.number = len(l.mine)
		l.mine = append(l.mine, t)
		l.poll.add(t.sock.fd)
	}
	clear(l.added)
	l.added = l.added[:0]
	if busy := len(l.mine) > 0; busy != l.ticking {
		l.ticking = busy
		if err := l.poll.setTicking(busy); err != nil {
			l.s.cfg.Log.Error("tftp: loop", "err", err)
		}
	}
	return l.stopped
}

// mayWait reports whether there is nothing to take over. From then on what is added wakes the loop.
func (l *loop) mayWait() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asleep = len(l.added) == 0 && !l.stopped
	return l.asleep
}

// read reads one packet from a transfer's socket.
func (l *loop) read(t *transfer, now time.Time) {
	n, from, err := t.sock.recv(l.buf)
	switch {
	case err == unix.EAGAIN || err == unix.EINTR:
		return
	case err != nil && t.dallies:
		l.leave(t)
		l.s.endDally(t)
		return
	case err != nil:
		l.closeTransfer(t, fmt.Errorf("receive: %w", err))
		return
	case t.evicted.Load() != nil:
		l.closeTransfer(t, *t.evicted.Load())
		return
	}
	if n < 2 {
		return
	}
	p := l.buf[:n]
	if from.Addr != t.sock.peer.Addr || from.Port != t.sock.peer.Port {
		if binary.BigEndian.Uint16(p) != opERROR { // F08
			t.sock.sendToOther(errUnknownTransfer.bytes(), &from)
		}
		return
	}
	if !t.dallies && now.After(t.deadline) { // F18
		l.closeTransfer(t, ErrTooLong)
		return
	}
	l.handle(t, p, now)
}

// handle processes a packet of the peer.
func (l *loop) handle(t *transfer, p []byte, now time.Time) {
	next, err := t.handle(p)
	t.sent.Store(t.endpoint.bytes())
	switch {
	case t.dallies:
		if next == send {
			t.send()
		}
		return
	case next != ignore && !t.alive:
		t.alive = true
		l.s.limits.confirm(t)
	}
	switch next {
	case hasten:
		if soon := now.Add(l.s.cfg.Resend / 20); soon.Before(t.again) {
			t.again = soon
		}
	case send, wait:
		if next == send {
			t.ending.Store(t.endpoint.complete())
			t.send()
		}
		t.tries = 0
		t.again = now.Add(t.interval(&l.s.cfg))
	case doIO:
		l.leave(t)
		t.stage = stageIO
		l.s.queue <- t
	case done:
		l.closeTransfer(t, err)
	}
}

// sweep sends the packets that are due again, and ends the transfers that are done.
func (l *loop) sweep(now time.Time, stop bool) {
	for _, t := range slices.Backward(l.mine) {
		switch late := !now.Before(t.again); {
		case t.dallies:
			if late || stop {
				l.leave(t)
				l.s.endDally(t)
			}
		case stop:
			l.closeTransfer(t, ErrStopped)
		case t.evicted.Load() != nil:
			l.closeTransfer(t, *t.evicted.Load())
		case now.After(t.deadline): // F18
			l.closeTransfer(t, ErrTooLong)
		case !late:
		case t.tries >= l.s.cfg.Retries && t.endpoint.complete() && !t.request.write: // F09
			l.closeTransfer(t, nil)
		case t.tries >= l.s.cfg.Retries:
			l.closeTransfer(t, errors.Join(ErrTimeout, t.unsent))
		default: // F05: after 1, 1, 2, 2, 3 times as long; a phone waits for 2 to 4 s before it gives up or sends its request again
			t.tries++
			t.send()
			t.again = now.Add(t.interval(&l.s.cfg))
		}
	}
}

// closeTransfer ends a transfer: it sends the ERROR that err calls for, if any, and closes the socket or keeps it for another transfer.
// The transfer's place is free at once; where there is a file, a worker does the rest. A peer that aborted a transfer may have
// sent a new request before its ERROR was read: that request was counted as a repetition, and is served now.
func (l *loop) closeTransfer(t *transfer, err error) {
	l.leave(t)
	repeated := l.s.limits.release(t)
	t.sendError(err)
	if err == nil && t.tries == 0 {
		l.save(&t.sock)
	}
	t.sock.close()
	if repeated && errors.Is(err, ErrAborted) {
		l.s.accept(t.listener, t.request, t.key.from, t.local) // while this one counts: drain waits until none does
	}
	if t.answer.Content == nil && t.answer.Upload == nil {
		l.s.finish(t, err) // neither memory nor the observer waits, and another goroutine costs more than this
	} else {
		t.stage, t.err = stageFinish, err
		l.s.queue <- t
	}
}

// leave ends watching a transfer's socket. The last transfer takes its number.
func (l *loop) leave(t *transfer) {
	l.poll.remove(len(l.requests) + t.number)
	last := len(l.mine) - 1
	l.mine[t.number] = l.mine[last]
	l.mine[t.number].number = t.number
	l.mine[last] = nil
	l.mine = l.mine[:last]
}
