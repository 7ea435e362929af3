package dhcp

import (
	"container/heap"
	"math/bits"
	"net/netip"
	"time"
)

// place says which structure of a book an entry is in.
type place uint8

const (
	nowhere place = iota
	inBusy        // active, offered or in quarantine: ordered by the time that ends
	inFree        // had a lease once: one of the lists, longest ago first
	inFresh       // never leased: a bit of a pool
)

// The lists of a book.
const (
	freeOthers = iota // last bound to something else than a phone
	freePhones        // last bound to a phone: kept for it from strangers
	worn              // declined once: last resort, also while in quarantine
	listCount
)

// entry is what is known of one address.
type entry struct {
	addr         uint32
	pooled       bool // in a pool and not excluded
	where        place
	list         uint8
	pending      int32
	heapAt       int32
	until        int64 // unix nanoseconds: key in the busy heap
	prev, next   *entry
	lease        *kept  // as decided
	durable      *kept  // as on disk
	counted      counts // what this entry adds to the book's counters
	offeredTo    MAC
	offeredPhone bool  // offeredTo is a phone
	listed       bool  // in lists[list]
	offeredUntil int64 // unix nanoseconds; 0: never
}

// counts are the things an entry is counted as.
type counts uint8

const (
	countActive counts = 1 << iota
	countPhone
	countOffered
	countDeclined
	countStranger
)

// list is a queue of entries, linked in place.
type list struct {
	front, back *entry
	n           int
}

func (l *list) push(e *entry) {
	e.prev, e.next = l.back, nil
	if l.back != nil {
		l.back.next = e
	} else {
		l.front = e
	}
	l.back = e
	l.n++
}

