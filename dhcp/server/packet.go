package server

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"plugtone/dhcp"
)

// rawSender sends Ethernet frames, with one socket for each interface: what one link can't get rid of must not fill the
// send buffer of another. Its sockets receive nothing.
type rawSender struct {
	within func(func() error) error
	mu     sync.RWMutex
	socks  map[int]int // interface index to descriptor
}

// openRaw tells by its error whether frames can be sent at all; without CAP_NET_RAW it says how to grant it. The sockets are
// opened, by within, when they are first needed.
func openRaw(within func(func() error) error) (*rawSender, error) {
	fd, err := rawSocket()
	if err != nil {
		return nil, err
	}
	return &rawSender{within: within, socks: map[int]int{}}, unix.Close(fd)
}

// rawSocket has no protocol, so that no packet comes in by it.
func rawSocket() (int, error) {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return -1, packetError(err)
	}
	return fd, nil
}

// send lets a frame out of the interface with that index.
func (r *rawSender) send(ifindex int, frame []byte) error {
	r.mu.RLock()
	fd, ok := r.socks[ifindex]
	if !ok {
		r.mu.RUnlock()
		if err := r.open(ifindex); err != nil {
			return err
		}
		r.mu.RLock()
		if fd, ok = r.socks[ifindex]; !ok {
			r.mu.RUnlock()
			return unix.ENODEV // gone again
		}
	}
	defer r.mu.RUnlock()
	to := &unix.SockaddrLinklayer{Ifindex: ifindex, Protocol: swap16(etherIPv4), Halen: 6}
	copy(to.Addr[:], frame[:6])
	if err := unix.Sendto(fd, frame, 0, to); err != nil {
		return os.NewSyscallError("sendto", err)
	}
	return nil
}

func (r *rawSender) open(ifindex int) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.socks[ifindex]; ok || r.socks == nil {
		return nil
	}
	return r.within(func() error {
		fd, err := rawSocket()
		if err == nil {
			r.socks[ifindex] = fd
		}
		return err
	})
}

// keep closes the sockets of interfaces that are gone.
func (r *rawSender) keep(now *snapshot) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for ifindex, fd := range r.socks {
		if now.byIndex[ifindex] == nil {
			_ = unix.Close(fd) // nothing waits in it that could still be sent
			delete(r.socks, ifindex)
		}
	}
}

func (r *rawSender) close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	var errs []error
	for _, fd := range r.socks {
		errs = append(errs, unix.Close(fd))
	}
	r.socks = nil
	return errors.Join(errs...)
}

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

// notForUs begins a filter: frames that the kernel wouldn't take for this host itself end at the instruction skip after it.
// Frames of a VLAN that has no sub-interface here come up so, with their tag taken off.
func notForUs(skip uint8) []bpf.Instruction {
	return []bpf.Instruction{
		bpf.LoadExtension{Num: bpf.ExtType},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.PACKET_OTHERHOST, SkipTrue: skip},
	}
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
