package store

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/provision/timeline"
	"plugtone/store/dbfile"
	"plugtone/store/events"
	"plugtone/store/leases"
	"plugtone/store/records"
)

// backupOf is a backup with something in each file.
func backupOf(t *testing.T) []byte {
	s := newFixture(t).open()
	putDevices(t, s, &fleet.Device{MAC: mac(1), Label: "from the backup", ReservedIP: addr(1)})
	must(t, s.WriteLeases([]dhcp.Change{{Lease: lease(1)}}))
	s.AppendTimeline(timeline.Entry{Time: startOfTime, MAC: mac(1), Source: "dhcp"}) // still buffered
	var b bytes.Buffer
	must(t, s.Backup(&b, false))
	if left, _ := filepath.Glob(filepath.Join(s.backups(), ".*")); len(left) != 0 {
		t.Errorf("the backup left %v", left)
	}
	return b.Bytes()
}

func TestRestoredBackupHasAllRecords(t *testing.T) {
	t.Parallel()
	b := backupOf(t)
	h := fullFixture(t)
	h.restore(b)
	s := h.open()
	must(t, s.View(func(f fleet.View) error {
		if d, err := f.Device(mac(1)); err != nil || d.Label != "from the backup" {
			t.Errorf("%+v, %v", d, err)
		}
		return nil
	}))
	line, err := s.Timeline(mac(1), 10)
	if l := leasesOf(t, s); h.devices(s) != 1 || len(l) != 1 || l[addr(1)] != lease(1) || err != nil || len(line) != 1 {
		t.Errorf("%d devices, %d leases, %d entries, %v", h.devices(s), len(l), len(line), err)
	}
	for _, name := range []string{records.FileName, leases.FileName, events.FileName} {
		if aside, _ := filepath.Glob(h.path(name + ".before-restore-*")); len(aside) != 1 {
			t.Errorf("%s was not set aside: %v", name, aside)
		}
	}
}

func TestRestoreIntoAnEmptyDirectory(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	h.cfg.Dir = h.path("new/plugtone")
	h.restore(backupOf(t))
	if s := h.open(); h.devices(s) != 1 {
		t.Error("nothing was restored")
	}
}

// tarOf is a tar stream of these files; a name may come twice.
func tarOf(t *testing.T, pairs ...any) []byte {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for i := 0; i < len(pairs); i += 2 {
		body := pairs[i+1].([]byte)
		must(t, w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: pairs[i].(string), Size: int64(len(body)), Mode: 0o644}))
		_, err := w.Write(body)
		must(t, err)
	}
	must(t, w.Close())
	return b.Bytes()
}

func TestABadBackupTouchesNothing(t *testing.T) {
	t.Parallel()
	good := backupOf(t)
	member := map[string][]byte{}
	for r := tar.NewReader(bytes.NewReader(good)); ; {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		must(t, err)
		member[h.Name], err = io.ReadAll(r)
		must(t, err)
	}
	newer := filepath.Join(t.TempDir(), "x.db")
	must(t, os.WriteFile(newer, member[records.FileName], 0o600))
	setSchema(t, newer, 9)
	fromFuture, err := os.ReadFile(newer)
	must(t, err)

	for name, c := range map[string]struct {
		tar  []byte
		want string
	}{
		"no tar":        {[]byte(strings.Repeat("hello", 1000)), "not a complete backup of plugtone"},
		"empty":         {nil, "it has no plugtone.db"},
		"cut short":     {good[:len(good)/3], "not a complete backup"},
		"leases only":   {tarOf(t, leases.FileName, member[leases.FileName]), "it has no plugtone.db"},
		"garbage":       {tarOf(t, records.FileName, []byte("garbage")), "plugtone.db in the backup: damaged"},
		"empty file":    {tarOf(t, records.FileName, []byte{}), "damaged: it is empty"},
		"one bad":       {tarOf(t, records.FileName, member[records.FileName], leases.FileName, member[leases.FileName][:5000]), "leases.db in the backup: damaged"},
		"elsewhere":     {tarOf(t, "../../etc/passwd", []byte("x")), `"../../etc/passwd" is not part of a backup`},
		"twice":         {tarOf(t, records.FileName, member[records.FileName], records.FileName, member[records.FileName]), "in it twice"},
		"from a newer":  {tarOf(t, records.FileName, fromFuture), "schema 9"},
		"a file beside": {tarOf(t, records.FileName, member[records.FileName], "notes.txt", []byte("x")), `"notes.txt" is not part`},
	} {
		t.Run(name, func(t *testing.T) {
			h := fullFixture(t)
			before, _ := os.ReadDir(h.cfg.Dir)
			_, err := Restore(bytes.NewReader(c.tar), h.restoreConfig())
			if err == nil || !strings.HasPrefix(err.Error(), "restore: ") || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
			after, _ := os.ReadDir(h.cfg.Dir)
			if fmt.Sprint(before) != fmt.Sprint(after) {
				t.Errorf("%v became %v", before, after)
			}
			if s := h.open(); h.devices(s) != 201 || len(leasesOf(t, s)) != 2 {
				t.Error("what was there is not there any more")
			}
		})
	}
}

