package leasetable

import (
	"fmt"
	"math/bits"
	"time"

	"plugtone/dhcp"
)

// Inconsistent returns a contradiction between the indexes of v and the states of the addresses; "" when there is none.
func Inconsistent(v *Leases) string {
	for _, b := range v.indexes {
		if why := b.inconsistent(v.now); why != "" {
			return fmt.Sprintf("subnet %s: %s", b.prefix, why)
		}
	}
	return ""
}

func (b *addressIndex) inconsistent(now time.Time) string {
	var want Stats
	nonPhones, listed, busy, withEntry := 0, 0, 0, 0
	current := map[dhcp.MAC]*addressState{}
	for n, e := range b.states {
		if why := b.contradiction(n, e, now); why != "" {
			return why
		}
		a := dhcp.NumberedAddr(n)
		taken := e.active(now) || e.declined(now) || e.offered(now)
		if e.where == listBusy {
			busy++
		}
		if e.listed {
			listed++
		}
		if e.active(now) {
			want.Active++
			if e.lease.phone {
				want.Phones++
			}
			if o := current[e.lease.mac]; o != nil {
				return fmt.Sprintf("%s has both %s and %s", e.lease.mac, dhcp.NumberedAddr(o.addr), a)
			}
			current[e.lease.mac] = e
			if b.byMAC[e.lease.mac] != e {
				return fmt.Sprintf("%s is leased to %s, but byMAC has another address", a, e.lease.mac)
			}
		}
		if e.declined(now) {
			want.Declined++
		}
		if e.offered(now) {
			want.Offered++
		}
		held := (e.active(now) || e.declined(now)) && !e.lease.phone
		if e.pooled && (held || e.offered(now) && !e.offeredPhone) {
			nonPhones++
		}
		free := e.pooled && !taken && e.lease == nil
		if free != (e.where == listNeverLeased) {
			return fmt.Sprintf("%s was never leased: %v, but listed as %d", a, free, e.where)
		}
		if e.where == listNeverLeased {
			withEntry++
		}
	}
	if want != b.stats || nonPhones != b.nonPhones {
		return fmt.Sprintf("counted %+v and %d non-phones, want %+v and %d", b.stats, b.nonPhones, want, nonPhones)
	}
	if busy != len(b.busy) {
		return fmt.Sprintf("%d are taken, %d in the heap", busy, len(b.busy))
	}
	return b.inconsistentLists(listed)
}

func (b *addressIndex) inconsistentLists(listed int) string {
	inLists := 0
	for which := range b.lists {
		n := 0
		for e := b.lists[which].front; e != nil; e = e.next {
			n++
			if !e.listed || int(e.list) != which || b.states[e.addr] != e {
				return fmt.Sprintf("%s is in list %d, but not marked so", dhcp.NumberedAddr(e.addr), which)
			}
		}
		if n != b.lists[which].n {
			return fmt.Sprintf("list %d has %d, counts %d", which, n, b.lists[which].n)
		}
		inLists += n
	}
	neverLeased := 0
	for i := range b.pools {
		p := &b.pools[i]
		for w, set := range p.neverLeased {
			neverLeased += bits.OnesCount64(set)
			if set&^p.allowed[w] != 0 {
				return "an address is free that may not be handed out"
			}
			for ; set != 0; set &= set - 1 {
				if e := b.states[p.first+uint32(w*64+bits.TrailingZeros64(set))]; e != nil && e.where != listNeverLeased {
					return fmt.Sprintf("%s is free, but listed as %d", dhcp.NumberedAddr(e.addr), e.where)
				}
			}
		}
	}
	for m, e := range b.offers {
		if e.offeredTo != m || b.states[e.addr] != e {
			return fmt.Sprintf("%s is wrongly in offers of %s", dhcp.NumberedAddr(e.addr), m)
		}
	}
	for m, e := range b.byMAC {
		if e.lease == nil || e.lease.mac != m || b.states[e.addr] != e {
			return fmt.Sprintf("byMAC of %s wrongly has %s", m, dhcp.NumberedAddr(e.addr))
		}
	}
	switch {
	case neverLeased != b.neverLeasedCount:
		return fmt.Sprintf("%d are never leased, counted %d", neverLeased, b.neverLeasedCount)
	case inLists != listed:
		return fmt.Sprintf("%d are in lists, %d are marked so", inLists, listed)
	}
	return ""
}

// contradiction returns how the state of address n contradicts the index; "" when it does not.
func (b *addressIndex) contradiction(n uint32, e *addressState, now time.Time) string {
	a := dhcp.NumberedAddr(n)
	taken := e.active(now) || e.declined(now) || e.offered(now)
	switch {
	case n != e.addr || !b.prefix.Contains(a):
		return fmt.Sprintf("%s is filed under %s", dhcp.NumberedAddr(e.addr), a)
	case e.pooled != b.pooled(n):
		return fmt.Sprintf("%s: pooled is %v", a, e.pooled)
	case taken != (e.where == listBusy):
		return fmt.Sprintf("%s is taken: %v, but listed as %d", a, taken, e.where)
	case e.where == listBusy && (int(e.heapAt) >= len(b.busy) || b.busy[e.heapAt] != e):
		return fmt.Sprintf("%s has a wrong heap index", a)
	case e.pending == 0 && e.durable != nil && e.lease == nil, e.pending == 0 && e.durable == nil && e.lease != nil:
		return fmt.Sprintf("%s: decided %v, on disk %v, nothing pending", a, e.lease, e.durable)
	case e.pending == 0 && e.durable != nil && *e.lease != *e.durable:
		return fmt.Sprintf("%s: decided %+v, on disk %+v, nothing pending", a, *e.lease, *e.durable)
	case e.pending < 0:
		return fmt.Sprintf("%s: %d changes pending", a, e.pending)
	case e.offered(now) && b.offers[e.offeredTo] != e:
		return fmt.Sprintf("%s is offered to %s", a, e.offeredTo)
	case e.lease != nil && e.lease.prefix() != b.prefix:
		return fmt.Sprintf("%s has the prefix %s", a, e.lease.prefix())
	}
	return ""
}
