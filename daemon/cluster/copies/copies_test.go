package copies

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
)

// What a phone uploads to one member is on the others within a second, encrypted with the key of each, once.
func TestUploadIsOnTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		a, b, c := n.add("a"), n.add("b"), n.add("c")
		for _, m := range []*member{a, b, c} {
			m.start()
			defer m.stop()
		}
		after(10 * time.Second)
		a.upload(phone, "a.cfg", "one")
		after(time.Second)
		b.has(phone, "a.cfg", "one")
		c.has(phone, "a.cfg", "one")
		b.upload(phone, "a.cfg", "two") // the phone's next upload goes to another member
		after(time.Second)
		a.has(phone, "a.cfg", "two")
		c.has(phone, "a.cfg", "two")
		for _, m := range []*member{a, c} {
			if all, err := filepath.Glob(filepath.Join(m.dir, phone.Hex(), "*")); len(all) != 2 || err != nil {
				t.Errorf("%s has %v, %v", m.name, all, err)
			}
			if text, err := os.ReadFile(filepath.Join(m.dir, phone.Hex(), "a.cfg")); err != nil || strings.Contains(string(text), "two") {
				t.Errorf("%s: %q, %v", m.name, text, err)
			}
		}
		if s := a.Stats(); s.Items[[2]string{Upload, outcomeCopied}] != 1 || s.Bytes != 3 || s.Waiting != 0 || a.copied != 1 {
			t.Errorf("a: %+v, %d notified", s, a.copied)
		}
		if s, ok := a.Of("b"); !ok || s.Problem != "" || s.Done.IsZero() {
			t.Errorf("a of b: %+v, %v", s, ok)
		}
	})
}

// A member that was away for days has all files afterwards, also more than the list of recent uploads holds, and the newest of each.
func TestMemberCatchesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		a, b := n.add("a"), n.add("b")
		a.start()
		defer a.stop()
		b.start()
		defer func() { b.stop() }()
		after(10 * time.Second)
		a.upload(phone, "a.cfg", "before")
		a.fetch(phone, "old.cfg", "old")
		after(time.Second)
		b.fetched(phone, "old.cfg", "old")
		b.stop()
		n.set("b", nil)
		for range journalLength + 1 {
			a.Copies.uploads.journal.add(listed{phone, "x", time.Now().UnixMicro()}) // more than the list holds
			a.Fetched(fleet.Fetch{MAC: phone, File: "x", Time: time.Now()})
		}
		a.fetch(phone, "a.cfg", "new")
		a.upload(phone, "a.cfg", "after")
		a.upload(phone, "new.log", "new")
		for i := range byte(70) {
			a.upload(dhcp.MAC{0, 0x15, 0x65, 1, 0, i}, "boot.log", fmt.Sprint("boot ", i))
		}
		b.upload(phone, "only-b.log", "of b") // a phone reaches it while the members are apart
		after(72 * time.Hour)
		n.set("b", b)
		b.start()
		after(20 * time.Second)
		b.has(phone, "a.cfg", "after")
		b.has(phone, "new.log", "new")
		b.has(dhcp.MAC{0, 0x15, 0x65, 1, 0, 69}, "boot.log", "boot 69")
		a.has(phone, "only-b.log", "of b")
		b.fetched(phone, "a.cfg", "new")
		if s := b.Stats(); s.Items[[2]string{Upload, outcomeCopied}] != 73 || s.Waiting != 0 || s.Failing != 0 {
			t.Errorf("b: %+v", s)
		}
	})
}

// While members are apart a phone uploads to both: the later version wins on both, and the other one stays as an older version where it was.
// The same bytes uploaded again count as later, and are not sent.
func TestLaterUploadWins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		a, b := n.add("a"), n.add("b")
		a.upload(phone, "a.cfg", "from a")
		a.upload(phone, "again.cfg", "same")
		b.upload(phone, "a.cfg", "from b, later")
		b.upload(phone, "again.cfg", "other")
		a.upload(phone, "again.cfg", "same")
		b.upload(phone, "both.cfg", "both")
		a.upload(phone, "both.cfg", "both")
		a.start()
		defer a.stop()
		b.start()
		defer b.stop()
		after(20 * time.Second)
		for _, m := range []*member{a, b} {
			m.has(phone, "a.cfg", "from b, later")
			m.has(phone, "again.cfg", "same")
			m.has(phone, "both.cfg", "both")
		}
		if _, err := os.Stat(filepath.Join(a.dir, phone.Hex(), "a.cfg~1")); err != nil {
			t.Error(err)
		}
		if s := b.Stats(); s.Items[[2]string{Upload, outcomeCopied}] != 1 || s.Items[[2]string{Upload, outcomeSame}] != 1 {
			t.Errorf("b: %+v", s)
		}
		one, _ := a.store.Files(phone)
		two, _ := b.store.Files(phone)
		if fmt.Sprint(one) != fmt.Sprint(two) {
			t.Errorf("the lists differ: %v, %v", one, two)
		}
	})
}

