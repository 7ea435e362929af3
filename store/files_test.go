package store

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/store/events"
	"plugtone/store/leases"
	"plugtone/store/records"
)

// fullFixture has something in each file, a snapshot of the first device only, and is closed.
func fullFixture(t *testing.T) *fixture {
	h := newFixture(t)
	s := h.open()
	putDevices(t, s, &fleet.Device{MAC: mac(1), ReservedIP: addr(1)})
	must(t, s.Snapshot())
	var many []*fleet.Device
	for i := range 200 {
		many = append(many, &fleet.Device{MAC: mac(i + 2), Notes: strings.Repeat("n", 300)})
	}
	many[7].Notes = strings.Repeat("overflow", 2000)
	putDevices(t, s, many...)
	must(t, s.WriteLeases([]dhcp.Change{{Lease: lease(1)}, {Lease: lease(2)}}))
	s.SeePhone(fleet.Discovered{MAC: mac(9)})
	must(t, s.Close())
	return h
}

func (h *fixture) devices(s *Store) int {
	n := 0
	must(h.t, s.View(func(f fleet.View) error {
		for _, err := range f.Devices(dhcp.MAC{}) {
			must(h.t, err)
			n++
		}
		return nil
	}))
	return n
}

func TestFilesAreReadableByTheDaemonAlone(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	must(t, os.WriteFile(h.path(leases.FileName), nil, 0o644))
	s := h.open()
	must(t, s.Snapshot())
	if len(s.Sizes()) != 4 {
		t.Errorf("sizes %v", s.Sizes())
	}
	for _, pattern := range []string{"*.db", "*.journal", "backups/*.db"} {
		paths, _ := filepath.Glob(h.path(pattern))
		if len(paths) == 0 {
			t.Errorf("no %s", pattern)
		}
		for _, p := range paths {
			if info, err := os.Stat(p); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("%s: %v, %v", p, info.Mode(), err)
			}
		}
	}
}

func TestASoundFilePassesItsCheck(t *testing.T) {
	t.Parallel()
	h := fullFixture(t)
	s := h.open()
	if n := h.devices(s); n != 201 || len(s.Notices()) != 0 || len(leasesOf(t, s)) != 2 || s.DiscoveredCount() != 1 {
		t.Errorf("%d devices, notices %q", n, s.Notices())
	}
}

// TestDamageIsSetAside damages one file in each way; the other two must be as they were, and the damage must be reported.
func TestDamageIsSetAside(t *testing.T) {
	t.Parallel()
	damages := map[string]func(b []byte) []byte{
		"cut in half":       func(b []byte) []byte { return b[:len(b)/2] },
		"cut to one page":   func(b []byte) []byte { return b[:4096] },
		"cut to 10 bytes":   func(b []byte) []byte { return b[:10] },
		"garbage":           func(b []byte) []byte { return bytes.Repeat([]byte("garbage!"), 4096) },
		"zeros":             func(b []byte) []byte { return make([]byte, len(b)) },
		"data pages zeroed": func(b []byte) []byte { clear(b[2*4096:]); return b },
	}
	for what, damage := range damages {
		for _, name := range []string{records.FileName, leases.FileName, events.FileName} {
			t.Run(what+" "+name, func(t *testing.T) {
				h := fullFixture(t)
				b, err := os.ReadFile(h.path(name))
				must(t, err)
				b = damage(b[:usedBytes(t, h.path(name))]) // bbolt grows files ahead of their use
				must(t, os.WriteFile(h.path(name), b, 0o600))
				s := h.open()
				wantDevices, wantLeases, wantSeen := 201, 2, 1
				switch name {
				case records.FileName:
					wantDevices = 1 // the snapshot's
				case leases.FileName:
					wantLeases = 2 // the log's
				case events.FileName:
					wantSeen = 0
				}
				if d, l, e := h.devices(s), len(leasesOf(t, s)), s.DiscoveredCount(); d != wantDevices || l != wantLeases || e != wantSeen {
					t.Errorf("%d devices, %d leases, %d discovered", d, l, e)
				}
				aside, _ := filepath.Glob(h.path(name + ".damaged-*"))
				if len(aside) != 1 {
					t.Fatalf("set aside: %v", aside)
				}
				if kept, err := os.ReadFile(aside[0]); err != nil || !bytes.Equal(kept, b) {
					t.Errorf("what was set aside is not what was there: %v", err)
				}
				if n := s.Notices(); len(n) != 1 || !strings.Contains(n[0], aside[0]) || !strings.Contains(h.log.String(), name+".damaged-") {
					t.Errorf("notices %q, log %s", n, h.log)
				}
				if _, ok := s.Reserved(mac(1)); !ok {
					t.Error("the reservation is lost")
				}
				putDevices(t, s, &fleet.Device{MAC: mac(1000)})
				must(t, s.WriteLeases([]dhcp.Change{{Lease: lease(3)}}))
			})
		}
	}
}

