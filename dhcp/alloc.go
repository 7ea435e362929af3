package dhcp

import (
	"net/netip"
	"slices"
	"time"
)

// choice is an address for a client and why it is this one.
type choice struct {
	addr   netip.Addr
	reason string
}

// choose picks the address to offer, in the order of C37 (RFC 2131, 4.3.1).
func (q *exchange) choose() (choice, bool) {
	note := ""
	if r, ok := q.reservedHere(); ok {
		if q.assignable(r) {
			return choice{r, "reserved for it"}, true
		}
		note = ", for its reserved address is in use by another"
	}
	last, known := q.v.Of(q.sub.Prefix, q.mac())
	if known && q.live(last) && q.permitted(last.Addr) {
		return choice{last.Addr, "its current lease" + note}, true
	}
	if a, ok := q.v.Offered(q.sub.Prefix, q.mac()); ok && q.assignable(a) {
		return choice{a, "offered to it before" + note}, true
	}
	if known && q.assignable(last.Addr) {
		return choice{last.Addr, "it had this address before" + note}, true
	}
	if a := q.req.Requested; a.IsValid() && q.sub.Prefix.Contains(a) && q.assignable(a) {
		return choice{a, "it asked for this address" + note}, true
	}
	a, ok := q.v.free(q.sub.Prefix, q.phone, q.probing(), q.unclaimed)
	return choice{a, "a free address" + note}, ok
}

// reservedHere is the client's reservation if it lies in this subnet.
func (q *exchange) reservedHere() (netip.Addr, bool) {
	if q.reserved.IsValid() && q.sub.Prefix.Contains(q.reserved) {
		return q.reserved, true
	}
	return netip.Addr{}, false
}

// live tells whether l is the client's own and in force.
func (q *exchange) live(l Lease) bool {
	return l.MAC == q.mac() && l.State == LeaseActive && l.Expires.After(q.now)
}

// liveHere tells whether l is that in the subnet where the message comes from. What another network says of it is not
// believed: anybody there may have borrowed the MAC.
func (q *exchange) liveHere(l Lease) bool { return q.live(l) && q.sub.Prefix.Contains(l.Addr) }

// fits tells whether the configuration lets this client have a: from a pool or by reservation, claimed by nobody else.
func (q *exchange) permitted(a netip.Addr) bool {
	if !q.sub.Prefix.Contains(a) || !q.unclaimed(a) {
		return false
	}
	b := q.v.indexOf(a) // nil for a moment while a reload changes engine and table
	return b != nil && (a == q.reserved || b.pooled(u32(a)))
}

// unclaimed tells whether a is neither reserved for another client nor an address that can't be leased at all (C40).
func (q *exchange) unclaimed(a netip.Addr) bool {
	if a == q.sub.Prefix.Addr() || a == last(q.sub.Prefix) || q.link.owns(a) || a == q.site.NextServer || slices.Contains(q.sub.Routers, a) {
		return false
	}
	if q.e.reserve == nil {
		return true
	}
	holder, ok := q.e.reserve.HolderOf(a)
	return !ok || holder == q.mac()
}

// takeable tells whether the client can have a now: it fits, nobody else has it, and the shares are kept.
func (q *exchange) assignable(a netip.Addr) bool {
	if !q.permitted(a) {
		return false
	}
	b := q.v.indexOf(a)
	e := b.states[u32(a)]
	if e == nil {
		return q.phone || a == q.reserved || !b.nonPhonesFull()
	}
	if e.offered(q.now) && e.offeredTo != q.mac() {
		return false
	}
	if e.declined(q.now) && !(e.offered(q.now) && q.v.ProbedFree(a)) && !(a == q.reserved && e.quarantineOver(q.now)) {
		return false // the last resort of free: only after a probe that nobody answered
	}
	mine := e.lease != nil && e.lease.mac == q.mac()
	if e.active(q.now) && !mine {
		return false
	}
	if q.phone || a == q.reserved || e.active(q.now) || e.offered(q.now) {
		return true
	}
	return !b.nonPhonesFull() && (mine || !e.heldForPhone(q.now))
}

// sure tells whether the client would really get its reservation r: nobody has it, or was found to use it a while ago.
func (q *exchange) reservationUsable(r netip.Addr) bool {
	e := q.v.addressState(r)
	return q.assignable(r) && (e == nil || !e.declined(q.now))
}

// rested tells whether e is in quarantine for so long that the client it is reserved for may try again.
func (e *addressState) quarantineOver(now time.Time) bool {
	return now.Unix()-e.lease.starts > int64(shortQuarantine/time.Second)
}

// strangersFull tells whether others than phones hold all that they may: nine tenths of the pool.
func (b *addressIndex) nonPhonesFull() bool { return b.reserve > 0 && b.nonPhones >= b.size-b.reserve }

// keptForPhone tells whether e is a phone's last address, not long enough ago to be given to a stranger.
func (e *addressState) heldForPhone(now time.Time) bool {
	return e.lease != nil && e.lease.phone && now.Unix()-e.lease.expires < int64(phoneAffinity/time.Second)
}

// free finds an address nobody has: never used before, then the one that was given up longest ago, those of phones after all
// others; at last, with probes to protect us, one that somebody declined.
func (v *Leases) free(subnet netip.Prefix, phone, probing bool, suits func(netip.Addr) bool) (netip.Addr, bool) {
	b := v.indexOf(subnet.Addr())
	if b == nil || !phone && b.nonPhonesFull() {
		return netip.Addr{}, false
	}
	if v.cautious() { // lost leases are on addresses that were next in turn
		if a, ok := b.lastNeverLeased(suits); ok {
			return a, true
		}
	} else if a, ok := b.nextNeverLeased(v.now, suits); ok {
		return a, true
	}
	for e := b.lists[freeOthers].front; e != nil; e = e.next {
		if a := addr4(e.addr); suits(a) {
			return a, true
		}
	}
	for e := b.lists[freePhones].front; e != nil; e = e.next {
		if !phone && e.heldForPhone(v.now) {
			break // the rest was given up later still
		}
		if a := addr4(e.addr); suits(a) {
			return a, true
		}
	}
	for e := b.lists[declined].front; e != nil; e = e.next {
		a := addr4(e.addr)
		if e.offered(v.now) || e.declined(v.now) && !probing {
			continue
		}
		if suits(a) {
			return a, true
		}
	}
	return netip.Addr{}, false
}

// probing tells whether new addresses are probed at the moment.
func (q *exchange) probing() bool {
	return q.v.cautious() || q.e.cfg.ConflictCheck && !q.link.NoProbe && !q.link.Overloaded
}

// needsProbe tells whether a must be probed before it is offered: C41.
func (q *exchange) needsProbe(a netip.Addr) bool {
	if q.v.ProbedFree(a) {
		return false
	}
	if q.v.cautious() { // also its own last address: the record of who had it since may be lost
		return true
	}
	if !q.probing() {
		return false
	}
	l, ok := q.v.At(a)
	return !ok || l.MAC != q.mac() || l.State == LeaseDeclined || q.now.Sub(l.Expires) > recently
}
