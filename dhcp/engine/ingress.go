package engine

import (
	"net/netip"
	"slices"

	"plugtone/dhcp"
)

// ingress is a message with the link on which it arrived. Its methods decide how far the message can be trusted.
type ingress struct {
	req    *dhcp.Request
	link   *dhcp.Link
	subnet *servedSubnet
}

// refuse returns why the message is not for this server, for any type; "" when it is.
func (in *ingress) refuse(mode string) string {
	req, link := in.req, in.link
	switch req.Type {
	case dhcp.MessageTypeDiscover, dhcp.MessageTypeRequest, dhcp.MessageTypeDecline, dhcp.MessageTypeRelease, dhcp.MessageTypeInform:
	case 0:
		return "plain BOOTP, without a message type" // C47
	default:
		return "message type " + req.Type.String() + " is not sent by clients" // C47, C52
	}
	if mode == dhcp.ModeOff || mode == dhcp.ModeInform && req.Type != dhcp.MessageTypeInform {
		return "dhcp.mode " + mode + " does not answer it"
	}
	if g := req.GIAddr; g.IsValid() && (bogus(g) || link.Owns(g)) { // C18
		return "relay address " + g.String() + " can't be a relay's"
	}
	if c := req.CIAddr; c.IsValid() && (bogus(c) || link.Owns(c)) {
		return "client address " + c.String() + " can't be a client's"
	}
	src := in.source()
	named := in.relayed() || req.CIAddr.IsValid() || req.Type == dhcp.MessageTypeInform
	if !named && src.IsValid() && link.Unicast() && !link.Attached(src) {
		// A client without an address broadcasts. This one was routed here, and its answer would go to the link.
		return "its sender " + src.String() + " is not on the link, and it names neither a relay nor its address"
	}
	return ""
}

// bogus reports whether a can't be the address of a host.
func bogus(a netip.Addr) bool {
	b := a.As4()
	return b[0] == 0 || b[0] == 127 || b[0] >= 224
}

// source is the address that the packet came from, the zero address when it has none.
func (in *ingress) source() netip.Addr { return sourceOf(in.link) }

func sourceOf(link *dhcp.Link) netip.Addr {
	if a := link.Source.Addr(); !a.IsUnspecified() {
		return a
	}
	return netip.Addr{}
}

// relayed reports whether the message came through a relay agent.
func (in *ingress) relayed() bool { return in.req.GIAddr.IsValid() }

// refuseRelay returns why the relay of the message may not relay for the subnet, "" when it may.
func (in *ingress) refuseRelay() string {
	if !in.relayed() || in.subnet.unconfigured || in.subnet.AcceptsRelay(in.req.GIAddr) {
		return ""
	}
	return "relay " + in.req.GIAddr.String() + " is not among the relays of subnet " + in.subnet.Prefix.String()
}

// relayVerified reports whether the packet was sent from an address of the relay that it names, or of one that is configured. giaddr
// alone proves little: every host that can reach the server can write it into a packet.
func (in *ingress) relayVerified() bool {
	src := in.source()
	return src == in.req.GIAddr || in.subnet.listsRelay(src)
}

// listsRelay reports whether the configuration names a as a relay of the subnet: among relays, or without any among routers.
func (p *servedSubnet) listsRelay(a netip.Addr) bool {
	if len(p.Relays) > 0 {
		return slices.Contains(p.Relays, a)
	}
	return slices.Contains(p.Routers, a)
}

// refuseLeasedRelay returns why a relayed message is ignored whose giaddr or sender is leased to a client here, "" when neither is: a client with a lease may send what a relay sends. Addresses in the configuration may have leases.
func (c *client) refuseLeasedRelay() string {
	if !c.relayed() {
		return ""
	}
	for _, a := range []netip.Addr{c.req.GIAddr, c.source()} {
		if l, ok := c.leases.At(a); ok && l.State == dhcp.LeaseActive && l.Expires.After(c.now) && !c.subnet.listsRelay(a) {
			return "its relay " + a.String() + " is leased to a client, and not among the relays of subnet " + c.subnet.Prefix.String()
		}
	}
	return ""
}

