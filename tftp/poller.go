package tftp

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// poller waits for many sockets and a tick. The epoll is itself watched by Go's scheduler, so that waiting for many sockets
// holds no thread.
type poller struct {
	file   *os.File
	conn   syscall.RawConn
	epoll  int
	timer  int
	tick   time.Duration
	events [64]unix.EpollEvent
}

func newPoller(tick time.Duration) (*poller, error) {
	p := &poller{tick: tick}
	var err error
	if p.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return nil, fmt.Errorf("tftp: epoll: %w", err)
	}
	if err = unix.SetNonblock(p.epoll, true); err != nil { // else os.NewFile does not register it with the scheduler
		return nil, errors.Join(fmt.Errorf("tftp: epoll: %w", err), unix.Close(p.epoll))
	}
	p.file = os.NewFile(uintptr(p.epoll), "epoll")
	if p.timer, err = unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK); err != nil {
		return nil, errors.Join(fmt.Errorf("tftp: timer: %w", err), p.file.Close())
	}
	if p.conn, err = p.file.SyscallConn(); err == nil {
		err = p.add(p.timer)
	}
	if err != nil {
		return nil, errors.Join(err, p.close())
	}
	return p, nil
}

// add watches a socket for packets.
func (p *poller) add(fd int) error {
	if err := unix.EpollCtl(p.epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)}); err != nil {
		return fmt.Errorf("epoll: %w", err)
	}
	return nil
}

// watch changes which events of a socket that was added are waited for.
func (p *poller) watch(fd int, events uint32) error {
	return unix.EpollCtl(p.epoll, unix.EPOLL_CTL_MOD, fd, &unix.EpollEvent{Events: events, Fd: int32(fd)})
}

// remove ends that. A socket that is closed needs no removal.
func (p *poller) remove(fd int) { _ = unix.EpollCtl(p.epoll, unix.EPOLL_CTL_DEL, fd, nil) }

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

// wait returns the sockets that have packets, valid until the next wait, and whether there was a tick. With many sockets there
// mostly is one already; when not, the goroutine is parked. With a single one the thread waits: that costs other goroutines
// more, but it wakes up sooner.
func (p *poller) wait(single bool) (ready []unix.EpollEvent, tick bool) {
	n := 0
	if single {
		n, _ = unix.EpollWait(p.epoll, p.events[:], -1) // an error is EINTR, and no events
	} else {
		_ = p.conn.Read(func(fd uintptr) bool { // fails only when closed, after the loop has ended
			r, _, e := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, fd, uintptr(unsafe.Pointer(&p.events)), uintptr(len(p.events)), 0, 0, 0)
			if n = int(r); e != 0 {
				n = 0
			}
			return n > 0
		})
	}
	ready = p.events[:max(n, 0)]
	for _, e := range ready {
		if e.Fd == int32(p.timer) {
			var count [8]byte
			_, _ = unix.Read(p.timer, count[:])
			tick = true
		}
	}
	return ready, tick
}

func (p *poller) close() error { return errors.Join(unix.Close(p.timer), p.file.Close()) }
