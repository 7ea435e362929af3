package notify_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"plugtone/dhcp"
	"plugtone/provision/notify"
	"plugtone/provision/timeline"
)

// memoryStore is a Store that survives a "restart" of Jobs.
type memoryStore struct {
	mu    sync.Mutex
	parts map[string][]byte
	fail  error
	// saving is called before a part of a job is stored; nil: not.
	saving func(id uint64)
}

func (m *memoryStore) SaveJob(id uint64, part int, data []byte) error {
	if m.saving != nil {
		m.saving(id)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return m.fail
	}
	m.parts[fmt.Sprintf("%d/%d", id, part)] = data
	return nil
}

func (m *memoryStore) LoadJobs(f func(uint64, int, []byte) error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for key, data := range maps.Clone(m.parts) {
		var id uint64
		var part int
		if _, err := fmt.Sscanf(key, "%d/%d", &id, &part); err != nil {
			return err
		}
		if err := f(id, part, data); err != nil {
			return err
		}
	}
	return nil
}

func (m *memoryStore) DeleteJob(id uint64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	maps.DeleteFunc(m.parts, func(key string, _ []byte) bool { return strings.HasPrefix(key, fmt.Sprintf("%d/", id)) })
	return nil
}

// count returns how many parts are stored.
func (m *memoryStore) count() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.parts)
}

// fixture is phones in memory. What a phone does is set by MAC before the job starts.
type fixture struct {
	otherMember
	mu      sync.Mutex
	store   *memoryStore
	sent    map[dhcp.MAC][]time.Time
	reply   func(dhcp.MAC) (notify.Reply, error) // nil: 200
	fetches func(dhcp.MAC) time.Duration         // time to the fetch; 0: none
	refused map[dhcp.MAC]string
	target  func(dhcp.MAC) (notify.Target, error)
	entries []timeline.Entry
	counted map[notify.Outcome]int
}

func newFixture() *fixture {
	return &fixture{store: &memoryStore{parts: map[string][]byte{}}, sent: map[dhcp.MAC][]time.Time{}, refused: map[dhcp.MAC]string{},
		fetches: func(dhcp.MAC) time.Duration { return 8 * time.Second }, counted: map[notify.Outcome]int{},
		target: func(mac dhcp.MAC) (notify.Target, error) {
			return notify.Target{MAC: mac, Addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 20, mac[4], mac[5]}), 5060), Transport: "udp"}, nil
		}}
}

// start runs jobs until stop is called.
func (f *fixture) start(t *testing.T) (*notify.Jobs, func()) {
	t.Helper()
	jobs, err := notify.New(notify.Config{
		Target: func(mac dhcp.MAC, _ bool) (notify.Target, error) { return f.target(mac) },
		Send: func(ctx context.Context, to notify.Target, _ bool) (notify.Reply, error) {
			f.mu.Lock()
			f.sent[to.MAC] = append(f.sent[to.MAC], time.Now())
			f.mu.Unlock()
			if f.reply != nil {
				return f.reply(to.MAC)
			}
			return notify.Reply{Code: 200, Reason: "OK"}, nil
		},
		Timeline: func(mac dhcp.MAC, _ int) (out []timeline.Entry, err error) {
			f.mu.Lock()
			defer f.mu.Unlock()
			if reason := f.refused[mac]; reason != "" && len(f.sent[mac]) > 0 {
				out = append(out, timeline.Entry{Time: time.Now(), MAC: mac, Source: "http", Verdict: "refused", Reason: reason})
			}
			for _, at := range f.sent[mac] {
				if after := f.fetches(mac); after > 0 && time.Since(at) >= after {
					out = append(out, timeline.Entry{Time: at.Add(after), MAC: mac, Source: "http", Verdict: "served", Kind: "device"})
				}
			}
			return out, nil
		},
		Record:  func(e timeline.Entry) { f.mu.Lock(); f.entries = append(f.entries, e); f.mu.Unlock() },
		Counted: func(o notify.Outcome) { f.mu.Lock(); f.counted[o]++; f.mu.Unlock() },
		Store:   f.store, Fetches: f.copied, Now: time.Now, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { jobs.Run(ctx); close(ended) }()
	return jobs, func() { cancel(); <-ended }
}

// macs returns n MACs.
func macs(n int) (out []dhcp.MAC) {
	for i := range n {
		out = append(out, dhcp.MAC{0, 0x15, 0x65, 0, byte(i >> 8), byte(i)})
	}
	return out
}

// wait waits until a job has ended.
func wait(t *testing.T, jobs *notify.Jobs, id uint64) notify.Job {
	t.Helper()
	for range 100_000 {
		job, err := jobs.Job(id)
		if err != nil {
			t.Fatal(err)
		}
		if job.State != notify.Running {
			return job
		}
		time.Sleep(time.Second) // in a synctest bubble
	}
	t.Fatal("the job does not end")
	panic("unreachable")
}

func TestJobKeepsThePaceAndWaitsForTheFetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture()
		jobs, stop := f.start(t)
		defer stop()
		phones := macs(2000)
		job, err := jobs.Start("root", "", phones, notify.Options{Pace: notify.Rate{Count: 50, Per: time.Minute}})
		if err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		job = wait(t, jobs, job.ID)
		if job.State != notify.Done || job.Counts[notify.Fetched] != 2000 || len(job.Phones) != 2000 {
			t.Fatalf("%s, %v", job.State, job.Counts)
		}
		// 2,000 phones at 50 a minute are 40 minutes.
		if took := time.Since(begun).Round(time.Minute); took != 40*time.Minute {
			t.Errorf("took %s", took)
		}
		if p := job.Phones[0]; p.Detail != "fetched after 8 s" || p.After != 8*time.Second {
			t.Errorf("%+v", p)
		}
		if f.counted[notify.Fetched] != 2000 {
			t.Errorf("counted %v", f.counted)
		}
	})
}

