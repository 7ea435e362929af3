package notify_test

import (
	"testing"
	"testing/synctest"

	"plugtone/provision/notify"
)

func TestJobThatCanNotBeReadDoesNotStopAStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture()
		jobs, stop := f.start(t)
		var ids []uint64
		for range 4 {
			job, err := jobs.Start("root", "", macs(250), notify.Options{})
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, job.ID)
		}
		stop()
		f.store.parts["1/0"] = []byte("{")
		f.store.parts["2/2"] = []byte("[")
		delete(f.store.parts, "3/1")
		jobs, stop = f.start(t)
		defer stop()
		if list := jobs.List(); len(list) != 1 || list[0].ID != ids[3] {
			t.Errorf("jobs %v", list)
		}
	})
}
