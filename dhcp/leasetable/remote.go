package leasetable

import (
	"time"

	"plugtone/dhcp"
)

// maxTimeError is by how much the leases may differ from the time of the store before they are moved.
const maxTimeError = 2 * time.Second

// SyncTime compares the table's time with that of the store of shared leases, and moves the shared leases when they have drifted apart.
// store returns the time of the store now.
func (s *Shared) SyncTime(store func() time.Time) {
	t := s.table
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.tick()
	offset := store().Sub(now.Round(0)).Round(time.Second)
	d := s.offset - offset
	switch {
	case !s.timed: // leases that were read from the disk have the table's time
		s.offset, s.timed = offset, true
		return
	case d.Abs() < maxTimeError:
		return
	}
	s.offset = offset
	for _, x := range t.view.indexes {
		if !x.shared {
			continue
		}
		for a, e := range x.states {
			x.shift(e, d, now, func(k *packedLease) { t.durable.put(k.addr, k); s.copyLater(a, true) }, nil)
		}
	}
}

// movedChange is c with its times moved by d.
func movedChange(c dhcp.Change, d time.Duration) dhcp.Change {
	l := &c.Lease
	l.FirstSeen, l.Starts, l.Expires = l.FirstSeen.Add(d), l.Starts.Add(d), l.Expires.Add(d)
	return c
}

// Leases returns the shared leases that the table has, with times of the store. SyncTime has been called.
func (s *Shared) Leases() (out []dhcp.Lease) {
	s.table.mu.Lock()
	defer s.table.mu.Unlock()
	s.table.tick()
	for _, x := range s.table.view.indexes {
		for _, e := range x.states {
			if x.shared && e.durable != nil {
				out = append(out, movedChange(dhcp.Change{Lease: e.durable.lease()}, s.offset).Lease)
			}
		}
	}
	return out
}

// Forget forgets what the store had, which has lost it: its revisions and its time. The leases stay as they are, and what waits for the store
// fails. No shared lease is bound until SyncTime and Reset have been called again.
func (s *Shared) Forget() {
	s.table.mu.Lock()
	jobs := s.queue
	s.queue, s.read, s.timed = nil, false, false
	s.epoch++
	s.received = newReceived()
	clear(s.known)
	s.table.mu.Unlock()
	for _, j := range jobs {
		s.complete(j, SharedResult{Err: errNotRead})
	}
}

// Apply applies records of the store of shared leases that this or another server wrote, in the order of their revisions.
func (s *Shared) Apply(changes []SharedChange) {
	s.table.mu.Lock()
	defer s.table.mu.Unlock()
	s.table.tick()
	for _, c := range changes {
		s.apply(c)
		s.follow(c)
	}
}

// Reset replaces the shared leases by all records that the store has at a revision. It must have been called, after SyncTime, before a shared
// lease can be bound.
func (s *Shared) Reset(all []SharedChange, revision int64) {
	s.table.mu.Lock()
	defer s.table.mu.Unlock()
	s.table.tick()
	there := make(map[uint32]bool, len(all))
	for _, c := range all {
		there[dhcp.AddrNumber(c.Lease.Addr)] = true
		s.apply(c)
	}
	for _, x := range s.table.view.indexes {
		if !x.shared {
			continue
		}
		s.received.applied[x.prefix] = max(s.received.applied[x.prefix], revision)
		for a, e := range x.states {
			if !there[a] && (e.durable != nil || s.known[a].record != 0) {
				s.apply(SharedChange{Change: dhcp.Change{Lease: dhcp.Lease{Addr: dhcp.NumberedAddr(a)}, Delete: true}, Revision: revision})
			}
		}
	}
	s.read = true
}

// apply applies one record, unless a later one is known. For a deletion the revision is that of the store. The caller holds mu.
func (s *Shared) apply(c SharedChange) {
	t, a := s.table, dhcp.AddrNumber(c.Lease.Addr)
	x := t.view.indexes.of(c.Lease.Addr)
	if c.Revision <= s.known[a].seen || x == nil || !x.shared {
		return
	}
	s.known[a] = revisionOf(c.Change, c.Revision)
	local := movedChange(c.Change, -s.offset)
	if l := &local.Lease; l.State == dhcp.LeaseActive && !c.Delete {
		delete(t.view.waiting, l.MAC)
	}
	durable, changed := x.applyRemote(local, t.view.now)
	t.durable.put(a, durable)
	if changed {
		s.copyLater(a, false)
	}
}

// revisionOf returns what is known of a record after the change c at that revision.
func revisionOf(c dhcp.Change, at int64) revision {
	if c.Delete {
		return revision{seen: at}
	}
	return revision{record: at, seen: at}
}

// applyRemote makes the record that another server wrote the durable one, and the visible one unless a change is pending, which will fail.
// changed is false when the durable record was the same.
func (x *addressIndex) applyRemote(c dhcp.Change, now time.Time) (durable *packedLease, changed bool) {
	e := x.get(c.Lease.Addr)
	x.unindex(e)
	was := e.durable
	if e.durable = nil; !c.Delete {
		e.durable = x.own(new(packLease(&c.Lease)))
	}
	if e.durable.same(was) {
		e.durable = was
	}
	if e.pending == 0 {
		e.lease = e.durable
	}
	if c.Lease.State == dhcp.LeaseActive && !c.Delete {
		e.unoffer()
	}
	durable = e.durable
	x.index(e, now)
	return durable, durable != was
}

// same reports whether k and o are the same lease. Their times may differ as much as the clocks of two servers.
func (k *packedLease) same(o *packedLease) bool {
	if k == nil || o == nil {
		return k == o
	}
	near := func(a, b int64) bool { return time.Duration(max(a, b)-min(a, b))*time.Second <= maxTimeError }
	a := *k
	a.firstSeen, a.starts, a.expires = o.firstSeen, o.starts, o.expires
	return a == *o && near(k.firstSeen, o.firstSeen) && near(k.starts, o.starts) && near(k.expires, o.expires)
}
