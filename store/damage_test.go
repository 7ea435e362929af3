package store

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/store/events"
	"plugtone/store/leases"
	"plugtone/store/records"
)

// withLeases is a data directory whose leases.db has the leases 0 to 9 and whose log has 10 to 19.
func withLeases(t *testing.T) (h *fixture, all map[netip.Addr]dhcp.Lease) {
	h = newFixture(t)
	s := h.open()
	putDevices(t, s, &fleet.Device{MAC: mac(1), ReservedIP: addr(1)})
	for n := range 20 {
		if n == 10 {
			must(t, s.leasesDB.Checkpoint())
		}
		must(t, s.WriteLeases([]dhcp.Change{{Lease: lease(n)}}))
	}
	all = leasesOf(t, s)
	return h.crashed(), all
}

func leaseDamage(s *Store) (found []Damage) {
	for _, d := range s.Damage() {
		if d.Leases {
			found = append(found, d)
		}
	}
	return found
}

func clearStart(t *testing.T, path string) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	must(t, err)
	_, err = f.WriteAt(make([]byte, 4096), 0)
	must(t, errors.Join(err, f.Close()))
}

// leaseFileDamage is a way to lose leases, and what must be reported of it.
type leaseFileDamage struct {
	damage func(h *fixture, t *testing.T)
	file   string
	kind   Kind
	left   int // leases that are still known
}

func leaseFileDamages() map[string]leaseFileDamage {
	return map[string]leaseFileDamage{"first page of the log zeroed": {func(h *fixture, t *testing.T) { clearStart(t, h.path(leases.LogName)) }, leases.LogName, DamagedLog, 20},
		"log cut to 4000 bytes": {func(h *fixture, t *testing.T) { must(t, os.Truncate(h.path(leases.LogName), 4000)) }, leases.LogName, DamagedLog, 10},
		"log cut to 30 bytes":   {func(h *fixture, t *testing.T) { must(t, os.Truncate(h.path(leases.LogName), 30)) }, leases.LogName, DamagedLog, 10},
		"log cut to 5 MB":       {func(h *fixture, t *testing.T) { must(t, os.Truncate(h.path(leases.LogName), 5<<20)) }, leases.LogName, DamagedLog, 20},
		"log empty":             {func(h *fixture, t *testing.T) { must(t, os.Truncate(h.path(leases.LogName), 0)) }, leases.LogName, DamagedLog, 10},
		"log removed":           {func(h *fixture, t *testing.T) { must(t, os.Remove(h.path(leases.LogName))) }, leases.LogName, DamagedLog, 10},
		"leases.db empty":       {func(h *fixture, t *testing.T) { must(t, os.Truncate(h.path(leases.FileName), 0)) }, leases.FileName, Missing, 10},
		"leases.db removed":     {func(h *fixture, t *testing.T) { must(t, os.Remove(h.path(leases.FileName))) }, leases.FileName, Missing, 10},
		"both removed": {func(h *fixture, t *testing.T) {
			must(t, errors.Join(os.Remove(h.path(leases.LogName)), os.Remove(h.path(leases.FileName))))
		}, leases.FileName, Missing, 0},
		"log of another directory": {func(h *fixture, t *testing.T) {
			other, _ := withLeases(t)
			must(t, os.Rename(other.path(leases.LogName), h.path(leases.LogName)))
		}, leases.LogName, DamagedLog, 10},
		"leases.db of another directory": {func(h *fixture, t *testing.T) {
			other, _ := withLeases(t)
			must(t, os.Rename(other.path(leases.FileName), h.path(leases.FileName)))
		}, leases.FileName, Foreign, 20},
	}
}

