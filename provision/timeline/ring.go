package timeline

import "time"

// Ring keeps the last entries of one phone. The same thing happening again right away is counted, not kept twice.
// It is not safe for concurrent use.
type Ring struct {
	entries []Entry
	next    int // where the next entry goes once the ring is full
	most    int
}

// repeatWithin is how close together equal entries must be to count as one.
const repeatWithin = 10 * time.Second

// NewRing makes a ring for at most n entries; n below 1 is taken for 1.
func NewRing(n int) *Ring { return &Ring{most: max(1, n)} }

// Add keeps an entry, or counts it when it repeats the last one.
func (r *Ring) Add(e Entry) {
	if last := r.last(); last != nil && last.repeats(e) {
		last.Repeat += 1 + e.Repeat
		return
	}
	if len(r.entries) < r.most {
		r.entries = append(r.entries, e)
		return
	}
	r.entries[r.next] = e
	r.next = (r.next + 1) % r.most
}

func (r *Ring) last() *Entry {
	switch {
	case len(r.entries) == 0:
		return nil
	case len(r.entries) < r.most:
		return &r.entries[len(r.entries)-1]
	}
	return &r.entries[(r.next+r.most-1)%r.most]
}

// repeats reports whether b is a repetition of e.
func (e *Entry) repeats(b Entry) bool {
	near := b.Time.Sub(e.Time) <= repeatWithin && !b.Time.Before(e.Time)
	a := *e
	a.Time, a.Duration, a.Repeat = b.Time, b.Duration, b.Repeat
	return near && a == b
}

// Entries copies the entries, oldest first.
func (r *Ring) Entries() []Entry {
	out := make([]Entry, 0, len(r.entries))
	out = append(out, r.entries[r.next:]...)
	return append(out, r.entries[:r.next]...)
}
