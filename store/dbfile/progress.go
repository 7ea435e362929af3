package dbfile

import (
	"fmt"
	"sync"
	"time"

	"plugtone/provision/fleet"
)

// WriteDeadline is how long a write may take before Health reports it.
const WriteDeadline = 3 * time.Second

// Progress records whether writes are running and when the last one ended.
type Progress struct {
	mu      sync.Mutex
	running int
	since   time.Time // begin of the first write under way, or end of the last one that ended meanwhile
}

// Begin records the begin of a write.
func (p *Progress) Begin(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running++; p.running == 1 {
		p.since = now
	}
}

// End records the end of a write.
func (p *Progress) End(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.running--
	p.since = now
}

// Advance records that the write under way goes on, and that it may take extra time before the next sign of it.
func (p *Progress) Advance(now time.Time, extra time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running > 0 {
		p.since = now.Add(extra)
	}
}

// Health returns an error when a write of path has been under way for WriteDeadline.
func (p *Progress) Health(path string, now time.Time) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if took := now.Sub(p.since); p.running > 0 && took >= WriteDeadline {
		return fmt.Errorf("write %s: has not ended for %s: %w", path, took.Round(time.Second), fleet.ErrInternal)
	}
	return nil
}
