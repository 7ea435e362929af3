package recordlog

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// state is what is known of the log and of this copy.
type state struct {
	mu      sync.Mutex
	head    head  // as last seen
	headRev int64 // its revision in etcd; 0: it was never seen
	problem error // why this copy does not follow; nil while it does
	synced  time.Time
}

func (s *state) lastHead() (head, int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.head, s.headRev
}

// setHead takes over the head that the log has, whose revision is lower than before when etcd has lost its data. An older one than this member
// has just written costs a write one more try.
func (s *state) setHead(h head, rev int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.head, s.headRev = h, rev
}

// sawHead takes over a head of the log, unless a newer one was seen.
func (s *state) sawHead(h head, rev int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if rev > s.headRev {
		s.head, s.headRev = h, rev
	}
}

// why returns why this copy does not follow, nil while it does.
func (s *state) why() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.problem
}

// stopped notes why this copy does not follow.
func (s *state) stopped(err error, log *slog.Logger) {
	s.mu.Lock()
	was := s.problem
	s.problem = err
	s.mu.Unlock()
	if fmt.Sprint(was) != fmt.Sprint(err) {
		log.Warn("the records of this appliance do not follow the cluster's: they can be read and not changed", "err", err)
	}
}

// following notes that this copy has everything that the log has.
func (s *state) following(now time.Time, log *slog.Logger) {
	s.mu.Lock()
	was := s.problem
	s.problem, s.synced = nil, now
	h := s.head
	s.mu.Unlock()
	if was != nil {
		log.Info("the records of this appliance follow the cluster's", "entry", h.Seq)
	}
}

// Status is the state of this member's copy.
type Status struct {
	Cluster  string    // of the copy; "" when it is none
	Applied  uint64    // the newest entry that this copy has
	Head     uint64    // the newest entry of the log, as last seen
	Snapshot string    // of the log, as last seen
	Synced   time.Time // when the copy last had everything that was seen; zero: not since the start
	Problem  error     // why it does not follow; nil while it does
}

// Status returns the state of this member's copy.
func (l *Log) Status() Status {
	at, err := l.position()
	l.mu.Lock()
	defer l.mu.Unlock()
	s := Status{Cluster: at.Cluster, Applied: at.Seq, Head: max(l.head.Seq, at.Seq), Snapshot: l.head.Snapshot, Synced: l.synced, Problem: errors.Join(l.problem, err)}
	if s.Problem == nil && l.Connected() == nil && s.Applied == s.Head {
		s.Synced = l.Now()
	}
	return s
}
