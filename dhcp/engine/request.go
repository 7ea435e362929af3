package engine

import (
	"plugtone/dhcp"
)

// request distinguishes the states of RFC 2131, 4.3.2.
func (x *exchange) request() dhcp.Decision {
	switch {
	case x.req.ServerID.IsValid():
		return x.selecting()
	case x.req.CIAddr.IsValid() && x.link.Unicast() && !x.req.GIAddr.IsValid():
		return x.renewing()
	case x.req.CIAddr.IsValid():
		return x.rebinding()
	case x.req.Requested.IsValid():
		return x.initReboot()
	}
	// C07: neither names an address. Some clients do so and mean the one they have.
	if l, ok := x.leases.Of(x.subnet.Prefix, x.mac); ok && x.holds(l) && x.permitted(l.Addr) {
		return x.grant(l.Addr, "it named no address; its current lease")
	}
	return x.silent(dhcp.VerdictSilent, "the request names no address, and it has no lease here")
}

// selecting answers a client that accepted an offer.
func (x *exchange) selecting() dhcp.Decision {
	if !x.ours(x.req.ServerID) { // C01
		x.d.DropOffer = true
		if m, ok := x.share.member(x.req.ServerID); ok { // C55
			x.d.Waits = dhcp.WaitsEnd
			return x.silent(dhcp.VerdictLeft, "it accepted the offer of "+m.Name)
		}
		x.d.Event.Server = x.req.ServerID
		return x.silent(dhcp.VerdictOtherServer, "it accepted the offer of "+x.req.ServerID.String())
	}
	addr := x.req.Requested
	if !addr.IsValid() {
		addr = x.req.CIAddr // C08: clients of RFC 1541
	}
	if !addr.IsValid() {
		if held, ok := x.leases.Offered(x.subnet.Prefix, x.mac); ok {
			addr = held
		} else if l, ok := x.leases.Of(x.subnet.Prefix, x.mac); ok && x.holds(l) {
			addr = l.Addr
		} else {
			return x.silent(dhcp.VerdictSilent, "the request names no address, and nothing was offered to it")
		}
	}
	if !x.assignable(addr) { // C02; an offer need not be remembered: C03
		return x.nak(addr, x.whyNot(addr))
	}
	return x.claim(addr, false, "it accepted the offer")
}

// initReboot answers a client that remembers an address from before its restart.
func (x *exchange) initReboot() dhcp.Decision {
	addr := x.req.Requested
	last, known := x.leases.Of(x.subnet.Prefix, x.mac)
	known = known && x.holds(last)
	lost := x.leases.Distrusted() != "" && x.claimable(addr)
	if !known && !x.engine.cfg.Authoritative && !lost { // C04; a NAK might be about another server's lease
		if l, ok := x.leases.At(addr); !ok || l.MAC != x.mac {
			return x.deny(addr, "it remembers an address without a known lease", false)
		}
	}
	if r, ok := x.reservedHere(); ok && r != addr && x.reservationUsable(r) {
		return x.nak(addr, "address "+r.String()+" is reserved for it")
	}
	if known && last.Addr != addr && x.permitted(last.Addr) && !lost {
		return x.nak(addr, "its lease is "+last.Addr.String())
	}
	if !x.claimable(addr) {
		return x.deny(addr, x.whyNot(addr), true)
	}
	if known {
		return x.claim(addr, false, "it remembered its lease")
	}
	return x.claim(addr, false, "it remembered an address that is free")
}

// renewing answers a client that requests only this server to extend its lease.
func (x *exchange) renewing() dhcp.Decision { return x.extend("renewed", true) }

// rebinding answers a client that requests any server to extend its lease.
func (x *exchange) rebinding() dhcp.Decision { return x.extend("rebound", x.engine.cfg.Authoritative) }

// extend extends the lease on ciaddr. An unknown lease is created when it can be (C05): the phone may be in a call, and
// the lease may have been lost by this server.
func (x *exchange) extend(word string, mayRefuse bool) dhcp.Decision {
	addr := x.req.CIAddr
	l, ok := x.leases.At(addr)
	mine := ok && x.holds(l)
	mayRefuse = mayRefuse || mine
	if r, ok := x.reservedHere(); ok && r != addr && x.reservationUsable(r) { // C06: only when it would really get it
		return x.deny(addr, "address "+r.String()+" is reserved for it", mayRefuse)
	}
	if !x.claimable(addr) {
		return x.deny(addr, x.whyNot(addr), mayRefuse)
	}
	if mine {
		return x.grant(addr, word)
	}
	return x.claim(addr, true, word+" without a known lease: the address is free")
}
