package tftp

import (
	"container/list"
	"net/netip"
	"sync"
	"time"

	"plugtone/provision"
)

// key distinguishes a repeated request from a new one. Its address is the client's.
type key struct {
	from netip.AddrPort
	name string
}

// addrLoad is how many transfers one address has.
type addrLoad struct{ all, unproven int }

// limiter decides which requests are accepted (F15, F16). A transfer counts from its admission to its end, waiting or not.
type limiter struct {
	cfg *Config

	mu       sync.Mutex
	active   map[*transfer]bool
	byKey    map[key]*transfer
	perAddr  map[netip.Addr]addrLoad
	idle     *list.List // transfers whose peer has not answered yet, the oldest first
	unproven int        // transfers of requesters that are not known to be phones
	budget   budget

	duplicates, limited uint64
}

func newLimiter(cfg *Config) *limiter {
	return &limiter{cfg: cfg, active: map[*transfer]bool{}, byKey: map[key]*transfer{}, perAddr: map[netip.Addr]addrLoad{}, idle: list.New()}
}

// leased reports whether an address is leased to a phone.
func (l *limiter) leased(a netip.Addr) bool { return l.cfg.Leased != nil && l.cfg.Leased(a) }

// admit registers a request. It returns nil for a repetition and for a request beyond the limits. With other options it is a new
// request: some boot ROMs try one block size after the other, or request the size first, all from one port (F15).
func (l *limiter) admit(k key, r request, now time.Time) *transfer {
	leased := l.leased(k.from.Addr())
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cfg.Leased != nil && !l.budget.allow(now, k.from.Addr(), leased) {
		l.limited++
		return nil
	}
	// A phone that reuses its port may send a request again before its last ACK has been read: that is a new request (F15).
	if old := l.byKey[k]; old != nil && !old.ending.Load() {
		if old.request == r {
			l.duplicates++
			old.repeated = true
			return nil
		}
		if old.idle != nil { // one that is alive continues: a forged request must not end it
			l.evict(old, &ErrSuperseded)
		}
	}
	if !l.hasRoom(k.from.Addr(), leased) {
		return nil
	}
	t := &transfer{key: k, request: r, counted: true, leased: leased}
	if l.cfg.Leased != nil && !leased && !l.countUnproven(t) {
		return nil
	}
	l.active[t], l.byKey[k] = true, t
	l.addLoad(t, 1, 0)
	return t
}

// hasRoom reports whether an address may have one more transfer (F16). Beyond the limits, the transfer that has waited longest
// for a first packet of its peer is evicted: it is forged, or its phone has been unplugged. limiter.mu is held.
func (l *limiter) hasRoom(a netip.Addr, leased bool) bool {
	most := l.cfg.MaxPerAddress
	if leased {
		most = min(most, maxPerPhone)
	}
	own := l.perAddr[a].all >= most
	if !own && len(l.active) < l.cfg.MaxTransfers {
		return true
	}
	return l.evictOldest(func(t *transfer) bool { return !own || t.key.from.Addr() == a })
}

// evictOldest evicts the oldest idle transfer that matches. limiter.mu is held.
func (l *limiter) evictOldest(match func(*transfer) bool) bool {
	l.limited++
	for e := l.idle.Front(); e != nil; e = e.Next() {
		if t := e.Value.(*transfer); match(t) {
			l.evict(t, &ErrEvicted)
			return true
		}
	}
	return false
}

// evict gives a transfer's place to another. The loop ends it. limiter.mu is held.
func (l *limiter) evict(t *transfer, why *error) {
	t.evicted.Store(why)
	l.remove(t)
}

// register lists a transfer among those that wait for their peer's first packet, once its answer is known. It returns false when
// the requester is not a known phone, and those have all the places that they may have: a public file must
// not keep phones from their own.
func (l *limiter) register(t *transfer) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case t.reported:
		return false
	case t.answer.Known && t.unproven:
		t.unproven = false
		l.unproven--
		l.addLoad(t, 0, -1)
	case !t.answer.Known && !t.unproven && !l.countUnproven(t):
		return false
	}
	t.idle = l.idle.PushBack(t)
	return true
}

