package leasetable

import (
	"container/heap"
	"math/bits"
	"net/netip"
	"slices"
	"time"

	"plugtone/dhcp"
)

// listKind is the structure of an addressIndex that an address is in.
type listKind uint8

const (
	listNone        listKind = iota
	listBusy                 // active, offered or in quarantine: ordered by the time that ends
	listFree                 // had a lease once: one of the lists, longest ago first
	listNeverLeased          // never leased: a bit in its pool
)

// The lists of an addressIndex.
const (
	freeOthers = iota // last bound to a client that is no phone
	freePhones        // last bound to a phone: kept for it from other clients
	declined          // declined once: last resort, also while in quarantine
	listCount
)

// addressState is the state of one address.
type addressState struct {
	addr         uint32
	pooled       bool // in a pool and not excluded
	where        listKind
	list         uint8
	pending      int32
	heapAt       int32
	until        int64 // unix nanoseconds: key in the busy heap
	prev, next   *addressState
	lease        *packedLease // as decided
	durable      *packedLease // as on disk
	counted      counts       // what this address adds to the counters of the index
	offeredTo    dhcp.MAC
	offeredPhone bool  // offeredTo is a phone
	listed       bool  // in lists[list]
	shared       bool  // see dhcp.Subnet
	offeredUntil int64 // unix nanoseconds; 0: never
}

// counts is a set of the counters that include an address.
type counts uint8

const (
	countActive counts = 1 << iota
	countPhone
	countOffered
	countDeclined
	countNonPhone
)

// list is a doubly linked queue of addresses.
type list struct {
	front, back *addressState
	n           int
}

func (l *list) push(e *addressState) {
	e.prev, e.next = l.back, nil
	if l.back != nil {
		l.back.next = e
	} else {
		l.front = e
	}
	l.back = e
	l.n++
}

func (l *list) remove(e *addressState) {
	if e.prev != nil {
		e.prev.next = e.next
	} else {
		l.front = e.next
	}
	if e.next != nil {
		e.next.prev = e.prev
	} else {
		l.back = e.prev
	}
	e.prev, e.next = nil, nil
	l.n--
}

// addressIndex indexes the addresses of one subnet, so that no search visits all of them.
type addressIndex struct {
	prefix           netip.Prefix
	shared           bool // see dhcp.Subnet
	pools            []pool
	size             int // addresses that may be handed out
	reserve          int // of these, reserved for phones
	states           map[uint32]*addressState
	byMAC            map[dhcp.MAC]*addressState // what a client was bound to last
	offers           map[dhcp.MAC]*addressState
	busy             busyHeap
	lists            [listCount]list
	neverLeasedCount int
	noneFreshUntil   time.Time // until when no never-leased address is looked for: all were found to be reserved
	noneInShareUntil time.Time // the same for the share of this server
	nonPhones        int       // pooled addresses that others than phones hold, are offered, or declined
	stats            Stats
}

// pool is a range of addresses with two bits for each: it may be handed out; it was never leased.
type pool struct {
	first, last uint32
	allowed     []uint64
	neverLeased []uint64
	cursor      uint32 // offset where the search for a never-leased one goes on
}

func newAddressIndex(s *dhcp.Subnet) *addressIndex {
	x := &addressIndex{prefix: s.Prefix, shared: s.Shared, states: map[uint32]*addressState{}, byMAC: map[dhcp.MAC]*addressState{}, offers: map[dhcp.MAC]*addressState{}}
	for _, r := range s.Pools {
		p := pool{first: dhcp.AddrNumber(r.First), last: dhcp.AddrNumber(r.Last)}
		p.fill(s)
		for _, word := range p.allowed {
			x.size += bits.OnesCount64(word)
		}
		p.neverLeased = slices.Clone(p.allowed)
		x.pools = append(x.pools, p)
	}
	x.neverLeasedCount = x.size
	if s.Phones == dhcp.PhonesProvision {
		x.reserve = x.size / 10
	}
	return x
}