// stuckWriter takes the first bytes and then waits, as a slow client of the API does.
type stuckWriter struct {
	stuck, on chan struct{}
	once      bool
}

func (w *stuckWriter) Write(p []byte) (int, error) {
	if !w.once {
		w.once = true
		close(w.stuck)
		<-w.on
	}
	return len(p), nil
}

func TestASlowBackupHoldsUpNoWriter(t *testing.T) {
	t.Parallel()
	s := newFixture(t).open()
	w := &stuckWriter{stuck: make(chan struct{}), on: make(chan struct{})}
	done := make(chan error)
	go func() { done <- s.Backup(w, false) }()
	<-w.stuck
	putDevices(t, s, &fleet.Device{MAC: mac(1)})
	must(t, s.WriteLeases([]dhcp.Change{{Lease: lease(1)}}))
	must(t, s.files[records.FileName].View(func(tx dbfile.Tx) error {
		if n := tx.DB().Stats().OpenTxN; n > 1 {
			t.Errorf("%d readers are open besides this one", n-1)
		}
		return nil
	}))
	close(w.on)
	must(t, <-done)
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestABrokenBackupIsAnError(t *testing.T) {
	t.Parallel()
	s := newFixture(t).open()
	if err := s.Backup(brokenWriter{}, false); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("got %v", err)
	}
	if left, _ := os.ReadDir(s.backups()); len(left) != 0 {
		t.Errorf("it left %v", left)
	}
}

func TestSnapshotsRotate(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	s := h.open()
	putDevices(t, s, &fleet.Device{MAC: mac(1)})
	must(t, s.Snapshot())
	h.now = h.now.Add(time.Hour)
	must(t, s.Snapshot())
	if n := len(s.snapshots()); n != 1 {
		t.Errorf("%d snapshots though nothing changed", n)
	}
	must(t, s.Close())
	s = h.open()
	must(t, s.Snapshot())
	if n := len(s.snapshots()); n != 1 {
		t.Errorf("%d snapshots after opening again", n)
	}
	for n := range 30 {
		h.now = h.now.Add(time.Hour)
		putDevices(t, s, &fleet.Device{MAC: mac(n + 2)})
		must(t, s.Snapshot())
	}
	snaps := s.snapshots()
	if len(snaps) != 24 || !strings.HasSuffix(snaps[0], "plugtone-20261123T150000.000Z.db") {
		t.Errorf("%d snapshots: %v", len(snaps), snaps)
	}
}

