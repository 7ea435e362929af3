package store

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/provision/timeline"
	"plugtone/store/dbfile"
	"plugtone/store/events"
	"plugtone/store/records"
)

// unreadable is a file that the kernel opens and fails to read, with EIO.
const unreadable = "/proc/self/mem"

func TestATimelineThatCantBeReadDoesNotStopTheStart(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]func(h *fixture) error{
		"read fails":  func(h *fixture) error { return os.Symlink(unreadable, h.path(events.FileName)) },
		"a directory": func(h *fixture) error { return os.Mkdir(h.path(events.FileName), 0o700) },
	} {
		t.Run(name, func(t *testing.T) {
			h := fullFixture(t)
			must(t, errors.Join(os.Remove(h.path(events.FileName)), damage(h)))
			s := h.open()
			if !s.has(events.FileName, Unreadable) || len(s.Notices()) != 1 || !strings.Contains(h.log.String(), "timelines and the discovered list are in memory only") {
				t.Errorf("damage %+v", s.Damage())
			}
			s.AppendTimeline(timeline.Entry{Time: h.now, MAC: mac(1), Verdict: "acked"})
			s.SeePhone(fleet.Discovered{MAC: mac(2)})
			s.RecordFetch(fleet.Fetch{MAC: mac(1), File: "a"})
			must(t, s.Flush())
			line, err := s.Timeline(mac(1), 10)
			fetches, err2 := s.Fetches(mac(1))
			if must(t, errors.Join(err, err2)); len(line) != 1 || s.DiscoveredCount() != 1 || len(fetches) != 1 {
				t.Errorf("%d entries, %d discovered, %d fetches", len(line), s.DiscoveredCount(), len(fetches))
			}
			if h.devices(s) != 201 || len(leasesOf(t, s)) != 2 || s.Health() != nil {
				t.Errorf("%d devices, %v", h.devices(s), s.Health())
			}
			must(t, s.Backup(&strings.Builder{}, false))
		})
	}
}

func TestRecordsThatCantBeReadStopTheStart(t *testing.T) {
	t.Parallel()
	h := fullFixture(t)
	must(t, errors.Join(os.Rename(h.path(records.FileName), h.path("kept")), os.Symlink(unreadable, h.path(records.FileName))))
	if _, err := Open(h.cfg); err == nil || !strings.Contains(err.Error(), h.path(records.FileName)) {
		t.Errorf("got %v", err)
	}
	must(t, os.Rename(h.path("kept"), h.path(records.FileName))) // it was not set aside
	if s := h.open(); h.devices(s) != 201 {
		t.Errorf("%d devices", h.devices(s))
	}
}

// TestWritesFailWhenTheDataDirectoryIsGone moves the directory away while the store is open, puts another in its place,
// and puts it back.
func TestWritesFailWhenTheDataDirectoryIsGone(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	s := h.open()
	must(t, s.WriteLeases([]dhcp.Change{{Lease: lease(1)}}))
	putDevices(t, s, &fleet.Device{MAC: mac(1)})
	moved := h.cfg.Dir + ".moved"
	must(t, os.Rename(h.cfg.Dir, moved))
	if err := s.Health(); !errors.Is(err, dbfile.ErrReplaced) { // without a write
		t.Errorf("health: %v", err)
	}
	refused := func(when string) {
		t.Helper()
		err := s.WriteLeases([]dhcp.Change{{Lease: lease(2)}})
		if !errors.Is(err, dbfile.ErrReplaced) || !errors.Is(err, fleet.ErrInternal) {
			t.Errorf("%s: a lease: %v", when, err)
		}
		err = s.Edit("tester", "put", func(e fleet.Edit) error { return e.PutDevice(&fleet.Device{MAC: mac(2)}) })
		if !errors.Is(err, dbfile.ErrReplaced) || s.Revision() != 1 {
			t.Errorf("%s: a record: %v", when, err)
		}
		if s.Health() == nil {
			t.Errorf("%s: healthy", when)
		}
	}
	refused("moved away")
	must(t, os.CopyFS(h.cfg.Dir, os.DirFS(moved)))
	refused("replaced by a copy")
	must(t, errors.Join(os.RemoveAll(h.cfg.Dir), os.Rename(moved, h.cfg.Dir)))
	must(t, s.WriteLeases([]dhcp.Change{{Lease: lease(3)}}))
	putDevices(t, s, &fleet.Device{MAC: mac(3)})
	if s.Health() != nil {
		t.Error(s.Health())
	}
	for _, name := range []string{records.FileName, "leases.db", "leases.journal"} {
		must(t, os.Rename(h.path(name), h.path("x")))
		var err error
		for n := 0; err == nil && n < 16; n++ { // leases.db is looked at after so many writes
			err = s.WriteLeases([]dhcp.Change{{Lease: lease(4)}})
		}
		if (err == nil) != (name == records.FileName) {
			t.Errorf("without %s: %v", name, err)
		}
		must(t, os.Rename(h.path("x"), h.path(name)))
	}
	must(t, s.WriteLeases([]dhcp.Change{{Lease: lease(5)}}))
	var known []string
	for a := range leasesOf(t, s) {
		known = append(known, a.String())
	}
	slices.Sort(known)
	if want := []string{"10.20.0.1", "10.20.0.3", "10.20.0.4", "10.20.0.5"}; !slices.Equal(known, want) {
		t.Errorf("leases %v, want %v", known, want)
	}
}
