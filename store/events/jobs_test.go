package events

import (
	"fmt"
	"slices"
	"testing"
)

func loadedJobs(t *testing.T, db *DB) (out []string) {
	t.Helper()
	must(t, db.LoadJobs(func(id uint64, part int, data []byte) error {
		out = append(out, fmt.Sprintf("%d/%d %s", id, part, data))
		return nil
	}))
	return out
}

func TestJobsSurviveARestartAndADeletionRemovesAllParts(t *testing.T) {
	h := newFixture(t)
	db := h.open()
	for _, part := range []int{1, 2, 0} {
		must(t, db.SaveJob(7, part, fmt.Appendf(nil, "part %d", part)))
	}
	must(t, db.SaveJob(300, 0, []byte("other")))
	must(t, db.SaveJob(7, 2, []byte("again")))
	db = h.open()
	want := []string{"7/0 part 0", "7/1 part 1", "7/2 again", "300/0 other"}
	if got := loadedJobs(t, db); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	must(t, db.DeleteJob(7))
	if got := loadedJobs(t, db); !slices.Equal(got, want[3:]) {
		t.Errorf("%q", got)
	}
}

func TestJobsAreKeptInMemoryWithoutAFile(t *testing.T) {
	db, err := New(nil, newFixture(t).cfg)
	must(t, err)
	must(t, db.SaveJob(1, 0, []byte("x")))
	must(t, db.DeleteJob(1))
	if len(db.jobs.parts) != 0 {
		t.Error(db.jobs.parts)
	}
}
