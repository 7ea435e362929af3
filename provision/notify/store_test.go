package notify_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"plugtone/dhcp"
	"plugtone/provision/notify"
)

// TestWhatCanNotBeStoredIsStoredLater: the phones of the second part are done while the disk is full.
func TestWhatCanNotBeStoredIsStoredLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture()
		m := macs(150)
		f.fetches = func(mac dhcp.MAC) time.Duration {
			if mac == m[0] {
				return 30 * time.Second
			}
			return 8 * time.Second
		}
		jobs, stop := f.start(t)
		job, err := jobs.Start("root", "", m, notify.Options{})
		if err != nil {
			t.Fatal(err)
		}
		fail := func(err error) { f.store.mu.Lock(); f.store.fail = err; f.store.mu.Unlock() }
		time.Sleep(5 * time.Second)
		fail(errors.New("disk is full"))
		time.Sleep(10 * time.Second)
		fail(nil)
		wait(t, jobs, job.ID)
		stop()
		jobs, stop = f.start(t)
		defer stop()
		if job, err = jobs.Job(job.ID); err != nil || job.Counts[notify.Fetched] != 150 {
			t.Errorf("%v: %v", job.Counts, err)
		}
	})
}

// TestJobWithoutAPaceTakesABoundedNumberOfSockets: phones that do not answer are waited for.
func TestJobWithoutAPaceTakesABoundedNumberOfSockets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture()
		now, most := 0, 0
		f.reply = func(dhcp.MAC) (notify.Reply, error) {
			f.mu.Lock()
			now++
			most = max(most, now)
			f.mu.Unlock()
			time.Sleep(5 * time.Second)
			f.mu.Lock()
			now--
			f.mu.Unlock()
			return notify.Reply{Code: 200}, nil
		}
		jobs, stop := f.start(t)
		defer stop()
		job, err := jobs.Start("root", "", macs(600), notify.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if job = wait(t, jobs, job.ID); job.Counts[notify.Fetched] != 600 || most != 256 {
			t.Errorf("%v, %d at a time", job.Counts, most)
		}
	})
}

func TestJobsOfManyPhonesAreKeptInASmallerNumber(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture()
		jobs, stop := f.start(t)
		defer stop()
		f.target = func(dhcp.MAC) (notify.Target, error) {
			return notify.Target{}, &notify.Skipped{Reason: "it has no line"}
		}
		for range 4 {
			job, err := jobs.Start("root", "", macs(40_000), notify.Options{})
			if err != nil {
				t.Fatal(err)
			}
			wait(t, jobs, job.ID)
		}
		if list := jobs.List(); len(list) != 2 || list[1].ID != 3 {
			t.Errorf("%d jobs are kept", len(list))
		}
		if n := f.store.count(); n != 2*(1+400) {
			t.Errorf("%d parts are stored", n)
		}
	})
}

// TestJobIsStoredBeforeItCanBegin: a job that Run begins before it is stored would be forgotten by a restart, with phones notified.
func TestJobIsStoredBeforeItCanBegin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture()
		jobs, stop := f.start(t)
		defer stop()
		saves := 0
		f.store.saving = func(id uint64) {
			if saves++; saves > 1 {
				return
			}
			if list := jobs.List(); len(list) != 0 {
				t.Errorf("while job %d is stored, the jobs are %v", id, list)
			}
		}
		if _, err := jobs.Start("root", "", macs(2), notify.Options{}); err != nil {
			t.Fatal(err)
		}
		if saves == 0 {
			t.Error("the job was not stored")
		}
	})
}
