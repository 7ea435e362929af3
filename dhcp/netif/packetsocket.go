package netif

import (
	"encoding/binary"
	"fmt"
	"os"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"plugtone/dhcp"
)

// PacketSocket sends and receives packets of one protocol on one interface.
type PacketSocket struct {
	*os.File // reads one packet a call; Close ends a waiting Read
	ifindex  int
	protocol uint16
}

// OpenFrames opens a packet socket for whole IPv4 frames. It receives what filter accepts. It is in the kernel's list of sockets for all
// protocols: for one in the list of IPv4 each packet of this host is copied, also what the filter refuses.
func OpenFrames(ifindex int, filter []bpf.Instruction) (*PacketSocket, error) {
	ipv4 := []bpf.Instruction{
		bpf.LoadAbsolute{Off: 12, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: EtherIPv4, SkipTrue: 1},
		bpf.RetConstant{Val: 0},
	}
	s, err := openPacket(ifindex, unix.SOCK_RAW, unix.ETH_P_ALL, append(ipv4, filter...))
	if err == nil {
		s.protocol = EtherIPv4
	}
	return s, err
}

// openPacket opens a packet socket. kind is SOCK_RAW (whole frames) or SOCK_DGRAM (without the Ethernet header).
func openPacket(ifindex, kind int, protocol uint16, filter []bpf.Instruction) (*PacketSocket, error) {
	code, err := bpf.Assemble(filter)
	if err != nil {
		return nil, fmt.Errorf("packet filter: %w", err)
	}
	// Protocol 0 until the filter is in place, so that the socket receives nothing before.
	fd, err := unix.Socket(unix.AF_PACKET, kind|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, packetError(err)
	}
	_ = unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1) // since Linux 4.20
	if err = setFilter(fd, code); err == nil {
		err = unix.Bind(fd, &unix.SockaddrLinklayer{Ifindex: ifindex, Protocol: networkOrder(protocol)})
	}
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("bind packet socket to interface %d: %w", ifindex, err)
	}
	return &PacketSocket{os.NewFile(uintptr(fd), "packet"), ifindex, protocol}, nil
}

func setFilter(fd int, code []bpf.RawInstruction) error {
	f := make([]unix.SockFilter, len(code))
	for i, c := range code {
		f[i] = unix.SockFilter{Code: c.Op, Jt: c.Jt, Jf: c.Jf, K: c.K}
	}
	return unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(f)), Filter: &f[0]})
}

// SkipOtherHost begins a filter: a frame that the kernel would not take for this host on this link, one that leaves, and one of a VLAN jump
// over the next skip instructions. The tag is not in the frame (packet(7)), and a sub-interface for the VLAN gets the frame after this socket.
func SkipOtherHost(skip uint8) []bpf.Instruction {
	return []bpf.Instruction{
		bpf.LoadExtension{Num: bpf.ExtType},
		bpf.JumpIf{Cond: bpf.JumpGreaterOrEqual, Val: unix.PACKET_OTHERHOST, SkipTrue: skip + 2},
		bpf.LoadExtension{Num: bpf.ExtVLANTag},
		bpf.JumpIf{Cond: bpf.JumpBitsSet, Val: 0xfff, SkipTrue: skip}, // 0: a priority, no VLAN
	}
}

// SendTo sends a packet (SOCK_DGRAM) or frame (SOCK_RAW) to mac.
func (p *PacketSocket) SendTo(mac dhcp.MAC, b []byte) error {
	to := &unix.SockaddrLinklayer{Ifindex: p.ifindex, Protocol: networkOrder(p.protocol), Halen: 6}
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

// IfIndex returns the index of the interface that the socket is bound to.
func (p *PacketSocket) IfIndex() int { return p.ifindex }

// packetError explains why a packet socket could not be opened.
func packetError(err error) error {
	if err == unix.EPERM || err == unix.EACCES {
		return fmt.Errorf("open packet socket: %w\nhint: %s", err, grantHint("CAP_NET_RAW"))
	}
	return fmt.Errorf("open packet socket: %w", err)
}

// networkOrder puts a protocol number into network byte order, as packet sockets need it in their addresses.
func networkOrder(v uint16) uint16 {
	var b [2]byte
	binary.BigEndian.PutUint16(b[:], v)
	return binary.NativeEndian.Uint16(b[:])
}
