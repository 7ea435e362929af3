// Package memorylimit keeps the limit of Go's collector (GOMEMLIMIT) above what is in use, and prepares the program for what takes much
// memory at once. At the limit the collector takes half of the
// processor time: with 144 MiB, 10,000 phones that boot at once needed 30 s instead of 9, and an exchange with 1,000,000 leases 587 µs
// instead of 175.
package memorylimit

import (
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"sync"
)

// most is how many times the configured limit may be in force, apart from what is granted: beyond it the collector shall work rather
// than the kernel end the daemon.
const most = 5

// Limit is the collector's limit. Its methods may be called from any goroutine.
type Limit struct {
	base    int64 // as configured; math.MaxInt64: none
	percent int64 // GOGC as configured; 0 or less: not to be changed

	mu       sync.Mutex
	needed   int64 // for what is in use
	granted  int64
	before   int64 // the limit before the first of the grants in force
	released bool
	larges   int // large grants
}

// Follow returns the configured limit, and raises it after each collection that leaves more than two thirds of it in use, until Release.
// Without a limit there stays none. It also has one thread more than processors run Go code from then on; see waiting.
func Follow() *Limit {
	l := &Limit{base: debug.SetMemoryLimit(-1), percent: gcPercent()}
	setProcs(0)
	l.afterCollection()
	return l
}

// collected is garbage at once: its finalizer runs after each collection. It is large enough not to share its memory with others.
type collected struct{ _ [64]byte }

func (l *Limit) afterCollection() {
	runtime.SetFinalizer(new(collected), func(*collected) {
		if l.adapt(inUse()) {
			l.afterCollection()
		}
	})
}

// Release puts the configured limit into force again.
func (l *Limit) Release() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.released, l.needed, l.granted = true, 0, 0
	l.apply()
}

// large is how many bytes a grant has for which the program is prepared as Grant describes, at the cost of a collection.
const large = 16 << 20

const (
	// waiting is how many threads more than processors may run Go code. Those that read packets of DHCP and TFTP wait in the kernel, and Go takes
	// up to some tenths of a millisecond to give their turn to another: HTTP had a quarter less of its rate beside five TFTP clients.
	waiting = 1
	// besides is how many it is during a large grant.
	besides = 2
)

// Grant raises the limit by some bytes until done is called, once: before something large is done. DHCP is served meanwhile, and Grant sees
// to it that replies don't wait for that (BenchmarkReplyBesideGrant):
//
//   - The heap may grow by as much before the next collection, and what was granted is collected before the limit is lowered. Where the heap
//     outgrows what was planned for, every goroutine that allocates works for the collector until that has ended: 40 to 90 ms.
//   - More threads than processors run Go code. Go interrupts a goroutine after 10 ms at the earliest when another waits for its turn, the
//     kernel a thread at once.
func (l *Limit) Grant(bytes int64) (done func()) {
	l.grant(bytes)
	return func() {
		if bytes >= large {
			debug.FreeOSMemory()
		}
		l.grant(-bytes)
	}
}

func (l *Limit) grant(bytes int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.granted == 0 {
		l.before = l.following()
	}
	l.granted += bytes
	switch {
	case bytes >= large:
		if l.larges++; l.larges == 1 {
			setProcs(besides)
		}
	case bytes <= -large:
		if l.larges--; l.larges == 0 {
			setProcs(0)
		}
	}
	l.apply()
}

// setProcs has some threads more than the processors that the program may use now, or than a number in the environment, run Go code. Without
// such a number it has waiting more at least; and Go, which would follow a change of the processors, does not until the next large grant.
func setProcs(more int) {
	if n, err := strconv.Atoi(os.Getenv("GOMAXPROCS")); err == nil && n > 0 {
		runtime.GOMAXPROCS(n + more)
		return
	}
	runtime.SetDefaultGOMAXPROCS()
	runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + max(more, waiting))
}

// adapt makes room for what is in use: beyond two thirds of the configured limit three bytes for each. It returns false after Release.
func (l *Limit) adapt(used int64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.released {
		return false
	}
	if l.base != math.MaxInt64 {
		l.needed = 3*used - l.base
	}
	l.apply()
	return true
}

// apply puts the limit into force, unless it is nearly the one that is: each change stops the program for a moment. The caller holds mu.
func (l *Limit) apply() {
	l.applyPercent()
	if l.base == math.MaxInt64 {
		return
	}
	wanted := l.following()
	if l.granted > 0 { // not on top of what the last collection found: most of that is what was granted
		wanted = max(wanted, l.before+l.granted)
	}
	if now := debug.SetMemoryLimit(-1); wanted > now || wanted < now-now/16 || wanted == l.base && now != wanted {
		debug.SetMemoryLimit(wanted)
	}
}

// following is the limit without grants.
func (l *Limit) following() int64 { return min(max(l.base, l.needed), l.base*most) }

// applyPercent lets the heap grow to what is granted before the next collection, if by GOGC it would not. The caller holds mu.
func (l *Limit) applyPercent() {
	if l.percent <= 0 {
		return
	}
	wanted := l.percent
	if live := max(1<<20, liveHeap()); l.granted >= large {
		wanted = max(wanted, 100*(l.granted-live)/live)
	}
	if wanted != gcPercent() {
		debug.SetGCPercent(int(wanted))
	}
}

// gcPercent returns GOGC, a negative number when it is off.
func gcPercent() int64 { return figures("/gc/gogc:percent")[0] }

// liveHeap is what the last collection left, in bytes.
func liveHeap() int64 { return figures("/gc/heap/live:bytes")[0] }

// inUse is what the last collection left, with stacks and the runtime's own memory, in bytes.
func inUse() int64 {
	n := figures("/gc/heap/live:bytes", "/memory/classes/total:bytes", "/memory/classes/heap/objects:bytes", "/memory/classes/heap/free:bytes",
		"/memory/classes/heap/unused:bytes", "/memory/classes/heap/released:bytes")
	return n[0] + n[1] - n[2] - n[3] - n[4] - n[5]
}

// figures reads figures of the runtime as of one moment.
func figures(names ...string) []int64 {
	samples, out := make([]metrics.Sample, len(names)), make([]int64, len(names))
	for i, name := range names {
		samples[i].Name = name
	}
	metrics.Read(samples)
	for i, s := range samples {
		out[i] = int64(s.Value.Uint64())
	}
	return out
}
