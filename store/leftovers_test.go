package store

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"plugtone/store/dbfile"
)

// leave puts the leftovers of killed processes into a data directory: an unpacked backup, copies, a new events.db.
func (h *fixture) leave(t *testing.T) (paths []string) {
	t.Helper()
	for _, dir := range []string{".restore-123", "backups/.backup-123"} {
		must(t, os.MkdirAll(h.path(dir), 0o700))
		paths = append(paths, h.path(dir)+"/plugtone.db")
	}
	must(t, os.MkdirAll(h.path("tls"), 0o700))
	paths = append(paths, h.path("tls/.new-123"), h.path(".tmp-123"), h.path("backups/.tmp-123"), h.path("events.db.new"))
	for _, path := range paths {
		must(t, os.WriteFile(path, []byte("secret"), 0o600))
	}
	return paths
}

// What killed processes left is removed by the next start and the next restore, and named in the log.
func TestLeftoversAreRemoved(t *testing.T) {
	t.Parallel()
	for name, next := range map[string]func(h *fixture){
		"start":   func(h *fixture) { must(t, h.open().Close()) },
		"restore": func(h *fixture) { h.restore(backupOf(t)) },
	} {
		h := fullFixture(t)
		for _, kept := range []string{"plugtone.db.before-restore-20261101T000000Z", "leases.db.damaged-20261101T000000Z"} {
			must(t, os.WriteFile(h.path(kept), nil, 0o600))
		}
		left := h.leave(t)
		next(h)
		for _, path := range left {
			if exists(path) {
				t.Errorf("%s: %s is left", name, path)
			}
			if rel, _ := filepath.Rel(h.cfg.Dir, path); !strings.Contains(h.log.String(), "path="+h.path(strings.TrimSuffix(rel, "/plugtone.db"))) {
				t.Errorf("%s: %s is not in the log", name, rel)
			}
		}
		for _, kept := range []string{"plugtone.db.before-restore-20261101T000000Z", "leases.db.damaged-20261101T000000Z"} {
			if !exists(h.path(kept)) {
				t.Errorf("%s: %s was removed", name, kept)
			}
		}
	}
}

// A restore locks the directory also when it is empty: neither another restore nor a daemon works in it, or removes what is being
// unpacked.
func TestRestoreLocksAnEmptyDirectory(t *testing.T) {
	t.Parallel()
	h, backup := newFixture(t), backupOf(t)
	var second, start error
	_, err := restore(bytes.NewReader(backup), h.restoreConfig(), func(step string) {
		if step != "prepared" {
			return
		}
		_, second = Restore(bytes.NewReader(backup), h.restoreConfig())
		var s *Store
		if s, start = Open(h.cfg); start == nil {
			must(t, s.Close())
		}
	})
	must(t, err)
	if !errors.Is(second, dbfile.ErrBusy) || !errors.Is(start, dbfile.ErrBusy) {
		t.Errorf("a second restore: %v; a daemon: %v", second, start)
	}
	if s := h.open(); h.devices(s) != 1 {
		t.Errorf("%d devices", h.devices(s))
	}
}
