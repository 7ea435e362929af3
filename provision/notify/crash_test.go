package notify_test

import (
	"maps"
	"testing"
	"testing/synctest"
	"time"

	"plugtone/dhcp"
	"plugtone/provision/notify"
)

// crash ends the daemon of a fixture so that what it had not stored is lost, with all that timelines have of the job.
func (f *fixture) crash(stop func()) {
	f.store.mu.Lock()
	stored := maps.Clone(f.store.parts)
	f.store.mu.Unlock()
	stop()
	f.store.parts = stored
	f.sent = map[dhcp.MAC][]time.Time{}
}

func TestPhonesThatWereWaitedForInACrashAreNotifiedAgain(t *testing.T) {
	for _, reboot := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			f := newFixture()
			jobs, stop := f.start(t)
			job, err := jobs.Start("root", "", macs(20), notify.Options{Pace: notify.Rate{Count: 1, Per: time.Second}, Reboot: reboot})
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(15 * time.Second)
			f.crash(stop)
			jobs, stop = f.start(t)
			defer stop()
			before, err := jobs.Job(job.ID)
			if err != nil || before.Counts[notify.Fetched] == 0 || before.Counts[notify.Waiting] == 0 {
				t.Fatalf("%v, %v", before.Counts, err)
			}
			job = wait(t, jobs, job.ID)
			again := 20 - before.Counts[notify.Fetched]
			if reboot { // they would restart a second time
				again -= before.Counts[notify.Waiting]
			}
			if len(f.sent) != again || job.Counts[notify.Fetched] != before.Counts[notify.Fetched]+again {
				t.Errorf("reboot %t: %v before, %v after, %d notified again", reboot, before.Counts, job.Counts, len(f.sent))
			}
		})
	}
}
