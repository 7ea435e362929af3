package dhcp

import (
	"slices"
	"time"
)

// newestLeases is how many of the newest leases say together what time it was when they were written, and fewestLeases how few may.
const (
	newestLeases = 15
	fewestLeases = 3
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
	if writeBacklog := time.Unix(median, 0).Sub(now.Round(0)); writeBacklog > clockStep {
		return writeBacklog
	}
	return 0
}

// notBefore returns k as a lease that doesn't begin later than now: it is moved back to begin now, and lasts as long as before. Where
// that isn't positive only the start was wrong, and the end stays.
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
// damaged or made again. Until then every address is probed before it is offered, also under load, and free addresses are handed out
// so that those that lost leases are likely to be on come last. Clients that renew or remember an address that is free and allowed are
// believed as always. A Table that is cautious already stays so until the later of both times.
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
