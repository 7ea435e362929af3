package upstream

import (
	"context"
	"fmt"
	"sync"
	"time"
)

const (
	// maxAtOnce is how many requests one PBX gets at a time. The others wait.
	maxAtOnce = 16
	// pauseAfter is how many requests in a row must fail, by no connection or no answer in time, until a PBX is left alone.
	pauseAfter = 3
	// pause is how long it is left alone. Then one request tries it.
	pause = 10 * time.Second
)

// failure is why a PBX gave no answer. Its text continues a sentence that begins with the name of the PBX.
type failure struct {
	outcome Outcome
	text    string
}

func (f *failure) Error() string { return f.text }

// down reports whether the PBX is likely to fail for any other phone too.
func (f *failure) down() bool { return f.outcome == Timeout || f.outcome == Unreachable }

// pbx is what is known of one PBX, and the limits of requests to it.
type pbx struct {
	name  string
	slots chan struct{}

	mu       sync.Mutex
	used     bool
	failures int // in a row
	until    time.Time
	probing  bool // one request tries it after a pause
	trouble  string
	since    time.Time
	failedAt time.Time
}

func newPBX(name string) *pbx { return &pbx{name: name, slots: make(chan struct{}, maxAtOnce)} }

// begin waits for a place among the requests. It fails when the PBX is left alone, and when no place is free in time. end must follow when it
// did not fail.
func (p *pbx) begin(ctx context.Context, now time.Time) *failure {
	if f := p.admit(now); f != nil {
		return f
	}
	select {
	case p.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		p.mu.Lock()
		defer p.mu.Unlock()
		p.probing = false
		return &failure{Timeout, fmt.Sprintf("has %d requests to answer already", maxAtOnce)}
	}
}

// admit returns why the PBX is not to be requested now; nil when it is.
func (p *pbx) admit(now time.Time) *failure {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.failures < pauseAfter {
		return nil
	}
	if now.Before(p.until) || p.probing {
		return &failure{Skipped, fmt.Sprintf("is not requested again before %s: at %s it %s", clock(p.until), clock(p.failedAt), p.trouble)}
	}
	p.probing = true
	return nil
}

// end notes how a request ended, nil for an answer, and frees its place.
func (p *pbx) end(now time.Time, f *failure) {
	<-p.slots
	p.mu.Lock()
	defer p.mu.Unlock()
	p.used, p.probing = true, false
	if f == nil {
		p.failures, p.trouble, p.since = 0, "", time.Time{}
		return
	}
	if p.trouble == "" {
		p.since = now
	}
	p.trouble, p.failedAt = f.text, now
	if !f.down() {
		p.failures = 0
		return
	}
	if p.failures++; p.failures >= pauseAfter {
		p.until = now.Add(pause)
	}
}

func (p *pbx) state() (State, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return State{Name: p.name, Trouble: p.trouble, Since: p.since, FailedAt: p.failedAt}, p.used
}

func clock(t time.Time) string { return t.UTC().Format(time.RFC3339) }
