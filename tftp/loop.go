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

// loop waits for the packets of many transfers at once, in one goroutine: a packet is read and answered without waking another.
// What might wait, the disk and the answer, is done by a worker, which gives the transfer back.
type loop struct {
	s    *Server
	poll *poller
	buf  []byte
	mine map[int32]*transfer // by socket

	mu      sync.Mutex
	added   []*transfer
	spare   []int          // sockets without a port, watched, for the next transfers
	paused  map[int32]bool // sockets that received a packet before their transfer was added
	running bool
	stopped bool
	done    sync.WaitGroup
}

// maxSpare is how many sockets of ended transfers wait for others.
const maxSpare = 64

func newLoop(s *Server) (*loop, error) {
	p, err := newPoller(min(max(s.cfg.Resend/8, time.Millisecond), 100*time.Millisecond))
	if err != nil {
		return nil, err
	}
	return &loop{s: s, poll: p, buf: make([]byte, chunkSize+5), mine: map[int32]*transfer{}, paused: map[int32]bool{}}, nil
}

// socket returns a socket on a new port for one peer. One that was used before, and had its port taken, costs the kernel less than a new
// one does (BenchmarkSocket).
func (l *loop) socket(local netip.Addr, peer netip.AddrPort) (socket, error) {
	l.mu.Lock()
	used := socket{peer: rawAddr(peer), used: true}
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

// pause ignores a socket of which no transfer is known, until there is one: the packet came before the transfer was added.
func (l *loop) pause(fd int32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !slices.ContainsFunc(l.added, func(t *transfer) bool { return int32(t.sock.fd) == fd }) {
		l.paused[fd] = l.poll.watch(int(fd), 0) == nil
	}
}

// add adds a transfer to the loop, which runs as long as it has any.
func (l *loop) add(t *transfer) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stopped {
		return ErrStopped
	}
	if !l.running {
		if err := l.poll.setTicking(true); err != nil {
			return err
		}
		l.running = true
		l.done.Go(l.run)
	}
	l.added = append(l.added, t) // before there can be an event for it
	var err error
	if !t.sock.used {
		err = l.poll.add(t.sock.fd)
	} else if fd := int32(t.sock.fd); l.paused[fd] {
		delete(l.paused, fd)
		err = l.poll.watch(t.sock.fd, unix.EPOLLIN)
	}
	if err != nil {
		l.added = l.added[:len(l.added)-1]
	}
	return err
}

// close ends all transfers that the loop still has, and waits until it has released them.
func (l *loop) close() error {
	l.mu.Lock()
	l.stopped = true
	l.mu.Unlock()
	l.done.Wait()
	for _, fd := range l.spare {
		_ = unix.Close(fd)
	}
	return l.poll.close()
}

func (l *loop) run() {
	for {
		ready, tick := l.poll.wait(len(l.mine) == 1)
		stop := l.collect()
		now := l.s.cfg.Now()
		for _, e := range ready {
			if t := l.mine[e.Fd]; t != nil {
				l.read(t, now)
			} else if int(e.Fd) != l.poll.timer {
				l.pause(e.Fd)
			}
		}
		if tick {
			l.sweep(now, stop)
			if l.idle() {
				return
			}
		}
	}
}

// collect takes over what has been added.
func (l *loop) collect() (stop bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, t := range l.added {
		l.mine[int32(t.sock.fd)] = t
	}
	clear(l.added)
	l.added = l.added[:0]
	return l.stopped
}

// idle reports whether no transfer is left. Then the loop ends.
func (l *loop) idle() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.mine)+len(l.added) > 0 {
		return false
	}
	if err := l.poll.setTicking(false); err != nil {
		l.s.cfg.Log.Error("tftp: loop", "err", err)
	}
	l.running = false
	return true
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
		l.poll.remove(t.sock.fd)
		t.sock.used = false
		t.stage = stageIO
		l.s.queue <- t
	case done:
		l.closeTransfer(t, err)
	}
}

// sweep sends the packets that are due again, and ends the transfers that are done.
func (l *loop) sweep(now time.Time, stop bool) {
	for _, t := range l.mine {
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

func (l *loop) leave(t *transfer) { delete(l.mine, int32(t.sock.fd)) }