// TestLostLeaseFilesAreReported damages what holds the leases in the ways that went unnoticed once.
func TestLostLeaseFilesAreReported(t *testing.T) {
	t.Parallel()
	for name, c := range leaseFileDamages() {
		t.Run(name, func(t *testing.T) {
			h, all := withLeases(t)
			c.damage(h, t)
			s := h.open()
			if n := testutil.ToFloat64(s.metrics.damage.WithLabelValues(c.file)); n < 1 {
				t.Errorf("the metric is %v", n)
			}
			found := leaseDamage(s)
			if !slices.ContainsFunc(found, func(d Damage) bool {
				return d.File == c.file && d.Kind == c.kind && d.Time.Equal(h.now) && d.Text != ""
			}) {
				t.Errorf("damage %+v", s.Damage())
			}
			if !strings.Contains(h.log.String(), "file="+c.file) {
				t.Error("nothing of it is logged")
			}
			got := leasesOf(t, s)
			if len(got) != c.left {
				t.Errorf("%d leases are left, want %d", len(got), c.left)
			}
			for a, l := range got {
				if all[a] != l {
					t.Errorf("lease %s became %+v", a, l)
				}
			}
			must(t, s.WriteLeases([]dhcp.Change{{Lease: lease(30)}}))
			must(t, s.Close())
			h.now = h.now.Add(time.Hour)
			s = h.open()
			if len(s.Notices()) != 0 || len(leaseDamage(s)) != len(found) || !leaseDamage(s)[0].Time.Equal(found[0].Time) {
				t.Errorf("the next start reports %+v, notices %q", s.Damage(), s.Notices())
			}
			if n := testutil.ToFloat64(s.metrics.damage.WithLabelValues(c.file)); n != 0 {
				t.Errorf("the metric is %v after the next start", n)
			}
			if got := leasesOf(t, s); len(got) != c.left+1 {
				t.Errorf("%d leases after the next start", len(got))
			}
		})
	}
}

func TestOtherLostFilesAreReported(t *testing.T) {
	t.Parallel()
	for _, name := range []string{records.FileName, events.FileName} {
		h, all := withLeases(t)
		must(t, os.Remove(h.path(name)))
		s := h.open()
		if !s.has(name, Missing) || len(leaseDamage(s)) != 0 {
			t.Errorf("%s: damage %+v", name, s.Damage())
		}
		if n := testutil.ToFloat64(s.metrics.damage.WithLabelValues(name)); n != 1 {
			t.Errorf("%s: the metric is %v", name, n)
		}
		if got := leasesOf(t, s); !maps.Equal(got, all) {
			t.Errorf("%s: %d leases", name, len(got))
		}
	}
}

func TestANewDirectoryIsNotDamaged(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	for range 3 {
		s := h.open()
		if d := s.Damage(); len(d) != 0 {
			t.Errorf("damage %+v", d)
		}
		must(t, s.Close())
	}
	// A process that was killed before the first start was done.
	h = newFixture(t)
	s, err := Open(h.cfg)
	must(t, err)
	killed := h.crashed()
	must(t, s.Close())
	must(t, os.Remove(killed.path(leases.LogName)))
	for _, spec := range specs() {
		removeMeta(t, killed.path(spec.Name), keyIdentity)
	}
	if d := killed.open().Damage(); len(d) != 0 {
		t.Errorf("killed in its first start: %+v", d)
	}
}

// state is everything that a store serves, by name.
func state(t *testing.T, s *Store) map[string]string {
	t.Helper()
	all := map[string]string{}
	must(t, s.LoadLeases(func(l dhcp.Lease) error { all["lease "+l.Addr.String()] = fmt.Sprintf("%+v", l); return nil }))
	must(t, s.View(func(f fleet.View) error {
		for d, err := range f.Devices(dhcp.MAC{}) {
			must(t, err)
			all["device "+d.MAC.String()] = fmt.Sprintf("%+v", *d)
		}
		for x, err := range f.Extensions() {
			must(t, err)
			all["extension "+x.Number] = fmt.Sprintf("%+v %s", *x, string(x.Password))
		}
		return nil
	}))
	tokens, err := s.Tokens()
	must(t, err)
	for _, token := range tokens {
		all["token "+token.Name] = fmt.Sprintf("%+v", token)
	}
	for n := range 10 {
		if a, ok := s.Reserved(mac(n)); ok {
			all["reservation "+mac(n).String()] = a.String()
		}
		line, err := s.Timeline(mac(n), 10)
		must(t, err)
		for i, e := range line {
			all[fmt.Sprintf("entry %s %d", mac(n), i)] = fmt.Sprintf("%+v", e)
		}
	}
	return all
}

