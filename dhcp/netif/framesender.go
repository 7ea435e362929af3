package netif

import (
	"errors"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// FrameSender sends Ethernet frames. Each interface has its own socket, so that a link that cannot send does not fill
// the send buffer of another. The sockets receive nothing.
type FrameSender struct {
	within Namespace
	mu     sync.RWMutex
	socks  map[int]int // interface index to descriptor; nil after Close
}

// NewFrameSender checks whether frames can be sent at all; without CAP_NET_RAW the error has the way to grant it. A
// link's socket is opened by the first frame for it.
func NewFrameSender(within Namespace) (*FrameSender, error) {
	fd := -1
	err := within(func() (err error) {
		fd, err = sendSocket()
		return err
	})
	if err != nil {
		return nil, err
	}
	return &FrameSender{within: within, socks: map[int]int{}}, unix.Close(fd)
}

// sendSocket has no protocol, so that no packet comes in by it.
func sendSocket() (int, error) {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return -1, packetError(err)
	}
	return fd, nil
}

// Send sends a frame out of the interface with that index, without waiting: EAGAIN when the send buffer is full.
func (s *FrameSender) Send(ifindex int, frame []byte) error {
	s.mu.RLock()
	fd, ok := s.socks[ifindex]
	if !ok {
		s.mu.RUnlock()
		if err := s.open(ifindex); err != nil {
			return err
		}
		s.mu.RLock()
		if fd, ok = s.socks[ifindex]; !ok {
			s.mu.RUnlock()
			return unix.ENODEV // closed again
		}
	}
	defer s.mu.RUnlock()
	to := &unix.SockaddrLinklayer{Ifindex: ifindex, Protocol: networkOrder(EtherIPv4), Halen: 6}
	copy(to.Addr[:], frame[:6])
	return os.NewSyscallError("sendto", unix.Sendto(fd, frame, 0, to))
}

func (s *FrameSender) open(ifindex int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.socks[ifindex]; ok || s.socks == nil {
		return nil
	}
	return s.within(func() error {
		fd, err := sendSocket()
		if err == nil {
			s.socks[ifindex] = fd
		}
		return err
	})
}

// Retain closes the sockets of interfaces that are gone.
func (s *FrameSender) Retain(now *Snapshot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for ifindex, fd := range s.socks {
		if now.ByIndex[ifindex] == nil {
			_ = unix.Close(fd) // frames that wait in it can no longer be sent
			delete(s.socks, ifindex)
		}
	}
}

// Close closes all sockets; Send fails with ENODEV afterwards.
func (s *FrameSender) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for _, fd := range s.socks {
		errs = append(errs, unix.Close(fd))
	}
	s.socks = nil
	return errors.Join(errs...)
}