func TestPhonesBehindOneAddressAreNotifiedAtTheirOwnPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture()
		one := netip.MustParseAddrPort("10.30.0.1:5060")
		f.target = func(mac dhcp.MAC) (notify.Target, error) { return notify.Target{MAC: mac, Addr: one}, nil }
		jobs, stop := f.start(t)
		defer stop()
		job, err := jobs.Start("root", "", macs(10), notify.Options{PerAddress: notify.Rate{Count: 5, Per: time.Minute}})
		if err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		wait(t, jobs, job.ID)
		if took := time.Since(begun); took < 108*time.Second || took > 125*time.Second { // 9 intervals of 12 s, then the fetch
			t.Errorf("took %s", took)
		}
	})
}

func TestEachOutcomeIsReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture()
		m := macs(8)
		f.fetches = func(mac dhcp.MAC) time.Duration {
			if mac == m[0] {
				return 3 * time.Second
			}
			return 0
		}
		f.refused[m[2]] = "no proof"
		f.reply = func(mac dhcp.MAC) (notify.Reply, error) {
			switch mac {
			case m[3]:
				return notify.Reply{Code: 401, Reason: "Unauthorized", Challenged: true}, nil
			case m[4]:
				return notify.Reply{Code: 489, Reason: "Bad Event"}, nil
			case m[5]:
				return notify.Reply{}, nil
			case m[7]:
				return notify.Reply{}, errors.New("connection refused")
			}
			return notify.Reply{Code: 200}, nil
		}
		direct := f.target
		f.target = func(mac dhcp.MAC) (notify.Target, error) {
			if mac == m[6] {
				return notify.Target{}, &notify.Skipped{Reason: "the device is disabled"}
			}
			return direct(mac)
		}
		jobs, stop := f.start(t)
		defer stop()
		job, err := jobs.Start("root", "", m, notify.Options{})
		if err != nil {
			t.Fatal(err)
		}
		job = wait(t, jobs, job.ID)
		want := []string{"fetched: fetched after 3 s", "answered: it answered 200, and did not fetch within 1m30s", "answered: it answered, and its request was refused: no proof",
			"challenged: it answered 401: it requires other credentials", "rejected: it answered 489 Bad Event", "silent: no answer, and no fetch within 1m30s",
			"skipped: the device is disabled", "silent: connection refused"}
		for i, p := range job.Phones {
			if got := string(p.Outcome) + ": " + p.Detail; got != want[i] {
				t.Errorf("phone %d: %s\nwant %s", i, got, want[i])
			}
		}
	})
}

