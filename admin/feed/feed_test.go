package feed

import (
	"testing"

	"plugtone/provision/timeline"
)

func publish(f *Feed, n int) {
	for range n {
		f.Publish(timeline.Entry{Source: "dhcp"})
	}
}

func TestAFollowerThatComesBackGetsWhatItMissed(t *testing.T) {
	var f Feed
	fo, missed, lost, stop := f.Follow("")
	if len(missed) != 0 || lost {
		t.Errorf("a new follower missed %d, lost %v", len(missed), lost)
	}
	publish(&f, 3)
	first := <-fo.Items
	stop()
	publish(&f, 2)
	_, missed, lost, stop = f.Follow(first.ID)
	defer stop()
	if len(missed) != 4 || lost {
		t.Errorf("missed %d, lost %v; want the 4 after the first", len(missed), lost)
	}
}

func TestAnIdTooOldOrOfAnotherRunReportsLoss(t *testing.T) {
	var f, other Feed
	fo, _, _, _ := f.Follow("")
	publish(&f, 1)
	first := <-fo.Items
	publish(&f, 2*recent)
	if _, missed, lost, _ := f.Follow(first.ID); !lost || len(missed) == 0 || len(missed) > recent {
		t.Errorf("too old: missed %d, lost %v", len(missed), lost)
	}
	if n := fo.Lost.Load(); n != 2*recent-buffer {
		t.Errorf("a follower that does not read lost %d, want %d", n, 2*recent-buffer)
	}
	publish(&other, 5)
	for _, id := range []string{first.ID, "nonsense", "-1", first.ID[:8] + "-999999999"} {
		if _, missed, lost, _ := other.Follow(id); !lost || len(missed) != 5 {
			t.Errorf("id %q: missed %d, lost %v", id, len(missed), lost)
		}
	}
}
