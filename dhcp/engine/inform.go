package engine

import (
	"plugtone/dhcp"
)

// inform answers a client that has an address with everything but an address (RFC 2131, 4.3.5). It changes no lease.
func (x *exchange) inform() dhcp.Decision {
	r := x.newReply(dhcp.MessageTypeAck)
	r.CIAddr = x.req.CIAddr
	x.d.Event.Addr = x.req.CIAddr
	if !x.req.CIAddr.IsValid() {
		switch src := x.source(); {
		case x.req.GIAddr.IsValid():
			r.Flags |= dhcp.BroadcastFlag // C17: the relay has no address to send it to
		case src.IsValid() && !bogus(src):
			x.d.Event.Addr = src
		default:
			return x.silent(dhcp.VerdictIgnored, "the inform has no address to reply to")
		}
	}
	x.fill(r, 0)
	return x.answer(r, dhcp.VerdictInformed, "sent the requested options")
}
