package engine

import (
	"net/netip"
	"slices"
	"time"

	"plugtone/dhcp"
	"plugtone/dhcp/leasetable"
)

// recently is how long after its lease has ended a client's own address is not probed (C41).
const recently = 24 * time.Hour

// moveLease is the lease time of phones on their way to the voice VLAN.
const moveLease = 2 * time.Minute

// client is the sender of a message in a subnet, as the allocation of addresses sees it.
type client struct {
	ingress
	engine     *Engine
	now        time.Time
	mac        dhcp.MAC
	leases     *leasetable.Leases
	phone      bool       // recognised or recorded, where phones count
	reserved   netip.Addr // its reservation, in any subnet
	nextServer netip.Addr
	share      share
}

// choice is an address for a client and why it is this one.
type choice struct {
	addr   netip.Addr
	reason string
}

// choose picks the address to offer, in the order of C37 (RFC 2131, 4.3.1).
func (c *client) choose(requested netip.Addr) (choice, bool) {
	note := ""
	if r, ok := c.reservedHere(); ok {
		if c.assignable(r) {
			return choice{r, "reserved for it"}, true
		}
		note = ", because its reserved address is in use by another client"
	}
	last, known := c.leases.Of(c.subnet.Prefix, c.mac)
	if known && c.holds(last) && c.permitted(last.Addr) {
		return choice{last.Addr, "its current lease" + note}, true
	}
	if a, ok := c.leases.Offered(c.subnet.Prefix, c.mac); ok && c.assignable(a) {
		if c.leases.ProbedFree(a) {
			return choice{a, "no other host uses it" + note}, true
		}
		return choice{a, "offered to it before" + note}, true
	}
	if known && c.assignable(last.Addr) {
		return choice{last.Addr, "it had this address before" + note}, true
	}
	if requested.IsValid() && c.subnet.Prefix.Contains(requested) && c.assignable(requested) && (!c.share.is() || c.share.Offers(requested)) {
		return choice{requested, "it requested this address" + note}, true
	}
	a, ok := c.free()
	return choice{a, "a free address" + note}, ok
}

// reservedHere returns the client's reservation if it is in this subnet.
func (c *client) reservedHere() (netip.Addr, bool) {
	if c.reserved.IsValid() && c.subnet.Prefix.Contains(c.reserved) {
		return c.reserved, true
	}
	return netip.Addr{}, false
}

// holds reports whether l is the client's own and in force.
func (c *client) holds(l dhcp.Lease) bool {
	return l.MAC == c.mac && l.State == dhcp.LeaseActive && l.Expires.After(c.now)
}

// holdsHere reports whether l is the client's own, in force, and in the subnet of the message. Messages from other networks do not
// count: any host there may use the client's MAC.
func (c *client) holdsHere(l dhcp.Lease) bool { return c.holds(l) && c.subnet.Prefix.Contains(l.Addr) }

// permitted reports whether the configuration allows this client to have a: from a pool or by reservation, and not reserved for another.
func (c *client) permitted(a netip.Addr) bool {
	return c.subnet.Prefix.Contains(a) && c.unclaimed(a) && c.leases.Leasable(a, a == c.reserved)
}

// unclaimed reports whether a is neither reserved for another client nor an address that can't be leased at all (C40).
func (c *client) unclaimed(a netip.Addr) bool {
	if a == c.subnet.Prefix.Addr() || a == dhcp.LastAddr(c.subnet.Prefix) || c.link.Owns(a) || a == c.nextServer || slices.Contains(c.subnet.Routers, a) {
		return false
	}
	if c.engine.reserve == nil {
		return true
	}
	holder, ok := c.engine.reserve.HolderOf(a)
	return !ok || holder == c.mac
}

// assignable reports whether the client can have a now: it is permitted, no other client has it, and the share of phones is respected.
func (c *client) assignable(a netip.Addr) bool {
	return c.permitted(a) && !c.promised(a) && c.leases.Refusal(a, c.mac, c.phone, a == c.reserved) == ""
}

// reservationUsable reports whether the client would get its reservation r: no other client has it, and it is not in quarantine.
func (c *client) reservationUsable(r netip.Addr) bool {
	if !c.assignable(r) {
		return false
	}
	l, ok := c.leases.At(r)
	return !ok || l.State != dhcp.LeaseDeclined || !l.Expires.After(c.now)
}

// whyNot returns why a is not assignable, for the NAK's message and the timeline.
func (c *client) whyNot(a netip.Addr) string {
	switch {
	case !c.subnet.Prefix.Contains(a):
		return "address is not in subnet " + c.subnet.Prefix.String()
	case !c.unclaimed(a):
		return "address is reserved"
	case !c.permitted(a):
		return "address is in no pool"
	case c.promised(a):
		return "address was given back, and its lease has not ended"
	}
	return c.leases.Refusal(a, c.mac, c.phone, a == c.reserved)
}

// probing reports whether new addresses are currently probed.
func (c *client) probing() bool {
	return c.leases.Distrusted() != "" || c.engine.cfg.ConflictCheck && (c.link.ProbeFailed || !c.link.NoProbe && !c.link.Overloaded)
}

// needsProbe reports whether a must be probed before it is offered: C41.
func (c *client) needsProbe(a netip.Addr) bool {
	if c.leases.ProbedFree(a) {
		return false
	}
	if c.leases.Distrusted() != "" { // also its own last address: later leases of it may be lost
		return true
	}
	if !c.probing() {
		return false
	}
	l, ok := c.leases.At(a)
	return !ok || l.MAC != c.mac || l.State == dhcp.LeaseDeclined || c.now.Sub(l.Expires) > recently
}

// leaseTime returns the lease time in seconds for a client; requested is what it requested, 0 for none; all in seconds (C35).
func (c *client) leaseTime(requested uint32) uint32 {
	d := c.subnet.OtherLeaseTime
	if c.phone {
		d = c.subnet.LeaseTime
		if c.subnet.Phones == dhcp.PhonesMove {
			d = moveLease
		}
	}
	limit := uint32(d / time.Second)
	if requested > 0 && requested < limit {
		return max(requested, min(limit, uint32(dhcp.MinLease/time.Second)))
	}
	return limit
}

// refuseMove returns why the client's lease in this subnet isn't moved to addr, "" when it is. A packet that only
// claims to come from a relay moves no lease, except to the client's reservation.
func (c *client) refuseMove(addr netip.Addr) string {
	if !c.relayed() || c.relayVerified() || addr == c.reserved {
		return ""
	}
	old, ok := c.leases.Of(c.subnet.Prefix, c.mac)
	if !ok || !c.holds(old) || old.Addr == addr || !c.permitted(old.Addr) {
		return ""
	}
	return "it has " + old.Addr.String() + ", and its sender is not relay " + c.req.GIAddr.String()
}
