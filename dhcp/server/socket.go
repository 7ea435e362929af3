package server

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/sys/unix"
)

const (
	packetSize = 2048 // no DHCP packet comes near; what is longer is cut off by the kernel and dropped
	batchSize  = 64
	fewPackets = 16      // so many at once are served by the reader itself, when no worker has anything to do
	socketRoom = 4 << 20 // bytes of packets that may wait in the kernel, as far as it allows
	ancillary  = 128
)

// In a rush, that is when packets come less than rushGap apart, the reader rests until about rushBatch of them are there:
// to be woken for each would cost more than to serve it, and a lease is written with those that came with it. A client
// waits for seconds, and does not mind rushRest.
const (
	rushGap   = 4 * time.Millisecond
	rushRest  = 16 * time.Millisecond
	rushBatch = batchSize / 2
)

// rest is how long the reader rests, from one batch to the next. It grows slowly: when packets stay away for a moment in the
// middle of a rush, what comes at once after it must not wait for long and be answered all together, which a relay agent's
// socket would have no room for.
type rest time.Duration

// after returns the rest after n packets that came within gap.
func (r *rest) after(n int, gap time.Duration) time.Duration {
	most, each := max(2*time.Duration(*r), time.Millisecond), gap/time.Duration(n)
	if *r = 0; n < batchSize && each >= 0 && each < rushGap { // else there are more already, the clock was set, or there is no rush
		*r = rest(min(rushRest, rushBatch*each, most))
	}
	return time.Duration(*r)
}

// packet is one datagram and how it came in. It is used again after its request was decoded.
type packet struct {
	buf     [packetSize]byte
	n       int
	ifindex int
	src     netip.AddrPort
	dst     netip.Addr
	at      time.Time
}

// socket is the UDP socket of all interfaces.
type socket struct {
	conn  *net.UDPConn
	batch *ipv4.PacketConn
	raw   syscall.RawConn // of conn, to send
}

// openSocket binds 0.0.0.0:port. Neither SO_REUSEPORT nor SO_REUSEADDR is set: with them two servers could share the
// port, and each would get some of the packets.
func openSocket(port int) (*socket, error) {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{Port: port})
	if err != nil {
		return nil, ListenError("dhcp", "udp", port, err)
	}
	s := &socket{conn: conn, batch: ipv4.NewPacketConn(conn)}
	if err := s.options(); err != nil {
		conn.Close()
		return nil, fmt.Errorf("dhcp: port %d/udp: %w", port, err)
	}
	return s, nil
}

func (s *socket) options() error {
	if err := s.batch.SetControlMessage(ipv4.FlagInterface|ipv4.FlagDst, true); err != nil {
		return err
	}
	if err := s.conn.SetReadBuffer(socketRoom); err != nil {
		return err
	}
	var err error
	if s.raw, err = s.conn.SyscallConn(); err != nil {
		return err
	}
	var set error
	err = s.raw.Control(func(fd uintptr) {
		set = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RXQ_OVFL, 1)
	})
	return errors.Join(err, set)
}

// interrupt ends a waiting read; replies can still be sent.
func (s *socket) interrupt() {
	// The error means that the socket is closed: then nobody waits.
	_ = s.conn.SetReadDeadline(time.Unix(1, 0))
}

func (s *socket) close() error { return s.conn.Close() }

// read reads packets in batches and hands them to the workers, until ctx ends. It returns an error only when the socket
// is of no use any more.
func (s *Server) read(ctx context.Context) error {
	msgs := make([]ipv4.Message, batchSize)
	packets := make([]*packet, batchSize)
	for i := range msgs {
		packets[i] = new(packet)
		msgs[i] = ipv4.Message{Buffers: [][]byte{packets[i].buf[:]}, OOB: make([]byte, ancillary)}
	}
	lost, faults, last, pause := uint32(0), 0, time.Time{}, rest(0)
	for ctx.Err() == nil {
		n, err := s.sock.batch.ReadBatch(msgs, 0)
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			// ICMP errors for replies of ours and the like come up here; a socket that fails on and on is gone.
			if faults++; faults > 100 || errors.Is(err, os.ErrClosed) {
				return fmt.Errorf("dhcp server: read: %w", err)
			}
			s.cfg.Log.Debug("dhcp read", "err", err)
			continue
		}
		faults = 0
		at := s.cfg.Now()
		few := n <= fewPackets && s.waiting.Load() == 0
		for i := range msgs[:n] {
			m, p := &msgs[i], packets[i]
			if over := p.take(m, at); over != lost {
				s.cfg.Observer.dropped(DropKernel, int(over-lost))
				lost = over
			}
			if m.Flags&unix.MSG_TRUNC != 0 {
				s.cfg.Observer.dropped(DropTruncated, 1)
				continue
			}
			if s.accept(ctx, p, few) {
				packets[i] = s.spare()
				m.Buffers[0] = packets[i].buf[:]
			}
		}
		s.leases.Flush()
		if d := pause.after(n, at.Sub(last)); d > 0 {
			time.Sleep(d)
		}
		last = at
	}
	return nil
}

// take fills in what the kernel tells about a packet, and returns how many it has lost so far.
func (p *packet) take(m *ipv4.Message, at time.Time) (lost uint32) {
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

// pktinfo tells the kernel with which source address and, unless ifindex is 0, out of which interface a datagram goes.
func pktinfo(ifindex int, from netip.Addr) []byte {
	b := make([]byte, unix.CmsgSpace(unix.SizeofInet4Pktinfo))
	cm := ipv4.ControlMessage{IfIndex: ifindex}
	if from.IsValid() {
		cm.Src = from.AsSlice()
	}
	return append(b[:0], cm.Marshal()...)
}
