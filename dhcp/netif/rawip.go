package netif

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// RawIPSender sends UDP datagrams to on-link hosts that have their address. While the kernel resolves a host by ARP it
// keeps the datagrams for it, for seconds when the host is absent, and they count against the send buffer of their
// socket. With a socket apart, requests in the name of absent hosts do not use up the buffer for routed destinations.
// It receives nothing.
type RawIPSender struct {
	Descriptor
	buffers sync.Pool // of *[]byte
}

// NewRawIPSender needs CAP_NET_RAW.
func NewRawIPSender() (*RawIPSender, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.IPPROTO_RAW)
	if err != nil {
		return nil, fmt.Errorf("open raw IP socket: %w", err)
	}
	return &RawIPSender{Descriptor: Descriptor{FD: fd}}, nil
}

// Send sends a datagram out of the interface with that index (0: the kernel chooses), without waiting: EAGAIN when the
// send buffer is full.
func (s *RawIPSender) Send(ifindex int, src, dst netip.AddrPort, payload []byte) error {
	f := Frame{Src: Endpoint{Addr: src.Addr(), Port: src.Port()}, Dst: Endpoint{Addr: dst.Addr(), Port: dst.Port()}, Payload: payload}
	buf, ok := s.buffers.Get().(*[]byte)
	if !ok {
		buf = new([]byte)
	}
	defer s.buffers.Put(buf)
	*buf = f.appendPacket((*buf)[:0], 0)
	return s.SendNow(*buf, PacketInfo(ifindex, src.Addr()), dst)
}

// Descriptor is a socket that the Go runtime does not poll: it wakes a thread for each packet that comes to a socket which it
// polls, and for each that has left it.
type Descriptor struct {
	FD     int
	mu     sync.RWMutex // held to send: a late packet must not leave by another file that got the number
	closed bool
}

// SendNow sends a datagram without waiting for room in the send buffer: EAGAIN when there is none, os.ErrClosed after Close.
func (d *Descriptor) SendNow(b, control []byte, to netip.AddrPort) error {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if d.closed {
		return os.ErrClosed
	}
	_, err := unix.SendmsgN(d.FD, b, control, &unix.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()}, unix.MSG_DONTWAIT)
	return os.NewSyscallError("sendmsg", err)
}

// Close closes the socket. No goroutine may be reading from it.
func (d *Descriptor) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	return os.NewSyscallError("close", unix.Close(d.FD))
}

// PacketInfo is the control message that chooses a datagram's source address and, unless ifindex is 0, its interface.
func PacketInfo(ifindex int, src netip.Addr) []byte {
	if ifindex == 0 && !src.IsValid() {
		return nil
	}
	b := make([]byte, unix.CmsgSpace(unix.SizeofInet4Pktinfo))
	h := (*unix.Cmsghdr)(unsafe.Pointer(&b[0]))
	h.Level, h.Type = unix.IPPROTO_IP, unix.IP_PKTINFO
	h.SetLen(unix.CmsgLen(unix.SizeofInet4Pktinfo))
	info := b[unix.CmsgLen(0):]
	binary.NativeEndian.PutUint32(info, uint32(ifindex))
	if src.IsValid() {
		copy(info[4:], src.AsSlice())
	}
	return b
}
