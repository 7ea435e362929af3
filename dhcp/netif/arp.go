package netif

import (
	"context"
	"encoding/binary"
	"net/netip"
	"sync/atomic"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"plugtone/dhcp"
)

const (
	arpLen     = 28
	arpRequest = 1
	arpReply   = 2
)

// ARP probes addresses on one interface by ARP.
type ARP struct {
	sock *PacketSocket
	mac  dhcp.MAC

	probeWait
	failed atomic.Bool // the socket is closed or its interface is gone
}

// OpenARP opens a packet socket on an interface and begins to receive replies.
func OpenARP(link *Interface) (*ARP, error) {
	sock, err := openPacket(link.Index, unix.SOCK_DGRAM, etherARP, arpReplies())
	if err != nil {
		return nil, err
	}
	a := &ARP{sock: sock, mac: link.MAC}
	go a.read()
	return a, nil
}

// read hands replies to the probes that wait for them, until the socket is closed or fails.
func (a *ARP) read() {
	buf := make([]byte, arpLen)
	for {
		n, err := a.sock.Read(buf)
		if err != nil {
			a.Close()
			return
		}
		if mac, addr, ok := parseARP(buf[:n]); ok {
			a.replied(addr, mac)
		}
	}
}

// Probe reports which host answers for addr, if one does. Only one probe of an address may run at a time.
func (a *ARP) Probe(ctx context.Context, addr netip.Addr) (mac dhcp.MAC, inUse bool, err error) {
	probe := arpProbe(a.mac, addr)
	return a.repeat(ctx, addr, func() error { return a.sock.SendTo(BroadcastMAC, probe) })
}

// Usable reports whether a still works and sends with the interface's present hardware address.
func (a *ARP) Usable(link *Interface) bool { return !a.failed.Load() && a.mac == link.MAC }

// Close closes the socket.
func (a *ARP) Close() {
	a.failed.Store(true)
	a.sock.Close()
}

// arpProbe is a request for addr with sender address 0.0.0.0 (RFC 5227, 2.1.1), so that no ARP cache changes.
func arpProbe(mac dhcp.MAC, addr netip.Addr) []byte {
	b := make([]byte, arpLen)
	binary.BigEndian.PutUint16(b[0:], 1) // Ethernet
	binary.BigEndian.PutUint16(b[2:], EtherIPv4)
	b[4], b[5] = 6, 4
	binary.BigEndian.PutUint16(b[6:], arpRequest)
	copy(b[8:], mac[:])
	target := addr.As4()
	copy(b[24:], target[:])
	return b
}

// parseARP reads a reply: which hardware address claims which IPv4 address.
func parseARP(b []byte) (mac dhcp.MAC, addr netip.Addr, ok bool) {
	if len(b) < arpLen || binary.BigEndian.Uint16(b) != 1 || binary.BigEndian.Uint16(b[2:]) != EtherIPv4 || b[4] != 6 || b[5] != 4 ||
		binary.BigEndian.Uint16(b[6:]) != arpReply {
		return mac, addr, false
	}
	return dhcp.MAC(b[8:14]), netip.AddrFrom4([4]byte(b[14:18])), true
}

// arpReplies accepts replies only, so that the other ARP traffic of a network wakes nothing.
func arpReplies() []bpf.Instruction {
	return append(SkipOtherHost(3),
		bpf.LoadAbsolute{Off: 6, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: arpReply, SkipFalse: 1},
		bpf.RetConstant{Val: arpLen},
		bpf.RetConstant{Val: 0},
	)
}
