package engine

import (
	"net/netip"
	"slices"
	"time"

	"plugtone/dhcp"
	"plugtone/dhcp/leasetable"
	"plugtone/dhcp/sharing"
)

// A client has waited when it has been trying, by its own account, or its first message that was left to another server came this long
// ago. It is shorter than the first repetition of any client (RFC 2131, 4.1: about four seconds; udhcpc: three).
const (
	waitedSecs = 3
	waited     = 2 * time.Second
)

// noSharedStore is the reason why nothing is bound in a shared subnet.
const noSharedStore = "no lease can be bound in the store of the shared leases now"

// share is the servers of a subnet; none when this one alone serves it.
type share struct{ *sharing.Servers }

// is reports whether the subnet is shared.
func (s share) is() bool { return s.Servers != nil }

// bindable reports whether a lease can be bound in the subnet: where it is shared, that takes the common store.
func (s share) bindable() bool { return !s.is() || s.Usable() }

// member returns the other server of the subnet that has the server identifier id.
func (s share) member(id netip.Addr) (sharing.Member, bool) {
	if !s.is() {
		return sharing.Member{}, false
	}
	return s.Other(id)
}

// leftTo returns the other server of the subnet that answers the message (RFC 3074; C53), "" when this one does, also because the client has
// waited for the other (C54).
func (c *client) leftTo() string {
	if !c.share.is() || !c.share.Usable() || !c.forAny() || c.share.Mine(c.mac) || c.tried() >= waitedSecs {
		return ""
	}
	if since, ok := c.leases.WaitingSince(c.mac); ok && c.now.Sub(since) >= waited {
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

// tried returns for how many seconds the client has been trying, by its own account. Some clients send them with their bytes swapped.
func (in *ingress) tried() uint16 {
	if in.req.Secs&0xff == 0 {
		return in.req.Secs >> 8
	}
	return in.req.Secs
}

// basis returns the addresses whose records a NAK about addr depends on.
func (c *client) basis(addr netip.Addr) []netip.Addr {
	out := []netip.Addr{addr}
	if l, ok := c.leases.Of(c.subnet.Prefix, c.mac); ok && l.Addr != addr {
		out = append(out, l.Addr)
	}
	if r, ok := c.reservedHere(); ok && !slices.Contains(out, r) {
		out = append(out, r)
	}
	return slices.DeleteFunc(out, func(a netip.Addr) bool { return !c.subnet.Prefix.Contains(a) })
}

// givenBack returns the record of the lease l after its client has given it back. In a shared subnet it has the time at which that was, and
// when the lease would have ended: see promised.
func (c *client) givenBack(l dhcp.Lease) dhcp.Lease {
	now := c.now.UTC().Truncate(time.Second)
	if l.State = dhcp.LeaseReleased; c.link.Sharing[l.Subnet] != nil {
		l.Starts = now
	} else {
		l.Expires = now
	}
	return l
}

// promised reports whether another server may still acknowledge a to the client that has given it back, because it has not received that
// yet (C60).
func (c *client) promised(a netip.Addr) bool {
	if !c.share.is() {
		return false
	}
	l, ok := c.leases.At(a)
	if !ok || l.State != dhcp.LeaseReleased || l.MAC == c.mac || !c.now.Before(l.Expires.Add(leasetable.SharedMargin)) {
		return false
	}
	return !c.share.Complete() || !leasetable.ReceivedAt(c.leases, a, c.share.Received()) || c.now.Sub(l.Starts) < sharing.SettleTime
}

// acknowledgeable reports whether the client's lease of addr is written, so that it can be acknowledged for the remaining time.
func (c *client) acknowledgeable(addr netip.Addr) bool {
	l, ok := c.leases.Written(addr)
	return ok && c.holds(l) && l.Expires.Sub(c.now) >= dhcp.MinLease
}

// free returns a free address: in a shared subnet one of this server's share, of a dead server's, or, when there is none, any (C56).
func (c *client) free() (netip.Addr, bool) {
	suits := c.unclaimed
	if c.share.is() {
		suits = func(a netip.Addr) bool { return c.unclaimed(a) && !c.promised(a) }
		own := func(a netip.Addr) bool { return c.share.Offers(a) && suits(a) }
		if a, ok := c.leases.Free(c.subnet.Prefix, c.phone, c.probing(), true, own); ok {
			return a, true
		}
	}
	return c.leases.Free(c.subnet.Prefix, c.phone, c.probing(), false, suits)
}
