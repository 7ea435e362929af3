package events

import (
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"plugtone/dhcp"
	"plugtone/store/dbfile"
	"plugtone/store/storetest"
)

var (
	startOfTime = storetest.Start
	mac         = storetest.MAC
	addr        = storetest.Addr
)

func must(t testing.TB, err error) { t.Helper(); storetest.Must(t, err) }

// fixture is a file of events, and which phones have a record.
type fixture struct {
	t        testing.TB
	path     string
	now      time.Time
	cfg      Config
	recorded map[dhcp.MAC]bool
	db       *DB
}

func newFixture(t testing.TB) *fixture {
	f := &fixture{t: t, path: filepath.Join(t.TempDir(), FileName), now: startOfTime, recorded: map[dhcp.MAC]bool{}}
	f.cfg = Config{Now: func() time.Time { return f.now }, Log: slog.New(slog.DiscardHandler),
		Dropped:  prometheus.NewCounter(prometheus.CounterOpts{}),
		PerPhone: 200, Phones: 100_000, Strangers: 1_000, Discovered: 5_000, MaxSize: 256 << 20,
		Recorded: func(macs []dhcp.MAC) (map[dhcp.MAC]bool, error) {
			found := map[dhcp.MAC]bool{}
			for _, m := range macs {
				found[m] = f.recorded[m]
			}
			return found, nil
		}}
	return f
}

// open opens the events, after it has closed those that were open.
func (f *fixture) open() *DB {
	f.t.Helper()
	f.close()
	opened, err := dbfile.Open(f.path, Spec(), filepath.Dir(f.path), true, dbfile.Options{Now: f.cfg.Now, Log: f.cfg.Log, NoSync: true,
		MaxSize: int(f.cfg.MaxSize), Commits: prometheus.NewHistogram(prometheus.HistogramOpts{}), Damaged: prometheus.NewCounter(prometheus.CounterOpts{})})
	must(f.t, err)
	f.t.Cleanup(func() { opened.Close() })
	f.db, err = New(opened.File, f.cfg)
	must(f.t, err)
	return f.db
}

// close writes what waits and closes the file.
func (f *fixture) close() {
	if f.db != nil {
		must(f.t, f.db.Close())
		must(f.t, f.db.file.Close())
		f.db = nil
	}
}
