package notify_test

import (
	"testing"
	"testing/synctest"
	"time"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/provision/notify"
)

// otherMember is what another member of the cluster served.
type otherMember struct{ elsewhere []fleet.Fetch }

// copied returns the fetch that another member of the cluster served to a phone.
func (f otherMember) copied(mac dhcp.MAC) (out []fleet.Fetch, err error) {
	for _, c := range f.elsewhere {
		if c.MAC == mac && !c.Time.After(time.Now()) {
			out = append(out, c)
		}
	}
	return out, nil
}

// A phone may fetch from another member than the one whose job notified it. Only its own file, and only after the NOTIFY, counts.
func TestFetchFromAnotherMemberEndsAPhone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture()
		m := macs(3)
		f.fetches = func(dhcp.MAC) time.Duration { return 0 }
		now := time.Now()
		f.elsewhere = []fleet.Fetch{
			{MAC: m[0], File: "a.cfg", Kind: "device", Time: now.Add(20 * time.Second)},
			{MAC: m[1], File: "b.cfg", Kind: "device", Time: now.Add(-time.Second)},
			{MAC: m[2], File: "firmware.rom", Kind: "firmware", Time: now.Add(20 * time.Second)},
		}
		jobs, stop := f.start(t)
		defer stop()
		job, err := jobs.Start("root", "", m, notify.Options{})
		if err != nil {
			t.Fatal(err)
		}
		job = wait(t, jobs, job.ID)
		for i, want := range []notify.Outcome{notify.Fetched, notify.Answered, notify.Answered} {
			if p := job.Phones[i]; p.Outcome != want {
				t.Errorf("phone %d: %s: %s, want %s", i, p.Outcome, p.Detail, want)
			}
		}
	})
}
