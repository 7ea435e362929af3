package tftp

import (
	"errors"
	"net"
	"net/netip"
	"syscall"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/sys/unix"
)

// listener is a socket for requests, port 69. With a *net.UDPConn it reads the address of ours that a request was sent to;
// with any other net.PacketConn it takes the socket's own.
type listener struct {
	conn  net.PacketConn
	udp   *net.UDPConn // nil: not a kernel socket
	local netip.AddrPort
	buf   []byte
	oob   []byte

	raw     syscall.RawConn
	sendBuf int // bytes that the kernel holds of packets that have not left, at most
}

func newListener(conn net.PacketConn) *listener {
	l := &listener{conn: conn, buf: make([]byte, 2048), oob: make([]byte, 128)}
	if a, ok := conn.LocalAddr().(*net.UDPAddr); ok {
		l.local = unmap(a.AddrPort())
	}
	udp, ok := conn.(*net.UDPConn)
	if !ok {
		return l
	}
	l.udp = udp
	// Each of these only improves what works without it: room for a burst of a whole site, and the address of ours that a
	// request was sent to.
	_ = udp.SetReadBuffer(1 << 20)
	_ = udp.SetWriteBuffer(1 << 20)
	_ = ipv4.NewPacketConn(udp).SetControlMessage(ipv4.FlagDst, true)
	if raw, err := udp.SyscallConn(); err == nil {
		l.raw = raw
		_ = raw.Control(func(fd uintptr) {
			_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 4<<20) // needs a capability
			l.sendBuf, _ = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_SNDBUF)
		})
	}
	return l
}

// read returns the next datagram, valid until the next read. unicast is false when it was sent to a broadcast or multicast
// address (F19).
func (l *listener) read() (p []byte, from, local netip.AddrPort, unicast bool, err error) {
	if l.udp == nil {
		n, a, err := l.conn.ReadFrom(l.buf)
		if u, ok := a.(*net.UDPAddr); ok {
			from = unmap(u.AddrPort())
		}
		return l.buf[:n], from, l.local, true, err
	}
	n, oobn, _, from, err := l.udp.ReadMsgUDPAddrPort(l.buf, l.oob)
	if err != nil {
		return nil, from, l.local, true, err
	}
	local, unicast = l.destination(l.oob[:oobn])
	return l.buf[:n], unmap(from), local, unicast, nil
}

// destination returns the address that a datagram was sent to. struct in_pktinfo has two: the one in the header, and the local
// address that represents it. They differ for broadcast and multicast (ip(7)).
func (l *listener) destination(oob []byte) (local netip.AddrPort, unicast bool) {
	msgs, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return l.local, true
	}
	for _, m := range msgs {
		if m.Header.Level == unix.IPPROTO_IP && m.Header.Type == unix.IP_PKTINFO && len(m.Data) >= 12 {
			ours, header := netip.AddrFrom4([4]byte(m.Data[4:8])), netip.AddrFrom4([4]byte(m.Data[8:12]))
			if ours.IsUnspecified() { // the datagram was queued before the option was set on the socket
				ours = header
			}
			return netip.AddrPortFrom(ours, l.local.Port()), ours == header
		}
	}
	return l.local, true
}

// refuse sends an ERROR from the address that the request was sent to. It never waits. The kernel holds packets to hosts that do
// not answer ARP for some seconds, and they use up the send buffer: beyond a share of it, in percent, the ERROR is dropped.
// It reports whether the kernel took the packet.
func (l *listener) refuse(e errorPacket, local, to netip.AddrPort, share int) bool {
	if l.raw == nil {
		_, err := l.conn.WriteTo(e.bytes(), net.UDPAddrFromAddrPort(to))
		return err == nil
	}
	if !to.Addr().Is4() {
		return false
	}
	sent := false
	err := l.raw.Write(func(fd uintptr) bool {
		if waiting, err := unix.IoctlGetInt(int(fd), unix.TIOCOUTQ); err == nil && waiting > l.sendBuf/100*share {
			return true
		}
		_, err := unix.SendmsgN(int(fd), e.bytes(), pktinfo(local.Addr()), &unix.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()}, unix.MSG_DONTWAIT)
		sent = err == nil
		return true // done, also after an error: RawConn must not wait for the socket
	})
	return sent && err == nil
}

// pktinfo is the control message that makes src the source address of a datagram.
func pktinfo(src netip.Addr) []byte {
	if !src.Is4() || src.IsUnspecified() {
		return nil
	}
	return (&ipv4.ControlMessage{Src: src.AsSlice()}).Marshal()
}

// interrupt makes a waiting read return, and all later ones.
func (l *listener) interrupt() { _ = l.conn.SetReadDeadline(time.Unix(1, 0)) }

// interrupted reports whether a read error is that of a closed or interrupted listener.
func interrupted(err error) bool {
	var n net.Error
	return errors.Is(err, net.ErrClosed) || errors.As(err, &n) && n.Timeout()
}

func unmap(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }
