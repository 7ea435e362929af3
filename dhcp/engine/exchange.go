package engine

import (
	"net/netip"
	"time"

	"plugtone/dhcp"
	"plugtone/dhcp/leasetable"
)

// exchange is the state of one decision: the message, the client in its subnet, and the decision so far.
type exchange struct {
	client
	self     netip.Addr // source of the reply: the address that was written to, else the one towards the client or its relay
	serverID netip.Addr // option 54: self unless a relay overrides it
	site     dhcp.Site
	policy   dhcp.Policy
	d        dhcp.Decision
}

// begin initialises x for a message.
func begin(x *exchange, e *Engine, now time.Time, req *dhcp.Request, link *dhcp.Link, leases *leasetable.Leases) {
	*x = exchange{client: client{ingress: ingress{req: req, link: link}, engine: e, now: now, mac: req.MAC, leases: leases}}
	x.d.Event = dhcp.Event{Time: now, MAC: req.MAC, XID: req.XID, Type: req.Type, Interface: link.Interface, Client: req.Client}
}

// useSubnet sets the subnet of the decision.
func (x *exchange) useSubnet(c *candidate, reserved netip.Addr) {
	x.subnet, x.self, x.serverID, x.site, x.policy = c.subnet, c.self, c.serverID, c.site, c.policy
	x.phone = c.policy.Phone && c.subnet.Phones != dhcp.PhonesNone
	x.reserved, x.nextServer = reserved, c.site.NextServer
	x.share = share{x.link.Sharing[c.subnet.Prefix]}
	ev := &x.d.Event
	ev.Subnet, ev.Client = c.subnet.Prefix, c.evidence(x.req)
	ev.Vendor, ev.Model, ev.Recognised = c.policy.Vendor, c.policy.Model, c.policy.Recognised
	ev.Phone, ev.Recorded = c.policy.Phone, c.policy.Recorded
}

// ours reports whether a server identifier names this server, or one that shared the subnet and is dead (C55).
func (x *exchange) ours(id netip.Addr) bool {
	if id == x.serverID || x.link.Owns(id) {
		return true
	}
	m, ok := x.share.member(id)
	return ok && !m.Alive && x.share.Usable()
}

// silent ends a decision without a reply.
func (x *exchange) silent(v dhcp.Verdict, reason string) dhcp.Decision {
	x.d.Event.Verdict, x.d.Event.Reason = v, reason
	return x.d
}

// answer ends a decision with r.
func (x *exchange) answer(r *dhcp.Reply, v dhcp.Verdict, reason string) dhcp.Decision {
	x.d.Reply, x.d.Event.Reply = r, r
	x.d.Event.Verdict, x.d.Event.Reason = v, reason
	return x.d
}

// nak answers with a NAK, after which the client starts again (C20). While leases cannot be written it sends nothing where the only
// obstacle is a lease or offer that is not on disk.
func (x *exchange) nak(addr netip.Addr, why string) dhcp.Decision {
	x.d.Event.Addr = addr
	if x.share.is() { // C57: what is known here may be out of date
		if !x.share.bindable() || x.link.NoWrite {
			return x.silent(dhcp.VerdictInternalError, noSharedStore+"; "+why)
		}
		x.d.Verify = x.basis(addr)
	}
	if x.leases.RefusedByUnwritten(addr, x.mac, x.link.NoWrite) {
		return x.silent(dhcp.VerdictInternalError, "leases cannot be written; "+why)
	}
	x.d.DropOffer = true
	r := x.newReply(dhcp.MessageTypeNak)
	r.Overload = false // C20: sname and file stay empty
	id := x.serverID.As4()
	r.Options = []dhcp.Option{{Code: dhcp.OptionMessageType, Data: []byte{byte(dhcp.MessageTypeNak)}}, {Code: dhcp.OptionServerID, Data: id[:]}, {Code: dhcp.OptionMessage, Data: []byte(why)}}
	echoClientID(r, x.req, &x.policy)
	return x.answer(r, dhcp.VerdictNak, why)
}