func (l *list) remove(e *entry) {
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

// book keeps the addresses of one subnet so that no search walks through all of them.
type book struct {
	prefix     netip.Prefix
	pools      []pool
	size       int // addresses that may be handed out
	reserve    int // of these, kept for phones
	entries    map[uint32]*entry
	byMAC      map[MAC]*entry // what a client was bound to last
	offers     map[MAC]*entry
	busy       busyHeap
	lists      [listCount]list
	freshCount int
	barren     time.Time // until when none of the fresh ones is looked at: all were found to be reserved
	strangers  int       // pooled addresses that others than phones hold, are offered, or declined
	stats      Stats
}

// pool is a run of addresses with a bit for each: may it be handed out, was it never leased.
type pool struct {
	first, last uint32
	allowed     []uint64
	fresh       []uint64
	cursor      uint32 // where the search for a fresh one goes on: an offset
}

func newBook(s *Subnet) *book {
	b := &book{prefix: s.Prefix, entries: map[uint32]*entry{}, byMAC: map[MAC]*entry{}, offers: map[MAC]*entry{}}
	for _, r := range s.Pools {
		p := pool{first: u32(r.First), last: u32(r.Last)}
		words := (r.Size() + 63) / 64
		p.allowed, p.fresh = make([]uint64, words), make([]uint64, words)
		for i := range uint32(r.Size()) {
			if s.mayHandOut(addr4(p.first + i)) {
				p.allowed[i/64] |= 1 << (i % 64)
				b.size++
			}
		}
		copy(p.fresh, p.allowed)
		b.pools = append(b.pools, p)
	}
	b.freshCount = b.size
	if s.Phones == PhonesProvision {
		b.reserve = b.size / 10
	}
	return b
}

// mayHandOut tells whether an address of a pool may be leased: C40. In a network wider than /24 addresses that end in 0 or
// 255 are left out, for some devices take them for a network's own; a device record may still reserve them.
func (s *Subnet) mayHandOut(a netip.Addr) bool {
	if a == s.Prefix.Addr() || a == last(s.Prefix) || a == s.NextServer {
		return false
	}
	if end := a.As4()[3]; s.Prefix.Bits() < 24 && (end == 0 || end == 255) {
		return false
	}
	for _, r := range s.Routers {
		if a == r {
			return false
		}
	}
	for _, x := range s.Exclude {
		if x.Contains(a) {
			return false
		}
	}
	return true
}

// poolAt finds the pool of n and its offset there.
func (b *book) poolAt(n uint32) (*pool, uint32) {
	for i := range b.pools {
		if p := &b.pools[i]; n >= p.first && n <= p.last {
			return p, n - p.first
		}
	}
	return nil, 0
}

func (b *book) pooled(n uint32) bool {
	p, i := b.poolAt(n)
	return p != nil && p.allowed[i/64]&(1<<(i%64)) != 0
}

// get returns the entry of addr, a new one if need be.
func (b *book) get(addr netip.Addr) *entry {
	n := u32(addr)
	e := b.entries[n]
	if e == nil {
		e = &entry{addr: n, pooled: b.pooled(n), heapAt: -1}
		if e.pooled {
			e.where = inFresh
		}
		b.entries[n] = e
	}
	return e
}

// adopt takes over an entry of another book after a reload.
func (b *book) adopt(e *entry, now time.Time) {
	e.where, e.heapAt, e.listed, e.counted, e.prev, e.next = nowhere, -1, false, 0, nil, nil
	if e.pooled = b.pooled(e.addr); e.pooled {
		e.where = inFresh
	}
	was := e.lease
	e.lease = b.own(was)
	if e.durable == was {
		e.durable = e.lease
	} else {
		e.durable = b.own(e.durable)
	}
	b.unindex(e)
	b.index(e, now)
}

// own is k as a lease of this subnet, whose prefix may be another than when k was written.
func (b *book) own(k *kept) *kept {
	if k == nil || k.prefix() == b.prefix {
		return k
	}
	l := *k
	l.subnet, l.bits = u32(b.prefix.Addr()), int8(b.prefix.Bits())
	return &l
}

// active, declined and offered tell what takes e at the time now.
func (e *entry) active(now time.Time) bool { return e.lease.endsAfter(now, keptActive) }

func (e *entry) declined(now time.Time) bool { return e.lease.endsAfter(now, keptDeclined) }

func (e *entry) offered(now time.Time) bool { return e.offeredUntil > now.UnixNano() }

// index puts e where it belongs at the time now. Whoever changes an entry takes it out first and puts it back afterwards.
func (b *book) index(e *entry, now time.Time) {
	if e.lease != nil && e.lease.state != keptDeclined && b.isLast(e, now) {
		b.byMAC[e.lease.mac] = e
	}
	if !e.offered(now) {
		e.unoffer()
	} else {
		b.offers[e.offeredTo] = e
	}
	b.count(e, now)
	if e.lease != nil && e.lease.state == keptDeclined && e.pooled {
		b.enlist(e, worn)
	}
	if e.active(now) || e.declined(now) || e.offered(now) {
		e.where = inBusy
		e.until = e.end(now)
		heap.Push(&b.busy, e)
		return
	}
	switch {
	case e.lease == nil && e.pooled:
		e.where = inFresh
		p, i := b.poolAt(e.addr)
		p.fresh[i/64] |= 1 << (i % 64)
		b.freshCount++
		b.barren = time.Time{}
		b.forget(e)
	case e.lease == nil:
		e.where = nowhere
		b.forget(e)
	case e.lease.state == keptDeclined:
		e.where = nowhere // found through worn
	case e.pooled:
		e.where = inFree
		if e.lease.phone {
			b.enlist(e, freePhones)
		} else {
			b.enlist(e, freeOthers)
		}
	default:
		e.where = nowhere
	}
}

// forget drops an entry that says nothing.
func (b *book) forget(e *entry) {
	if e.pending == 0 && e.durable == nil {
		delete(b.entries, e.addr)
	}
}

// isLast tells whether e is what its client was bound to last, as far as is known.
func (b *book) isLast(e *entry, now time.Time) bool {
	o := b.byMAC[e.lease.mac]
	return o == nil || o == e || e.active(now) || !o.active(now) && o.lease.starts <= e.lease.starts
}

// end is when something about e ends next: its lease or its offer.
func (e *entry) end(now time.Time) int64 {
	held := e.active(now) || e.declined(now)
	if e.offered(now) && (!held || e.offeredUntil < e.lease.expires*int64(time.Second)) {
		return e.offeredUntil
	}
	return e.lease.expires * int64(time.Second)
}

// unoffer forgets to whom e was offered.
func (e *entry) unoffer() { e.offeredTo, e.offeredPhone, e.offeredUntil = MAC{}, false, 0 }

func (b *book) enlist(e *entry, which uint8) {
	e.list, e.listed = which, true
	b.lists[which].push(e)
}

// count notes what e is at the time now; uncount takes the same back.
func (b *book) count(e *entry, now time.Time) {
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
		c |= countStranger
	}
	e.counted = c
	b.tally(c, 1)
}

