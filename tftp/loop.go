package tftp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// loop waits for the packets of all transfers at once, in one thread: a packet that has come is read and answered without
// waking anybody. Whatever might wait, the disk and the observer, goes to a worker, which puts the transfer back.
type loop struct {
	s     *Server
	epoll int
	tick  time.Duration // between looks at what hasn't been heard of
	buf   []byte
	mine  map[int32]*transfer // by socket

	mu      sync.Mutex
	coming  []*transfer
	running bool
	stopped bool
	done    sync.WaitGroup
}

func newLoop(s *Server) (*loop, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("tftp: epoll: %w", err)
	}
	tick := min(max(s.cfg.Resend/8, time.Millisecond), 100*time.Millisecond)
	return &loop{s: s, epoll: fd, tick: tick, buf: make([]byte, chunkSize+5), mine: map[int32]*transfer{}}, nil
}

// add gives a transfer to the loop, which runs for as long as it has any.
func (l *loop) add(t *transfer) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stopped {
		return ErrStopped
	}
	if err := unix.EpollCtl(l.epoll, unix.EPOLL_CTL_ADD, t.sock.fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(t.sock.fd)}); err != nil {
		return fmt.Errorf("epoll: %w", err)
	}
	l.coming = append(l.coming, t)
	if !l.running {
		l.running = true
		l.done.Go(l.run)
	}
	return nil
}

// close ends all transfers that the loop still has, and waits until it has let go of them.
func (l *loop) close() {
	l.mu.Lock()
	l.stopped = true
	l.mu.Unlock()
	l.done.Wait()
	unix.Close(l.epoll)
}

func (l *loop) run() {
	events := make([]unix.EpollEvent, 64)
	swept := l.s.cfg.Now()
	for {
		n, err := unix.EpollWait(l.epoll, events, int(max(l.tick.Milliseconds(), 1)))
		if err != nil && err != unix.EINTR { // can't be: the descriptor is ours, and so is the memory
			l.s.cfg.Log.Error("tftp: epoll", "err", err)
		}
		stop, idle := l.collect()
		if idle {
			return
		}
		now := l.s.cfg.Now()
		for _, e := range events[:max(n, 0)] {
			if t := l.mine[e.Fd]; t != nil {
				l.read(t, now)
			}
		}
		if n <= 0 || stop || now.Sub(swept) >= l.tick {
			l.sweep(now, stop)
			swept = now
		}
	}
}

// collect takes what has been added. idle means that there is nothing left to wait for, and that the loop has ended.
func (l *loop) collect() (stop, idle bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, t := range l.coming {
		l.mine[int32(t.sock.fd)] = t
	}
	clear(l.coming)
	l.coming = l.coming[:0]
	idle = len(l.mine) == 0
	l.running = !idle
	return l.stopped, idle
}

// read takes one packet of a transfer's.
func (l *loop) read(t *transfer, now time.Time) {
	n, from, err := t.sock.recv(l.buf)
	switch {
	case err == unix.EAGAIN || err == unix.EINTR:
		return
	case err != nil:
		l.end(t, fmt.Errorf("receive: %w", err))
		return
	case t.crowded.Load():
		l.end(t, ErrCrowded)
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
		if err := unix.EpollCtl(l.epoll, unix.EPOLL_CTL_DEL, t.sock.fd, nil); err != nil {
			l.s.cfg.Log.Error("tftp: epoll", "err", err)
		}
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
				t.sock.close()
			}
		case stop:
			l.end(t, ErrStopped)
		case t.crowded.Load():
			l.end(t, ErrCrowded)
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
