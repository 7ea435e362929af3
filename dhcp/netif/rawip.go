package netif

import (
	"errors"
	"fmt"
	"net/netip"
	"os"

	"golang.org/x/net/ipv4"
	"golang.org/x/sys/unix"
)

// RawIPSender sends UDP datagrams to on-link hosts that have their address. While the kernel resolves a host by ARP it
// keeps the datagrams for it, for seconds when the host is absent, and they count against the send buffer of their
// socket. With a socket apart, requests in the name of absent hosts do not use up the buffer for routed destinations.
// It receives nothing.
type RawIPSender struct{ file *os.File }

// NewRawIPSender needs CAP_NET_RAW.
func NewRawIPSender() (*RawIPSender, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.IPPROTO_RAW)
	if err != nil {
		return nil, fmt.Errorf("open raw IP socket: %w", err)
	}
	return &RawIPSender{os.NewFile(uintptr(fd), "raw IP")}, nil
}

// Send sends a datagram out of the interface with that index (0: the kernel chooses), without waiting: EAGAIN when the
// send buffer is full.
func (s *RawIPSender) Send(ifindex int, src, dst netip.AddrPort, payload []byte) error {
	conn, err := s.file.SyscallConn()
	if err != nil {
		return err
	}
	f := Frame{Src: Endpoint{Addr: src.Addr(), Port: src.Port()}, Dst: Endpoint{Addr: dst.Addr(), Port: dst.Port()}, Payload: payload}
	packet := f.appendPacket(make([]byte, 0, ipLen+udpLen+len(payload)), 0)
	var sent error
	err = conn.Control(func(fd uintptr) {
		sent = SendNow(int(fd), packet, PacketInfo(ifindex, src.Addr()), dst)
	})
	return errors.Join(err, sent)
}

// Close closes the socket.
func (s *RawIPSender) Close() error { return s.file.Close() }

// SendNow sends a datagram by a socket without waiting for room in its buffer: EAGAIN when there is none.
func SendNow(fd int, b, control []byte, to netip.AddrPort) error {
	_, err := unix.SendmsgN(fd, b, control, &unix.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()}, unix.MSG_DONTWAIT)
	return os.NewSyscallError("sendmsg", err)
}

// PacketInfo is the control message that chooses a datagram's source address and, unless ifindex is 0, its interface.
func PacketInfo(ifindex int, src netip.Addr) []byte {
	b := make([]byte, unix.CmsgSpace(unix.SizeofInet4Pktinfo))
	cm := ipv4.ControlMessage{IfIndex: ifindex}
	if src.IsValid() {
		cm.Src = src.AsSlice()
	}
	return append(b[:0], cm.Marshal()...)
}
