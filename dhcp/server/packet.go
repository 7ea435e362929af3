package server

import (
	"encoding/binary"
	"fmt"
	"os"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"plugtone/dhcp"
)

// rawSender sends Ethernet frames. One socket serves all interfaces: it is bound to none and has no protocol, so that it
// receives nothing and knows of no interface that might go.
type rawSender struct{ fd int }

// openRaw opens the socket; without CAP_NET_RAW the error says how to grant it.
func openRaw() (*rawSender, error) {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, packetError(err)
	}
	return &rawSender{fd: fd}, nil
}

// send lets a frame out of the interface with that index.
func (r *rawSender) send(ifindex int, frame []byte) error {
	to := &unix.SockaddrLinklayer{Ifindex: ifindex, Protocol: swap16(etherIPv4), Halen: 6}
	copy(to.Addr[:], frame[:6])
	if err := unix.Sendto(r.fd, frame, 0, to); err != nil {
		return os.NewSyscallError("sendto", err)
	}
	return nil
}

func (r *rawSender) close() error { return unix.Close(r.fd) }

// packetError explains why a packet socket could not be had.
func packetError(err error) error {
	if err == unix.EPERM || err == unix.EACCES {
		return fmt.Errorf("open packet socket: %w\nhint: %s", err, grant("CAP_NET_RAW"))
	}
	return fmt.Errorf("open packet socket: %w", err)
}

// packetSocket is a packet socket bound to one interface and one protocol, which sends and receives.
type packetSocket struct {
	*os.File // reads one packet a call; Close ends a waiting Read
	ifindex  int
	protocol uint16
}

// openPacket opens a packet socket. kind is SOCK_RAW (whole frames) or SOCK_DGRAM (without the Ethernet header). What
// filter refuses never reaches us.
func openPacket(ifindex, kind int, protocol uint16, filter []bpf.Instruction) (*packetSocket, error) {
	code, err := bpf.Assemble(filter)
	if err != nil {
		return nil, fmt.Errorf("packet filter: %w", err)
	}
	// Protocol 0 until the filter is in place, so that nothing slips in before.
	fd, err := unix.Socket(unix.AF_PACKET, kind|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, packetError(err)
	}
	if err = setFilter(fd, code); err == nil {
		err = unix.Bind(fd, &unix.SockaddrLinklayer{Ifindex: ifindex, Protocol: swap16(protocol)})
	}
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("bind packet socket to interface %d: %w", ifindex, err)
	}
	return &packetSocket{os.NewFile(uintptr(fd), "packet"), ifindex, protocol}, nil
}

func setFilter(fd int, code []bpf.RawInstruction) error {
	f := make([]unix.SockFilter, len(code))
	for i, c := range code {
		f[i] = unix.SockFilter{Code: c.Op, Jt: c.Jt, Jf: c.Jf, K: c.K}
	}
	return unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(f)), Filter: &f[0]})
}

// sendTo sends a packet (SOCK_DGRAM) or frame (SOCK_RAW) to mac.
func (p *packetSocket) sendTo(mac dhcp.MAC, b []byte) error {
	to := &unix.SockaddrLinklayer{Ifindex: p.ifindex, Protocol: swap16(p.protocol), Halen: 6}
	copy(to.Addr[:], mac[:])
	conn, err := p.SyscallConn()
	if err != nil {
		return err
	}
	var sent error
	if err := conn.Control(func(fd uintptr) { sent = unix.Sendto(int(fd), b, 0, to) }); err != nil {
		return err
	}
	return sent
}

// swap16 puts a protocol number into network order, as packet sockets want it in their addresses.
func swap16(v uint16) uint16 {
	var b [2]byte
	binary.BigEndian.PutUint16(b[:], v)
	return binary.NativeEndian.Uint16(b[:])
}
