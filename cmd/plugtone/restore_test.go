package main

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"plugtone/provision/fleet"
	"plugtone/store"
)

func openStore(t *testing.T, dir string) *store.Store {
	t.Helper()
	s, err := store.Open(store.Config{Dir: dir, Now: time.Now, Log: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestRestoreMakesAFolderOfABackup(t *testing.T) {
	sh := &shell{t: t}
	if status, _, errs := sh.run("restore x.tar"); status != 2 || !strings.Contains(errs, "--data-dir DIR is needed") {
		t.Errorf("without a folder: %d %s", status, errs)
	}
	file := filepath.Join(t.TempDir(), "b.tar")
	s := openStore(t, t.TempDir())
	err := s.Edit("test", "make main", func(e fleet.Edit) error {
		return e.PutRegistrar(&fleet.Registrar{Name: "main", Host: "pbx"})
	})
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Backup(f, false); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "data")
	if out := sh.ok("restore " + file + " --data-dir " + dir); !strings.Contains(out, "restored to "+dir) || !strings.Contains(out, "plugtone device enroll MAC") {
		t.Errorf("it does not name what rotated passwords cost: %s", out)
	}
	s = openStore(t, dir)
	defer s.Close()
	err = s.View(func(f fleet.View) error { _, err := f.Registrar("main"); return err })
	if err != nil {
		t.Errorf("after the restore: %v", err)
	}
	if err := os.WriteFile(file, []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	if status, _, errs := sh.run("restore " + file + " --data-dir " + t.TempDir()); status != 1 || !strings.Contains(errs, "not a complete backup of plugtone") {
		t.Errorf("what is no backup: %d %s", status, errs)
	}
}