// A file of a phone whose record this member lacks waits for it; those of others go on. Phones without a record are not offered.
func TestUploadWaitsForTheRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		a, b := n.add("a"), n.add("b")
		late := true
		b.cfg.Recorded = func(mac dhcp.MAC) (bool, error) { n.mu.Lock(); defer n.mu.Unlock(); return mac != phone || !late, nil }
		b.start()
		defer b.stop()
		after(10 * time.Second)
		a.upload(phone, "a.cfg", "early")
		a.upload(dhcp.MAC{0, 2}, "b.cfg", "other")
		after(5 * time.Second)
		b.has(phone, "a.cfg", "")
		b.has(dhcp.MAC{0, 2}, "b.cfg", "other")
		if s, _ := b.Of("a"); s.Waiting != 1 || !strings.Contains(s.Problem, "no device record") {
			t.Errorf("%+v", s)
		}
		n.mu.Lock()
		late = false
		n.mu.Unlock()
		after(2 * time.Minute)
		b.has(phone, "a.cfg", "early")
		n.strange[dhcp.MAC{0, 3}] = true
		a.upload(dhcp.MAC{0, 3}, "c.cfg", "stranger")
		after(2 * time.Minute)
		if s, _ := b.Of("a"); s.Waiting != 0 || s.Problem != "" {
			t.Errorf("%+v", s)
		}
	})
}

// On a nearly full disk nothing is copied, and copying goes on when there is room.
func TestFullDiskStopsCopies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		a, b := n.add("a"), n.add("b")
		b.free = leastRoom - 1
		a.upload(phone, "a.cfg", "x")
		b.start()
		defer b.stop()
		after(20 * time.Second)
		b.has(phone, "a.cfg", "")
		if s, _ := b.Of("a"); !strings.Contains(s.Problem, "the disk of this member has 255 MiB left") || s.Waiting != 1 {
			t.Errorf("%+v", s)
		}
		n.mu.Lock()
		b.free = leastRoom
		n.mu.Unlock()
		after(2 * time.Minute)
		b.has(phone, "a.cfg", "x")
	})
}

// The later fetch of a file counts, whatever the order in which members receive it, and a copy is not passed on as if it were one's own.
func TestLaterFetchCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		a, b := n.add("a"), n.add("b")
		a.fetch(phone, "a.cfg", "first")
		after(time.Minute)
		b.fetch(phone, "a.cfg", "second")
		a.start()
		defer a.stop()
		b.start()
		defer b.stop()
		after(10 * time.Second)
		a.fetched(phone, "a.cfg", "second")
		b.fetched(phone, "a.cfg", "second")
		a.fetch(phone, "a.cfg", "third")
		after(time.Second)
		b.fetched(phone, "a.cfg", "third")
		if s := b.Stats(); s.Items[[2]string{Fetch, outcomeCopied}] != 1 || s.Waiting != 0 || b.copied != 1 {
			t.Errorf("b: %+v, %d notified", s, b.copied)
		}
		if items, _, _, _ := b.Copies.fetches.journal.since(b.Copies.fetches.journal.run, 0); len(items) != 1 {
			t.Errorf("b offers %d recent fetches", len(items))
		}
	})
}

// Files are read no faster than the bound.
func TestBandwidthIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		a, b := n.add("a"), n.add("b")
		for i := range byte(3) {
			a.upload(dhcp.MAC{0, 0x15, 0x65, 0, 0, i}, "a.log", strings.Repeat("x", 4<<20))
		}
		b.start()
		defer b.stop()
		after(9 * time.Second)
		if s := b.Stats(); s.Bytes == 0 || s.Bytes > 9<<20 {
			t.Errorf("after 9 s: %+v", s)
		}
		after(10 * time.Second)
		if s := b.Stats(); s.Bytes != 12<<20 {
			t.Errorf("after 19 s: %+v", s)
		}
	})
}

// Fetches are recorded no faster than the store can write them, so that none is dropped.
func TestFetchesAreRecordedAtABoundedRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t)
		a, b := n.add("a"), n.add("b")
		const all = fetchesPerTime + 500
		for i := range all {
			a.fetch(dhcp.MAC{0, 0x15, 0x65, 0, byte(i >> 8), byte(i)}, "a.cfg", "x")
		}
		b.start()
		defer b.stop()
		count := func() int { b.mu.Lock(); defer b.mu.Unlock(); return len(b.fetches) }
		after(rateTime / 2)
		if got := count(); got == 0 || got > fetchesPerTime/2+10 {
			t.Errorf("%d fetches after half the time", got)
		}
		after(rateTime)
		if got := count(); got != all {
			t.Errorf("%d of %d fetches in the end", got, all)
		}
	})
}
