package store

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/provision/timeline"
	"plugtone/store/wal"
)

// fillUp writes leases until the disk refuses and returns how many were acknowledged.
func fillUp(t *testing.T, s *Store) (acked int, err error) {
	t.Helper()
	for n := range 60_000 {
		l := lease(n)
		l.Hostname = strings.Repeat("h", 63)
		if n%50 == 0 {
			l.VendorClass = strings.Repeat("v", 8000)
		}
		if err := s.WriteLeases([]dhcp.Change{{Lease: l}}); err != nil {
			return acked, err
		}
		acked++
	}
	t.Fatal("the disk never filled up")
	return 0, nil
}

// survivesFullDisk fills the disk, looks at what is there meanwhile, gives space back with relieve and goes on without
// opening anything again.
func survivesFullDisk(t *testing.T, h *fixture, s *Store, relieve func()) {
	acked, err := fillUp(t, s)
	if !strings.Contains(err.Error(), h.path(leaseFile)) || !errors.Is(err, fleet.ErrInternal) {
		t.Errorf("the error does not name the file or is not ours: %v", err)
	}
	if strings.Count(err.Error(), h.path(leaseFile)) != 1 {
		t.Errorf("the file is named twice: %v", err)
	}
	if s.Health() == nil || !strings.Contains(s.Health().Error(), leaseFile) {
		t.Errorf("health: %v", s.Health())
	}
	if got := leasesOf(t, s); len(got) != acked {
		t.Errorf("%d leases are there, %d were acknowledged", len(got), acked)
	}
	for range 3 { // it must go on refusing, not break
		if err := s.WriteLeases([]dhcp.Change{{Lease: dhcp.Lease{Addr: addr(65_000), VendorClass: strings.Repeat("v", 60_000)}}}); err == nil {
			t.Error("a full disk takes more")
		}
	}
	relieve()
	must(t, s.WriteLeases([]dhcp.Change{{Lease: lease(64_999)}}))
	time.Sleep(checkpointRetry) // nobody comes, and leases.db is asked again all the same
	synctest.Wait()
	if s.Health() != nil {
		t.Errorf("health after recovery: %v", s.Health())
	}
	must(t, s.Close())
	s = h.open()
	if got := leasesOf(t, s); got[addr(64_999)] != lease(64_999) || len(s.Notices()) != 0 {
		t.Errorf("after opening again: %d leases, notices %q", len(got), s.Notices())
	}
}

// TestFullDisk has a disk of its own, a small tmpfs: there writes fail with ENOSPC as they would on any.
func TestFullDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newFixture(t)
		err := unix.Mount("plugtone", h.cfg.Dir, "tmpfs", 0, "size=2m")
		if errors.Is(err, syscall.EPERM) {
			t.Skip("SKIPPED: a tmpfs can only be mounted by root; TestFullFile shows the same with a limit of the file")
		}
		must(t, err)
		t.Cleanup(func() { _ = unix.Unmount(h.cfg.Dir, unix.MNT_DETACH) })
		ballast := filepath.Join(h.cfg.Dir, "ballast")
		must(t, os.WriteFile(ballast, make([]byte, 512<<10), 0o600))
		s, err := open(h.cfg, limits{side: wal.MinSegment})
		must(t, err)
		survivesFullDisk(t, h, s, func() { must(t, os.Remove(ballast)) })
	})
}

// TestFullFile limits the file instead: bbolt refuses to grow it.
func TestFullFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newFixture(t)
		s, err := open(h.cfg, limits{most: map[string]int{leaseFile: 1 << 20}, side: wal.MinSegment})
		must(t, err)
		survivesFullDisk(t, h, s, func() { s.leaseDB.db.MaxSize = 0 })
	})
}

// TestAFullDiskKeepsWhatTheJournalTook: leases.db refuses for good, and what was acknowledged is there after a start on the
// same disk, and after a crash on it.
func TestAFullDiskKeepsWhatTheJournalTook(t *testing.T) {
	h := newFixture(t)
	small := limits{most: map[string]int{leaseFile: 1 << 20}, side: wal.MinSegment}
	s, err := open(h.cfg, small)
	must(t, err)
	acked, err := fillUp(t, s)
	if !errors.Is(err, fleet.ErrInternal) {
		t.Fatal(err)
	}
	for range 2 {
		must(t, s.Close())
		s, err = open(h.cfg, small)
		must(t, err)
		if got := leasesOf(t, s); len(got) != acked || len(s.Notices()) != 0 {
			t.Errorf("%d leases are there, %d were acknowledged, notices %q", len(got), acked, s.Notices())
		}
		if err := s.WriteLeases([]dhcp.Change{{Lease: lease(64_999)}}); err == nil {
			t.Error("it takes more")
		}
	}
	must(t, s.Close())
}

