package records

import (
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/store/dbfile"
	"plugtone/store/storetest"
)

// fixture is a file of records.
type fixture struct {
	t    *testing.T
	path string
	now  time.Time
	file *dbfile.File

	commit func(commit func() error) error // nil: nothing fails
}

func newFixture(t *testing.T) *fixture {
	return &fixture{t: t, path: filepath.Join(t.TempDir(), FileName), now: startOfTime}
}

// open opens the records, after it has closed those that were open.
func (f *fixture) open() *DB {
	f.t.Helper()
	if f.file != nil {
		must(f.t, f.file.Close())
	}
	opened, err := dbfile.Open(f.path, Spec(), filepath.Dir(f.path), true, dbfile.Options{Now: func() time.Time { return f.now },
		Log: slog.New(slog.DiscardHandler), Commits: prometheus.NewHistogram(prometheus.HistogramOpts{}), Damaged: prometheus.NewCounter(prometheus.CounterOpts{}), Commit: f.commit})
	must(f.t, err)
	f.file = opened.File
	f.t.Cleanup(func() { opened.Close() })
	db, err := New(f.file, func() time.Time { return f.now }, slog.New(slog.DiscardHandler), opened.Damaged > 0)
	must(f.t, err)
	return db
}

var (
	startOfTime = storetest.Start
	mac         = storetest.MAC
	addr        = storetest.Addr
)

func must(t testing.TB, err error) { t.Helper(); storetest.Must(t, err) }

func putDevices(t *testing.T, db *DB, devices ...*fleet.Device) {
	t.Helper()
	must(t, db.Edit("tester", "put", func(e fleet.Edit) error {
		for _, d := range devices {
			if err := e.PutDevice(d); err != nil {
				return err
			}
		}
		return nil
	}))
}

// historyOf returns the newest 50 changes of a device.
func historyOf(t *testing.T, db *DB, mac dhcp.MAC) []fleet.RecordRevision {
	t.Helper()
	list, err := db.RecordHistory(fleet.KindDevice, mac.String(), 50)
	must(t, err)
	return list
}
