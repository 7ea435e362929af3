package trust

import (
	"fmt"
	"sync"
	"time"

	"plugtone/dhcp"
)

// NewPhones bounds how many never-seen MACs may be bound before the lease proof is frozen for those that come after.
type NewPhones struct{ Burst, PerMinute int }

// bindingLimiter separates bindings of new phones that are proof from those that are not yet.
//
// A host on the link can take leases for MAC after MAC and fetch each one's file. So every new binding costs a token;
// there are Burst of them, and PerMinute come back. Bindings without a token wait for theirs in the order in which they
// came: at any time at most Burst + PerMinute × minutes of them have been proof, however fast they came. Those that got
// a token, and phones that were there before, never wait again.
//
// A binding is identified by when its MAC was first seen, which the lease stores, so nothing is stored for each phone.
// Leases count in whole seconds; for the second in which the tokens ran out the admitted MACs are remembered.
type bindingLimiter struct {
	mu       sync.Mutex
	tokens   float64
	at       time.Time // when tokens were counted last
	queue    []batch   // waiting bindings, oldest first
	second   time.Time // of admitted
	admitted map[dhcp.MAC]struct{}
	since    time.Time // when the first of the queue came
}

// batch is the waiting bindings of one second.
type batch struct {
	second time.Time
	n      float64
}

const (
	maxBatches  = 4096  // bounds the queue; beyond it seconds are merged, and the later ones wait a little longer
	maxAdmitted = 16384 // bounds what is remembered of one second; no network binds more
)

// refill adds the tokens of the time that has passed and admits waiting bindings with them. It reports whether the queue
// became empty by that. The caller holds mu.
func (l *bindingLimiter) refill(limit NewPhones, now time.Time) (resumed bool) {
	if l.at.IsZero() {
		l.tokens, l.at = float64(limit.Burst), now
	}
	// Requests come a little out of order, and time must not count twice; a clock that was set back is another thing.
	if passed := now.Sub(l.at); passed > 0 || passed < -time.Minute {
		l.tokens += max(passed, 0).Minutes() * float64(limit.PerMinute)
		l.at = now
	}
	waited := len(l.queue) > 0
	for len(l.queue) > 0 && l.tokens > 0 {
		paid := min(l.tokens, l.queue[0].n)
		l.tokens -= paid
		if l.queue[0].n -= paid; l.queue[0].n < 1e-9 {
			l.queue = l.queue[1:]
		}
	}
	if len(l.queue) == 0 {
		l.tokens = min(l.tokens, float64(limit.Burst))
	}
	return waited && len(l.queue) == 0
}

// bound counts a binding of a phone that was first seen at that time, which is now or the last whole second. It reports
// whether the freeze began or ended by it.
func (l *bindingLimiter) bound(limit NewPhones, mac dhcp.MAC, seen, now time.Time) (frozen, resumed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	second := seen.Truncate(time.Second)
	resumed = l.refill(limit, now)
	if !l.second.Equal(second) && !l.queueBeginsIn(l.second) {
		l.second, l.admitted = second, map[dhcp.MAC]struct{}{}
	}
	if len(l.queue) == 0 && l.tokens >= 1 {
		l.tokens--
		if l.second.Equal(second) && len(l.admitted) < maxAdmitted {
			l.admitted[mac] = struct{}{}
		}
		return false, resumed
	}
	frozen = len(l.queue) == 0
	if frozen {
		l.since = now
	}
	last := len(l.queue) - 1
	if last >= 0 && (!second.After(l.queue[last].second) || last+1 >= maxBatches) {
		l.queue[last].n++
	} else {
		l.queue = append(l.queue, batch{second, 1})
	}
	return frozen, resumed
}

func (l *bindingLimiter) queueBeginsIn(second time.Time) bool {
	return len(l.queue) > 0 && l.queue[0].second.Equal(second)
}

// waits reports whether a phone that was first seen at that time is among the waiting ones.
func (l *bindingLimiter) waits(limit NewPhones, mac dhcp.MAC, seen, now time.Time) (waiting, resumed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	resumed = l.refill(limit, now)
	if len(l.queue) == 0 || seen.Truncate(time.Second).Before(l.queue[0].second) {
		return false, resumed
	}
	if l.second.Equal(l.queue[0].second) && seen.Truncate(time.Second).Equal(l.second) {
		_, admitted := l.admitted[mac]
		return !admitted, resumed
	}
	return true, resumed
}

// admitAll admits all waiting bindings and returns how many there were.
func (l *bindingLimiter) admitAll(limit NewPhones, now time.Time) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refill(limit, now)
	n := l.waiting()
	l.queue, l.tokens = nil, float64(limit.Burst)
	return n
}

func (l *bindingLimiter) waiting() int {
	n := 0.0
	for _, b := range l.queue {
		n += b.n
	}
	return int(n + .999)
}

// Freeze is the state of the lease proof for new phones.
type Freeze struct {
	Frozen  bool
	Since   time.Time
	Waiting int       // bindings that wait
	Until   time.Time // when the last of them is proof, if no more come; zero: never by itself
}

// String returns it as one sentence.
func (f Freeze) String() string {
	if !f.Frozen {
		return "leases of new phones are proof"
	}
	s := fmt.Sprintf("%d new phones came faster than provisioning.new_phones allows: their leases are no proof yet", f.Waiting)
	if f.Until.IsZero() {
		s += ", and won't be by themselves"
	} else {
		s += ", the last until " + f.Until.UTC().Format(time.RFC3339)
	}
	return s + "; plugtone device enroll --all --for 30m trusts them now"
}

func (l *bindingLimiter) status(limit NewPhones, now time.Time) (st Freeze, resumed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	resumed = l.refill(limit, now)
	if len(l.queue) == 0 {
		return Freeze{}, resumed
	}
	st = Freeze{Frozen: true, Since: l.since, Waiting: l.waiting()}
	if limit.PerMinute > 0 {
		st.Until = now.Add(time.Duration(float64(st.Waiting) / float64(limit.PerMinute) * float64(time.Minute)))
	}
	return st, resumed
}
