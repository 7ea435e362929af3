package engine

import (
	"net/netip"

	"plugtone/dhcp"
)

// discover offers an address and holds it, or sends nothing. A DISCOVER is never answered by a NAK (C42).
func (x *exchange) discover() dhcp.Decision {
	if x.req.ServerID.IsValid() { // C10: RFC 2131, table 5 forbids it
		return x.silent(dhcp.VerdictIgnored, "a discover must not name a server")
	}
	c, ok := x.choose(x.req.Requested)
	if !ok {
		x.d.DropOffer = true
		return x.silent(dhcp.VerdictExhausted, x.subnet.exhausted)
	}
	x.d.Event.Addr = c.addr
	if !x.share.bindable() && !x.acknowledgeable(c.addr) { // C58
		return x.silent(dhcp.VerdictInternalError, noSharedStore)
	}
	x.d.DropOffer, x.d.Hold = false, c.addr
	if x.needsProbe(c.addr) {
		if x.link.NoProbe { // the client tries again
			return x.silent(x.unprobed(c.reason))
		}
		x.d.Probe = c.addr
		return x.silent(dhcp.VerdictProbing, c.reason+", probed first")
	}
	if x.req.RapidCommit && x.engine.cfg.RapidCommit { // RFC 4039; C50
		x.d.Hold = netip.Addr{}
		return x.grant(c.addr, c.reason+", committed at once")
	}
	r := x.newReply(dhcp.MessageTypeOffer)
	r.YIAddr = c.addr
	x.fill(r, x.leaseTime(x.req.LeaseTime))
	return x.answer(r, dhcp.VerdictOffered, c.reason)
}
