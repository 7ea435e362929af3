package leases

import (
	"log/slog"
	"net/netip"
	"path/filepath"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"plugtone/dhcp"
	"plugtone/store/dbfile"
	"plugtone/store/storetest"
	"plugtone/store/wal"
)

var lease = storetest.Lease

func must(t testing.TB, err error) { t.Helper(); storetest.Must(t, err) }

// fixture is a directory with leases.
type fixture struct {
	t        testing.TB
	dir      string
	expected bool
	now      time.Time
	file     *dbfile.File
	db       *DB
}

func newFixture(t testing.TB) *fixture {
	f := &fixture{t: t, dir: t.TempDir(), now: storetest.Start}
	t.Cleanup(f.close)
	return f
}

func (f *fixture) path(name string) string { return filepath.Join(f.dir, name) }

// open opens the leases, after it has closed those that were open.
func (f *fixture) open() (db *DB, damage []string) {
	f.t.Helper()
	f.close()
	now, log := func() time.Time { return f.now }, slog.New(slog.DiscardHandler)
	opened, err := dbfile.Open(f.path(FileName), Spec(), f.dir, true, dbfile.Options{Now: now, Log: log,
		Commits: prometheus.NewHistogram(prometheus.HistogramOpts{}), Damaged: prometheus.NewCounter(prometheus.CounterOpts{})})
	must(f.t, err)
	f.file = opened.File
	f.db, damage, err = Open(f.file, Config{Now: now, Log: log, Commits: prometheus.NewHistogram(prometheus.HistogramOpts{}),
		Segment: wal.MinSegment, Identity: wal.Identity{1}, Expected: f.expected})
	must(f.t, err)
	return f.db, damage
}

func (f *fixture) close() {
	if f.db != nil {
		_, err := f.db.Close()
		must(f.t, err)
		must(f.t, f.file.Close())
		f.db = nil
	}
}

func leasesOf(t testing.TB, db *DB) map[netip.Addr]dhcp.Lease {
	t.Helper()
	found := map[netip.Addr]dhcp.Lease{}
	must(t, db.LoadLeases(func(l dhcp.Lease) error { found[l.Addr] = l; return nil }))
	return found
}
