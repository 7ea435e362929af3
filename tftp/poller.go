package tftp

import (
	"errors"
	"fmt"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// poller waits for packets of many sockets, a tick, and a call of wake. It uses poll(2), which gets the list of sockets with each call: with
// epoll the kernel would enter each packet in a list when it comes, which takes longer than poll takes to look at a socket (docs/performance.md).
type poller struct {
	woken, timer int           // descriptors
	fds          []unix.PollFd // these two, and what was added
	tick         time.Duration
}

// ownFDs is how many of poller.fds are its own.
const ownFDs = 2

func newPoller(tick time.Duration) (*poller, error) {
	woken, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("tftp: eventfd: %w", err)
	}
	timer, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("tftp: timer: %w", err), unix.Close(woken))
	}
	p := &poller{woken: woken, timer: timer, tick: tick}
	p.fds = []unix.PollFd{{Fd: int32(woken), Events: unix.POLLIN}, {Fd: int32(timer), Events: unix.POLLIN}}
	return p, nil
}

// add watches a socket for packets. Sockets are numbered from 0 as they are added.
func (p *poller) add(fd int) { p.fds = append(p.fds, unix.PollFd{Fd: int32(fd), Events: unix.POLLIN}) }

// remove ends that. The last socket takes the number.
func (p *poller) remove(n int) {
	last := len(p.fds) - 1
	p.fds[ownFDs+n] = p.fds[last]
	p.fds = p.fds[:last]
}

// ignore has a socket never be ready again. It keeps its number.
func (p *poller) ignore(n int) { p.fds[ownFDs+n] = unix.PollFd{Fd: -1} }

// ready reports whether a socket had a packet, or an error, when look or wait returned.
func (p *poller) ready(n int) bool { return p.fds[ownFDs+n].Revents != 0 }

// look reports whether any socket is ready. It is too short for Go's scheduler to know of it.
func (p *poller) look() bool {
	var now unix.Timespec
	n, _, e := unix.RawSyscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(unsafe.SliceData(p.fds))), uintptr(len(p.fds)), uintptr(unsafe.Pointer(&now)), 0, 0, 0)
	return e == 0 && n > 0
}

// wait waits until there is something, and reports whether there is: a signal ends it as well. It holds a thread.
func (p *poller) wait() bool {
	n, err := unix.Ppoll(p.fds, nil, nil)
	return err == nil && n > 0
}

// wake makes wait return, from another goroutine. A second one before that does nothing.
func (p *poller) wake() { _, _ = unix.Write(p.woken, []byte{0, 0, 0, 0, 0, 0, 0, 1}) }

// ticked reports whether there was a tick, after look or wait has found something.
func (p *poller) ticked() bool {
	var count [8]byte
	for _, own := range p.fds[:ownFDs] {
		if own.Revents != 0 {
			_, _ = unix.Read(int(own.Fd), count[:])
		}
	}
	return p.fds[1].Revents != 0
}

// setTicking starts or stops the ticks.
func (p *poller) setTicking(on bool) error {
	var spec unix.ItimerSpec
	if on {
		every := unix.NsecToTimespec(p.tick.Nanoseconds())
		spec = unix.ItimerSpec{Interval: every, Value: every}
	}
	if err := unix.TimerfdSettime(p.timer, 0, &spec, nil); err != nil {
		return fmt.Errorf("tftp: timer: %w", err)
	}
	return nil
}

func (p *poller) close() error { return errors.Join(unix.Close(p.woken), unix.Close(p.timer)) }