// refuseEnding returns why a RELEASE or DECLINE does not end the lease l, "" when it does. A relayed message must come through the
// relay by which the lease was bound, a routed one from the client's own address. For an address that was only offered l is zero.
func (in *ingress) refuseEnding(l dhcp.Lease) string {
	src := in.source()
	if !in.relayed() {
		if src.IsValid() && !in.link.Attached(src) && src != in.req.CIAddr {
			return "its sender " + src.String() + " is not the client"
		}
		return ""
	}
	giaddr := in.req.GIAddr.String()
	switch {
	case l.Relay.Known() && !l.Relay.Relayed():
		return "it came through relay " + giaddr + ", but the lease was bound without one"
	case l.Relay.Known() && l.Relay.GIAddr != in.req.GIAddr:
		return "it came through relay " + giaddr + ", but the lease was bound through " + l.Relay.GIAddr.String()
	case in.link.ReversePathMismatch:
		return "it came in on " + in.link.Interface + ", which is not the way to relay " + giaddr
	case !in.relayVerified() && (!src.IsValid() || src != l.Relay.Source):
		return "its sender is not relay " + giaddr
	}
	return ""
}

// path returns the relay to store with a lease. old is the relay in the client's record of the same address, if it has one, and live
// whether that lease is in force: a renewal goes past the relay, and an unverified relay does not replace that of a lease in force.
func (in *ingress) path(old dhcp.Relay, live bool) dhcp.Relay {
	switch {
	case !in.relayed() && in.req.CIAddr.IsValid() && old.Known():
		return old
	case !in.relayed():
		return dhcp.Relay{GIAddr: netip.IPv4Unspecified()}
	case old.Known() && live && !in.relayVerified():
		return old
	}
	src := in.source()
	if !src.IsValid() {
		src = in.req.GIAddr
	}
	return dhcp.Relay{GIAddr: in.req.GIAddr, Source: src}
}

// mismatch returns why a message about a subnet of phones is ignored on the link where it arrived; "" when it is not. Otherwise a
// client of another kind of network could use a phone's MAC and end its lease with a forged relay or client address.
func (in *ingress) mismatch(e *Engine) string {
	p, link := in.subnet, in.link
	if p.Phones != dhcp.PhonesProvision {
		return ""
	}
	if p.Interface != link.Interface && in.wrongLink(e) {
		return "it came in on " + link.Interface + ", which is not the way to subnet " + p.Prefix.String()
	}
	src := link.Source.Addr()
	o := e.subnetOf(src)
	switch {
	case o == nil || o.Phones == dhcp.PhonesProvision:
		return ""
	case !in.relayed() && link.Unicast(): // a router leaves a client's own address as it is
		return "its sender " + src.String() + " is in " + o.Prefix.String() + ", not in subnet " + p.Prefix.String()
	case in.relayed() && o.Interface != link.Interface && !slices.Contains(o.Routers, src):
		return "its sender " + src.String() + " is in " + o.Prefix.String() + " and none of the routers there"
	}
	return ""
}

// wrongLink reports whether the message cannot have come from the subnet on the receiving link: the kernel's route back is another link,
// and the subnet is attached or the link is that of another kind of network, or the relay is in that other network.
func (in *ingress) wrongLink(e *Engine) bool {
	if !in.relayed() && in.subnet.Interface != "" && in.link.ReversePathMismatch {
		return true
	}
	for i := range e.subnets {
		o := &e.subnets[i]
		if o.Interface == in.link.Interface && o.Phones != dhcp.PhonesProvision && (in.link.ReversePathMismatch || o.Prefix.Contains(in.req.GIAddr)) {
			return true
		}
	}
	return false
}
