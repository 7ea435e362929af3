package dhcp

import (
	"net/netip"
	"slices"

	"plugtone/dhcp/sharing"
)

// Link is the receiving interface of a packet, with the addresses of packet and host. The socket loop fills it in.
type Link struct {
	Interface           string          // name of the receiving interface
	Addrs               []netip.Prefix  // our IPv4 addresses on it, with their prefix lengths, primary first
	Host                []netip.Addr    // all IPv4 addresses of this host
	Source              netip.AddrPort  // where the packet came from
	Dest                netip.Addr      // where it was sent to; broadcast or ours
	LocalAddr           netip.Addr      // our address that the kernel would use towards the relay or the routed client; needed when there is one
	ReversePathMismatch bool            // the kernel's way to the relay or the routed client is another link than the receiving one
	MTU                 int             // of the interface; 0: 1500
	Overloaded          bool            // too many packets wait: no time for conflict probes, except where leases may have been lost
	NoProbe             bool            // no conflict probe is possible any more: one was tried, or too many are under way
	ProbeFailed         bool            // the conflict probe for this message failed: nothing is known about the address
	ProbeAnswered       bool            // another host answered it
	NoWrite             bool            // the disk has just refused: only what is written already can be acknowledged
	Sharing             sharing.Subnets // the subnets that other servers serve, too
}

// Owns reports whether a is an address of this host.
func (l *Link) Owns(a netip.Addr) bool {
	return a.IsValid() && (slices.Contains(l.Host, a) || slices.ContainsFunc(l.Addrs, func(p netip.Prefix) bool { return p.Addr() == a }))
}

// Attached reports whether a is on the receiving link.
func (l *Link) Attached(a netip.Addr) bool {
	return slices.ContainsFunc(l.Addrs, func(p netip.Prefix) bool { return p.Contains(a) })
}

// Unicast reports whether the packet was addressed to this host alone.
func (l *Link) Unicast() bool { return l.Dest.IsValid() && l.Owns(l.Dest) }

// The ports of RFC 2131, 4.1.
const (
	ServerPort = 67
	ClientPort = 68
)
