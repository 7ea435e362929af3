package leasetable

import (
	"slices"
	"time"
)

// The time at which leases were last written is estimated from the newest ones.
const (
	newestLeases = 15 // how many are used
	fewestLeases = 3  // with fewer there is no estimate
)

// clockBehind returns by how much the clock is behind the time at which the leases were written, 0 when it is not. It is the median
// of the newest leases: no single lease, whose start time may be damaged, moves the others.
func clockBehind(leases []*packedLease, now time.Time) time.Duration {
	if len(leases) < fewestLeases {
		return 0
	}
	starts := make([]int64, len(leases))
	for i, k := range leases {
		starts[i] = k.starts
	}
	slices.Sort(starts)
	newest := starts[max(0, len(starts)-newestLeases):]
	median := newest[(len(newest)-1)/2]
	if behind := time.Unix(median, 0).Sub(now.Round(0)); behind > clockStep {
		return behind
	}
	return 0
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

// Distrust makes the table cautious until the given time, because leases may be missing from it: the lease file was missing, short,
// damaged or created again. Until then every address is probed before it is offered, even under load, and the free addresses on which
// lost leases are most likely are handed out last. Clients that renew or remember a free and permitted address get it after a probe.
// A table that is already cautious stays so until the later of the two times.
func (t *Table) Distrust(until time.Time, reason string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.tick()
	if reason == "" {
		reason = "leases may be missing"
	}
	if until = until.Round(0); until.After(t.view.cautiousUntil) {
		t.view.cautiousUntil, t.view.cautiousReason = until, reason
	}
}

// Distrusted returns until when the table is cautious and why; the zero time when it isn't.
func (t *Table) Distrusted() (until time.Time, reason string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.tick()
	if t.view.Cautious() == "" {
		return time.Time{}, ""
	}
	return t.view.cautiousUntil, t.view.cautiousReason
}

// Cautious returns why leases may be missing, "" when none should be: see Table.Distrust.
func (v *Leases) Cautious() string {
	if v.cautiousUntil.After(v.now) {
		return v.cautiousReason
	}
	return ""
}
