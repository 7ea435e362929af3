package timeline

import (
	"testing"
	"time"
)

func TestRingKeepsTheLast(t *testing.T) {
	r := NewRing(3)
	for i := range 7 {
		r.Add(Entry{Time: time.Unix(int64(i*60), 0), Event: "get"})
	}
	got := r.Entries()
	if len(got) != 3 {
		t.Fatalf("%d entries, want 3", len(got))
	}
	for i, e := range got {
		if want := time.Unix(int64((4+i)*60), 0); !e.Time.Equal(want) {
			t.Errorf("entry %d is of %s, want %s", i, e.Time, want)
		}
	}
}

func TestRingCountsRepeats(t *testing.T) {
	for _, size := range []int{1, 2, 5} {
		r := NewRing(size)
		r.Add(Entry{Time: time.Unix(0, 0), Event: "discover", Verdict: "acked"})
		start := time.Unix(100, 0)
		for i := range 4 {
			r.Add(Entry{Time: start.Add(time.Duration(i) * time.Second), Event: "discover", Verdict: "offered", Duration: time.Duration(i)})
		}
		got := r.Entries()
		last := got[len(got)-1]
		if last.Repeat != 3 || !last.Time.Equal(start) {
			t.Errorf("size %d: last entry %+v, want 3 repeats of the one at %s", size, last, start)
		}
		r.Add(Entry{Time: start.Add(time.Minute), Event: "discover", Verdict: "offered"})
		got = r.Entries()
		if last := got[len(got)-1]; last.Repeat != 0 || !last.Time.Equal(start.Add(time.Minute)) {
			t.Errorf("size %d: an entry a minute later counts as a repeat: %+v", size, last)
		}
	}
}

func TestRingEntriesAreCopies(t *testing.T) {
	r := NewRing(2)
	r.Add(Entry{Event: "get"})
	r.Entries()[0].Event = "scribbled"
	if got := r.Entries()[0].Event; got != "get" {
		t.Errorf("the ring's own entry was changed to %q", got)
	}
}
