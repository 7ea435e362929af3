package memorylimit

import (
	"math"
	"runtime"
	"runtime/debug"
	"testing"

	"golang.org/x/sys/unix"
)

func limitFor(t *testing.T, bytes int64) {
	before := debug.SetMemoryLimit(bytes)
	t.Cleanup(func() { debug.SetMemoryLimit(before) })
}

func TestLimitStaysAboveWhatIsInUse(t *testing.T) {
	limitFor(t, 100)
	l := &Limit{base: 100}
	for _, c := range []struct{ used, limit int64 }{{60, 100}, {66, 100}, {100, 200}, {98, 200}, {150, 350}, {2000, 500}, {10, 100}} {
		if l.adapt(c.used); debug.SetMemoryLimit(-1) != c.limit {
			t.Errorf("%d in use: limit %d, want %d", c.used, debug.SetMemoryLimit(-1), c.limit)
		}
	}
	done := l.Grant(50)
	if got := debug.SetMemoryLimit(-1); got != 150 {
		t.Errorf("limit with a grant %d, want 150", got)
	}
	for _, c := range []struct{ used, limit int64 }{{80, 150}, {100, 200}, {10, 150}} { // what is used of the grant counts once
		if l.adapt(c.used); debug.SetMemoryLimit(-1) != c.limit {
			t.Errorf("%d in use with a grant: limit %d, want %d", c.used, debug.SetMemoryLimit(-1), c.limit)
		}
	}
	done()
	if l.adapt(100); debug.SetMemoryLimit(-1) != 200 {
		t.Errorf("limit after a grant %d, want 200", debug.SetMemoryLimit(-1))
	}
	if l.Release(); debug.SetMemoryLimit(-1) != 100 || l.adapt(200) {
		t.Errorf("limit after the release %d, want 100 for good", debug.SetMemoryLimit(-1))
	}
}

// TestLargeGrantPreparesTheProgram: within a large grant the heap grows without a collection, and more threads run Go code. Afterwards all
// is as before.
func TestLargeGrantPreparesTheProgram(t *testing.T) {
	limitFor(t, math.MaxInt64)
	t.Setenv("GOMAXPROCS", "")
	runtime.SetDefaultGOMAXPROCS()
	defer runtime.SetDefaultGOMAXPROCS()
	processors := runtime.GOMAXPROCS(0)
	l := Follow()
	defer l.Release()
	procs, percent := runtime.GOMAXPROCS(0), gcPercent()
	if procs != processors+waiting {
		t.Errorf("GOMAXPROCS %d with %d processors, want %d", procs, processors, processors+waiting)
	}
	small := l.Grant(large - 1)
	if runtime.GOMAXPROCS(0) != procs || gcPercent() != percent {
		t.Errorf("a small grant changed GOMAXPROCS to %d, GOGC to %d", runtime.GOMAXPROCS(0), gcPercent())
	}
	small()
	runtime.GC()
	first, second := l.Grant(512<<20), l.Grant(large)
	if got := runtime.GOMAXPROCS(0); got != processors+besides {
		t.Errorf("GOMAXPROCS %d, want %d", got, processors+besides)
	}
	before := collections()
	b := make([]byte, 256<<20)
	if after := collections(); after != before {
		t.Errorf("%d collections while the heap grows to what is granted", after-before)
	}
	runtime.KeepAlive(b)
	first()
	if collections() == before {
		t.Error("what was granted was not collected")
	}
	second()
	if runtime.GOMAXPROCS(0) != procs || gcPercent() != percent {
		t.Errorf("after the grants: GOMAXPROCS %d, GOGC %d, want %d, %d", runtime.GOMAXPROCS(0), gcPercent(), procs, percent)
	}
}

// TestProcessorsAreFollowedAfterALargeGrant: a program that may use fewer processors meanwhile has fewer threads afterwards, unless the
// environment has a number.
func TestProcessorsAreFollowedAfterALargeGrant(t *testing.T) {
	limitFor(t, math.MaxInt64)
	runtime.LockOSThread() // the affinity is that of a thread
	defer runtime.UnlockOSThread()
	before := runtime.GOMAXPROCS(0)
	var all, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &all); err != nil {
		t.Fatal(err)
	}
	for cpu := 0; one.Count() == 0; cpu++ {
		if all.IsSet(cpu) {
			one.Set(cpu)
		}
	}
	defer runtime.GOMAXPROCS(before)
	l := &Limit{base: math.MaxInt64}
	for env, want := range map[string]int{"": 1 + waiting, "no number": 1 + waiting, "7": 7} {
		t.Setenv("GOMAXPROCS", env)
		runtime.GOMAXPROCS(before)
		done := l.Grant(large)
		if err := unix.SchedSetaffinity(0, &one); err != nil {
			t.Fatal(err)
		}
		done()
		if got := runtime.GOMAXPROCS(0); got != want {
			t.Errorf("GOMAXPROCS=%s: %d threads after the grant, want %d", env, got, want)
		}
		if err := unix.SchedSetaffinity(0, &all); err != nil {
			t.Fatal(err)
		}
	}
}

// collections counts the collections so far, that under way included.
func collections() uint32 {
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return s.NumGC
}

func TestNoLimitStaysNone(t *testing.T) {
	limitFor(t, math.MaxInt64)
	l := Follow()
	defer l.Release()
	defer l.Grant(1 << 20)()
	if l.adapt(1 << 30); debug.SetMemoryLimit(-1) != math.MaxInt64 {
		t.Error("a limit was set")
	}
}

// TestLimitFollowsEachCollection: what a collection leaves in use raises the limit, and lowers it when it is free.
func TestLimitFollowsEachCollection(t *testing.T) {
	const base = 32 << 20
	limitFor(t, base)
	l := Follow()
	defer l.Release()
	await := func(what string, ok func(limit int64) bool) {
		for range 1000 {
			runtime.GC()
			if ok(debug.SetMemoryLimit(-1)) {
				return
			}
			runtime.Gosched()
		}
		t.Errorf("limit %d MiB with %s", debug.SetMemoryLimit(-1)>>20, what)
	}
	b := make([]byte, 64<<20)
	await("64 MiB in use", func(limit int64) bool { return limit > 128<<20 && limit <= most*base })
	runtime.KeepAlive(b)
	b = nil
	await("nothing in use", func(limit int64) bool { return limit == base })
}