func (b *book) tally(c counts, d int) {
	if c&countActive != 0 {
		b.stats.Active += d
	}
	if c&countPhone != 0 {
		b.stats.Phones += d
	}
	if c&countOffered != 0 {
		b.stats.Offered += d
	}
	if c&countDeclined != 0 {
		b.stats.Declined += d
	}
	if c&countStranger != 0 {
		b.strangers += d
	}
}

// unindex takes e out of everything that index put it into.
func (b *book) unindex(e *entry) {
	b.entries[e.addr] = e
	if e.lease != nil && b.byMAC[e.lease.mac] == e {
		delete(b.byMAC, e.lease.mac)
	}
	if b.offers[e.offeredTo] == e {
		delete(b.offers, e.offeredTo)
	}
	b.tally(e.counted, -1)
	e.counted = 0
	if e.listed {
		b.lists[e.list].remove(e)
		e.listed = false
	}
	switch e.where {
	case inBusy:
		heap.Remove(&b.busy, int(e.heapAt))
	case inFresh:
		p, i := b.poolAt(e.addr)
		if bit := uint64(1) << (i % 64); p.fresh[i/64]&bit != 0 {
			p.fresh[i/64] &^= bit
			b.freshCount--
			p.cursor = i
		}
	case inFree, nowhere:
	}
	e.where = nowhere
}

// drop ends the offer of e.
func (b *book) drop(e *entry, now time.Time) {
	b.unindex(e)
	e.unoffer()
	b.index(e, now)
}

// lastFresh finds the highest never-leased address that suits.
func (b *book) lastFresh(suits func(netip.Addr) bool) (netip.Addr, bool) {
	for i := len(b.pools) - 1; i >= 0 && b.freshCount > 0; i-- {
		p := &b.pools[i]
		for w := len(p.fresh) - 1; w >= 0; w-- {
			for set := p.fresh[w]; set != 0; {
				bit := 63 - bits.LeadingZeros64(set)
				if a := addr4(p.first + uint32(w*64+bit)); suits(a) {
					return a, true
				}
				set &^= 1 << bit
			}
		}
	}
	return netip.Addr{}, false
}

// barrenRest is how long a search that met only reserved addresses, perhaps thousands, is not repeated.
const barrenRest = time.Second

// nextFresh finds a never-leased address that suits, going on where the last one was found.
func (b *book) nextFresh(now time.Time, suits func(netip.Addr) bool) (netip.Addr, bool) {
	if b.freshCount == 0 || now.Before(b.barren) {
		return netip.Addr{}, false
	}
	for i := range b.pools {
		p := &b.pools[i]
		words := uint32(len(p.fresh))
		start := p.cursor / 64
		for k := range words + 1 {
			w := (start + k) % words
			set := p.fresh[w]
			if k == 0 {
				set &= ^uint64(0) << (p.cursor % 64)
			}
			for ; set != 0; set &= set - 1 {
				if a := addr4(p.first + w*64 + uint32(bits.TrailingZeros64(set))); suits(a) {
					return a, true
				}
			}
		}
	}
	b.barren = now.Add(barrenRest)
	return netip.Addr{}, false
}
