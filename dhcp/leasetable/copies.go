package leasetable

import (
	"maps"
	"math"
	"net/netip"

	"plugtone/dhcp"
)

// received is up to which revision of the store this server has received which leases were given back. An own change counts when the store reports it,
// after all earlier ones.
type received struct {
	applied map[netip.Prefix]int64 // by subnet
	saved   map[netip.Prefix]int64 // applied, when the disk had it
	failed  int                    // writes of copies that failed: these are queued again
}

func newReceived() received { return received{map[netip.Prefix]int64{}, map[netip.Prefix]int64{}, 0} }

// Received returns, for each shared subnet, a revision of the store: each lease that was given back up to it is given back on this server too, also
// after a restart from its disk.
func (s *Shared) Received() map[netip.Prefix]int64 {
	s.table.mu.Lock()
	defer s.table.mu.Unlock()
	return s.received.saved
}

// follow notes a record that the store has reported, in the order of revisions. The caller holds mu.
func (s *Shared) follow(c SharedChange) {
	if !c.Delete && c.Lease.State == dhcp.LeaseReleased {
		s.received.applied[c.Lease.Subnet] = max(s.received.applied[c.Lease.Subnet], c.Revision)
	}
}

// revisionAt returns the revision of an address's record in the store, more than any while it is not known. The caller holds mu.
func (s *Shared) revisionAt(a netip.Addr) int64 {
	if r := s.known[dhcp.AddrNumber(a)].record; r != 0 {
		return r
	}
	return math.MaxInt64
}

// Pending reports whether a change of addr is on its way to the disk.
func (v *Leases) Pending(addr netip.Addr) bool {
	e := v.indexes.state(addr)
	return e != nil && e.pending > 0
}

// ReceivedAt reports whether a server that has received what the store of shared leases had at a revision has the record of addr as it is here.
func ReceivedAt(v *Leases, addr netip.Addr, revision int64) bool {
	return v.revision == nil || !v.Pending(addr) && v.revision(addr) <= revision
}

// copyLater makes the record of an address be written to the disk as it will be then. The caller holds mu.
func (s *Shared) copyLater(a uint32, shifted bool) {
	was, had := s.copies[a]
	s.copies[a] = shifted && (was || !had)
}

// queueCopies queues the shared leases that were bound since the last call for the disk.
func (s *Shared) queueCopies() {
	t := s.table
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(s.copies) == 0 && maps.Equal(s.received.applied, s.received.saved) || len(t.queue) >= maxQueued {
		return
	}
	changes := make([]dhcp.Change, 0, len(s.copies))
	for a, shifted := range s.copies {
		c := dhcp.Change{Lease: dhcp.Lease{Addr: dhcp.NumberedAddr(a)}, Delete: true}
		if e := t.view.indexes.state(c.Lease.Addr); e != nil && e.durable != nil {
			c = dhcp.Change{Lease: e.durable.lease(), ClockShifted: shifted}
		}
		changes = append(changes, c)
	}
	clear(s.copies)
	applied, epoch, failed := maps.Clone(s.received.applied), s.epoch, s.received.failed
	t.queue = append(t.queue, job{changes: changes, copied: func(err error) {
		switch {
		case err != nil:
			s.received.failed++
			for _, c := range changes {
				s.copyLater(dhcp.AddrNumber(c.Lease.Addr), c.ClockShifted)
			}
		case epoch == s.epoch && failed == s.received.failed:
			s.received.saved = applied
		}
	}})
	t.Flush()
}
