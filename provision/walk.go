package provision

import (
	"fmt"
	"sync"
	"time"
)

// NewPhones bounds how many never-seen MACs may be bound before the lease proof is frozen for those that come after.
type NewPhones struct{ Burst, PerMinute int }

// freeze tells bindings of new phones that are proof from those that are not yet.
//
// Whoever is on the link can take leases for MAC after MAC and fetch each one's file. So every new binding costs a token;
// there are Burst of them, and PerMinute come back. Bindings without a token wait for theirs in the order in which they
// came: at any time no more than Burst + PerMinute × minutes of them have been proof, however fast they came. Those that
// got a token, and phones that were there before, never wait again.
//
// A binding is known by when its MAC was first seen, which the lease holds, so nothing has to be kept for each phone.
// Leases count in whole seconds; of those that came in the second in which tokens ran out, the lucky are remembered.
type freeze struct {
	mu     sync.Mutex
	tokens float64
	at     time.Time // when tokens were counted last
	queue  []batch   // those that wait, oldest first
	second time.Time // of lucky
	lucky  map[MAC]struct{}
	since  time.Time // when the first of the queue came
}

// batch is the bindings of one second that wait.
type batch struct {
	second time.Time
	n      float64
}

// maxBatches bounds the queue. Beyond it seconds are put together, which lets the later ones wait a little longer.
const maxBatches = 4096

// maxLucky bounds what is remembered of one second; more than this no network sees.
const maxLucky = 16384

// pass lets time pay for those that wait. It tells whether the queue became empty by that. The caller holds mu.
func (f *freeze) pass(limit NewPhones, now time.Time) (thawed bool) {
	if f.at.IsZero() {
		f.tokens, f.at = float64(limit.Burst), now
	}
	// Requests come a little out of order, which must not make time count twice; a clock that was set back is another thing.
	if passed := now.Sub(f.at); passed > 0 || passed < -time.Minute {
		f.tokens += max(passed, 0).Minutes() * float64(limit.PerMinute)
		f.at = now
	}
	waited := len(f.queue) > 0
	for len(f.queue) > 0 && f.tokens > 0 {
		paid := min(f.tokens, f.queue[0].n)
		f.tokens -= paid
		if f.queue[0].n -= paid; f.queue[0].n < 1e-9 {
			f.queue = f.queue[1:]
		}
	}
	if len(f.queue) == 0 {
		f.tokens = min(f.tokens, float64(limit.Burst))
	}
	return waited && len(f.queue) == 0
}

// bound counts a new binding of a phone that was first seen then, now or at the last whole second. It tells whether the freeze began or ended by it.
func (f *freeze) bound(limit NewPhones, mac MAC, seen, now time.Time) (frozen, thawed bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	second := seen.Truncate(time.Second)
	thawed = f.pass(limit, now)
	if !f.second.Equal(second) && !f.waits(f.second) {
		f.second, f.lucky = second, map[MAC]struct{}{}
	}
	if len(f.queue) == 0 && f.tokens >= 1 {
		f.tokens--
		if f.second.Equal(second) && len(f.lucky) < maxLucky {
			f.lucky[mac] = struct{}{}
		}
		return false, thawed
	}
	frozen = len(f.queue) == 0
	if frozen {
		f.since = now
	}
	last := len(f.queue) - 1
	if last >= 0 && (!second.After(f.queue[last].second) || last+1 >= maxBatches) {
		f.queue[last].n++
	} else {
		f.queue = append(f.queue, batch{second, 1})
	}
	return frozen, thawed
}

// waits tells whether the queue begins in that second.
func (f *freeze) waits(second time.Time) bool {
	return len(f.queue) > 0 && f.queue[0].second.Equal(second)
}

// holds tells whether a phone that was first seen then is one of those that wait.
func (f *freeze) holds(limit NewPhones, mac MAC, seen, now time.Time) (yes, thawed bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	thawed = f.pass(limit, now)
	if len(f.queue) == 0 || seen.Truncate(time.Second).Before(f.queue[0].second) {
		return false, thawed
	}
	if f.second.Equal(f.queue[0].second) && seen.Truncate(time.Second).Equal(f.second) {
		_, lucky := f.lucky[mac]
		return !lucky, thawed
	}
	return true, thawed
}

// lift trusts all that wait. It tells how many.
func (f *freeze) lift(limit NewPhones, now time.Time) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pass(limit, now)
	n := f.waiting()
	f.queue, f.tokens = nil, float64(limit.Burst)
	return n
}

func (f *freeze) waiting() int {
	n := 0.0
	for _, b := range f.queue {
		n += b.n
	}
	return int(n + .999)
}

// Freeze is how the lease proof of new phones stands.
type Freeze struct {
	Frozen  bool
	Since   time.Time
	Waiting int       // bindings that wait
	Until   time.Time // when the last of them is proof, if no more come; zero: never by itself
}

// String says it in one sentence.
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

func (f *freeze) status(limit NewPhones, now time.Time) (st Freeze, thawed bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	thawed = f.pass(limit, now)
	if len(f.queue) == 0 {
		return Freeze{}, thawed
	}
	st = Freeze{Frozen: true, Since: f.since, Waiting: f.waiting()}
	if limit.PerMinute > 0 {
		st.Until = now.Add(time.Duration(float64(st.Waiting) / float64(limit.PerMinute) * float64(time.Minute)))
	}
	return st, thawed
}