func TestNewestGoodSnapshotIsUsed(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	s := h.open()
	for i := range 3 {
		putDevices(t, s, &fleet.Device{MAC: mac(i + 1)})
		must(t, s.Snapshot())
		h.now = h.now.Add(time.Hour)
	}
	must(t, s.Close())
	snaps := s.snapshots()
	must(t, os.Truncate(snaps[0], 5000))
	must(t, os.WriteFile(h.path(records.FileName), []byte("garbage"), 0o600))
	s = h.open()
	if n := h.devices(s); n != 2 || s.Revision() != 2 {
		t.Errorf("%d devices at revision %d", n, s.Revision())
	}
	if n := s.Notices(); len(n) != 1 || !strings.Contains(n[0], snaps[0]+" can't be used") || !strings.Contains(n[0], snaps[1]+" took its place") {
		t.Errorf("notices %q", n)
	}
}

func TestDamagedRecordsWithoutASnapshotStartEmpty(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	must(t, os.WriteFile(h.path(records.FileName), []byte("garbage"), 0o600))
	s := h.open()
	if n := s.Notices(); len(n) != 1 || !strings.Contains(n[0], "starts empty") {
		t.Errorf("notices %q", n)
	}
}

func TestAMissingFileWithSnapshotsIsReported(t *testing.T) {
	t.Parallel()
	h := fullFixture(t)
	must(t, os.Remove(h.path(records.FileName)))
	s := h.open()
	if n := s.Notices(); len(n) != 1 || !strings.Contains(n[0], "missing or empty") || h.devices(s) != 0 {
		t.Errorf("notices %q", n)
	}
}

func TestInvalidConfigIsRefused(t *testing.T) {
	t.Parallel()
	if _, err := Open(Config{TimelineEntries: -1, TimelineMaxSize: 1}); err == nil || strings.Count(err.Error(), "\n") != 3 {
		t.Errorf("got %v", err)
	}
	h := newFixture(t)
	must(t, os.WriteFile(h.path("backups"), nil, 0o600))
	if _, err := Open(h.cfg); err == nil || !strings.Contains(err.Error(), h.path("backups")) {
		t.Errorf("got %v", err)
	}
}

func TestNewerFileIsRefused(t *testing.T) {
	t.Parallel()
	for _, spec := range specs() {
		h := fullFixture(t)
		setSchema(t, h.path(spec.Name), 99)
		before, _ := os.ReadFile(h.path(spec.Name))
		_, err := Open(h.cfg)
		if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%s has schema 99, this plugtone supports up to %d", h.path(spec.Name), spec.Schema.Version)) {
			t.Errorf("got %v", err)
		}
		if after, _ := os.ReadFile(h.path(spec.Name)); !bytes.Equal(before, after) {
			t.Errorf("%s was touched", spec.Name)
		}
	}
}
