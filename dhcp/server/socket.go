package server

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/sys/unix"

	"plugtone/dhcp/netif"
)

const (
	packetSize  = 2048 // longer than any DHCP packet; the kernel truncates what is longer
	batchSize   = 64
	readBuffer  = 4 << 20 // bytes that may wait in the kernel, as far as net.core.rmem_max allows
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

// fill takes over what the kernel reports about a packet, and returns how many the socket has lost so far.
func (p *packet) fill(m *ipv4.Message, at time.Time) (lost uint32) {
	p.n, p.at, p.ifindex, p.src, p.dst = m.N, at, 0, netip.AddrPort{}, netip.Addr{}
	if a, ok := m.Addr.(*net.UDPAddr); ok {
		src := a.AddrPort()
		p.src = netip.AddrPortFrom(src.Addr().Unmap(), src.Port())
	}
	for oob := m.OOB[:m.NN]; len(oob) >= unix.SizeofCmsghdr; {
		h, data, rest, err := unix.ParseOneSocketControlMessage(oob)
		if err != nil {
			return lost
		}
		oob = rest
		switch {
		case h.Level == unix.IPPROTO_IP && h.Type == unix.IP_PKTINFO && len(data) >= unix.SizeofInet4Pktinfo:
			p.ifindex = int(int32(binary.NativeEndian.Uint32(data)))
			p.dst = netip.AddrFrom4([4]byte(data[8:12]))
		case h.Level == unix.SOL_SOCKET && h.Type == unix.SO_RXQ_OVFL && len(data) >= 4:
			lost = binary.NativeEndian.Uint32(data)
		}
	}
	return lost
}

// socket is the UDP socket of all interfaces.
type socket struct {
	conn  *net.UDPConn
	batch *ipv4.PacketConn
	raw   syscall.RawConn // of conn, to send

	buffer int // bytes of packets that may wait
}

// openSocket binds 0.0.0.0:port. Neither SO_REUSEPORT nor SO_REUSEADDR is set: with them two servers could share the
// port, and each would get some of the packets.
func openSocket(port int) (*socket, error) {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{Port: port})
	if err != nil {
		return nil, netif.ListenError("dhcp", "udp", port, err)
	}
	s := &socket{conn: conn, batch: ipv4.NewPacketConn(conn)}
	if err := s.setOptions(); err != nil {
		conn.Close()
		return nil, fmt.Errorf("dhcp: port %d/udp: %w", port, err)
	}
	return s, nil
}

func (s *socket) setOptions() error {
	if err := s.batch.SetControlMessage(ipv4.FlagInterface|ipv4.FlagDst, true); err != nil {
		return err
	}
	if err := s.conn.SetReadBuffer(readBuffer); err != nil {
		return err
	}
	var err error
	if s.raw, err = s.conn.SyscallConn(); err != nil {
		return err
	}
	var set error
	err = s.raw.Control(func(fd uintptr) {
		set = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RXQ_OVFL, 1)
		if granted, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF); err == nil {
			s.buffer = granted / 2 // the kernel doubles it for its own use
		}
	})
	return errors.Join(err, set)
}

// read fills msgs with the packets that the socket holds and returns how many. Without wait it returns 0 when there
// are none.
func (s *socket) read(msgs []ipv4.Message, wait bool) (int, error) {
	flags := 0
	if !wait {
		flags = unix.MSG_DONTWAIT
	}
	n, err := s.batch.ReadBatch(msgs, flags)
	if !wait && errors.Is(err, unix.EAGAIN) {
		return 0, nil
	}
	return n, err
}

// send sends a datagram by the kernel's routes, without waiting for room in the send buffer.
func (s *socket) send(ifindex int, src netip.Addr, dst netip.AddrPort, payload []byte) error {
	var sent error
	err := s.raw.Write(func(fd uintptr) bool {
		sent = netif.SendNow(int(fd), payload, netif.PacketInfo(ifindex, src), dst)
		return true
	})
	if err != nil {
		return err
	}
	return sent
}

// interrupt ends a waiting read; replies can still be sent.
func (s *socket) interrupt() {
	// The error means that the socket is closed: then no read waits.
	_ = s.conn.SetReadDeadline(time.Unix(1, 0))
}

func (s *socket) close() error { return s.conn.Close() }
