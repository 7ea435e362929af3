package server

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

// arpProbe asks who has addr without saying that we had an address ourselves (RFC 5227, 2.1.1), so that nobody's ARP
// cache changes.
func arpProbe(mac dhcp.MAC, addr netip.Addr) []byte {
	b := make([]byte, arpLen)
	binary.BigEndian.PutUint16(b[0:], 1) // Ethernet
	binary.BigEndian.PutUint16(b[2:], etherIPv4)
	b[4], b[5] = 6, 4
	binary.BigEndian.PutUint16(b[6:], arpRequest)
	copy(b[8:], mac[:])
	target := addr.As4()
	copy(b[24:], target[:])
	return b
}

// parseARP reads an answer: who says that the address is his.
func parseARP(b []byte) (mac dhcp.MAC, addr netip.Addr, ok bool) {
	if len(b) < arpLen || binary.BigEndian.Uint16(b) != 1 || binary.BigEndian.Uint16(b[2:]) != etherIPv4 || b[4] != 6 || b[5] != 4 ||
		binary.BigEndian.Uint16(b[6:]) != arpReply {
		return mac, addr, false
	}
	return dhcp.MAC(b[8:14]), netip.AddrFrom4([4]byte(b[14:18])), true
}

// arpReplies lets only answers through: the rest of a network's ARP shall not wake us.
func arpReplies() []bpf.Instruction {
	return append(notForUs(3),
		bpf.LoadAbsolute{Off: 6, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: arpReply, SkipFalse: 1},
		bpf.RetConstant{Val: arpLen},
		bpf.RetConstant{Val: 0},
	)
}

// arpAsker asks by ARP on one interface. It is made when the first address is probed there, and stays.
type arpAsker struct {
	sock *packetSocket
	mac  dhcp.MAC

	questions
	broken atomic.Bool // the socket is gone, with the interface perhaps
}

func openARP(link *iface) (*arpAsker, error) {
	sock, err := openPacket(link.index, unix.SOCK_DGRAM, etherARP, arpReplies())
	if err != nil {
		return nil, err
	}
	a := &arpAsker{sock: sock, mac: link.mac}
	go a.read()
	return a, nil
}

// read hands answers to those who wait for them, until the socket is closed or fails.
func (a *arpAsker) read() {
	buf := make([]byte, arpLen)
	for {
		n, err := a.sock.Read(buf)
		if err != nil {
			a.close()
			return
		}
		mac, addr, ok := parseARP(buf[:n])
		if ok {
			a.answered(addr, mac)
		}
	}
}

// ask tells who has addr. One address is asked for by one caller at a time.
func (a *arpAsker) ask(ctx context.Context, addr netip.Addr) (who dhcp.MAC, inUse bool, err error) {
	question := arpProbe(a.mac, addr)
	return a.repeat(ctx, addr, func() error { return a.sock.sendTo(broadcastMAC, question) })
}

func (a *arpAsker) close() {
	a.broken.Store(true)
	a.sock.Close()
}

func (a *arpAsker) usable() bool { return !a.broken.Load() }
