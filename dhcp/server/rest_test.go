package server

import (
	"testing"
	"time"
)

const ms = time.Millisecond

// The reader rests only in a rush, long enough for a batch to grow, never longer than a client would notice.
func TestRest(t *testing.T) {
	for _, c := range []struct {
		before    rest
		n         int
		gap, want time.Duration
	}{
		{0, 1, time.Hour, 0},                  // a phone on its own
		{0, 1, 5 * ms, 0},                     // its next packet
		{0, 1, 1250 * time.Microsecond, ms},   // 400 exchanges a second, just begun
		{rest(8 * ms), 13, 16 * ms, 16 * ms},  // the same after a while
		{rest(16 * ms), 13, 16 * ms, 16 * ms}, // and on
		{rest(4 * ms), 32, 4 * ms, 4 * ms},    // 4,000 a second
		{rest(2 * ms), 4, 8 * ms, 4 * ms},     // packets stayed away for a moment
		{rest(4 * ms), batchSize, 4 * ms, 0},  // more are waiting
		{rest(4 * ms), 3, -ms, 0},             // the clock was set
		{rest(16 * ms), 1, 20 * ms, 0},        // the rush is over
	} {
		r := c.before
		if got := r.after(c.n, c.gap); got != c.want || r != rest(got) {
			t.Errorf("after %s, %d packets within %s: rest %s, want %s", time.Duration(c.before), c.n, c.gap, got, c.want)
		}
	}
}

// TestRestGrowsSlowly: it takes five batches of a steady rush to rest as long as possible, and one quiet moment begins anew.
func TestRestGrowsSlowly(t *testing.T) {
	var r rest
	for i, want := range []time.Duration{ms, 2 * ms, 4 * ms, 8 * ms, 16 * ms, 16 * ms} {
		if got := r.after(1, ms); got != want {
			t.Errorf("batch %d: rest %s, want %s", i+1, got, want)
		}
	}
	if got := r.after(1, time.Second); got != 0 {
		t.Errorf("after a quiet second: rest %s", got)
	}
	if got := r.after(1, ms); got != ms {
		t.Errorf("a new rush begins with a rest of %s", got)
	}
}
