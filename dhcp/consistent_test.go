package dhcp

import (
	"fmt"
	"math/bits"
	"time"
)

// Inconsistent returns what in the structures of a view contradicts the entries themselves; "" when nothing does.
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
	current := map[MAC]*addressState{}
	for n, e := range b.states {
		if why := b.contradiction(n, e, now); why != "" {
			return why
		}
		a := addr4(n)
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
				return fmt.Sprintf("%s has both %s and %s", e.lease.mac, addr4(o.addr), a)
			}
			current[e.lease.mac] = e
			if b.byMAC[e.lease.mac] != e {
				return fmt.Sprintf("%s is leased to %s, who is not known to have it", a, e.lease.mac)
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
			return fmt.Sprintf("%s was never leased: %v, but in place %d", a, free, e.where)
		}
		if e.where == listNeverLeased {
			withEntry++
		}
	}
	if want != b.stats || nonPhones != b.nonPhones {
		return fmt.Sprintf("counted %+v and %d strangers, are %+v and %d", b.stats, b.nonPhones, want, nonPhones)
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
				return fmt.Sprintf("%s doesn't know that it is in list %d", addr4(e.addr), which)
			}
		}
		if n != b.lists[which].n {
			return fmt.Sprintf("list %d has %d, says %d", which, n, b.lists[which].n)
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
					return fmt.Sprintf("%s is free, but in place %d", addr4(e.addr), e.where)
				}
			}
		}
	}
	for m, e := range b.offers {
		if e.offeredTo != m || b.states[e.addr] != e {
			return fmt.Sprintf("%s is said to be offered to %s", addr4(e.addr), m)
		}
	}
	for m, e := range b.byMAC {
		if e.lease == nil || e.lease.mac != m || b.states[e.addr] != e {
			return fmt.Sprintf("%s is said to have had %s", m, addr4(e.addr))
		}
	}
	switch {
	case neverLeased != b.neverLeasedCount:
		return fmt.Sprintf("%d are fresh, counted %d", neverLeased, b.neverLeasedCount)
	case inLists != listed:
		return fmt.Sprintf("%d are in lists, %d say so", inLists, listed)
	}
	return ""
}

// contradiction returns what in the state of one address, filed under n, contradicts the index; "" when nothing does.
func (b *addressIndex) contradiction(n uint32, e *addressState, now time.Time) string {
	a := addr4(n)
	taken := e.active(now) || e.declined(now) || e.offered(now)
	switch {
	case n != e.addr || !b.prefix.Contains(a):
		return fmt.Sprintf("%s is filed under %s", addr4(e.addr), a)
	case e.pooled != b.pooled(n):
		return fmt.Sprintf("%s: pooled is %v", a, e.pooled)
	case taken != (e.where == listBusy):
		return fmt.Sprintf("%s is taken: %v, but in place %d", a, taken, e.where)
	case e.where == listBusy && (int(e.heapAt) >= len(b.busy) || b.busy[e.heapAt] != e):
		return fmt.Sprintf("%s isn't where it says in the heap", a)
	case e.pending == 0 && e.durable != nil && e.lease == nil, e.pending == 0 && e.durable == nil && e.lease != nil:
		return fmt.Sprintf("%s: decided %v, on disk %v, nothing pending", a, e.lease, e.durable)
	case e.pending == 0 && e.durable != nil && *e.lease != *e.durable:
		return fmt.Sprintf("%s: decided %+v, on disk %+v, nothing pending", a, *e.lease, *e.durable)
	case e.pending < 0:
		return fmt.Sprintf("%s: %d changes pending", a, e.pending)
	case e.offered(now) && b.offers[e.offeredTo] != e:
		return fmt.Sprintf("%s is offered to %s", a, e.offeredTo)
	case e.lease != nil && e.lease.prefix() != b.prefix:
		return fmt.Sprintf("%s says that it is of %s", a, e.lease.prefix())
	}
	return ""
}