// TestFlippedBitsNeverBecomeData flips single bits of the files of a closed store. What is served afterwards is what was
// entered, or is missing and reported.
func TestFlippedBitsNeverBecomeData(t *testing.T) {
	t.Parallel()
	source := newFixture(t)
	s := source.open()
	must(t, s.Edit("tester", "fill", func(e fleet.Edit) error {
		var err error
		for n := range 9 {
			err = errors.Join(err, e.PutDevice(&fleet.Device{MAC: mac(n + 1), Label: fmt.Sprint("phone ", n), ReservedIP: addr(n)}),
				e.PutExtension(&fleet.Extension{Number: fmt.Sprint(n), Registrar: "main", Password: "s3cret"}))
		}
		return err
	}))
	must(t, s.PutToken("tester", fleet.Token{Name: "t", Hash: "abcd"}))
	for n := range 20 {
		must(t, s.WriteLeases([]dhcp.Change{{Lease: lease(n)}}))
	}
	want := state(t, s)
	must(t, s.Close())
	random := rand.New(rand.NewPCG(7, 8))
	for _, spec := range specs() {
		used := usedBytes(t, source.path(spec.Name))
		for range 8 {
			h := newFixture(t)
			h.inMemory()
			must(t, os.CopyFS(h.cfg.Dir, os.DirFS(source.cfg.Dir)))
			f, err := os.OpenFile(h.path(spec.Name), os.O_RDWR, 0)
			must(t, err)
			at, b := random.Int64N(used), make([]byte, 1)
			_, err = f.ReadAt(b, at)
			b[0] ^= 1 << random.IntN(8)
			_, err2 := f.WriteAt(b, at)
			must(t, errors.Join(err, err2, f.Close()))
			s, err := Open(h.cfg)
			if err != nil {
				t.Errorf("%s, byte %d: %v", spec.Name, at, err)
				continue
			}
			if len(s.Damage()) == 0 || spec.Name == leases.FileName && len(leaseDamage(s)) == 0 {
				t.Errorf("%s, byte %d: nothing is reported", spec.Name, at)
			}
			for name, value := range state(t, s) {
				if want[name] != value {
					t.Errorf("%s, byte %d: %s became %s", spec.Name, at, name, value)
				}
			}
			must(t, s.Close())
		}
	}
}

// TestExistingDirectoriesGetChecksums opens the files of a plugtone from before the checksums, as a crash left them.
func TestExistingDirectoriesGetChecksums(t *testing.T) {
	t.Parallel()
	h := oldDirectory(t)
	for range 2 {
		s := h.open()
		if d := s.Damage(); len(d) != 0 {
			t.Fatalf("damage %+v", d)
		}
		got := state(t, s)
		for name, want := range map[string]string{"device " + mac(1).String(): "front desk", "extension 1001": "s3cret", "token t": "abcd",
			"reservation " + mac(1).String(): "10.20.0.1", "entry " + mac(1).String() + " 1": "acked"} {
			if !strings.Contains(got[name], want) {
				t.Errorf("%s: %q", name, got[name])
			}
		}
		for n := range 5 { // three of leases.db, two of the log, which removes the first
			want := lease(n)
			want.Relay, want.VendorClass, want.Vendor = dhcp.Relay{}, "yealink", "yealink" // as in the old files
			if l, ok := leasesOf(t, s)[addr(n)]; ok != (n > 0) || ok && l != want {
				t.Errorf("lease %d: %+v", n, l)
			}
		}
		windows, err := s.LoadWindows()
		fetches, err2 := s.Fetches(mac(1))
		history, err3 := s.RecordHistory(fleet.KindDevice, mac(1).String(), 10)
		if must(t, errors.Join(err, err2, err3)); len(windows) != 1 || len(fetches) != 1 || len(history) != 1 || s.DiscoveredCount() != 1 || s.Revision() != 2 {
			t.Errorf("%d windows, %d fetches, %d revisions, %d discovered, revision %d", len(windows), len(fetches), len(history), s.DiscoveredCount(), s.Revision())
		}
		must(t, s.Close())
	}
	for _, r := range Check(h.cfg.Dir, h.cfg.CheckCommand) {
		if !r.Sound {
			t.Errorf("%s: %s", r.File, r.Damage())
		}
	}
	for _, name := range []string{"plugtone.db.schema-1-", "leases.db.schema-2-", "events.db.schema-1-"} {
		copies, _ := os.ReadDir(h.path("backups"))
		if !slices.ContainsFunc(copies, func(e os.DirEntry) bool { return strings.HasPrefix(e.Name(), name) }) {
			t.Errorf("no copy %s* was made before", name)
		}
	}
	h = oldDirectory(t)
	must(t, os.Remove(h.path(leases.FileName)))
	if s := h.open(); !s.has(leases.FileName, Missing) {
		t.Errorf("without its leases.db: %+v", s.Damage())
	}
}

