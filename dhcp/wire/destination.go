package wire

import (
	"net/netip"

	"plugtone/dhcp"
)

// Destination is where a reply goes and how.
type Destination struct {
	Addr netip.AddrPort
	From netip.Addr // source address; the source port is ServerPort

	// Raw: the client has its address not yet and can't answer ARP: the frame goes to MAC. Without raw sending, broadcast instead.
	Raw bool
	MAC dhcp.MAC // Raw or Broadcast: destination of the frame

	Broadcast bool // IP and link-layer broadcast on the receiving interface
}

var (
	limitedBroadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})
	broadcastMAC     = dhcp.MAC{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
)

// ReplyDestination decides where reply goes: the send rule of RFC 2131, 4.1.
func ReplyDestination(req *dhcp.Request, reply *dhcp.Reply, link *dhcp.Link) Destination {
	d := Destination{From: reply.From}
	switch {
	case req.Type == dhcp.MessageTypeInform && reply.CIAddr.IsValid(): // C17: directly, even past a relay (RFC 2131, 4.3.5)
		d.Addr = netip.AddrPortFrom(reply.CIAddr, dhcp.ClientPort)
	case req.GIAddr.IsValid(): // C11: always to the relay, NAKs too
		port := uint16(dhcp.ServerPort)
		if req.RelayPort && link.Source.Port() != 0 { // RFC 8357, 5.2
			port = link.Source.Port()
		}
		d.Addr = netip.AddrPortFrom(req.GIAddr, port)
	case reply.Type == dhcp.MessageTypeNak:
		// C12: broadcast even if ciaddr is set, for the client may be on the wrong network; only a client behind a router
		// that wrote to us directly can't be reached so.
		if req.CIAddr.IsValid() && link.Unicast() && link.Source.Addr() == req.CIAddr && !link.Attached(req.CIAddr) {
			d.Addr = netip.AddrPortFrom(req.CIAddr, dhcp.ClientPort)
			return d
		}
		return d.broadcast()
	case req.Type == dhcp.MessageTypeInform:
		d.Addr = netip.AddrPortFrom(link.Source.Addr(), dhcp.ClientPort) // C17
	case reply.CIAddr.IsValid(): // C13
		d.Addr = netip.AddrPortFrom(reply.CIAddr, dhcp.ClientPort)
	case req.Broadcast() || !reply.YIAddr.IsValid(): // C14
		return d.broadcast()
	default: // C15
		d.Addr = netip.AddrPortFrom(reply.YIAddr, dhcp.ClientPort)
		d.Raw, d.MAC = true, req.MAC
	}
	return d
}

func (d Destination) broadcast() Destination {
	d.Addr = netip.AddrPortFrom(limitedBroadcast, dhcp.ClientPort)
	d.Broadcast, d.MAC = true, broadcastMAC
	return d
}
