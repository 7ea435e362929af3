package sharedleases

import "sync/atomic"

// counters count the jobs of Bind by their results.
type counters struct{ bound, conflicts, failed atomic.Int64 }

// Stats counts the leases of this member since its start, by what became of them.
type Stats struct {
	Bound     int64 // in etcd
	Conflicts int64 // refused, because another member had changed the lease
	Failed    int64 // etcd did not answer
}

// Stats returns the counts.
func (l *Leases) Stats() Stats {
	return Stats{Bound: l.stats.bound.Load(), Conflicts: l.stats.conflicts.Load(), Failed: l.stats.failed.Load()}
}
