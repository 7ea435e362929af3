package server

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"plugtone/dhcp/netif"
)

const (
	packetSize  = 2048 // longer than any DHCP packet; the kernel truncates what is longer
	batchSize   = 64
	readBuffer  = 4 << 20 // bytes that may wait in the kernel: 40 ms of 100,000 packets a second; 208 KiB, Linux's default, are 2 ms
	controlSize = 128
)

// packet is one received datagram. Its buffer is reused after the request was decoded.
type packet struct {
	buf     [packetSize]byte
	n       int
	ifindex int
	src     netip.AddrPort
	dst     netip.Addr
	at      time.Time
}

// bytes returns the datagram's payload.
func (p *packet) bytes() []byte { return p.buf[:p.n] }

// socket is the UDP socket of all interfaces. The goroutine that reads it waits in the kernel, so that a packet wakes its thread
// and no other.
type socket struct {
	netif.Descriptor
	buffer int // bytes of packets that may wait
}

// openSocket binds 0.0.0.0:port. Neither SO_REUSEPORT nor SO_REUSEADDR is set: with them two servers could share the
// port, and each would get some of the packets.
func openSocket(port int) (*socket, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, unix.IPPROTO_UDP)
	if err != nil {
		return nil, netif.ListenError("dhcp", "udp", port, os.NewSyscallError("socket", err))
	}
	if err := unix.Bind(fd, &unix.SockaddrInet4{Port: port}); err != nil {
		unix.Close(fd)
		return nil, netif.ListenError("dhcp", "udp", port, os.NewSyscallError("bind", err))
	}
	s := &socket{Descriptor: netif.Descriptor{FD: fd}}
	if err := s.setOptions(); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("dhcp: port %d/udp: %w", port, err)
	}
	return s, nil
}

func (s *socket) setOptions() error {
	for _, o := range []struct{ level, name, value int }{
		{unix.SOL_SOCKET, unix.SO_BROADCAST, 1},
		{unix.SOL_SOCKET, unix.SO_RXQ_OVFL, 1},
		{unix.IPPROTO_IP, unix.IP_PKTINFO, 1},
	} {
		if err := unix.SetsockoptInt(s.FD, o.level, o.name, o.value); err != nil {
			return os.NewSyscallError("setsockopt", err)
		}
	}
	return s.setBuffer(readBuffer)
}

// setBuffer lets so many bytes of packets wait: past net.core.rmem_max with CAP_NET_ADMIN, else as many as that allows.
func (s *socket) setBuffer(bytes int) error {
	if unix.SetsockoptInt(s.FD, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, bytes) != nil {
		if err := unix.SetsockoptInt(s.FD, unix.SOL_SOCKET, unix.SO_RCVBUF, bytes); err != nil {
			return os.NewSyscallError("setsockopt", err)
		}
	}
	granted, err := unix.GetsockoptInt(s.FD, unix.SOL_SOCKET, unix.SO_RCVBUF)
	s.buffer = granted / 2 // the kernel doubles it for its own use
	return os.NewSyscallError("getsockopt", err)
}

// send sends a datagram by the kernel's routes, without waiting for room in the send buffer.
func (s *socket) send(ifindex int, src netip.Addr, dst netip.AddrPort, payload []byte) error {
	return s.SendNow(payload, netif.PacketInfo(ifindex, src), dst)
}

// interrupt ends a waiting read, and every later one; replies can still be sent.
func (s *socket) interrupt() {
	// ENOTCONN: so it is, and the kernel has woken the reader all the same.
	_ = unix.Shutdown(s.FD, unix.SHUT_RD)
}

// inbox receives the packets of a socket, up to batchSize in one call.
type inbox struct {
	packets [batchSize]*packet // packet i has what message i received
	msgs    [batchSize]mmsghdr
	names   [batchSize]unix.RawSockaddrInet4
	control [batchSize][controlSize]byte
	data    [batchSize]unix.Iovec
	used    int // messages that were received by the last read
}

// mmsghdr is recvmmsg's.
type mmsghdr struct {
	unix.Msghdr
	n uint32
}

func newInbox() *inbox {
	in := new(inbox)
	for i := range in.msgs {
		in.packets[i] = new(packet)
		m := &in.msgs[i]
		m.Iov = &in.data[i]
		m.SetIovlen(1)
		m.Name, m.Control = (*byte)(unsafe.Pointer(&in.names[i])), &in.control[i][0]
		in.ready(i)
	}
	return in
}

// ready prepares message i to be received into packet i.
func (in *inbox) ready(i int) {
	m := &in.msgs[i]
	m.Namelen, m.Flags = unix.SizeofSockaddrInet4, 0
	m.SetControllen(controlSize)
	in.data[i].Base = &in.packets[i].buf[0]
	in.data[i].SetLen(packetSize)
}

// read receives what the socket holds and returns how many packets that are. Without wait it returns 0 when there are
// none.
func (in *inbox) read(s *socket, wait bool) (int, error) {
	for i := range in.used {
		in.ready(i)
	}
	in.used = 0
	flags := unix.MSG_WAITFORONE
	if !wait {
		flags = unix.MSG_DONTWAIT
	}
	n, _, err := unix.Syscall6(unix.SYS_RECVMMSG, uintptr(s.FD), uintptr(unsafe.Pointer(&in.msgs)), batchSize, uintptr(flags), 0, 0)
	switch {
	case err == 0:
		in.used = int(n)
		return in.used, nil
	case err == unix.EINTR, !wait && err == unix.EAGAIN:
		return 0, nil
	}
	return 0, os.NewSyscallError("recvmmsg", err)
}

// fill completes packet i by what the kernel reported with it. lost is how many packets the socket has lost so far, truncated
// whether this one was longer than packetSize.
func (in *inbox) fill(i int, at time.Time) (lost uint32, truncated bool) {
	m, p, name := &in.msgs[i], in.packets[i], &in.names[i]
	p.n, p.at, p.ifindex, p.dst = int(m.n), at, 0, netip.Addr{}
	port := binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(&name.Port))[:])
	p.src = netip.AddrPortFrom(netip.AddrFrom4(name.Addr), port)
	for oob := in.control[i][:m.Controllen]; len(oob) >= unix.SizeofCmsghdr; {
		h, data, next, err := unix.ParseOneSocketControlMessage(oob)
		if err != nil {
			break
		}
		oob = next
		switch {
		case h.Level == unix.IPPROTO_IP && h.Type == unix.IP_PKTINFO && len(data) >= unix.SizeofInet4Pktinfo:
			p.ifindex = int(int32(binary.NativeEndian.Uint32(data)))
			p.dst = netip.AddrFrom4([4]byte(data[8:12]))
		case h.Level == unix.SOL_SOCKET && h.Type == unix.SO_RXQ_OVFL && len(data) >= 4:
			lost = binary.NativeEndian.Uint32(data)
		}
	}
	return lost, m.Flags&unix.MSG_TRUNC != 0
}
