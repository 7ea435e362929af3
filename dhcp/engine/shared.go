package engine

import (
	"net/netip"
	"time"

	"plugtone/dhcp"
	"plugtone/dhcp/sharing"
)

// A client has waited when it has been trying, by its own account, or its first message that was left to another server came this long
// ago. It is shorter than the first repetition of any client (RFC 2131, 4.1: about four seconds; udhcpc: three).
const (
	waitedSecs = 3
	waited     = 2 * time.Second
)

// noSharedStore is the reason why nothing is bound in a shared subnet.
const noSharedStore = "the store of the shared leases is not reachable"

// bindable reports whether a lease can be bound in the subnet: where it is shared, that takes the common store.
func (c *client) bindable() bool { return c.share == nil || c.share.Usable() }

// member returns the other server of the subnet that has the server identifier id.
func (c *client) member(id netip.Addr) (sharing.Member, bool) {
	if c.share == nil {
		return sharing.Member{}, false
	}
	return c.share.Other(id)
}

// leftTo returns the other server of the subnet that answers the message (RFC 3074; C53), "" when this one does, also because the client has
// waited for the other (C54).
func (c *client) leftTo() string {
	if c.share == nil || !c.share.Usable() || !c.forAny() || c.share.Mine(c.mac) || c.hasWaited() {
		return ""
	}
	return c.share.Server(c.mac).Name
}

// forAny reports whether the message is for any server.
func (in *ingress) forAny() bool {
	switch in.req.Type {
	case dhcp.MessageTypeDiscover, dhcp.MessageTypeInform:
		return !in.link.Unicast() || in.relayed()
	case dhcp.MessageTypeRequest: // not SELECTING and RENEWING
		return !in.req.ServerID.IsValid() && (!in.link.Unicast() || in.relayed())
	}
	return false
}

// hasWaited reports whether the client got no answer from another server. Some clients send secs with its bytes swapped.
func (c *client) hasWaited() bool {
	secs := c.req.Secs
	if secs&0xff == 0 {
		secs >>= 8
	}
	since, ok := c.leases.WaitingSince(c.mac)
	return secs >= waitedSecs || ok && c.now.Sub(since) >= waited
}

// acknowledgeable reports whether the client's lease of addr is written, so that it can be acknowledged for the remaining time.
func (c *client) acknowledgeable(addr netip.Addr) bool {
	l, ok := c.leases.Written(addr)
	return ok && c.holds(l) && l.Expires.Sub(c.now) >= dhcp.MinLease
}

// free returns a free address: in a shared subnet one of this server's share, of a dead server's, or, when there is none, any (C56).
func (c *client) free() (netip.Addr, bool) {
	if c.share != nil {
		suits := func(a netip.Addr) bool { return c.share.Offers(a) && c.unclaimed(a) }
		if a, ok := c.leases.Free(c.subnet.Prefix, c.phone, c.probing(), true, suits); ok {
			return a, true
		}
	}
	return c.leases.Free(c.subnet.Prefix, c.phone, c.probing(), false, c.unclaimed)
}
