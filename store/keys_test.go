package store

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	bolt "go.etcd.io/bbolt"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/provision/sealedfile"
	"plugtone/provision/setting"
	"plugtone/store/dbfile"
	"plugtone/store/records"
	"plugtone/store/seal"
)

const planted = "pl4nted-s3cret"

func newSealedFixture(t *testing.T) *fixture {
	h := newFixture(t)
	h.cfg.KeyFile = h.path(seal.FileName)
	return h
}

// putSecret stores an extension and a device with the planted password, and changes both, so that the history has it too.
func putSecret(t *testing.T, s *Store) {
	t.Helper()
	for _, label := range []string{"first", "second"} {
		must(t, s.Edit("tester", "put", func(e fleet.Edit) error {
			return errors.Join(e.PutExtension(&fleet.Extension{Number: "1001", Registrar: "main", DisplayName: label, Password: setting.Secret(planted)}),
				e.PutDevice(&fleet.Device{MAC: mac(1), Label: label, Enabled: true, Settings: setting.Values{"admin_password": setting.Secret(planted)}}))
		}))
	}
}

// filesWith returns the files below dir that contain text.
func filesWith(t *testing.T, dir, text string) (found []string) {
	t.Helper()
	must(t, filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if bytes.Contains(b, []byte(text)) {
			found = append(found, filepath.Base(path))
		}
		return err
	}))
	return found
}

func passwordOf(t *testing.T, s *Store) string {
	t.Helper()
	var password string
	must(t, s.View(func(v fleet.View) error {
		e, err := v.Extension("1001", "main")
		if err == nil {
			password = string(e.Password)
		}
		return err
	}))
	return password
}

func TestNoFileHasASecretInClear(t *testing.T) {
	t.Parallel()
	h := newSealedFixture(t)
	s := h.open()
	putSecret(t, s)
	must(t, s.Snapshot())
	var backup bytes.Buffer
	must(t, s.Backup(&backup, false))
	if bytes.Contains(backup.Bytes(), []byte(planted)) {
		t.Error("the backup has the secret in clear")
	}
	must(t, s.Close())
	if found := filesWith(t, h.cfg.Dir, planted); len(found) > 0 {
		t.Errorf("%v have the secret in clear", found)
	}
	if s = h.open(); passwordOf(t, s) != planted {
		t.Error("the secret is lost")
	}
}

// Records that an earlier plugtone wrote in clear are encrypted by the next start, and no free page or copy keeps them.
func TestClearRecordsAreEncryptedByTheNextStart(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	s := h.open()
	putSecret(t, s)
	must(t, s.Close())
	if found := filesWith(t, h.cfg.Dir, planted); len(found) != 1 {
		t.Fatalf("%v have the secret in clear; the test needs one", found)
	}
	h.cfg.KeyFile = h.path(seal.FileName)
	setSchema(t, h.path(records.FileName), 3)
	s = h.open()
	if passwordOf(t, s) != planted {
		t.Error("the secret is lost")
	}
	if n := len(historyOf(t, s)); n != 2 {
		t.Errorf("the device has %d changes, want 2", n)
	}
	must(t, s.Close())
	if found := filesWith(t, h.cfg.Dir, planted); len(found) > 0 {
		t.Errorf("%v have the secret in clear", found)
	}
	if copies, err := filepath.Glob(h.path("backups/plugtone.db.schema-3-*.age")); err != nil || len(copies) != 1 {
		t.Errorf("copies before the migration: %v, %v", copies, err)
	}
}

func historyOf(t *testing.T, s *Store) []fleet.Change {
	t.Helper()
	all, err := s.Changes(0, 10)
	must(t, err)
	return all
}

