package store

import (
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"plugtone/dhcp"
	"plugtone/dhcp/netlab"
	"plugtone/provision/fleet"
	"plugtone/store/leases"
	"plugtone/store/records"
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
	if !strings.Contains(err.Error(), h.path(leases.FileName)) || !errors.Is(err, fleet.ErrInternal) {
		t.Errorf("the error does not name the file or is not ours: %v", err)
	}
	if strings.Count(err.Error(), h.path(leases.FileName)) != 1 {
		t.Errorf("the file is named twice: %v", err)
	}
	if s.Health() == nil || !strings.Contains(s.Health().Error(), leases.FileName) {
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
	time.Sleep(5 * time.Second) // without a client too, the checkpoint is tried again
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

// smallDisk mounts a small tmpfs over the data directory: there writes fail with ENOSPC as they would on any disk. relieve
// makes room on it.
func smallDisk(t *testing.T, h *fixture, size string, ballast int) (relieve func()) {
	t.Helper()
	err := unix.Mount("plugtone", h.cfg.Dir, "tmpfs", 0, "size="+size)
	if errors.Is(err, syscall.EPERM) {
		netlab.Missing(t, errors.New("a tmpfs can only be mounted by root"))
	}
	must(t, err)
	t.Cleanup(func() { _ = unix.Unmount(h.cfg.Dir, unix.MNT_DETACH) })
	must(t, os.WriteFile(h.path("ballast"), make([]byte, ballast), 0o600))
	return func() { must(t, os.Remove(h.path("ballast"))) }
}

func TestAcknowledgedLeasesSurviveAFullDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newFixture(t)
		relieve := smallDisk(t, h, "2m", 512<<10)
		s, err := open(h.cfg, limits{segment: wal.MinSegment})
		must(t, err)
		survivesFullDisk(t, h, s, relieve)
	})
}

// TestAFullDiskKeepsWhatTheLogHas: leases.db refuses for good, and what was acknowledged is there after a start on the
// same disk, and after a crash on it.
func TestAFullDiskKeepsWhatTheLogHas(t *testing.T) {
	h := newFixture(t)
	small := limits{most: map[string]int{leases.FileName: 1 << 20}, segment: wal.MinSegment}
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
	s, err := open(h.cfg, limits{most: map[string]int{records.FileName: 1 << 20}})
	must(t, err)
	t.Cleanup(func() { s.Close() })
	putDevices(t, s, &fleet.Device{MAC: mac(1), ReservedIP: addr(1)})
	err = s.Edit("tester", "too much", func(e fleet.Edit) error {
		return errors.Join(e.PutDevice(&fleet.Device{MAC: mac(1), ReservedIP: addr(2), Notes: strings.Repeat("x", 2<<20)}))
	})
	a, _ := s.Reserved(mac(1))
	if !errors.Is(err, fleet.ErrInternal) || a != addr(1) || s.Revision() != 1 {
		t.Errorf("%v; reserved %s, revision %d", err, a, s.Revision())
	}
	putDevices(t, s, &fleet.Device{MAC: mac(2)})
}
