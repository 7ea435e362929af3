package server

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"golang.org/x/net/bpf"

	"plugtone/dhcp"
	"plugtone/dhcp/netif"
	"plugtone/dhcp/wire"
)

// Offer is an offer or lease of another DHCP server, seen in its own message or in a client's REQUEST to it.
type Offer struct {
	Interface string // where it was received
	Server    netip.Addr
	MAC       dhcp.MAC         // hardware address that the packet came from: the server's, or its relay's; zero when it cannot be seen
	Type      dhcp.MessageType // MessageTypeOffer or Ack; MessageTypeRequest: a client takes its offer
	Addr      netip.Addr       // the address offered
	Client    dhcp.MAC         // the client that it was offered to
}

const (
	discoverWindow = 4 * time.Second // some servers ping an address for up to three seconds before they offer it
	discoverRepeat = time.Second
	discoverLinger = 500 * time.Millisecond // after the first answer, for others
)

// Discover looks on an interface for DHCP servers, as a client would, and returns their offers. It returns soon after the
// first one; without any it takes four seconds or until ctx ends. It accepts no offer. A Server on this host does not
// receive its DISCOVER.
func Discover(ctx context.Context, ifname string) ([]Offer, error) {
	link, err := netif.InterfaceByName(ifname)
	if err != nil {
		return nil, fmt.Errorf("discover on %s: %w", ifname, err)
	}
	if link.MAC.IsZero() {
		return nil, fmt.Errorf("discover on %s: the interface has no Ethernet address", ifname)
	}
	sock, err := netif.OpenFrames(link.Index, serverReplies())
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

// discover sends DISCOVERs and collects the replies to them. linger shortens the window after the first one, unless it
// is 0.
func discover(ctx context.Context, sock *netif.PacketSocket, link *netif.Interface, xid [4]byte, linger time.Duration) ([]Offer, error) {
	ctx, cancel := context.WithTimeout(ctx, discoverWindow)
	defer cancel()
	frame, err := discoverFrame(link.MAC, xid)
	if err != nil {
		return nil, err
	}
	// The reader ends when the socket is closed: a context does not end a Read.
	received, failed := make(chan Offer), make(chan error, 1)
	go func() { failed <- collect(ctx, sock, link.Name, xid, received) }()
	defer func() { sock.Close() }()
	repeat := time.NewTicker(discoverRepeat)
	defer repeat.Stop()
	var offers []Offer
	if err := sock.SendTo(netif.BroadcastMAC, frame); err != nil {
		return nil, fmt.Errorf("discover on %s: send: %w", link.Name, err)
	}
	for {
		select {
		case o := <-received:
			offers = append(offers, o)
			if linger > 0 && len(offers) == 1 {
				defer time.AfterFunc(linger, cancel).Stop()
			}
		case <-repeat.C:
			if len(offers) > 0 {
				continue
			}
			if err := sock.SendTo(netif.BroadcastMAC, frame); err != nil {
				return nil, fmt.Errorf("discover on %s: send: %w", link.Name, err)
			}
		case err := <-failed:
			return offers, fmt.Errorf("discover on %s: receive: %w", link.Name, err)
		case <-ctx.Done():
			return dedupe(offers), nil
		}
	}
}

func collect(ctx context.Context, sock *netif.PacketSocket, name string, xid [4]byte, received chan<- Offer) error {
	buf := make([]byte, packetSize)
	for {
		n, err := sock.Read(buf)
		if errors.Is(err, os.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		o, got, ok := parseReply(buf[:n], name)
		if !ok || got != xid {
			continue
		}
		select {
		case received <- o:
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

// discoverFrame is a DISCOVER with the broadcast flag: this host could not receive a unicast to the offered address.
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
	f := netif.Frame{
		Src:     netif.Endpoint{MAC: mac, Addr: netip.IPv4Unspecified(), Port: dhcp.ClientPort},
		Dst:     netif.Endpoint{MAC: netif.BroadcastMAC, Addr: netif.BroadcastAddr, Port: dhcp.ServerPort},
		Payload: msg.ToBytes(),
	}
	return f.Append(nil), nil
}

// parseReply reads a frame with a server's OFFER or ACK.
func parseReply(b []byte, ifname string) (o Offer, xid [4]byte, ok bool) {
	f, ok := netif.ParseFrame(b)
	if !ok || f.Src.Port != dhcp.ServerPort || f.Dst.Port != dhcp.ClientPort {
		return o, xid, false
	}
	m, err := wire.DecodeServerMessage(f.Payload)
	if err != nil || m.Type != dhcp.MessageTypeOffer && m.Type != dhcp.MessageTypeAck {
		return o, xid, false
	}
	o = Offer{Interface: ifname, Server: m.ServerID, MAC: f.Src.MAC, Type: m.Type, Addr: m.YIAddr, Client: m.MAC}
	if !o.Server.IsValid() {
		o.Server = f.Src.Addr
	}
	return o, m.XID, true
}

// serverReplies accepts datagrams from port 67 to port 68: frames with an Ethernet header, no fragments.
func serverReplies() []bpf.Instruction {
	return append(netif.SkipOtherHost(10),
		bpf.LoadAbsolute{Off: 23, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: netif.ProtoUDP, SkipTrue: 8},
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
