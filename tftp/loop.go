package tftp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// loop waits for the packets of many transfers at once, in one goroutine: a packet that has come is read and answered without
// waking anybody. Whatever might wait, the disk and the observer, goes to a worker, which puts the transfer back.
type loop struct {
	s    *Server
	poll *poller
	buf  []byte
	mine map[int32]*transfer // by socket

	mu      sync.Mutex
	coming  []*transfer
	running bool
	stopped bool
	done    sync.WaitGroup
}

func newLoop(s *Server) (*loop, error) {
	p, err := newPoller(min(max(s.cfg.Resend/8, time.Millisecond), 100*time.Millisecond))
	if err != nil {
		return nil, err
	}
	return &loop{s: s, poll: p, buf: make([]byte, chunkSize+5), mine: map[int32]*transfer{}}, nil
}

// add gives a transfer to the loop, which runs for as long as it has any.
func (l *loop) add(t *transfer) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stopped {
		return ErrStopped
	}
	if !l.running {
		if err := l.poll.tickOn(true); err != nil {
			return err
		}
		l.running = true
		l.done.Go(l.run)
	}
	l.coming = append(l.coming, t) // before there can be an event for it
	if err := l.poll.add(t.sock.fd); err != nil {
		l.coming = l.coming[:len(l.coming)-1]
		return err
	}
	return nil
}

// close ends all transfers that the loop still has, and waits until it has let go of them.
func (l *loop) close() error {
	l.mu.Lock()
	l.stopped = true
	l.mu.Unlock()
	l.done.Wait()
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

// collect takes what has been added.
func (l *loop) collect() (stop bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, t := range l.coming {
		l.mine[int32(t.sock.fd)] = t
	}
	clear(l.coming)
	l.coming = l.coming[:0]
	return l.stopped
}

// idle tells whether there is nothing left to wait for. Then the loop ends.
func (l *loop) idle() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.mine)+len(l.coming) > 0 {
		return false
	}
	if err := l.poll.tickOn(false); err != nil {
		l.s.cfg.Log.Error("tftp: loop", "err", err)
	}
	l.running = false
	return true
}

// read takes one packet of a transfer's.
func (l *loop) read(t *transfer, now time.Time) {
	n, from, err := t.sock.recv(l.buf)
	switch {
	case err == unix.EAGAIN || err == unix.EINTR:
		return
	case err != nil && t.dallies:
		l.leave(t)
		l.s.depart(t)
		return
	case err != nil:
		l.end(t, fmt.Errorf("receive: %w", err))
		return
	case t.ousted.Load() != nil:
		l.end(t, *t.ousted.Load())
		return
	}
	if n < 2 {
		return
	}
	p := l.buf[:n]
	if from.Addr != t.sock.to.Addr || from.Port != t.sock.to.Port {
		if binary.BigEndian.Uint16(p) != opERROR { // F08
			_ = t.sock.sendTo(refuseStranger.packet(), &from)
		}
		return
	}
	if !t.dallies && now.After(t.deadline) { // F18
		l.end(t, ErrTooLong)
		return
	}
	next, err := t.hear(p)
	t.sent.Store(t.side.bytes())
	switch {
	case t.dallies:
		if next == say {
			t.send()
		}
		return
	case next != stay && !t.alive:
		t.alive = true
		l.s.heard(t)
	}
	switch next {
	case say:
		t.ending.Store(t.side.whole())
		l.say(t, now)
	case toil:
		l.leave(t)
		l.poll.remove(t.sock.fd)
		t.stage = stageWork
		l.s.queue <- t
	case end:
		l.end(t, err)
	}
}

// say sends a new packet.
func (l *loop) say(t *transfer, now time.Time) {
	t.send()
	t.tries = 0
	t.again = now.Add(l.s.cfg.Resend)
}

// sweep looks at all transfers: which are to be sent their packet again, and which have ended.
func (l *loop) sweep(now time.Time, stop bool) {
	for _, t := range l.mine {
		switch late := !now.Before(t.again); {
		case t.dallies:
			if late || stop {
				l.leave(t)
				l.s.depart(t)
			}
		case stop:
			l.end(t, ErrStopped)
		case t.ousted.Load() != nil:
			l.end(t, *t.ousted.Load())
		case now.After(t.deadline): // F18
			l.end(t, ErrTooLong)
		case !late:
		case t.tries >= l.s.cfg.Retries && t.side.whole() && !t.asked.write: // F09
			l.end(t, nil)
		case t.tries >= l.s.cfg.Retries:
			l.end(t, errors.Join(ErrTimeout, t.unsent))
		default: // F05: after 1, 1, 2, 2, 3 times as long; a phone waits for 2 to 4 s before it gives up or asks again
			t.tries++
			t.send()
			t.again = now.Add(l.s.cfg.Resend * time.Duration(1+t.tries/2))
		}
	}
}

// end leaves the rest to a worker: it is out of the way of a new request already.
func (l *loop) end(t *transfer, err error) {
	l.leave(t)
	t.tell(err)
	t.sock.close()
	t.stage, t.err = stageOver, err
	l.s.release(t)
	l.s.queue <- t
}

func (l *loop) leave(t *transfer) { delete(l.mine, int32(t.sock.fd)) }
