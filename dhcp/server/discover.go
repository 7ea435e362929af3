package server

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"plugtone/dhcp"
)

// Offer is what another DHCP server said, or what a client said to it.
type Offer struct {
	Interface string // where it was heard
	Server    netip.Addr
	MAC       dhcp.MAC         // hardware address that the packet came from: the server's, or its relay's; zero when it can't be seen
	Type      dhcp.MessageType // Offer or Ack; Ask: a client takes its offer
	Addr      netip.Addr       // what it gave
	Client    dhcp.MAC         // to whom
}

const (
	discoverWindow = 4 * time.Second // some servers ping an address for up to three seconds before they offer it
	discoverRepeat = time.Second
	discoverLinger = 500 * time.Millisecond // after the first answer, for others
)

// Discover asks on an interface whether a DHCP server is there, as a client would, and returns the offers it heard. It
// returns soon after the first one; without any it takes four seconds or until ctx ends. It accepts no offer. Our own
// server on this host does not hear it.
func Discover(ctx context.Context, ifname string) ([]Offer, error) {
	ifi, err := net.InterfaceByName(ifname)
	if err != nil {
		return nil, fmt.Errorf("discover on %s: %w", ifname, err)
	}
	if len(ifi.HardwareAddr) != 6 {
		return nil, fmt.Errorf("discover on %s: the interface has no Ethernet address", ifname)
	}
	link := &iface{index: ifi.Index, name: ifi.Name, mac: dhcp.MAC(ifi.HardwareAddr)}
	sock, err := openPacket(link.index, unix.SOCK_RAW, etherIPv4, serverReplies())
	if err != nil {
		return nil, fmt.Errorf("discover on %s: %w", ifname, err)
	}
	defer sock.Close()
	return discover(ctx, sock, link, newXID(), discoverLinger)
}

func newXID() (xid [4]byte) {
	// crypto/rand.Read never returns an error (it ends the process instead).
	_, _ = rand.Read(xid[:])
	return xid
}

// discover sends DISCOVERs and collects what comes back for them. linger shortens the window after the first answer; 0
// listens to its end.
func discover(ctx context.Context, sock *packetSocket, link *iface, xid [4]byte, linger time.Duration) ([]Offer, error) {
	ctx, cancel := context.WithTimeout(ctx, discoverWindow)
	defer cancel()
	ask, err := discoverFrame(link.mac, xid)
	if err != nil {
		return nil, err
	}
	// The reader ends when the socket is closed: a Read has no other end that a context could bring about.
	heard, failed := make(chan Offer), make(chan error, 1)
	go func() { failed <- listen(ctx, sock, link.name, xid, heard) }()
	defer func() { sock.Close() }()
	again := time.NewTicker(discoverRepeat)
	defer again.Stop()
	var offers []Offer
	if err := sock.sendTo(broadcastMAC, ask); err != nil {
		return nil, fmt.Errorf("discover on %s: send: %w", link.name, err)
	}
	for {
		select {
		case o := <-heard:
			offers = append(offers, o)
			if linger > 0 && len(offers) == 1 {
				defer time.AfterFunc(linger, cancel).Stop()
			}
		case <-again.C:
			if len(offers) > 0 {
				continue
			}
			if err := sock.sendTo(broadcastMAC, ask); err != nil {
				return nil, fmt.Errorf("discover on %s: send: %w", link.name, err)
			}
		case err := <-failed:
			return offers, fmt.Errorf("discover on %s: receive: %w", link.name, err)
		case <-ctx.Done():
			return dedupe(offers), nil
		}
	}
}

func listen(ctx context.Context, sock *packetSocket, name string, xid [4]byte, heard chan<- Offer) error {
	buf := make([]byte, packetSize)
	for {
		n, err := sock.Read(buf)
		if errors.Is(err, os.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		o, got, ok := parseForeign(buf[:n], name)
		if !ok || got != xid {
			continue
		}
		select {
		case heard <- o:
		case <-ctx.Done():
			return nil
		}
	}
}

func dedupe(offers []Offer) []Offer {
	seen := map[Offer]bool{}
	var out []Offer
	for _, o := range offers {
		if !seen[o] {
			seen[o] = true
			out = append(out, o)
		}
	}
	return out
}

var (
	broadcastMAC  = dhcp.MAC{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	broadcastAddr = netip.AddrFrom4([4]byte{255, 255, 255, 255})
)

// discoverFrame is a DISCOVER that wants its answer by broadcast, so that we hear it without having the address.
func discoverFrame(mac dhcp.MAC, xid [4]byte) ([]byte, error) {
	msg, err := dhcpv4.New(
		dhcpv4.WithTransactionID(dhcpv4.TransactionID(xid)),
		dhcpv4.WithHwAddr(mac[:]),
		dhcpv4.WithBroadcast(true),
		dhcpv4.WithMessageType(dhcpv4.MessageTypeDiscover),
		dhcpv4.WithRequestedOptions(dhcpv4.OptionSubnetMask, dhcpv4.OptionRouter),
	)
	if err != nil {
		return nil, fmt.Errorf("make a discover: %w", err)
	}
	f := frame{
		src:     endpoint{mac: mac, addr: netip.IPv4Unspecified(), port: dhcp.ClientPort},
		dst:     endpoint{mac: broadcastMAC, addr: broadcastAddr, port: dhcp.ServerPort},
		payload: msg.ToBytes(),
	}
	return f.appendTo(nil), nil
}

// parseForeign reads a frame with a server's OFFER or ACK.
func parseForeign(b []byte, ifname string) (o Offer, xid [4]byte, ok bool) {
	f, ok := parseFrame(b)
	if !ok || f.src.port != dhcp.ServerPort || f.dst.port != dhcp.ClientPort {
		return o, xid, false
	}
	m, err := dhcp.DecodeServerMessage(f.payload)
	if err != nil || m.Type != dhcp.MessageTypeOffer && m.Type != dhcp.MessageTypeAck {
		return o, xid, false
	}
	o = Offer{Interface: ifname, Server: m.ServerID, MAC: f.src.mac, Type: m.Type, Addr: m.YIAddr, Client: m.MAC}
	if !o.Server.IsValid() {
		o.Server = f.src.addr
	}
	return o, m.XID, true
}

// serverReplies lets only datagrams from port 67 to port 68 through: frames with an Ethernet header, no fragments.
func serverReplies() []bpf.Instruction {
	return append(notForUs(12),
		bpf.LoadAbsolute{Off: 12, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: etherIPv4, SkipTrue: 10},
		bpf.LoadAbsolute{Off: 23, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: protoUDP, SkipTrue: 8},
		bpf.LoadAbsolute{Off: 20, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpBitsSet, Val: 0x1fff, SkipTrue: 6},
		bpf.LoadMemShift{Off: 14},
		bpf.LoadIndirect{Off: 14, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: dhcp.ServerPort, SkipTrue: 3},
		bpf.LoadIndirect{Off: 16, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: dhcp.ClientPort, SkipTrue: 1},
		bpf.RetConstant{Val: packetSize},
		bpf.RetConstant{Val: 0},
	)
}
