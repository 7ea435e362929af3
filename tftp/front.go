package tftp

import (
	"errors"
	"net"
	"net/netip"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/sys/unix"
)

// front is a socket that requests come to. With a *net.UDPConn it knows which of our addresses was asked; with any other
// net.PacketConn it takes the socket's own.
type front struct {
	conn  net.PacketConn
	udp   *net.UDPConn // nil: not a kernel socket
	local netip.AddrPort
	buf   []byte
	oob   []byte
}

func newFront(conn net.PacketConn) *front {
	f := &front{conn: conn, buf: make([]byte, 2048), oob: make([]byte, 128)}
	if a, ok := conn.LocalAddr().(*net.UDPAddr); ok {
		f.local = unmap(a.AddrPort())
	}
	if udp, ok := conn.(*net.UDPConn); ok {
		f.udp = udp
		// Both only better what works without: a burst of a whole site, and the address of ours that was asked.
		_ = udp.SetReadBuffer(1 << 20)
		_ = ipv4.NewPacketConn(udp).SetControlMessage(ipv4.FlagDst, true)
	}
	return f
}

// read returns the next datagram, valid until the next read. unicast is false when it was sent to a broadcast or multicast
// address (F19).
func (f *front) read() (p []byte, from, local netip.AddrPort, unicast bool, err error) {
	if f.udp == nil {
		n, a, err := f.conn.ReadFrom(f.buf)
		if u, ok := a.(*net.UDPAddr); ok {
			from = unmap(u.AddrPort())
		}
		return f.buf[:n], from, f.local, true, err
	}
	n, oobn, _, from, err := f.udp.ReadMsgUDPAddrPort(f.buf, f.oob)
	if err != nil {
		return nil, from, f.local, true, err
	}
	local, unicast = f.asked(f.oob[:oobn])
	return f.buf[:n], unmap(from), local, unicast, nil
}

// asked finds the address that a datagram was sent to. struct in_pktinfo has two: the one in the header, and the one of
// ours that stands for it. They differ for broadcast and multicast (ip(7)).
func (f *front) asked(oob []byte) (netip.AddrPort, bool) {
	msgs, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return f.local, true
	}
	for _, m := range msgs {
		if m.Header.Level == unix.IPPROTO_IP && m.Header.Type == unix.IP_PKTINFO && len(m.Data) >= 12 {
			ours, header := netip.AddrFrom4([4]byte(m.Data[4:8])), netip.AddrFrom4([4]byte(m.Data[8:12]))
			if ours.IsUnspecified() { // the datagram was queued before the socket was asked to note this
				ours = header
			}
			return netip.AddrPortFrom(ours, f.local.Port()), ours == header
		}
	}
	return f.local, true
}

// write sends p from the address that was asked. A refusal that can't be sent is as one that is lost on the way.
func (f *front) write(p []byte, local, to netip.AddrPort) {
	if f.udp == nil {
		_, _ = f.conn.WriteTo(p, net.UDPAddrFromAddrPort(to))
		return
	}
	_, _, _ = f.udp.WriteMsgUDPAddrPort(p, pktinfo(local.Addr()), to)
}

// pktinfo is the control message that makes src the source address of a datagram.
func pktinfo(src netip.Addr) []byte {
	if !src.Is4() || src.IsUnspecified() {
		return nil
	}
	return (&ipv4.ControlMessage{Src: src.AsSlice()}).Marshal()
}

// interrupt makes a waiting read return, and all later ones.
func (f *front) interrupt() { _ = f.conn.SetReadDeadline(time.Unix(1, 0)) }

// ended tells whether a read error means that there will be no more to read.
func ended(err error) bool {
	var n net.Error
	return errors.Is(err, net.ErrClosed) || errors.As(err, &n) && n.Timeout()
}

func unmap(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }
