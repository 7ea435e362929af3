package dhcp

import "net/netip"

// relayed reports whether the message came through a relay agent.
func (q *exchange) relayed() bool { return q.req.GIAddr.IsValid() }

// refuseRelay returns why the relay of the message may not speak for the subnet, "" when it may.
func (q *exchange) refuseRelay() string {
	if !q.relayed() || q.sub.unconfigured || q.sub.AcceptsRelay(q.req.GIAddr) {
		return ""
	}
	return "relay " + q.req.GIAddr.String() + " is not among the relays of subnet " + q.sub.Prefix.String()
}

// relayVerified reports whether the packet was sent from an address of the relay that it names. giaddr alone proves little: every
// host that can reach the server can write it into a packet.
func (q *exchange) relayVerified() bool {
	src := nonZero(q.link.Source.Addr())
	return src == q.req.GIAddr || src.IsValid() && q.sub.AcceptsRelay(src)
}

// refuseEnding returns why a RELEASE or DECLINE is no reason to end the lease l, "" when it is one. A relayed one must come the way
// that the lease was bound; a routed one from the client's own address. The zero Lease stands for an address that was only offered.
func (q *exchange) refuseEnding(l Lease) string {
	src := nonZero(q.link.Source.Addr())
	if !q.relayed() {
		if src.IsValid() && !q.link.attached(src) && src != q.req.CIAddr {
			return "its sender " + src.String() + " is not the client"
		}
		return ""
	}
	switch {
	case l.Relay.Known() && !l.Relay.Relayed():
		return "it came through relay " + q.req.GIAddr.String() + ", but the lease was bound without one"
	case l.Relay.Known() && l.Relay.GIAddr != q.req.GIAddr:
		return "it came through relay " + q.req.GIAddr.String() + ", but the lease was bound through " + l.Relay.GIAddr.String()
	case q.link.ReversePathMismatch:
		return "it came in on " + q.link.Interface + ", which is not the way to relay " + q.req.GIAddr.String()
	case !q.relayVerified() && (!src.IsValid() || src != l.Relay.Source):
		return "its sender is not relay " + q.req.GIAddr.String()
	}
	return ""
}

// refuseMove returns why the client's lease in this subnet isn't moved to addr, "" when it is. What only claims to come from a relay
// moves no lease, except to the client's reservation.
func (q *exchange) refuseMove(addr netip.Addr) string {
	if !q.relayed() || q.relayVerified() || addr == q.reserved {
		return ""
	}
	old, ok := q.v.Of(q.sub.Prefix, q.mac())
	if !ok || !q.live(old) || old.Addr == addr || !q.permitted(old.Addr) {
		return ""
	}
	return "it has " + old.Addr.String() + ", and its sender is not relay " + q.req.GIAddr.String()
}

// relayPath returns what is stored with a lease of the way that its REQUEST took. old is the client's record on the same address,
// if there is one: a renewal goes past the relay, and a path that isn't verified doesn't replace that of a lease in force.
func (q *exchange) relayPath(old Lease) Relay {
	src := nonZero(q.link.Source.Addr())
	switch {
	case !q.relayed() && q.req.CIAddr.IsValid() && old.Relay.Known():
		return old.Relay
	case !q.relayed():
		return Relay{GIAddr: netip.IPv4Unspecified()}
	case old.Relay.Known() && q.live(old) && !q.relayVerified():
		return old.Relay
	case !src.IsValid():
		src = q.req.GIAddr
	}
	return Relay{GIAddr: q.req.GIAddr, Source: src}
}