func TestHourlyAndDailySnapshotsAreKept(t *testing.T) {
	t.Parallel()
	var paths []string
	for n := range 24 * 40 {
		paths = append(paths, "/b/plugtone-"+dbfile.Stamp(startOfTime.Add(-time.Duration(n)*time.Hour))+".db")
	}
	old := tooOld(paths)
	var kept []string
	for _, p := range paths {
		if !slices.Contains(old, p) {
			kept = append(kept, p)
		}
	}
	// Of today and yesterday, which the newest 24 reach into, no further one; then one of each of 12 days.
	if len(kept) != 24+12 || kept[24] != "/b/plugtone-20261120T230000.000Z.db" || kept[35] != "/b/plugtone-20261109T230000.000Z.db" {
		t.Errorf("%d kept: %v", len(kept), kept[24:])
	}
	if left := tooOld(kept); len(left) != 0 {
		t.Errorf("a second look removes %v", left)
	}
}

func TestUnfinishedCopiesAreRemoved(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	must(t, os.MkdirAll(h.path("backups/.backup-1"), 0o700))
	for _, name := range []string{".backup-1/plugtone.db", ".tmp-2", "plugtone-x.db"} {
		must(t, os.WriteFile(h.path("backups/"+name), []byte("x"), 0o600))
	}
	h.open()
	if left, _ := os.ReadDir(h.path("backups")); len(left) != 1 || left[0].Name() != "plugtone-x.db" {
		t.Errorf("left: %v", left)
	}
}

// A backup with files has the configuration and what operators and phones put into the folders, and no upload under way. Restored, a folder
// that was there is set aside.
func TestABackupWithFilesIsRestored(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	h.cfg.Configuration = filepath.Join(t.TempDir(), "any.yaml")
	must(t, os.WriteFile(h.cfg.Configuration, []byte("# configuration\n"), 0o600))
	put := func(h *fixture, name, text string) {
		must(t, os.MkdirAll(filepath.Dir(h.path(name)), 0o750))
		must(t, os.WriteFile(h.path(name), []byte(text), 0o600))
	}
	put(h, "files/sub/logo.png", "logo")
	put(h, "uploads/001565123456/log.txt~1", "upload")
	put(h, "uploads/001565123456/.tmp1", "unfinished")
	s := h.open()
	var with, without bytes.Buffer
	must(t, s.Backup(&with, true))
	must(t, s.Backup(&without, false))
	must(t, s.Close())

	other := newFixture(t)
	put(other, "files/old.png", "old")
	other.restore(with.Bytes())
	for name, want := range map[string]string{"plugtone.yaml": "# configuration\n", "files/sub/logo.png": "logo", "uploads/001565123456/log.txt~1": "upload"} {
		if b, err := os.ReadFile(other.path(name)); err != nil || string(b) != want {
			t.Errorf("%s: %q, %v", name, b, err)
		}
	}
	for _, name := range []string{"files/old.png", "uploads/001565123456/.tmp1"} {
		if _, err := os.Stat(other.path(name)); !os.IsNotExist(err) {
			t.Errorf("%s is there: %v", name, err)
		}
	}
	if aside, err := filepath.Glob(other.path("files.before-restore-*/old.png")); err != nil || len(aside) != 1 {
		t.Errorf("set aside: %v, %v", aside, err)
	}
	must(t, other.open().Close())

	third := newFixture(t)
	put(third, "files/old.png", "old")
	third.restore(without.Bytes())
	if _, err := os.Stat(third.path("files/old.png")); err != nil {
		t.Errorf("a backup without files touches the folder: %v", err)
	}
}

func TestABackupCanNotWriteOutsideItsFolders(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"files/../../evil", "/etc/evil", "other/evil", "files", "plugtone.key", "files//x"} {
		h := newFixture(t)
		s := h.open()
		var b bytes.Buffer
		must(t, s.Backup(&b, false))
		must(t, s.Close())
		var forged bytes.Buffer
		w := tar.NewWriter(&forged)
		must(t, w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: 1}))
		_, err := w.Write([]byte("x"))
		must(t, err)
		must(t, w.Flush())
		forged.Write(b.Bytes())
		if _, err := Restore(&forged, newFixture(t).restoreConfig()); err == nil || !strings.Contains(err.Error(), "is not part of a backup") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