// Without the key plugtone starts: leases are there, records that need the key are errors and not "not found", and nothing can be changed.
func TestALostKeyLeavesLeasesAndIsReported(t *testing.T) {
	t.Parallel()
	h := newSealedFixture(t)
	s := h.open()
	putSecret(t, s)
	must(t, s.WriteLeases([]dhcp.Change{{Lease: lease(1)}}))
	must(t, s.Close())
	aside := filepath.Join(t.TempDir(), "key")
	must(t, os.Rename(h.cfg.KeyFile, aside))
	before, err := os.ReadFile(h.path(records.FileName))
	must(t, err)

	s = h.open()
	if got := leasesOf(t, s); len(got) != 1 {
		t.Errorf("%d leases, want 1", len(got))
	}
	if d := s.Damage(); len(d) != 1 || d[0].Kind != NoKey || !strings.Contains(d[0].Text, h.cfg.KeyFile) {
		t.Errorf("reported: %+v", d)
	}
	if err := s.Health(); !errors.Is(err, seal.ErrNoKey) {
		t.Errorf("health: %v", err)
	}
	err = s.View(func(v fleet.View) error { _, err := v.DeviceByAny(mac(1)); return err })
	if !errors.Is(err, seal.ErrNoKey) || !errors.Is(err, fleet.ErrInternal) || errors.Is(err, fleet.ErrNotFound) {
		t.Errorf("a device: %v", err)
	}
	err = s.View(func(v fleet.View) error { _, err := v.DeviceByAny(mac(2)); return err })
	if !errors.Is(err, fleet.ErrNotFound) {
		t.Errorf("a device without a record: %v", err)
	}
	listed := 0
	err = s.View(func(v fleet.View) error {
		for _, err := range v.Devices(dhcp.MAC{}) {
			if err != nil {
				return err
			}
			listed++
		}
		return nil
	})
	if !errors.Is(err, seal.ErrNoKey) || listed > 0 || strings.Contains(err.Error(), "internal error") {
		t.Errorf("a list of %d devices: %v", listed, err)
	}
	err = s.Edit("tester", "put", func(e fleet.Edit) error { return e.PutDevice(&fleet.Device{MAC: mac(3)}) })
	if !errors.Is(err, seal.ErrNoKey) {
		t.Errorf("a change: %v", err)
	}
	if _, err := os.Stat(h.cfg.KeyFile); !os.IsNotExist(err) {
		t.Errorf("another key was made: %v", err)
	}
	must(t, s.Close())
	if after, err := os.ReadFile(h.path(records.FileName)); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the file was changed: %v", err)
	}

	must(t, os.Rename(aside, h.cfg.KeyFile))
	if s = h.open(); passwordOf(t, s) != planted || s.Health() != nil {
		t.Errorf("with the key again: %v", s.Health())
	}
}

func TestRotatedKeysOpenOlderSnapshotsUntilForgotten(t *testing.T) {
	t.Parallel()
	h := newSealedFixture(t)
	s := h.open()
	putSecret(t, s)
	must(t, s.Snapshot())
	c := RotateConfig{Dir: h.cfg.Dir, KeyFile: h.cfg.KeyFile, Now: h.cfg.Now, Log: h.cfg.Log, CheckCommand: h.cfg.CheckCommand}
	if _, err := RotateKey(t.Context(), c); err == nil {
		t.Error("the key of a running daemon is rotated")
	}
	must(t, s.Close())
	old, err := seal.Read(h.cfg.KeyFile)
	must(t, err)
	id, err := RotateKey(t.Context(), c)
	must(t, err)
	ring, err := seal.Read(h.cfg.KeyFile)
	must(t, err)
	if id == old.ID() || ring.ID() != id || !ring.Has(old.ID()) {
		t.Errorf("the key file has %s, rotated to %s from %s", ring.ID(), id, old.ID())
	}
	if s = h.open(); passwordOf(t, s) != planted {
		t.Error("the secret is lost")
	}
	snapshot := s.snapshots()[0]
	must(t, s.Close())
	now, err := os.ReadFile(h.path(records.FileName))
	must(t, err)

	copied, err := os.ReadFile(snapshot)
	must(t, err)
	must(t, os.WriteFile(h.path(records.FileName), copied, 0o600))
	if s = h.open(); passwordOf(t, s) != planted {
		t.Error("a snapshot from before the rotation can't be read")
	}
	must(t, s.Close())

	must(t, os.WriteFile(h.path(records.FileName), now, 0o600))
	c.Forget = true
	_, err = RotateKey(t.Context(), c)
	must(t, err)
	must(t, os.WriteFile(h.path(records.FileName), copied, 0o600))
	if s = h.open(); !errors.Is(s.Health(), seal.ErrNoKey) {
		t.Errorf("a snapshot of a forgotten key: %v", s.Health())
	}
}

// A rotation that was killed after it wrote the key file is completed by the next start.
func TestAnInterruptedRotationIsCompleted(t *testing.T) {
	t.Parallel()
	h := newSealedFixture(t)
	s := h.open()
	putSecret(t, s)
	must(t, s.Close())
	ring, err := seal.Read(h.cfg.KeyFile)
	must(t, err)
	ring.Rotate()
	must(t, ring.Write(h.cfg.KeyFile))
	must(t, h.open().Close())
	ring.Forget()
	must(t, ring.Write(h.cfg.KeyFile))
	if s = h.open(); passwordOf(t, s) != planted {
		t.Error("the records are not encrypted with the new key")
	}
}

func TestMissingKeyNamesTheKey(t *testing.T) {
	t.Parallel()
	h := newSealedFixture(t)
	must(t, h.open().Close())
	ring, err := seal.Read(h.cfg.KeyFile)
	must(t, err)
	if got := MissingKey(h.cfg.Dir); got != "" {
		t.Errorf("%s is missing", got)
	}
	must(t, seal.New().Write(h.cfg.KeyFile))
	if got := MissingKey(h.cfg.Dir); got != ring.ID() {
		t.Errorf("got %q, want %s", got, ring.ID())
	}
	if got := MissingKey(t.TempDir()); got != "" {
		t.Errorf("an empty folder: %q", got)
	}
}

