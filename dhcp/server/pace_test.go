package server

import (
	"sync/atomic"
	"testing"
	"time"
)

func TestOnlyVeryManyPacketsAreCollected(t *testing.T) {
	for _, c := range []struct {
		rate  int // packets a second
		dense bool
	}{{100, false}, {2000, false}, {4500, false}, {5500, true}, {8000, true}, {16_000, true}, {35_000, true}, {45_000, false}, {100_000, false}} {
		var p pace
		at := time.Unix(1000, 0)
		for range 6 * c.rate / 100 { // 60 ms
			p.count(1, at, true)
			at = at.Add(time.Second / time.Duration(c.rate))
		}
		if p.dense != c.dense {
			t.Errorf("%d packets a second: dense %v, want %v", c.rate, p.dense, c.dense)
		}
		p.count(1, at.Add(time.Second), true)
		if p.dense {
			t.Errorf("%d packets a second, then none for a second: dense", c.rate)
		}
	}
}

// TestCollectedPacketsShareAWrite: what comes while the receiver delays its read is served before one write. Before packets were dense
// each had a write of its own.
func TestCollectedPacketsShareAWrite(t *testing.T) {
	var clock atomic.Int64 // nanoseconds
	writes, delays, goOn := make(chan int, 1), make(chan time.Duration), make(chan struct{})
	served := 0
	f := newReceiverFixture(t, func() {
		if served > 0 { // else a signal has ended the read
			writes <- served
		}
		served = 0
	}, func(r *receiver) {
		r.now = func() time.Time { return time.Unix(0, clock.Load()) }
		r.serve = func(*packet, bool) { served++ }
		r.delay = func(d time.Duration) {
			delays <- d
			<-goOn
		}
	})
	const each = 100 * time.Microsecond
	for sent := 1; ; sent++ {
		f.send(t, 1)
		if n := receive(t, writes); n != 1 {
			t.Fatalf("%d packets before a write, want 1", n)
		}
		clock.Add(int64(each))
		if time.Duration(sent)*each > measured+each {
			break
		}
	}
	for range 2 {
		if d := receive(t, delays); d != collectFor {
			t.Errorf("it waits for %v, want %v", d, collectFor)
		}
		for range 3 {
			f.send(t, 1)
		}
		goOn <- struct{}{}
		if n := receive(t, writes); n != 3 {
			t.Errorf("%d packets before a write, want 3", n)
		}
	}
	receive(t, delays)
	f.stop()
	close(goOn)
	if err := receive(t, f.ended); err != nil {
		t.Error(err)
	}
}
