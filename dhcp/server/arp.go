package server

import (
	"context"
	"encoding/binary"
	"net/netip"
	"sync"
	"time"

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

	mu      sync.Mutex
	waiting map[netip.Addr]chan dhcp.MAC
	broken  bool // the socket is gone, with the interface perhaps
}

func openARP(link *iface) (*arpAsker, error) {
	sock, err := openPacket(link.index, unix.SOCK_DGRAM, etherARP, arpReplies())
	if err != nil {
		return nil, err
	}
	a := &arpAsker{sock: sock, mac: link.mac, waiting: map[netip.Addr]chan dhcp.MAC{}}
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
		if !ok {
			continue
		}
		a.mu.Lock()
		if ch := a.waiting[addr]; ch != nil {
			select {
			case ch <- mac:
			default: // somebody has answered before
			}
		}
		a.mu.Unlock()
	}
}

// ask tells who has addr. One address is asked for by one caller at a time.
func (a *arpAsker) ask(ctx context.Context, addr netip.Addr) (who dhcp.MAC, inUse bool, err error) {
	ch := make(chan dhcp.MAC, 1)
	a.mu.Lock()
	a.waiting[addr] = ch
	a.mu.Unlock()
	defer func() {
		a.mu.Lock()
		delete(a.waiting, addr)
		a.mu.Unlock()
	}()
	question := arpProbe(a.mac, addr)
	return repeat(ctx, ch, func() error { return a.sock.sendTo(broadcastMAC, question) })
}

func (a *arpAsker) close() {
	a.mu.Lock()
	a.broken = true
	a.mu.Unlock()
	a.sock.Close()
}

func (a *arpAsker) usable() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return !a.broken
}

// A probe asks three times and ends 450 ms after the first: within the 500 ms of rule C41.
const (
	probeTimes = 3
	probeEvery = 150 * time.Millisecond
)

// repeat asks until an answer comes or the time is up.
func repeat(ctx context.Context, answers <-chan dhcp.MAC, ask func() error) (who dhcp.MAC, inUse bool, err error) {
	tick := time.NewTicker(probeEvery)
	defer tick.Stop()
	for range probeTimes {
		if err := ask(); err != nil {
			return who, false, err
		}
		select {
		case who = <-answers:
			return who, true, nil
		case <-ctx.Done():
			return who, false, ctx.Err()
		case <-tick.C:
		}
	}
	return who, false, nil
}
