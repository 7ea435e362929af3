package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestDBCheck(t *testing.T) {
	sh := &shell{t: t}
	dir := t.TempDir()
	if err := openStore(t, dir).Close(); err != nil {
		t.Fatal(err)
	}
	if status, out, errs := sh.run("db check " + dir); status != 0 || strings.Count(out, " sound, ") != 4 || errs != "" {
		t.Errorf("of a sound folder: %d %s%s", status, out, errs)
	}
	if status, out, _ := sh.run("db check --json " + dir); status != 0 || strings.Count(out, `"sound": true`) != 4 {
		t.Errorf("as JSON: %d %s", status, out)
	}
	if status, _, errs := sh.run("db check " + filepath.Join(dir, "nothing")); status != 1 || !strings.Contains(errs, "data folder: ") {
		t.Errorf("of no folder: %d %s", status, errs)
	}
	if status, _, errs := sh.run("db check " + filepath.Join(dir, "leases.db")); status != 1 || !strings.Contains(errs, "is no folder") {
		t.Errorf("of a file: %d %s", status, errs)
	}
	if err := os.Truncate(filepath.Join(dir, "leases.db"), 5000); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "leases.journal")); err != nil {
		t.Fatal(err)
	}
	if status, out, errs := sh.run("db check " + dir); status != 1 || strings.Count(out, " sound, ") != 2 || !strings.Contains(errs, "2 of 4 files are damaged") {
		t.Errorf("of a damaged folder: %d %s%s", status, out, errs)
	}
}
