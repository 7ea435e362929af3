package server

import (
	"testing"
	"time"
)

// The reader rests only in a rush, long enough for a batch to grow, never longer than a client would notice.
func TestRest(t *testing.T) {
	const ms = time.Millisecond
	for _, c := range []struct {
		n         int
		gap, want time.Duration
	}{
		{1, time.Hour, 0},                     // a phone on its own
		{1, 5 * ms, 0},                        // its next packet
		{1, 1250 * time.Microsecond, 16 * ms}, // 400 exchanges a second
		{13, 16 * ms, 16 * ms},                // the same after a rest
		{32, 4 * ms, 4 * ms},                  // 4,000 a second
		{batchSize, 4 * ms, 0},                // more are waiting
		{3, -ms, 0},                           // the clock was set
	} {
		if got := restAfter(c.n, c.gap); got != c.want {
			t.Errorf("%d packets within %s: rest %s, want %s", c.n, c.gap, got, c.want)
		}
	}
}