// fill allows the addresses of the pool that may be leased: C40. In a network wider than /24 addresses that end in 0 or 255 are left
// out, because some devices reject them; a device record may still reserve them.
func (p *pool) fill(s *dhcp.Subnet) {
	size := uint64(p.last-p.first) + 1
	p.allowed = make([]uint64, (size+63)/64)
	for i := range p.allowed {
		p.allowed[i] = 1<<min(64, size-64*uint64(i)) - 1
	}
	leaveOut := func(first, last uint64) {
		for n := max(first, uint64(p.first)); n <= min(last, uint64(p.last)); n++ {
			i := n - uint64(p.first)
			p.allowed[i/64] &^= 1 << (i % 64)
		}
	}
	for _, a := range append([]netip.Addr{s.Prefix.Addr(), dhcp.LastAddr(s.Prefix), s.NextServer}, s.Routers...) {
		if a.Is4() {
			leaveOut(uint64(dhcp.AddrNumber(a)), uint64(dhcp.AddrNumber(a)))
		}
	}
	for _, r := range s.Exclude {
		leaveOut(uint64(dhcp.AddrNumber(r.First)), uint64(dhcp.AddrNumber(r.Last)))
	}
	for n := uint64(p.first &^ 255); s.Prefix.Bits() < 24 && n <= uint64(p.last)+1; n += 256 {
		leaveOut(n-1, n)
	}
}

// poolAt finds the pool of n and its offset there.
func (x *addressIndex) poolAt(n uint32) (*pool, uint32) {
	for i := range x.pools {
		if p := &x.pools[i]; n >= p.first && n <= p.last {
			return p, n - p.first
		}
	}
	return nil, 0
}

func (x *addressIndex) pooled(n uint32) bool {
	p, i := x.poolAt(n)
	return p != nil && p.allowed[i/64]&(1<<(i%64)) != 0
}

// get returns the state of addr, and creates it when missing.
func (x *addressIndex) get(addr netip.Addr) *addressState {
	n := dhcp.AddrNumber(addr)
	e := x.states[n]
	if e == nil {
		e = &addressState{addr: n, pooled: x.pooled(n), heapAt: -1, shared: x.shared}
		if e.pooled {
			e.where = listNeverLeased
		}
		x.states[n] = e
	}
	return e
}

// rebind moves the state of an address from another index into x, after a reload.
func (x *addressIndex) rebind(e *addressState, now time.Time) {
	e.where, e.heapAt, e.listed, e.counted, e.prev, e.next, e.shared = listNone, -1, false, 0, nil, nil, x.shared
	if e.pooled = x.pooled(e.addr); e.pooled {
		e.where = listNeverLeased
	}
	was := e.lease
	e.lease = x.own(was)
	if e.durable == was {
		e.durable = e.lease
	} else {
		e.durable = x.own(e.durable)
	}
	x.unindex(e)
	x.index(e, now)
}

// own returns k with the prefix of this subnet, which may have changed since k was written.
func (x *addressIndex) own(k *packedLease) *packedLease {
	if k == nil || k.prefix() == x.prefix {
		return k
	}
	l := *k
	l.subnet, l.bits = dhcp.AddrNumber(x.prefix.Addr()), int8(x.prefix.Bits())
	return &l
}

// active reports whether e has a lease in force at the time now, as other clients see it: a shared one counts for SharedMargin longer.
func (e *addressState) active(now time.Time) bool {
	if e.shared {
		now = now.Add(-SharedMargin)
	}
	return e.lease.endsAfter(now, packedActive)
}

// declined reports whether e is in quarantine at the time now.
func (e *addressState) declined(now time.Time) bool { return e.lease.endsAfter(now, packedDeclined) }

// offered reports whether e is held for an offer at the time now.
func (e *addressState) offered(now time.Time) bool { return e.offeredUntil > now.UnixNano() }

// index adds e to the structures where it belongs at the time now. Changes of e are made between unindex and index.
func (x *addressIndex) index(e *addressState, now time.Time) {
	if e.lease != nil && e.lease.state != packedDeclined && x.isLast(e, now) {
		x.byMAC[e.lease.mac] = e
	}
	if !e.offered(now) {
		e.unoffer()
	} else {
		x.offers[e.offeredTo] = e
	}
	x.count(e, now)
	if e.lease != nil && e.lease.state == packedDeclined && e.pooled {
		x.enlist(e, declined)
	}
	if e.active(now) || e.declined(now) || e.offered(now) {
		e.where = listBusy
		e.until = e.end(now)
		heap.Push(&x.busy, e)
		return
	}
	switch {
	case e.lease == nil && e.pooled:
		e.where = listNeverLeased
		p, i := x.poolAt(e.addr)
		p.neverLeased[i/64] |= 1 << (i % 64)
		x.neverLeasedCount++
		x.noneFreshUntil, x.noneInShareUntil = time.Time{}, time.Time{}
		x.forget(e)
	case e.lease == nil:
		e.where = listNone
		x.forget(e)
	case e.lease.state == packedDeclined:
		e.where = listNone // found in the list of declined addresses
	case e.pooled:
		e.where = listFree
		if e.lease.phone {
			x.enlist(e, freePhones)
		} else {
			x.enlist(e, freeOthers)
		}
	default:
		e.where = listNone
	}
}