func TestCanaryThatDoesNotFetchStopsTheJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture()
		m := macs(2000)
		direct := f.target
		f.target = func(mac dhcp.MAC) (notify.Target, error) {
			if mac == m[0] { // it is skipped, and not a canary
				return notify.Target{}, &notify.Skipped{Reason: "no lease"}
			}
			return direct(mac)
		}
		f.fetches = func(mac dhcp.MAC) time.Duration {
			if mac == m[2] {
				return 0
			}
			return time.Second
		}
		jobs, stop := f.start(t)
		defer stop()
		job, err := jobs.Start("root", "", m, notify.Options{Canary: 2})
		if err != nil {
			t.Fatal(err)
		}
		job = wait(t, jobs, job.ID)
		if want := "canary 00:15:65:00:00:02: it answered 200, and did not fetch within 1m30s"; job.State != notify.Stopped || job.Reason != want {
			t.Errorf("%s: %s", job.State, job.Reason)
		}
		if len(f.sent) != 2 || job.Counts[notify.SkippedOut] != 1998 || job.Counts[notify.Fetched] != 1 {
			t.Errorf("%d were notified; %v", len(f.sent), job.Counts)
		}
	})
}

func TestCanariesThatFetchLetTheOthersFollow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture()
		jobs, stop := f.start(t)
		defer stop()
		m := macs(20)
		job, err := jobs.Start("root", "", m, notify.Options{Canary: 3})
		if err != nil {
			t.Fatal(err)
		}
		job = wait(t, jobs, job.ID)
		if job.Counts[notify.Fetched] != 20 {
			t.Errorf("%s, %s: %v", job.State, job.Reason, job.Counts)
		}
		if gap := f.sent[m[3]][0].Sub(f.sent[m[2]][0]); gap < 8*time.Second {
			t.Errorf("the fourth phone was notified %s after the last canary, before its fetch", gap)
		}
	})
}

func TestStoppedJobNotifiesNoFurtherPhone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture()
		jobs, stop := f.start(t)
		defer stop()
		job, err := jobs.Start("root", "", macs(100), notify.Options{Pace: notify.Rate{Count: 1, Per: time.Second}})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(10500 * time.Millisecond)
		if job, err = jobs.Stop(job.ID, "stopped by root"); err != nil || job.State != notify.Stopped {
			t.Fatal(job, err)
		}
		time.Sleep(time.Hour)
		if len(f.sent) != 11 {
			t.Errorf("%d phones were notified", len(f.sent))
		}
		if _, err := jobs.Stop(99, ""); !errors.Is(err, notify.ErrNotFound) {
			t.Errorf("stop of job 99: %v", err)
		}
	})
}

func TestJobGoesOnAfterARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture()
		jobs, stop := f.start(t)
		m := macs(250)
		job, err := jobs.Start("root", "new keys", m, notify.Options{Pace: notify.Rate{Count: 1, Per: time.Second}})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(120 * time.Second)
		stop()
		before := len(f.sent)
		jobs, stop = f.start(t)
		defer stop()
		job = wait(t, jobs, job.ID)
		if job.State != notify.Done || job.Counts[notify.Fetched] != 250 || job.Message != "new keys" || job.Phones[249].MAC != m[249] {
			t.Errorf("%s: %v", job.State, job.Counts)
		}
		for mac, at := range f.sent {
			if len(at) > 1 {
				t.Errorf("%s was notified %d times", mac, len(at))
			}
		}
		if before >= 250 || before < 100 {
			t.Errorf("%d were notified before the restart", before)
		}
		next, err := jobs.Start("root", "", m[:1], notify.Options{})
		if err != nil || next.ID != job.ID+1 {
			t.Errorf("the next job is %d after %d: %v", next.ID, job.ID, err)
		}
	})
}

func TestJobThatCanNotBeStoredIsNotStarted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture()
		jobs, stop := f.start(t)
		defer stop()
		f.store.fail = errors.New("disk is full")
		if _, err := jobs.Start("root", "", macs(1), notify.Options{}); err == nil || !strings.Contains(err.Error(), "disk is full") {
			t.Errorf("error %v", err)
		}
		if list := jobs.List(); len(list) != 0 {
			t.Errorf("%v", list)
		}
	})
}

func TestOnlyTheLastHundredJobsAreKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture()
		jobs, stop := f.start(t)
		defer stop()
		for range 105 {
			job, err := jobs.Start("root", "", macs(1), notify.Options{})
			if err != nil {
				t.Fatal(err)
			}
			wait(t, jobs, job.ID)
		}
		list := jobs.List()
		if len(list) != 100 || list[0].ID != 105 || list[99].ID != 6 {
			t.Errorf("%d jobs, %d to %d", len(list), list[0].ID, list[len(list)-1].ID)
		}
		if n := f.store.count(); n != 200 {
			t.Errorf("%d parts are stored", n)
		}
	})
}
