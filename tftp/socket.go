package tftp

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// socket is the UDP socket of one transfer. Its calls never wait, so they need not announce themselves to Go's scheduler, which
// costs about as much as the call; see the package comment for figures. unix.Recvfrom would also make a second system call
// for each packet, to look up the socket's protocol.
type socket struct {
	fd    int // 0: none
	peer  unix.RawSockaddrInet4
	plain bool // the kernel does not split what is sent
}

// openSocket opens a socket on a new port of the local address, or of all addresses when local is not known, for one peer.
func openSocket(local netip.Addr, peer netip.AddrPort) (socket, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return socket{}, fmt.Errorf("socket: %w", err)
	}
	if err := bind(fd, local); err != nil {
		_ = unix.Close(fd)
		return socket{}, err
	}
	return socket{fd: fd, peer: rawAddr(peer)}, nil
}

// bind gives a socket a port that the kernel chooses at random.
func bind(fd int, local netip.Addr) error {
	var here unix.SockaddrInet4
	if local.Is4() {
		here.Addr = local.As4()
	}
	if err := unix.Bind(fd, &here); err != nil {
		return fmt.Errorf("bind %s: %w", local, err)
	}
	return nil
}

// unbind frees a socket's port, as closing it does. It returns false where the kernel can't.
func (s *socket) unbind() bool {
	nowhere := unix.RawSockaddrInet4{Family: unix.AF_UNSPEC} // connect(2): dissolves the association, and with it a port that the kernel has chosen
	_, _, e := unix.RawSyscall(unix.SYS_CONNECT, uintptr(s.fd), uintptr(unsafe.Pointer(&nowhere)), unix.SizeofSockaddrInet4)
	return e == 0
}

// rebind gives a socket without a port a new one, after dropping what it has received before.
func (s *socket) rebind(local netip.Addr) error {
	var b [1]byte
	for {
		switch _, _, err := s.recv(b[:]); err {
		case nil, unix.EINTR:
		case unix.EAGAIN:
			return bind(s.fd, local)
		default:
			return fmt.Errorf("receive: %w", err)
		}
	}
}

// rawAddr returns an address as the kernel has it: the port in network order.
func rawAddr(a netip.AddrPort) unix.RawSockaddrInet4 {
	raw := unix.RawSockaddrInet4{Family: unix.AF_INET, Addr: a.Addr().As4()}
	*(*[2]byte)(unsafe.Pointer(&raw.Port)) = [2]byte{byte(a.Port() >> 8), byte(a.Port())}
	return raw
}

// addrOf is the reverse of rawAddr.
func addrOf(a *unix.RawSockaddrInet4) netip.AddrPort {
	port := (*[2]byte)(unsafe.Pointer(&a.Port))
	return netip.AddrPortFrom(netip.AddrFrom4(a.Addr), binary.BigEndian.Uint16(port[:]))
}

// recv reads a packet into b, which is longer than the longest. The error is EAGAIN when there is none.
func (s *socket) recv(b []byte) (n int, from unix.RawSockaddrInet4, err error) {
	size := uint32(unix.SizeofSockaddrInet4)
	r, _, e := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(s.fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), unix.MSG_DONTWAIT,
		uintptr(unsafe.Pointer(&from)), uintptr(unsafe.Pointer(&size)))
	if e != 0 {
		return 0, from, e
	}
	return int(r), from, nil
}

// send sends packets to the peer. All but the last have size bytes.
func (s *socket) send(packets []byte, size int) error {
	for len(packets) > 0 {
		n := min(len(packets), size)
		if len(packets) > size && !s.plain {
			// The kernel splits as many as fit into a datagram (UDP_SEGMENT, since Linux 4.18).
			n = min(len(packets), maxDatagram/size*size)
			switch err := s.sendSplit(packets[:n], size); err {
			case nil:
				packets = packets[n:]
				continue
			case unix.EINVAL, unix.EIO, unix.EMSGSIZE, unix.ENOPROTOOPT: // not on this link, or with this size
				s.plain = true
				continue
			default:
				return err
			}
		}
		if err := s.sendTo(packets[:n], &s.peer); err != nil {
			return err
		}
		packets = packets[n:]
	}
	return nil
}

// maxDatagram is the most that a UDP datagram carries.
const maxDatagram = 65507

// segmentSize is the control message of UDP_SEGMENT: the header, then the size of a packet, padded.
type segmentSize struct {
	head unix.Cmsghdr
	size uint16
	_    [6]byte
}

// sendSplit sends packets of one size, of which only the last may be shorter, in one system call.
func (s *socket) sendSplit(packets []byte, size int) error {
	control := segmentSize{size: uint16(size)}
	control.head.Level, control.head.Type = unix.IPPROTO_UDP, unix.UDP_SEGMENT
	control.head.SetLen(unix.CmsgLen(2))
	part := unix.Iovec{Base: unsafe.SliceData(packets)}
	part.SetLen(len(packets))
	message := unix.Msghdr{Name: (*byte)(unsafe.Pointer(&s.peer)), Namelen: unix.SizeofSockaddrInet4, Iov: &part, Control: (*byte)(unsafe.Pointer(&control))}
	message.SetIovlen(1)
	message.SetControllen(int(unsafe.Sizeof(control)))
	_, _, e := unix.RawSyscall(unix.SYS_SENDMSG, uintptr(s.fd), uintptr(unsafe.Pointer(&message)), unix.MSG_DONTWAIT)
	if e != 0 {
		return e
	}
	return nil
}

// sendToOther sends a packet to another host, unless packets wait in the send buffer: a host that does not answer ARP must
// not use up the room of the transfer's own packets.
func (s *socket) sendToOther(p []byte, to *unix.RawSockaddrInet4) {
	if waiting, err := unix.IoctlGetInt(s.fd, unix.TIOCOUTQ); err == nil && waiting == 0 {
		_ = s.sendTo(p, to) // as good as lost on the way
	}
}

func (s *socket) sendTo(p []byte, to *unix.RawSockaddrInet4) error {
	_, _, e := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(s.fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), unix.MSG_DONTWAIT,
		uintptr(unsafe.Pointer(to)), unix.SizeofSockaddrInet4)
	if e != 0 {
		return e
	}
	return nil
}

// close frees the port. It may be called again.
func (s *socket) close() {
	if s.fd > 0 {
		_ = unix.Close(s.fd)
		s.fd = 0
	}
}
