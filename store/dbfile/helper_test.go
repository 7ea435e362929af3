package dbfile

import (
	"log/slog"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

var spec = Spec{Name: "x.db", Schema: Schema{Version: 2, Checksums: 2, Tables: []string{"a", "b"}}}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// fixture is one file.
type fixture struct {
	t       testing.TB
	path    string
	now     atomic.Int64
	damaged prometheus.Counter
	o       Options
}

func newFixture(t testing.TB) *fixture {
	f := &fixture{t: t, path: filepath.Join(t.TempDir(), "x.db"), damaged: prometheus.NewCounter(prometheus.CounterOpts{})}
	f.o = Options{Now: func() time.Time { return time.Unix(f.now.Load(), 0) }, Log: slog.New(slog.DiscardHandler),
		Commits: prometheus.NewHistogram(prometheus.HistogramOpts{}), Damaged: f.damaged}
	return f
}

func (f *fixture) open() Opened {
	f.t.Helper()
	opened, err := Open(f.path, spec, filepath.Dir(f.path), true, f.o)
	must(f.t, err)
	f.t.Cleanup(func() { opened.Close() })
	return opened
}

func (f *fixture) damagedRecords() int { return int(testutil.ToFloat64(f.damaged)) }

func put(t testing.TB, f *File, key, value string) {
	t.Helper()
	must(t, f.Update(func(tx Tx) error { return tx.Table("a").Put([]byte(key), []byte(value)) }))
}

func get(t testing.TB, f *File, key string) (value string, err error) {
	t.Helper()
	err = f.View(func(tx Tx) error {
		b, err := tx.Table("a").Get([]byte(key))
		value = string(b)
		return err
	})
	return value, err
}