func TestAFullDiskUndoesAnEdit(t *testing.T) {
	h := newFixture(t)
	s, err := open(h.cfg, limits{most: map[string]int{fleetFile: 1 << 20}})
	must(t, err)
	t.Cleanup(func() { s.Close() })
	putDevices(t, s, &fleet.Device{MAC: mac(1), ReservedIP: addr(1)})
	told := 0
	s.OnChange(func(uint64) { told++ })
	err = s.Edit("tester", "too much", func(e fleet.Edit) error {
		return errors.Join(e.PutDevice(&fleet.Device{MAC: mac(1), ReservedIP: addr(2), Notes: strings.Repeat("x", 2<<20)}))
	})
	a, _ := s.Reserved(mac(1))
	if !errors.Is(err, fleet.ErrInternal) || a != addr(1) || told != 0 || s.Revision() != 1 {
		t.Errorf("%v; reserved %s, told %d, revision %d", err, a, told, s.Revision())
	}
	putDevices(t, s, &fleet.Device{MAC: mac(2)})
}

// TestEventsOnAFullDisk: what waits is bounded, the oldest goes, and what waits is written when there is room again.
func TestEventsOnAFullDisk(t *testing.T) {
	h := newFixture(t)
	s, err := open(h.cfg, limits{most: map[string]int{eventFile: 1 << 20}})
	must(t, err)
	var many []timeline.Entry
	for n := range queueMax + 10 {
		many = append(many, timeline.Entry{Time: h.now, MAC: mac(n), Source: "dhcp", Verdict: "acked"})
	}
	s.AppendTimeline(many)
	if err := s.events.flush(); err == nil {
		t.Fatal("they fit")
	}
	s.events.flushAndLog()
	s.events.flushAndLog()
	if n := strings.Count(h.log.String(), "timelines are not kept"); n != 1 || !strings.Contains(h.log.String(), "dropped=8192") {
		t.Errorf("said %d times: %s", n, h.log)
	}
	if first, err := s.Timeline(mac(0), 10); err != nil || len(first) != 0 {
		t.Errorf("the oldest entry: %v, %v", first, err)
	}
	if last, err := s.Timeline(mac(queueMax+9), 10); err != nil || len(last) != 1 {
		t.Errorf("the newest entry: %v, %v", last, err)
	}
	s.eventDB.db.MaxSize = 0 // room again
	must(t, s.events.flush())
	must(t, s.Close())
	s = h.open()
	if last, err := s.Timeline(mac(queueMax+9), 10); err != nil || len(last) != 1 {
		t.Errorf("the newest entry after opening again: %v, %v", last, err)
	}
}

// TestASegmentThatWasTurnedToLateIsSettledToo: when leases.db was behind once, and the writer had to wait for it, the other side of
// the journal is taken aside again from then on.
func TestASegmentThatWasTurnedToLateIsSettledToo(t *testing.T) {
	h := newFixture(t)
	s, err := open(h.cfg, limits{side: wal.MinSegment})
	must(t, err)
	n := 0
	next := func() []dhcp.Change { n++; return []dhcp.Change{{Lease: lease(n)}} }
	for err == nil { // as if leases.db took nothing meanwhile
		_, err = s.wal.log.Append(appendChanges(nil, next()))
	}
	if !errors.Is(err, wal.ErrFull) {
		t.Fatal(err)
	}
	n--
	must(t, s.WriteLeases(next()))
	s.wal.aside.Wait()
	left, err := s.wal.log.Pending()
	if err != nil || len(left) != 1 {
		t.Errorf("%d batches are in the journal, the last of them must be; %v", len(left), err)
	}
	must(t, s.Close())
	if got := leasesOf(t, h.open()); len(got) != n {
		t.Errorf("%d leases of %d", len(got), n)
	}
}
