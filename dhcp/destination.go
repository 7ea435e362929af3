package dhcp

import "net/netip"

// Link says how a packet came in, and what this host looks like from there. The socket loop fills it in.
type Link struct {
	Interface           string         // name of the receiving interface
	Addrs               []netip.Prefix // our IPv4 addresses on it, with their prefix lengths, primary first
	Host                []netip.Addr   // all IPv4 addresses of this host
	Source              netip.AddrPort // where the packet came from
	Dest                netip.Addr     // where it was sent to; broadcast or ours
	LocalAddr           netip.Addr     // our address that the kernel would use towards the relay or the routed client; needed when there is one
	ReversePathMismatch bool           // the kernel's way to the relay or the routed client is another link than the receiving one
	MTU                 int            // of the interface; 0: 1500
	Overloaded          bool           // too many packets wait: no time for conflict probes, except where leases may have been lost
	NoProbe             bool           // no conflict probe is possible any more: one was tried, or too many are under way
	NoWrite             bool           // the disk has just refused: only what is written already can be acknowledged
}

// owns tells whether a is an address of this host.
func (l *Link) owns(a netip.Addr) bool {
	if !a.IsValid() {
		return false
	}
	for _, h := range l.Host {
		if h == a {
			return true
		}
	}
	for _, p := range l.Addrs {
		if p.Addr() == a {
			return true
		}
	}
	return false
}

// attached tells whether a is on the receiving link.
func (l *Link) attached(a netip.Addr) bool {
	for _, p := range l.Addrs {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// unicast tells whether the packet was addressed to this host alone.
func (l *Link) unicast() bool { return l.Dest.IsValid() && l.owns(l.Dest) }

// The ports of RFC 2131, 4.1.
const (
	ServerPort = 67
	ClientPort = 68
)

// Destination is where a reply goes and how.
type Destination struct {
	Addr netip.AddrPort
	From netip.Addr // source address; the source port is ServerPort

	// Raw: the client has its address not yet and can't answer ARP: the frame goes to MAC. Without raw sending, broadcast instead.
	Raw bool
	MAC MAC // Raw or Broadcast: destination of the frame

	Broadcast bool // IP and link-layer broadcast on the receiving interface
}

var (
	limitedBroadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})
	broadcastMAC     = MAC{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
)

// To decides where reply goes: the send rule of RFC 2131, 4.1.
func ReplyDestination(req *Request, reply *Reply, link *Link) Destination {
	d := Destination{From: reply.From}
	switch {
	case req.Type == MessageTypeInform && reply.CIAddr.IsValid(): // C17: directly, even past a relay (RFC 2131, 4.3.5)
		d.Addr = netip.AddrPortFrom(reply.CIAddr, ClientPort)
	case req.GIAddr.IsValid(): // C11: always to the relay, NAKs too
		port := uint16(ServerPort)
		if req.RelayPort && link.Source.Port() != 0 { // RFC 8357, 5.2
			port = link.Source.Port()
		}
		d.Addr = netip.AddrPortFrom(req.GIAddr, port)
	case reply.Type == MessageTypeNak:
		// C12: broadcast even if ciaddr is set, for the client may be on the wrong network; only a client behind a router
		// that wrote to us directly can't be reached so.
		if req.CIAddr.IsValid() && link.unicast() && link.Source.Addr() == req.CIAddr && !link.attached(req.CIAddr) {
			d.Addr = netip.AddrPortFrom(req.CIAddr, ClientPort)
			return d
		}
		return d.broadcast()
	case req.Type == MessageTypeInform:
		d.Addr = netip.AddrPortFrom(link.Source.Addr(), ClientPort) // C17
	case reply.CIAddr.IsValid(): // C13
		d.Addr = netip.AddrPortFrom(reply.CIAddr, ClientPort)
	case req.Broadcast() || !reply.YIAddr.IsValid(): // C14
		return d.broadcast()
	default: // C15
		d.Addr = netip.AddrPortFrom(reply.YIAddr, ClientPort)
		d.Raw, d.MAC = true, req.MAC
	}
	return d
}

func (d Destination) broadcast() Destination {
	d.Addr = netip.AddrPortFrom(limitedBroadcast, ClientPort)
	d.Broadcast, d.MAC = true, broadcastMAC
	return d
}
