package leasetable

import (
	"slices"
	"time"
)

// The time at which leases were last written is estimated from the newest ones.
const (
	newestLeases = 15 // how many are used
	fewestLeases = 3  // with fewer the clock does not count as behind them
	// farAhead is how long after the end of the newest leases a start is taken for that of a clock that is wrong. A host without a clock
	// of its own may start in any year; one that was off for so long has phones that come back to their addresses.
	farAhead = 30 * 24 * time.Hour
)

// earliest is before any time at which this program can run: a clock that shows less was never set.
var earliest = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// clockBehind returns by how much the clock is behind the time at which the leases were written, 0 when it is not, and a negative time when
// it is far ahead of it. It is the median of the newest leases: no single lease, whose times may be damaged, moves the others.
func clockBehind(leases []*packedLease, now time.Time) time.Duration {
	if len(leases) == 0 {
		return 0
	}
	behind := medianOfNewest(leases, func(k *packedLease) int64 { return k.starts }).Sub(now.Round(0))
	switch ends := medianOfNewest(leases, func(k *packedLease) int64 { return k.expires }); {
	case behind > clockStep && len(leases) >= fewestLeases:
		return behind
	case now.Sub(ends) > farAhead && behind < 0:
		return behind
	}
	return 0
}

func medianOfNewest(leases []*packedLease, of func(*packedLease) int64) time.Time {
	times := make([]int64, len(leases))
	for i, k := range leases {
		times[i] = of(k)
	}
	slices.Sort(times)
	newest := times[max(0, len(times)-newestLeases):]
	return time.Unix(newest[(len(newest)-1)/2], 0)
}

// ClockWrong reports whether the clock was found wrong when the leases were loaded, and has not been set since.
func ClockWrong(t *Table) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.clockWrong || t.tick().Before(earliest)
}

// notBefore returns k as a lease that does not begin later than now: it is moved back to begin now, with the same duration. A lease
// without a positive duration keeps its end: only its start was wrong.
func (k *packedLease) notBefore(now time.Time) *packedLease {
	ahead := time.Unix(k.starts, 0).Sub(now.Round(0))
	if ahead <= clockStep {
		return k
	}
	if k.expires > k.starts {
		return k.shifted(-ahead)
	}
	c := *k
	c.starts = now.Unix()
	c.firstSeen = min(c.firstSeen, c.starts)
	return &c
}

// Distrust notes until when leases may be missing from the table, and why: the lease file was missing, short, damaged or created again.
// Until then every address is probed before it is offered, even under load, and the free addresses on which lost leases are most likely
// are handed out last. Clients that renew or remember a free and permitted address get it after a probe. When there is such a time
// already, the later one counts.
func (t *Table) Distrust(until time.Time, reason string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.tick()
	if reason == "" {
		reason = "leases may be missing"
	}
	if until = until.Round(0); until.After(t.view.distrustedUntil) {
		t.view.distrustedUntil, t.view.distrustReason = until, reason
	}
}

// DistrustedUntil returns until when leases may be missing and why; the zero time when none should be: see Distrust.
func (t *Table) DistrustedUntil() (until time.Time, reason string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.tick()
	if t.view.Distrusted() == "" {
		return time.Time{}, ""
	}
	return t.view.distrustedUntil, t.view.distrustReason
}

// Distrusted returns why leases may be missing, "" when none should be: see Table.Distrust.
func (v *Leases) Distrusted() string {
	if v.distrustedUntil.After(v.now) {
		return v.distrustReason
	}
	return ""
}
