package admin_test

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"plugtone/store/dbfile"
	"plugtone/store/records"
)

// TestA503OfUnknownOutcomeSaysSo: the second sync of a commit fails, and the file can't be written again.
func TestA503OfUnknownOutcomeSaysSo(t *testing.T) {
	a := newAPI(t)
	dir := t.TempDir()
	path, failing := filepath.Join(dir, records.FileName), false
	opened, err := dbfile.Open(path, records.Spec(), dir, true, dbfile.Options{
		Now: a.Config.API.Now, Log: slog.New(slog.DiscardHandler),
		Commits: prometheus.NewHistogram(prometheus.HistogramOpts{}), Damaged: prometheus.NewCounter(prometheus.CounterOpts{}),
		Commit: func(commit func() error) error {
			if !failing {
				return commit()
			}
			return errors.Join(commit(), syscall.EIO, os.Rename(path, path+".moved"), os.Mkdir(path, 0o700))
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { opened.Close() })
	db, err := records.New(opened.File, a.Config.API.Now, slog.New(slog.DiscardHandler), false)
	if err != nil {
		t.Fatal(err)
	}
	a.UseStore(t, db)
	a.do("PUT /api/v1/registrars/main", `{"host":"pbx.example.com"}`, 201)
	failing = true
	r := a.do("PATCH /api/v1/registrars/main", `{"host":"other.example.com"}`, 503)
	if got := r.get(t, "detail"); !strings.Contains(got, "it is not known whether the change is stored; read it again before you repeat it") {
		t.Errorf("detail %q", got)
	}
	if got := a.do("GET /api/v1/registrars/main", "", 200).get(t, "host"); got != "other.example.com" {
		t.Errorf("read again, the host is %q", got)
	}
}
