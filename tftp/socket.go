package tftp

import (
	"fmt"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// socket is a UDP socket of one transfer's. Its calls never wait, which is why they may go past Go's scheduler: to tell it of
// each, as package unix does, costs more than the scheduler could win, and package unix makes an address for each packet, and
// a further system call to find out its protocol.
type socket struct {
	fd int // 0: none
	to unix.RawSockaddrInet4
}

// openSocket opens a socket on a new port of the local address, or of all when it isn't known, to speak to one other.
func openSocket(local netip.Addr, to netip.AddrPort) (socket, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return socket{}, fmt.Errorf("socket: %w", err)
	}
	var here unix.SockaddrInet4
	if local.Is4() {
		here.Addr = local.As4()
	}
	if err := unix.Bind(fd, &here); err != nil {
		_ = unix.Close(fd)
		return socket{}, fmt.Errorf("bind %s: %w", local, err)
	}
	return socket{fd: fd, to: rawAddr(to)}, nil
}

// rawAddr is an address as the kernel has it: the port in network order.
func rawAddr(a netip.AddrPort) unix.RawSockaddrInet4 {
	raw := unix.RawSockaddrInet4{Family: unix.AF_INET, Addr: a.Addr().As4()}
	*(*[2]byte)(unsafe.Pointer(&raw.Port)) = [2]byte{byte(a.Port() >> 8), byte(a.Port())}
	return raw
}

// recv reads a packet into b, which is longer than the longest. It is EAGAIN when there is none.
func (s *socket) recv(b []byte) (n int, from unix.RawSockaddrInet4, err error) {
	size := uint32(unix.SizeofSockaddrInet4)
	r, _, e := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(s.fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), unix.MSG_DONTWAIT,
		uintptr(unsafe.Pointer(&from)), uintptr(unsafe.Pointer(&size)))
	if e != 0 {
		return 0, from, e
	}
	return int(r), from, nil
}

// send sends a packet to the one that the socket is for.
func (s *socket) send(p []byte) error { return s.sendTo(p, &s.to) }

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
