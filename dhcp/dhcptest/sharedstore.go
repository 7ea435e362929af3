package dhcptest

import (
	"errors"
	"net/netip"
	"sync"
	"time"

	"plugtone/dhcp/leasetable"
)

// SharedStore is a leasetable.SharedStore in memory. Its time is Ahead of the tables'.
type SharedStore struct {
	mu       sync.Mutex
	revision int64
	records  map[netip.Addr]leasetable.SharedChange
	Batches  []int // jobs in each call of Bind
	Ahead    time.Duration
	hang     chan struct{}
	err      error
}

// NewSharedStore returns an empty store.
func NewSharedStore() *SharedStore {
	return &SharedStore{records: map[netip.Addr]leasetable.SharedChange{}}
}

// Bind implements leasetable.SharedStore.
func (s *SharedStore) Bind(jobs [][]leasetable.SharedChange) []leasetable.SharedResult {
	s.mu.Lock()
	hang := s.hang
	s.mu.Unlock()
	if hang != nil {
		<-hang
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.Batches = append(s.Batches, len(jobs))
	out := make([]leasetable.SharedResult, len(jobs))
	for i, j := range jobs {
		out[i] = s.bind(j)
	}
	return out
}

func (s *SharedStore) bind(job []leasetable.SharedChange) (r leasetable.SharedResult) {
	if s.err != nil {
		return leasetable.SharedResult{Err: s.err}
	}
	for _, c := range job {
		if now := s.records[c.Lease.Addr]; now.Revision != c.Revision {
			r.Err = leasetable.ErrOtherServer
			r.Current = append(r.Current, now)
		}
	}
	if r.Err == nil {
		s.revision++
		r.Revision = s.revision
		for _, c := range job {
			c.Revision = s.revision
			s.records[c.Lease.Addr] = c
		}
	}
	return r
}

// Put writes a record as another server would, and returns it for Apply.
func (s *SharedStore) Put(c leasetable.SharedChange) leasetable.SharedChange {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.revision++
	c.Revision = s.revision
	s.records[c.Lease.Addr] = c
	return c
}

// At returns the record of an address.
func (s *SharedStore) At(a netip.Addr) leasetable.SharedChange {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.records[a]
}

// Hang makes later calls of Bind wait for resume.
func (s *SharedStore) Hang() (resume func()) {
	c := make(chan struct{})
	s.mu.Lock()
	s.hang = c
	s.mu.Unlock()
	return func() {
		s.mu.Lock()
		s.hang = nil
		s.mu.Unlock()
		close(c)
	}
}

// ErrUnknownOutcome is an error for Fail: whether the change was made is not known.
var ErrUnknownOutcome = errors.New("no answer in time")

// Fail makes later calls of Bind return err for each job; nil ends it.
func (s *SharedStore) Fail(err error) { s.mu.Lock(); s.err = err; s.mu.Unlock() }

// Connect lets t bind leases in the store, and reads all of it into t.
func (s *SharedStore) Connect(t *leasetable.Shared, clock func() time.Time) {
	t.SyncTime(func() time.Time { return clock().Add(s.Ahead) })
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]leasetable.SharedChange, 0, len(s.records))
	for _, c := range s.records {
		all = append(all, c)
	}
	t.Reset(all, s.revision)
}
