package engine

import (
	"net/netip"
	"time"

	"plugtone/dhcp"
	"plugtone/dhcp/leasetable"
)

// subnetsFor lists the subnets in which the client may be: by link selection, subnet selection, relay address, then by the link itself
// (C30). When chosen is true it is in the first one; else the leases decide in which.
func (e *Engine) subnetsFor(req *dhcp.Request, link *dhcp.Link) (subnets []*servedSubnet, chosen bool) {
	from := req.CIAddr
	if req.Type == dhcp.MessageTypeInform && !from.IsValid() {
		from = sourceOf(link)
	}
	if req.GIAddr.IsValid() {
		subnets = e.relayedSubnet(req)
	} else {
		subnets, chosen = e.directSubnets(req, link, from)
	}
	if len(subnets) == 0 && req.Type == dhcp.MessageTypeInform && from.IsValid() { // C17: also when another server leased the address
		return []*servedSubnet{unconfiguredSubnet(from)}, true
	}
	return subnets, chosen || len(subnets) == 1
}

func (e *Engine) relayedSubnet(req *dhcp.Request) []*servedSubnet {
	at := req.GIAddr
	switch {
	case req.LinkSelection.IsValid():
		at = req.LinkSelection
	case req.SubnetSelection.IsValid():
		at = req.SubnetSelection
	}
	if s := e.subnetOf(at); s != nil {
		return []*servedSubnet{s}
	}
	return nil
}

// directSubnets lists the subnets of a client that is attached to the link or routed here. from is the client's address, if it
// has one.
func (e *Engine) directSubnets(req *dhcp.Request, link *dhcp.Link, from netip.Addr) (subnets []*servedSubnet, chosen bool) {
	here := func(s *servedSubnet) bool { return s != nil && s.Interface != "" && s.Interface == link.Interface }
	if s := e.subnetOf(req.SubnetSelection); here(s) { // on other links any client could select any subnet
		return []*servedSubnet{s}, true
	}
	var first *servedSubnet
	if s := e.subnetOf(from); here(s) || s != nil && link.Unicast() { // a routed client writes to this server directly
		first = s
	} else if s := e.subnetOf(req.Requested); req.ServerID.IsValid() && here(s) { // where it was offered an address it may have none yet
		first = s
	}
	if first != nil {
		subnets = append(subnets, first)
		if req.Type != dhcp.MessageTypeDiscover || first.Interface == "" || req.SubnetSelection.IsValid() {
			return subnets, true
		}
	}
	iface := link.Interface
	if first != nil {
		iface = first.Interface
	}
	for i := range e.subnets {
		if s := &e.subnets[i]; s != first && s.Interface != "" && s.Interface == iface {
			subnets = append(subnets, s)
		}
	}
	return subnets, first != nil
}

// subnetOf returns the subnet that a is in; nil when there is none.
func (e *Engine) subnetOf(a netip.Addr) *servedSubnet {
	for i := range e.subnets {
		if e.subnets[i].Prefix.Contains(a) {
			return &e.subnets[i]
		}
	}
	return nil
}

// choose returns the subnet that the client is in: where it has a reservation, a lease, requests an address, or had a lease before.
func (c *Classification) choose(now time.Time, req *dhcp.Request, leases *leasetable.Leases) *candidate {
	first := &c.candidates[0]
	if c.chosen {
		return first
	}
	containing := func(a netip.Addr) *candidate {
		for i := range c.candidates {
			if c.candidates[i].subnet.Prefix.Contains(a) {
				return &c.candidates[i]
			}
		}
		return nil
	}
	if in := containing(c.reserved); in != nil {
		return in
	}
	var before *candidate
	for i := range c.candidates {
		in := &c.candidates[i]
		l, ok := leases.Of(in.subnet.Prefix, req.MAC)
		if ok && l.State == dhcp.LeaseActive && l.Expires.After(now) {
			return in
		}
		if ok && before == nil {
			before = in
		}
	}
	if in := containing(req.Requested); in != nil {
		return in
	}
	if before != nil {
		return before
	}
	return first
}

// discoverIn offers an address in the subnet in, or in another one of the link when that has none for the client.
func (x *exchange) discoverIn(c *Classification, in *candidate) dhcp.Decision {
	d := x.discover()
	for i := range c.candidates {
		next := &c.candidates[i]
		// In an ordinary network a phone is not served as one.
		suits := next.subnet.Phones == x.subnet.Phones || !x.policy.Phone
		if d.Event.Verdict != dhcp.VerdictExhausted || x.req.SubnetSelection.IsValid() {
			break
		}
		if next == in || next.refused != "" || !suits {
			continue
		}
		begin(x, x.engine, x.now, x.req, x.link, x.leases)
		x.useSubnet(next, c.reserved)
		d = x.discover()
	}
	return d
}