// A backup is restored without its key, which is not in it, and read once the key is there.
func TestABackupOfEncryptedRecordsIsRestored(t *testing.T) {
	t.Parallel()
	h := newSealedFixture(t)
	s := h.open()
	putSecret(t, s)
	var backup bytes.Buffer
	must(t, s.Backup(&backup, false))
	must(t, s.Close())
	other := newSealedFixture(t)
	other.restore(backup.Bytes())
	if MissingKey(other.cfg.Dir) == "" {
		t.Error("the missing key is not reported")
	}
	s = other.open()
	if !errors.Is(s.Health(), seal.ErrNoKey) {
		t.Errorf("without the key: %v", s.Health())
	}
	must(t, s.Close())
	ring, err := seal.Read(h.cfg.KeyFile)
	must(t, err)
	must(t, ring.Write(other.cfg.KeyFile))
	if s = other.open(); passwordOf(t, s) != planted || s.Health() != nil {
		t.Errorf("with the key: %v", s.Health())
	}
}

// putFiles stores an upload and the answer of a PBX with the planted password, in clear as earlier versions did.
func putFiles(t *testing.T, h *fixture) {
	t.Helper()
	for _, name := range []string{"uploads/001565000001/a.cfg", "uploads/001565000001/a.cfg~1", "upstream/001565000001/0123456789abcdef"} {
		must(t, errors.Join(os.MkdirAll(filepath.Dir(h.path(name)), 0o700), os.WriteFile(h.path(name), []byte(planted), 0o600)))
	}
}

// A new key encrypts uploads and the answers of PBXs too, before the older one is forgotten. A backup has them encrypted.
func TestFilesAreEncryptedWithTheNewKey(t *testing.T) {
	t.Parallel()
	h := newSealedFixture(t)
	must(t, h.open().Close())
	putFiles(t, h)
	c := RotateConfig{Dir: h.cfg.Dir, KeyFile: h.cfg.KeyFile, Forget: true, Now: h.cfg.Now, Log: h.cfg.Log, CheckCommand: h.cfg.CheckCommand}
	for range 2 {
		_, err := RotateKey(t.Context(), c)
		must(t, err)
		if found := filesWith(t, h.cfg.Dir, planted); len(found) > 0 {
			t.Errorf("%v are in clear", found)
		}
	}
	s := h.open()
	for _, name := range []string{"uploads/001565000001/a.cfg", "uploads/001565000001/a.cfg~1", "upstream/001565000001/0123456789abcdef"} {
		f, err := os.Open(h.path(name))
		must(t, err)
		defer f.Close()
		info, err := f.Stat()
		must(t, err)
		r, err := sealedfile.NewReader(f, info.Size(), sealedfile.Place("", name), s.Cipher())
		must(t, err)
		if b, err := io.ReadAll(r); err != nil || string(b) != planted {
			t.Errorf("%s: %q, %v", name, b, err)
		}
	}
	var backup bytes.Buffer
	must(t, s.Backup(&backup, true))
	if bytes.Contains(backup.Bytes(), []byte(planted)) || !bytes.Contains(backup.Bytes(), []byte("uploads/001565000001/a.cfg~1")) {
		t.Error("the backup has no uploads, or in clear")
	}
}

// Without the key of the records uploads are refused, and not encrypted with another one.
func TestALostKeyEncryptsNoFiles(t *testing.T) {
	t.Parallel()
	h := newSealedFixture(t)
	must(t, h.open().Close())
	must(t, seal.New().Write(h.cfg.KeyFile))
	if _, err := h.open().Cipher().Seal([]byte("x"), []byte("uploads/x")); !errors.Is(err, seal.ErrNoKey) {
		t.Errorf("got %v", err)
	}
}

// A record in clear that was put among encrypted ones, by a program that has no key, is not taken for ours.
func TestARecordInClearAmongEncryptedOnesIsRefused(t *testing.T) {
	t.Parallel()
	h := newSealedFixture(t)
	s := h.open()
	putSecret(t, s)
	must(t, s.Close())
	db, err := bolt.Open(h.path(records.FileName), 0o600, nil)
	must(t, err)
	m := mac(1)
	must(t, db.Update(func(tx *bolt.Tx) error {
		return tx.Bucket([]byte("devices")).Put(m[:], dbfile.AppendRecord(nil, "devices", m[:], []byte("{}")))
	}))
	must(t, db.Close())
	s = h.open()
	err = s.View(func(v fleet.View) error { _, err := v.Device(m); return err })
	if !errors.Is(err, dbfile.ErrDamaged) || !strings.Contains(h.log.String(), "it is in clear, where all records are encrypted") {
		t.Errorf("got %v", err)
	}
	if passwordOf(t, s) != planted {
		t.Error("another record is lost")
	}
}