// forget removes the state of an address without a lease.
func (x *addressIndex) forget(e *addressState) {
	if e.pending == 0 && e.durable == nil {
		delete(x.states, e.addr)
	}
}

// isLast reports whether e is the address that its client was bound to last. It may have two in force: a server bound one before it received the other.
func (x *addressIndex) isLast(e *addressState, now time.Time) bool {
	o := x.byMAC[e.lease.mac]
	if o == nil || o == e {
		return true
	}
	if was := o.active(now); was != e.active(now) {
		return !was
	}
	return o.lease.starts <= e.lease.starts
}

// end returns when the lease or the offer of e ends, the earlier of the two, in Unix nanoseconds.
func (e *addressState) end(now time.Time) int64 {
	held := e.active(now) || e.declined(now)
	var ends int64
	if held {
		ends = e.lease.expires * int64(time.Second)
		if e.shared && e.lease.state == packedActive {
			ends += int64(SharedMargin)
		}
	}
	if e.offered(now) && (!held || e.offeredUntil < ends) {
		return e.offeredUntil
	}
	return ends
}

// unoffer removes the offer from e.
func (e *addressState) unoffer() { e.offeredTo, e.offeredPhone, e.offeredUntil = dhcp.MAC{}, false, 0 }

func (x *addressIndex) enlist(e *addressState, which uint8) {
	e.list, e.listed = which, true
	x.lists[which].push(e)
}

// count adds e to the counters at the time now; unindex subtracts it again.
func (x *addressIndex) count(e *addressState, now time.Time) {
	var c counts
	if e.active(now) {
		c |= countActive
		if e.lease.phone {
			c |= countPhone
		}
	}
	if e.declined(now) {
		c |= countDeclined
	}
	if e.offered(now) {
		c |= countOffered
	}
	held := c&(countActive|countDeclined) != 0 && !e.lease.phone
	if e.pooled && (held || c&countOffered != 0 && !e.offeredPhone) {
		c |= countNonPhone
	}
	e.counted = c
	x.tally(c, 1)
}

func (x *addressIndex) tally(c counts, d int) {
	if c&countActive != 0 {
		x.stats.Active += d
	}
	if c&countPhone != 0 {
		x.stats.Phones += d
	}
	if c&countOffered != 0 {
		x.stats.Offered += d
	}
	if c&countDeclined != 0 {
		x.stats.Declined += d
	}
	if c&countNonPhone != 0 {
		x.nonPhones += d
	}
}

// unindex removes e from the structures that index added it to.
func (x *addressIndex) unindex(e *addressState) {
	x.states[e.addr] = e
	if e.lease != nil && x.byMAC[e.lease.mac] == e {
		delete(x.byMAC, e.lease.mac)
	}
	if x.offers[e.offeredTo] == e {
		delete(x.offers, e.offeredTo)
	}
	x.tally(e.counted, -1)
	e.counted = 0
	if e.listed {
		x.lists[e.list].remove(e)
		e.listed = false
	}
	switch e.where {
	case listBusy:
		heap.Remove(&x.busy, int(e.heapAt))
	case listNeverLeased:
		p, i := x.poolAt(e.addr)
		if bit := uint64(1) << (i % 64); p.neverLeased[i/64]&bit != 0 {
			p.neverLeased[i/64] &^= bit
			x.neverLeasedCount--
			p.cursor = i
		}
	case listFree, listNone:
	}
	e.where = listNone
}

// drop ends the offer of e and indexes it again.
func (x *addressIndex) drop(e *addressState, now time.Time) {
	x.unindex(e)
	e.unoffer()
	x.index(e, now)
}
