package tftp

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/net/ipv4"
	"golang.org/x/sys/unix"
)

// listener is a socket for requests, port 69. With a *net.UDPConn for IPv4 it reads the address of ours that a request was sent to;
// with any other net.PacketConn it takes the socket's own.
type listener struct {
	conn  net.PacketConn // nil: a socket of the kernel, fd
	fd    int
	local netip.AddrPort
	buf   []byte
	oob   []byte

	bad     int // errors in a row
	sendBuf int // bytes that the kernel holds of packets that have not left, at most

	mu     sync.RWMutex // held while fd is used to send: a worker may be late
	closed bool
}

// newListener takes over a socket.
func newListener(conn net.PacketConn) (*listener, error) {
	l := &listener{conn: conn, buf: make([]byte, 2048), oob: make([]byte, 128)}
	if a, ok := conn.LocalAddr().(*net.UDPAddr); ok {
		l.local = unmap(a.AddrPort())
	}
	udp, ok := conn.(*net.UDPConn)
	if !ok || !l.local.Addr().Is4() {
		return l, nil
	}
	// Each of these only improves what works without it: room for a burst of a whole site, and the address of ours that a
	// request was sent to.
	_ = udp.SetReadBuffer(1 << 20)
	_ = udp.SetWriteBuffer(1 << 20)
	_ = ipv4.NewPacketConn(udp).SetControlMessage(ipv4.FlagDst, true)
	raw, err := udp.SyscallConn()
	if err != nil {
		return l, fmt.Errorf("tftp %s: %w", l.local, err)
	}
	// A loop waits for its packets: Go's scheduler, which would wake a thread for each, is to watch it no longer.
	if broken := raw.Control(func(fd uintptr) { l.fd, err = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0) }); broken != nil || err != nil {
		return l, fmt.Errorf("tftp %s: %w", l.local, errors.Join(broken, err))
	}
	l.conn = nil
	_ = unix.SetsockoptInt(l.fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 4<<20) // needs a capability
	l.sendBuf, _ = unix.GetsockoptInt(l.fd, unix.SOL_SOCKET, unix.SO_SNDBUF)
	return l, udp.Close()
}

// read returns the next datagram, valid until the next read. unicast is false when it was sent to a broadcast or multicast
// address (F19). A socket of the kernel does not wait: the error is EAGAIN when there is none.
func (l *listener) read() (p []byte, from, local netip.AddrPort, unicast bool, err error) {
	if l.conn != nil {
		n, a, err := l.conn.ReadFrom(l.buf)
		if u, ok := a.(*net.UDPAddr); ok {
			from = unmap(u.AddrPort())
		}
		return l.buf[:n], from, l.local, true, err
	}
	var sender unix.RawSockaddrInet4
	part := unix.Iovec{Base: unsafe.SliceData(l.buf)}
	part.SetLen(len(l.buf))
	m := unix.Msghdr{Name: (*byte)(unsafe.Pointer(&sender)), Namelen: unix.SizeofSockaddrInet4, Iov: &part, Control: unsafe.SliceData(l.oob)}
	m.SetIovlen(1)
	m.SetControllen(len(l.oob))
	n, _, e := unix.RawSyscall(unix.SYS_RECVMSG, uintptr(l.fd), uintptr(unsafe.Pointer(&m)), unix.MSG_DONTWAIT)
	if e != 0 {
		return nil, from, l.local, true, e
	}
	local, unicast = l.destination(l.oob[:m.Controllen])
	return l.buf[:n], addrOf(&sender), local, unicast, nil
}

// destination returns the address that a datagram was sent to. struct in_pktinfo has two: the one in the header, and the local
// address that represents it. They differ for broadcast and multicast (ip(7)).
func (l *listener) destination(oob []byte) (local netip.AddrPort, unicast bool) {
	for len(oob) > 0 {
		head, data, rest, err := unix.ParseOneSocketControlMessage(oob)
		if err != nil {
			break
		}
		if head.Level == unix.IPPROTO_IP && head.Type == unix.IP_PKTINFO && len(data) >= 12 {
			ours, header := netip.AddrFrom4([4]byte(data[4:8])), netip.AddrFrom4([4]byte(data[8:12]))
			if ours.IsUnspecified() { // the datagram was queued before the option was set on the socket
				ours = header
			}
			return netip.AddrPortFrom(ours, l.local.Port()), ours == header
		}
		oob = rest
	}
	return l.local, true
}

// refuse sends an ERROR from the address that the request was sent to. It never waits. The kernel holds packets to hosts that do
// not answer ARP for some seconds, and they use up the send buffer: beyond a share of it, in percent, the ERROR is dropped.
// It reports whether the kernel took the packet.
func (l *listener) refuse(e errorPacket, local, to netip.AddrPort, share int) bool {
	if l.conn != nil {
		_, err := l.conn.WriteTo(e.bytes(), net.UDPAddrFromAddrPort(to))
		return err == nil
	}
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.closed || !to.Addr().Is4() {
		return false
	}
	if waiting, err := unix.IoctlGetInt(l.fd, unix.TIOCOUTQ); err == nil && waiting > l.sendBuf/100*share {
		return false
	}
	_, err := unix.SendmsgN(l.fd, e.bytes(), pktinfo(local.Addr()), &unix.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()}, unix.MSG_DONTWAIT)
	return err == nil
}

// pktinfo is the control message that makes src the source address of a datagram.
func pktinfo(src netip.Addr) []byte {
	if !src.Is4() || src.IsUnspecified() {
		return nil
	}
	return (&ipv4.ControlMessage{Src: src.AsSlice()}).Marshal()
}

// interrupt makes a waiting read return, and all later ones.
func (l *listener) interrupt() {
	if l.conn != nil {
		_ = l.conn.SetReadDeadline(time.Unix(1, 0))
	}
}

func (l *listener) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	if l.conn != nil {
		l.conn.Close()
	} else if l.fd != 0 {
		_ = unix.Close(l.fd)
	}
}

// interrupted reports whether a read error is that of a closed or interrupted listener.
func interrupted(err error) bool {
	var n net.Error
	return errors.Is(err, net.ErrClosed) || errors.As(err, &n) && n.Timeout()
}

func unmap(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }
