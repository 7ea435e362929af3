package leasetable

import (
	"cmp"
	"container/heap"
	"net/netip"
	"slices"
	"time"

	"plugtone/dhcp"
)

// Quarantine is for how long a declined address is handed out only as the last resort of Free, after a probe without an answer (C45).
const Quarantine = 24 * time.Hour

// How long things are remembered.
const (
	offerHold       = time.Minute         // C38: an offer belongs to its client for this time
	shortQuarantine = 10 * time.Minute    // C45: after it, the client for which a declined address is reserved may get it again
	probeFresh      = 30 * time.Second    // C41: how long the result of a probe without an answer is used
	phoneAffinity   = 30 * 24 * time.Hour // other clients don't get a phone's last address before
	declineWindow   = time.Hour           // C45: declines are counted over this time
	maxDecliners    = 4096                // clients that are counted at a time
)

// Leases is the state of the lease table as a decision sees it: all earlier decisions, whether or not they are on disk yet. It is not
// safe for concurrent use; Table guards the daemon's.
type Leases struct {
	now      time.Time
	indexes  indexSet // configured subnets first
	wanted   int      // how many of indexes are configured
	probes   map[uint32]time.Time
	swept    time.Time // when probes was cleaned
	declines declineCounts
	waiting  waitingClients

	distrustedUntil time.Time // wall clock alone, whose steps shift follows; see Table.Distrust
	distrustReason  string
	writeFailed     bool                   // the last write of leases failed
	revision        func(netip.Addr) int64 // of the record in the store of shared leases; nil: there is none
}

// declineCounts counts the DECLINEs of each client within declineWindow.
type declineCounts map[dhcp.MAC]declineCount

type declineCount struct {
	n     int
	since time.Time // by the wall clock alone, whose steps shift follows
}

func (c declineCounts) of(mac dhcp.MAC, now time.Time) int {
	if d, ok := c[mac]; ok && now.Sub(d.since) < declineWindow {
		return d.n
	}
	return 0
}

func (c declineCounts) add(mac dhcp.MAC, now time.Time) {
	d := c[mac]
	if now.Sub(d.since) >= declineWindow {
		d = declineCount{since: now.Round(0)}
	}
	d.n++
	if len(c) >= maxDecliners {
		clear(c) // a sender with so many MACs is not limited by a count for each
	}
	c[mac] = d
}

// indexSet holds the addresses of all subnets.
type indexSet []*addressIndex

// NewLeases returns the leases of the subnets of cfg: none yet.
func NewLeases(cfg dhcp.Config) *Leases {
	v := &Leases{probes: map[uint32]time.Time{}, declines: declineCounts{}, waiting: waitingClients{}}
	v.configure(cfg, func(*packedLease) {})
	return v
}

// configure changes the subnets; leases stay, and go with the subnet that holds their address now. moved receives each durable record
// that does.
func (v *Leases) configure(cfg dhcp.Config, moved func(*packedLease)) {
	cfg = cfg.WithDefaults()
	old := v.indexes
	v.indexes = nil
	for i := range cfg.Subnets {
		v.indexes = append(v.indexes, newAddressIndex(&cfg.Subnets[i]))
	}
	v.wanted = len(v.indexes)
	var all []*addressState
	for _, x := range old {
		for _, e := range x.states {
			all = append(all, e)
		}
	}
	slices.SortFunc(all, func(a, x *addressState) int { return cmp.Compare(a.lastUse(), x.lastUse()) })
	for _, e := range all {
		prefix := netip.PrefixFrom(dhcp.NumberedAddr(e.addr), 32)
		if e.lease != nil {
			prefix = e.lease.prefix()
		}
		was := e.durable
		if v.indexFor(dhcp.NumberedAddr(e.addr), prefix).rebind(e, v.now); e.durable != was {
			moved(e.durable)
		}
	}
}

// lastUse is the sort key for the lists of free addresses: when the last lease expires, in Unix seconds.
func (e *addressState) lastUse() int64 {
	if e.lease == nil {
		return 0
	}
	return e.lease.expires
}

// indexFor returns the index that holds addr; leases of a subnet that is not configured any more get an index of their own.
func (v *Leases) indexFor(addr netip.Addr, prefix netip.Prefix) *addressIndex {
	if x := v.indexes.of(addr); x != nil {
		return x
	}
	if !prefix.Contains(addr) {
		prefix = netip.PrefixFrom(addr, 32)
	}
	x := newAddressIndex(&dhcp.Subnet{Prefix: prefix})
	v.indexes = append(v.indexes, x)
	return x
}

func (s indexSet) of(addr netip.Addr) *addressIndex {
	for _, x := range s {
		if x.prefix.Contains(addr) {
			return x
		}
	}
	return nil
}

// Advance sets the time: offers and leases that ended are free from now on. The owner calls it before Decide.
func (v *Leases) Advance(now time.Time) {
	v.now = now
	for _, x := range v.indexes {
		for len(x.busy) > 0 && x.busy[0].until <= now.UnixNano() {
			e := x.busy[0]
			x.unindex(e)
			x.index(e, now)
		}
	}
	if now.Sub(v.swept) > probeFresh {
		v.swept = now
		for a, t := range v.probes {
			if now.Sub(t) > probeFresh {
				delete(v.probes, a)
			}
		}
	}
}

// At returns the lease record of addr, if there is one.
func (v *Leases) At(addr netip.Addr) (dhcp.Lease, bool) {
	if e := v.indexes.state(addr); e != nil && e.lease != nil {
		return e.lease.lease(), true
	}
	return dhcp.Lease{}, false
}

func (s indexSet) state(addr netip.Addr) *addressState {
	if x := s.of(addr); x != nil {
		return x.states[dhcp.AddrNumber(addr)]
	}
	return nil
}

// Of returns what mac was bound to last in the subnet, in any state.
func (v *Leases) Of(subnet netip.Prefix, mac dhcp.MAC) (dhcp.Lease, bool) {
	if x := v.indexes.of(subnet.Addr()); x != nil {
		if e := x.byMAC[mac]; e != nil {
			return e.lease.lease(), true
		}
	}
	return dhcp.Lease{}, false
}

// Offered returns the address that is offered to mac in the subnet.
func (v *Leases) Offered(subnet netip.Prefix, mac dhcp.MAC) (netip.Addr, bool) {
	if x := v.indexes.of(subnet.Addr()); x != nil {
		if e := x.offers[mac]; e != nil && e.offered(v.now) {
			return dhcp.NumberedAddr(e.addr), true
		}
	}
	return netip.Addr{}, false
}

// Written returns the lease record of addr that is on disk, unless it is about to become another client's.
func (v *Leases) Written(addr netip.Addr) (dhcp.Lease, bool) {
	e := v.indexes.state(addr)
	if e == nil || e.lease == nil || e.durable == nil || e.pending > 1 || e.lease.mac != e.durable.mac || e.lease.state != e.durable.state {
		return dhcp.Lease{}, false
	}
	return e.durable.lease(), true
}

// ProbedFree reports whether a probe of addr was not answered a moment ago.
func (v *Leases) ProbedFree(addr netip.Addr) bool {
	t, ok := v.probes[dhcp.AddrNumber(addr)]
	return ok && v.now.Sub(t) <= probeFresh
}

// Declines counts the declines of mac in the last hour.
func (v *Leases) Declines(mac dhcp.MAC) int { return v.declines.of(mac, v.now) }

// hold records addr as the only address offered to mac in its subnet.
func (v *Leases) hold(mac dhcp.MAC, addr netip.Addr, phone bool) {
	x := v.indexes.of(addr)
	if x == nil {
		return
	}
	if old := x.offers[mac]; old != nil && old.addr != dhcp.AddrNumber(addr) {
		x.drop(old, v.now)
	}
	e := x.get(addr)
	x.unindex(e)
	e.offeredTo, e.offeredPhone, e.offeredUntil = mac, phone, v.now.Add(offerHold).UnixNano()
	x.index(e, v.now)
}

// dropOffer removes the offers to mac in all subnets.
func (v *Leases) dropOffer(mac dhcp.MAC) {
	for _, x := range v.indexes {
		if e := x.offers[mac]; e != nil {
			x.drop(e, v.now)
		}
	}
}

// applyOffer applies DropOffer, Hold and Waits of a decision.
func (v *Leases) applyOffer(d *dhcp.Decision) {
	if d.Waits != dhcp.WaitsUnchanged {
		v.waiting.remember(d.Event.MAC, d.Waits, v.now)
	}
	if d.DropOffer {
		v.dropOffer(d.Event.MAC)
	}
	if d.Hold.IsValid() {
		v.hold(d.Event.MAC, d.Hold, d.Event.Phone)
	}
}