func TestCheckNamesTheDamage(t *testing.T) {
	t.Parallel()
	h := fullFixture(t)
	for _, r := range Check(h.cfg.Dir, h.cfg.CheckCommand) {
		if !r.Sound || r.File == records.FileName && r.Records < 200 {
			t.Errorf("%+v", r)
		}
	}
	b, err := os.ReadFile(h.path(records.FileName))
	must(t, err)
	at := strings.LastIndex(string(b[:usedBytes(t, h.path(records.FileName))]), "nnnn")
	b[at] = 'm'
	must(t, os.WriteFile(h.path(records.FileName), b, 0o600))
	must(t, os.WriteFile(h.path(leases.FileName), b[:5000], 0o600))
	clearStart(t, h.path(leases.LogName))
	must(t, os.Remove(h.path(events.FileName)))
	for _, r := range Check(h.cfg.Dir, h.cfg.CheckCommand) {
		if r.Sound || r.Damage() == "" || r.File == records.FileName && (r.Damaged != 1 || len(r.Keys) != 1) {
			t.Errorf("%+v", r)
		}
	}
}

func TestDamagedRecordsAreCounted(t *testing.T) {
	t.Parallel()
	h := fullFixture(t)
	b, err := os.ReadFile(h.path(records.FileName))
	must(t, err)
	b[strings.LastIndex(string(b[:usedBytes(t, h.path(records.FileName))]), "nnnn")] = 'm'
	must(t, os.WriteFile(h.path(records.FileName), b, 0o600))
	r := prometheus.NewRegistry()
	h.cfg.Registerer = r
	s := h.open()
	if !s.has(records.FileName, DamagedRecords) || h.devices(s) > 201 {
		t.Errorf("%d devices, damage %+v", h.devices(s), s.Damage())
	}
	families, err := r.Gather()
	must(t, err)
	counted := 0.0
	for _, f := range families {
		if f.GetName() == "plugtone_store_damaged_records_total" {
			for _, m := range f.Metric {
				counted += m.Counter.GetValue()
			}
		}
	}
	if counted != 1 || !strings.Contains(h.log.String(), "damaged record is left out") {
		t.Errorf("%v are counted", counted)
	}
}

// TestAgeOfDamageIsCountedWhilePlugtoneRuns: neither a wrong clock when the damage was found nor the time while plugtone is stopped
// counts. A killed plugtone counts again from the last hour.
func TestAgeOfDamageIsCountedWhilePlugtoneRuns(t *testing.T) {
	t.Parallel()
	h, _ := withLeases(t)
	must(t, os.Remove(h.path(leases.FileName)))
	h.now = time.Unix(0, 0) // no battery
	age := func(s *Store) time.Duration { return leaseDamage(s)[0].Age }
	s := h.open()
	h.now = h.now.Add(3 * time.Hour)
	if got := age(s); got != 3*time.Hour {
		t.Errorf("after three hours: %s", got)
	}
	must(t, s.Close())
	h.now = startOfTime.Add(100 * 24 * time.Hour) // the clock is right from now on
	s = h.open()
	h.now = h.now.Add(time.Hour)
	if got := age(s); got != 4*time.Hour {
		t.Errorf("after a restart and another hour: %s", got)
	}
	must(t, s.Snapshot())
	h.now = h.now.Add(50 * time.Minute)
	killed := h.crashed()
	killed.now = h.now.Add(time.Hour)
	if got := age(killed.open()); got != 4*time.Hour {
		t.Errorf("after it was killed: %s", got)
	}
	h.now = h.now.Add(damageKept)
	must(t, s.Close())
	if found := leaseDamage(h.open()); len(found) > 0 {
		t.Errorf("after 60 days: %+v", found)
	}
}
