package leasetable

import (
	"math/bits"
	"net/netip"
	"time"

	"plugtone/dhcp"
)

// Leasable reports whether a may be leased at all: it is in a pool, or reserved.
func (v *Leases) Leasable(a netip.Addr, reserved bool) bool {
	x := v.indexes.of(a) // nil briefly while a reload replaces engine and table
	return x != nil && (reserved || x.pooled(dhcp.AddrNumber(a)))
}

// Results of Refusal, when no other client has a lease of the address.
const (
	RefusedOffered     = "address is offered to another client"
	RefusedQuarantined = "address is in use by an unknown host"
)

// Refusal returns why the client mac can't have a now, "" when it can: no other client has it, and the share of phones is respected.
// reserved reports whether a is reserved for the client.
func (v *Leases) Refusal(a netip.Addr, mac dhcp.MAC, phone, reserved bool) string {
	x := v.indexes.of(a)
	if x == nil {
		return "address is in no pool"
	}
	e := x.states[dhcp.AddrNumber(a)]
	if e == nil {
		if phone || reserved || !x.nonPhonesFull() {
			return ""
		}
		return "address is kept for phones"
	}
	mine := e.lease != nil && e.lease.mac == mac
	switch {
	case e.active(v.now) && !mine:
		return "address is leased to another client"
	case e.offered(v.now) && e.offeredTo != mac:
		return RefusedOffered
	case e.declined(v.now) && !(e.offered(v.now) && v.ProbedFree(a)) && !(reserved && e.quarantineOver(v.now)):
		return RefusedQuarantined // as the last resort of Free only after a probe that no host answered
	case phone || reserved || e.active(v.now) || e.offered(v.now):
		return ""
	case x.nonPhonesFull() || !mine && e.heldForPhone(v.now):
		return "address is kept for phones"
	}
	return ""
}

// RefusedByUnwritten reports whether mac would be refused addr only for what isn't on disk, an offer or a lease under way, while
// writes fail: a NAK would send the client away for an internal error.
func (v *Leases) RefusedByUnwritten(addr netip.Addr, mac dhcp.MAC, noWrite bool) bool {
	if !v.writeFailed && !noWrite {
		return false
	}
	e := v.indexes.state(addr)
	return e != nil && (e.offered(v.now) || e.pending > 0) && !(e.durable.endsAfter(v.now, packedActive) && e.durable.mac != mac)
}

// ActiveOf returns the leases in force of mac, whether or not they are on disk yet.
func (v *Leases) ActiveOf(mac dhcp.MAC) []dhcp.Lease {
	var out []dhcp.Lease
	for _, x := range v.indexes {
		if e := x.byMAC[mac]; e != nil && e.active(v.now) {
			out = append(out, e.lease.lease())
		}
	}
	return out
}

// quarantineOver reports whether e has been in quarantine long enough for the client of its reservation to try it again.
func (e *addressState) quarantineOver(now time.Time) bool {
	return now.Unix()-e.lease.starts > int64(shortQuarantine/time.Second)
}

// nonPhonesFull reports whether clients other than phones hold their share, nine tenths of the pool.
func (x *addressIndex) nonPhonesFull() bool { return x.reserve > 0 && x.nonPhones >= x.size-x.reserve }

// heldForPhone reports whether e is a phone's last address and too recently used to be given to another client.
func (e *addressState) heldForPhone(now time.Time) bool {
	return e.lease != nil && e.lease.phone && now.Unix()-e.lease.expires < int64(phoneAffinity/time.Second)
}

// Free returns an unused address of the subnet for which suits returns true: first a never-leased one, then the one unused longest,
// with the addresses of phones after all others; last, when probing, one that was declined. With share, suits is limited to the share
// of one server.
func (v *Leases) Free(subnet netip.Prefix, phone, probing, share bool, suits func(netip.Addr) bool) (netip.Addr, bool) {
	x := v.indexes.of(subnet.Addr())
	if x == nil || !phone && x.nonPhonesFull() {
		return netip.Addr{}, false
	}
	if v.Distrusted() != "" { // lost leases are on addresses that were next in turn
		if a, ok := x.lastNeverLeased(suits); ok {
			return a, true
		}
	} else if a, ok := x.nextNeverLeased(v.now, share, suits); ok {
		return a, true
	}
	for e := x.lists[freeOthers].front; e != nil; e = e.next {
		if a := dhcp.NumberedAddr(e.addr); suits(a) {
			return a, true
		}
	}
	for e := x.lists[freePhones].front; e != nil; e = e.next {
		if !phone && e.heldForPhone(v.now) {
			break // the following ones were used more recently
		}
		if a := dhcp.NumberedAddr(e.addr); suits(a) {
			return a, true
		}
	}
	for e := x.lists[declined].front; e != nil; e = e.next {
		a := dhcp.NumberedAddr(e.addr)
		if e.offered(v.now) || e.declined(v.now) && !probing {
			continue
		}
		if suits(a) {
			return a, true
		}
	}
	return netip.Addr{}, false
}

// lastNeverLeased finds the highest never-leased address that suits.
func (x *addressIndex) lastNeverLeased(suits func(netip.Addr) bool) (netip.Addr, bool) {
	for i := len(x.pools) - 1; i >= 0 && x.neverLeasedCount > 0; i-- {
		p := &x.pools[i]
		for w := len(p.neverLeased) - 1; w >= 0; w-- {
			for set := p.neverLeased[w]; set != 0; {
				bit := 63 - bits.LeadingZeros64(set)
				if a := dhcp.NumberedAddr(p.first + uint32(w*64+bit)); suits(a) {
					return a, true
				}
				set &^= 1 << bit
			}
		}
	}
	return netip.Addr{}, false
}

// noneFreshPause is how long a search is not repeated after it found only reserved addresses, perhaps thousands.
const noneFreshPause = time.Second

// nextNeverLeased finds a never-leased address that suits, going on where the last one was found.
func (x *addressIndex) nextNeverLeased(now time.Time, share bool, suits func(netip.Addr) bool) (netip.Addr, bool) {
	until := &x.noneFreshUntil
	if share {
		until = &x.noneInShareUntil
	}
	if x.neverLeasedCount == 0 || now.Before(*until) {
		return netip.Addr{}, false
	}
	for i := range x.pools {
		p := &x.pools[i]
		words := uint32(len(p.neverLeased))
		start := p.cursor / 64
		for k := range words + 1 {
			w := (start + k) % words
			set := p.neverLeased[w]
			if k == 0 {
				set &= ^uint64(0) << (p.cursor % 64)
			}
			for ; set != 0; set &= set - 1 {
				if a := dhcp.NumberedAddr(p.first + w*64 + uint32(bits.TrailingZeros64(set))); suits(a) {
					return a, true
				}
			}
		}
	}
	*until = now.Add(noneFreshPause)
	return netip.Addr{}, false
}