// apply makes a change visible to the next decision. It is pending until completeWrite.
func (v *Leases) apply(c dhcp.Change) {
	l := &c.Lease
	x := v.indexFor(l.Addr, l.Subnet)
	e := x.get(l.Addr)
	x.unindex(e)
	e.pending++
	if e.lease = nil; !c.Delete {
		e.lease = x.own(new(packLease(l)))
	}
	if l.State == dhcp.LeaseDeclined && !c.ClockShifted {
		delete(v.probes, dhcp.AddrNumber(l.Addr)) // an earlier probe is no longer valid
		if !l.MAC.IsZero() {
			v.declines.add(l.MAC, v.now)
		}
	}
	if l.State == dhcp.LeaseActive && e.offeredTo == l.MAC {
		e.unoffer()
	}
	x.index(e, v.now)
}

// completeWrite ends a pending change: it is on disk, or it is withdrawn unless a later change is pending. It returns the durable record.
func (v *Leases) completeWrite(c dhcp.Change, written bool) (durable *packedLease) {
	x := v.indexFor(c.Lease.Addr, c.Lease.Subnet)
	e := x.get(c.Lease.Addr)
	e.pending--
	if written {
		if c.Delete {
			e.durable = nil
		} else {
			k := x.own(new(packLease(&c.Lease)))
			if e.durable = e.lease; e.lease == nil || *e.lease != *k {
				e.durable = k
			}
		}
	}
	durable = e.durable
	x.unindex(e)
	if !written && e.pending == 0 {
		e.lease = e.durable
		if c.Lease.State == dhcp.LeaseActive && !c.ClockShifted && !e.active(v.now) && !e.declined(v.now) && x.offers[c.Lease.MAC] == nil {
			// The client will retry. No other client is offered the address meanwhile.
			e.offeredTo, e.offeredPhone, e.offeredUntil = c.Lease.MAC, c.Lease.Phone, v.now.Add(offerHold).UnixNano()
		}
	}
	x.index(e, v.now)
	return durable
}

// load adds a lease that is on disk and returns the durable record.
func (v *Leases) load(k *packedLease) (durable *packedLease) {
	addr := dhcp.NumberedAddr(k.addr)
	x := v.indexFor(addr, k.prefix())
	e := x.get(addr)
	x.unindex(e)
	e.durable = x.own(k)
	e.lease = e.durable
	x.index(e, v.now)
	return e.durable
}

// shift moves every time by d after a step of the wall clock. It passes each changed durable record to moved, and returns the changes to
// write.
func (v *Leases) shift(d time.Duration, now time.Time, moved func(*packedLease)) []dhcp.Change {
	var out []dhcp.Change
	v.now = now
	for _, x := range v.indexes {
		for _, e := range x.states {
			if e.offeredUntil != 0 {
				e.offeredUntil += int64(d)
			}
			out = x.shift(e, d, now, moved, out)
		}
	}
	for m, c := range v.declines {
		c.since = c.since.Add(d)
		v.declines[m] = c
	}
	if !v.distrustedUntil.IsZero() {
		v.distrustedUntil = v.distrustedUntil.Add(d)
	}
	clear(v.probes)
	return out
}

// shift moves the times of the leases of e by d, and appends the change to write to out.
func (x *addressIndex) shift(e *addressState, d time.Duration, now time.Time, moved func(*packedLease), out []dhcp.Change) []dhcp.Change {
	x.unindex(e)
	if e.lease != nil {
		was := e.lease
		e.lease = was.shifted(d)
		if e.durable == was {
			e.durable = e.lease
		}
		out = append(out, dhcp.Change{Lease: e.lease.lease(), ClockShifted: true})
	}
	if e.durable != nil {
		if e.durable != e.lease {
			e.durable = e.durable.shifted(d)
		}
		moved(e.durable)
	}
	x.index(e, now)
	return out
}

// Stats counts the addresses of each configured subnet.
func (v *Leases) Stats() []Stats {
	out := make([]Stats, 0, v.wanted)
	for _, x := range v.indexes[:v.wanted] {
		s := x.stats
		s.Subnet, s.Pool = x.prefix, x.size
		s.Free = x.neverLeasedCount + x.lists[freeOthers].n + x.lists[freePhones].n
		out = append(out, s)
	}
	return out
}

// busyHeap orders addresses in use by the time at which that ends.
type busyHeap []*addressState

func (h busyHeap) Len() int           { return len(h) }
func (h busyHeap) Less(i, j int) bool { return h[i].until < h[j].until }
func (h busyHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].heapAt, h[j].heapAt = int32(i), int32(j)
}

// Push is for container/heap.
func (h *busyHeap) Push(x any) {
	e := x.(*addressState)
	e.heapAt = int32(len(*h))
	*h = append(*h, e)
}

// Pop is for container/heap.
func (h *busyHeap) Pop() any {
	old := *h
	e := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	e.heapAt = -1
	return e
}

var _ heap.Interface = (*busyHeap)(nil)