// countUnproven counts a transfer of a requester that is not known to be a phone. All of these share a part of the places, and
// those of one address half of its places. limiter.mu is held.
func (l *limiter) countUnproven(t *transfer) bool {
	a := t.key.from.Addr()
	own := l.perAddr[a].unproven >= (l.cfg.MaxPerAddress+1)/2
	if (own || l.unproven >= l.cfg.MaxUnknown) &&
		!l.evictOldest(func(t *transfer) bool { return t.unproven && (!own || t.key.from.Addr() == a) }) {
		return false
	}
	t.unproven = true
	l.unproven++
	l.addLoad(t, 0, 1)
	return true
}

// addLoad changes how many transfers the requester's address has. limiter.mu is held.
func (l *limiter) addLoad(t *transfer, all, unproven int) {
	a := t.key.from.Addr()
	n := l.perAddr[a]
	n.all += all
	n.unproven += unproven
	if l.perAddr[a] = n; n == (addrLoad{}) {
		delete(l.perAddr, a)
	}
}

// confirm notes that the peer has answered: it is where it claims to be.
func (l *limiter) confirm(t *transfer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.unlist(t)
}

func (l *limiter) unlist(t *transfer) {
	if t.idle != nil {
		l.idle.Remove(t.idle)
		t.idle = nil
	}
}

// release frees a transfer's place, so that the same request is a new one from now on. It reports whether the request was
// repeated meanwhile.
func (l *limiter) release(t *transfer) (repeated bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.remove(t)
	return t.repeated
}

// remove counts a transfer out. limiter.mu is held.
func (l *limiter) remove(t *transfer) {
	if !t.counted {
		return
	}
	t.counted = false
	l.unlist(t)
	delete(l.active, t)
	if l.byKey[t.key] == t {
		delete(l.byKey, t.key)
	}
	l.addLoad(t, -1, 0)
	if t.unproven {
		l.unproven--
		l.addLoad(t, 0, -1)
	}
}

// setAnswer stores the answer, which report may read at the same time.
func (l *limiter) setAnswer(t *transfer, a provision.Answer) {
	l.mu.Lock()
	t.answer = a
	l.mu.Unlock()
}

// report counts a transfer out and marks it as reported. It returns false when it has been reported before.
func (l *limiter) report(t *transfer) (provision.Answer, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.remove(t)
	first := !t.reported
	t.reported = true
	return t.answer, first
}

// refusalShare returns how much of a listener's send buffer, in percent, may be in use when an ERROR is sent to an address.
// Requesters that are not known to be phones share the first quarter, phones that send unusually many requests the first half.
func (l *limiter) refusalShare(a netip.Addr, phone bool) int {
	if !phone {
		return 25
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.budget.requests[a] > usualRequests {
		return 50
	}
	return 100
}

// counts returns how many transfers are active, and how many requests were repetitions or beyond the limits.
func (l *limiter) counts() (active int, duplicates, limited uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.active), l.duplicates, l.limited
}

// Limits where Config.Leased distinguishes phones from others. Those of the budget hold for a window of time. The kernel has room for
// about a thousand neighbours that do not answer ARP, and drops each after three seconds, so the number of addresses
// without a lease that are answered in that time stays well below.
const (
	maxPerPhone      = 64 // transfers of a leased address
	budgetWindow     = 2 * time.Second
	unleasedRequests = 4000 // requests of all addresses without a lease
	unleasedAddrs    = 200  // addresses without a lease
	leasedRequests   = 400  // requests of one leased address
	usualRequests    = 16   // of a phone that boots
)

// budget counts the requests of a window of time.
type budget struct {
	began           time.Time
	requests        map[netip.Addr]int
	addrs, unleased int // addresses without a lease, and their requests
}

// allow reports whether a request is within the budget, and counts it.
func (b *budget) allow(now time.Time, a netip.Addr, leased bool) bool {
	if age := now.Sub(b.began); b.requests == nil || age < 0 || age >= budgetWindow {
		*b = budget{began: now, requests: map[netip.Addr]int{}}
	}
	n := b.requests[a]
	switch {
	case leased && n >= leasedRequests, !leased && b.unleased >= unleasedRequests, !leased && n == 0 && b.addrs >= unleasedAddrs:
		return false
	case !leased && n == 0:
		b.addrs++
	}
	if !leased {
		b.unleased++
	}
	b.requests[a] = n + 1
	return true
}
