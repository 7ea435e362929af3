package engine

import (
	"net/netip"
	"time"

	"plugtone/dhcp"
)

// grant leases addr to the client and ends its other leases.
func (x *exchange) grant(addr netip.Addr, reason string) dhcp.Decision {
	x.d.Event.Addr = addr
	if why := x.refuseMove(addr); why != "" {
		return x.silent(dhcp.VerdictIgnored, why)
	}
	secs := x.leaseTime(x.req.LeaseTime)
	l := x.leaseRecord(addr, time.Duration(secs)*time.Second)
	old, had := x.leases.At(addr)
	had = had && x.holds(old)
	vacated, ended := x.vacated(addr)
	x.d.Event.Vacated = ended
	if x.link.NoWrite || !x.share.bindable() {
		return x.grantWritten(addr, len(vacated) == 0, reason)
	}
	if had && len(vacated) == 0 && sameButTimes(old, l) && x.now.Sub(old.Starts) < retransmitted && old.Expires.After(x.now.Add(time.Minute)) {
		if x.leases.Pending(addr) { // C49
			return x.silent(dhcp.VerdictSilent, "retransmitted while the lease is being written")
		}
		secs = uint32(old.Expires.Sub(x.now) / time.Second)
		reason += ", retransmitted"
	} else {
		x.d.Changes = append([]dhcp.Change{{Lease: l}}, vacated...)
		_, seen := x.leases.Of(x.subnet.Prefix, x.mac)
		x.d.Event.NewLease = !seen
	}
	return x.acknowledge(addr, secs, reason)
}

// grantWritten acknowledges the client's lease for the rest of its time on disk (4.3.1 allows that): when nothing can be written, clients
// keep their addresses.
func (x *exchange) grantWritten(addr netip.Addr, stays bool, reason string) dhcp.Decision {
	if !stays || !x.acknowledgeable(addr) {
		if !x.share.bindable() {
			return x.silent(dhcp.VerdictInternalError, noSharedStore)
		}
		return x.silent(dhcp.VerdictInternalError, "its lease can't be written")
	}
	l, _ := x.leases.Written(addr)
	return x.acknowledge(addr, min(uint32(l.Expires.Sub(x.now)/time.Second), x.leaseTime(x.req.LeaseTime)), reason+", for the remaining time: nothing can be written")
}

// acknowledge answers with an ACK for addr and a lease time of secs seconds.
func (x *exchange) acknowledge(addr netip.Addr, secs uint32, reason string) dhcp.Decision {
	x.d.DropOffer = true
	if x.share.is() {
		x.d.Waits = dhcp.WaitsEnd
	}
	r := x.newReply(dhcp.MessageTypeAck)
	r.YIAddr = addr
	if !x.req.ServerID.IsValid() {
		r.CIAddr = x.req.CIAddr // RENEWING and REBINDING only: it decides where the reply goes
	}
	x.fill(r, secs)
	return x.answer(r, dhcp.VerdictAcked, reason)
}

// retransmitted is how long an identical REQUEST counts as a retransmission.
const retransmitted = 10 * time.Second

func sameButTimes(a, b dhcp.Lease) bool {
	a.Starts, a.Expires, a.FirstSeen = b.Starts, b.Expires, b.FirstSeen
	return a == b
}

// vacated returns the changes that end the client's leases on other addresses, and those leases as they are (C44). A client in an ordinary network never ends the
// lease of a phone on another link, nor one where phones are provisioned: it may be using another client's MAC. Neither does a packet that
// only claims to come from a relay.
func (c *client) vacated(addr netip.Addr) (changes []dhcp.Change, ended []dhcp.Lease) {
	for _, l := range c.leases.ActiveOf(c.mac) {
		if l.Addr == addr || l.Subnet != c.subnet.Prefix && !c.mayVacate(l) {
			continue
		}
		ended = append(ended, l)
		changes = append(changes, dhcp.Change{Lease: c.givenBack(l)})
	}
	return changes, ended
}

// mayVacate reports whether the client's move here ends its lease l in another subnet.
func (c *client) mayVacate(l dhcp.Lease) bool {
	if c.relayed() && !c.relayVerified() {
		return false
	}
	old := c.engine.subnetOf(l.Subnet.Addr())
	provisioned := old != nil && old.Phones == dhcp.PhonesProvision
	return c.subnet.Phones == dhcp.PhonesProvision || !provisioned && !(l.Phone && c.subnet.Phones == dhcp.PhonesNone)
}

// leaseRecord returns the record of a lease of addr for this client that ends after d.
func (x *exchange) leaseRecord(addr netip.Addr, d time.Duration) dhcp.Lease {
	now := x.now.UTC().Truncate(time.Second)
	c := &x.d.Event.Client
	l := dhcp.Lease{
		Addr: addr, MAC: x.mac, ClientID: c.ClientID, Subnet: x.subnet.Prefix, State: dhcp.LeaseActive,
		FirstSeen: now, Starts: now,
		// The client counts from the time of its request, so the current second is added.
		Expires:  now.Add(d + time.Second),
		Hostname: c.Hostname, VendorClass: c.VendorClass, Vendor: x.policy.Vendor, Phone: x.phone, CircuitID: c.CircuitID, RemoteID: c.RemoteID,
	}
	same := dhcp.Lease{}
	if old, ok := x.leases.Of(x.subnet.Prefix, x.mac); ok {
		l.FirstSeen = old.FirstSeen
		if old.Addr == addr {
			same = old
		}
	}
	if l.CircuitID == "" && l.RemoteID == "" { // a renewal goes past the relay that adds the port
		l.CircuitID, l.RemoteID = same.CircuitID, same.RemoteID
	}
	l.Relay = x.path(same.Relay, x.holds(same))
	return l
}
