package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"

	"plugtone/store/seal"
)

func TestDBRotateKey(t *testing.T) {
	sh := &shell{t: t}
	dir := t.TempDir()
	key := filepath.Join(dir, seal.FileName)
	if err := openStore(t, dir).Close(); err != nil {
		t.Fatal(err)
	}
	if status, _, errs := sh.run("db rotate-key " + dir); status != 1 || !strings.Contains(errs, "plugtone.key") {
		t.Errorf("without a key: %d %s", status, errs)
	}
	first := seal.New()
	if err := first.Write(key); err != nil {
		t.Fatal(err)
	}
	if status, _, errs := sh.run("db rotate-key " + dir); status != 0 || !strings.Contains(errs, "copy "+key+" to a safe place") {
		t.Errorf("with a key: %d %s", status, errs)
	}
	if ring, err := seal.Read(key); err != nil || ring.Keys() != 2 || ring.ID() == first.ID() {
		t.Errorf("the key file: %v, %v", ring, err)
	}
	if status, _, errs := sh.run("db rotate-key --forget " + dir); status != 0 {
		t.Errorf("%d %s", status, errs)
	}
	if ring, err := seal.Read(key); err != nil || ring.Keys() != 1 {
		t.Errorf("the key file: %v, %v", ring, err)
	}
}

// The copy that is made before records are encrypted can be read with the key, and with no other.
func TestDBDecrypt(t *testing.T) {
	sh := &shell{t: t}
	dir := t.TempDir()
	if err := openStore(t, dir).Close(); err != nil {
		t.Fatal(err)
	}
	clear, err := os.ReadFile(filepath.Join(dir, "plugtone.db"))
	if err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(dir, "backups", "plugtone.db.age")
	ring := seal.New()
	if err := os.WriteFile(copied, encrypted(t, ring, clear), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := seal.New().Write(filepath.Join(dir, seal.FileName)); err != nil {
		t.Fatal(err)
	}
	if status, _, errs := sh.run("db decrypt " + copied + " -o " + filepath.Join(dir, "out")); status != 1 || !strings.Contains(errs, "none of the keys") {
		t.Errorf("with another key: %d %s", status, errs)
	}
	key := filepath.Join(t.TempDir(), "key")
	if err := ring.Write(key); err != nil {
		t.Fatal(err)
	}
	status, _, errs := sh.run("db decrypt " + copied + " -o " + filepath.Join(dir, "out") + " --key-file " + key)
	out, err := os.ReadFile(filepath.Join(dir, "out"))
	if status != 0 || err != nil || !bytes.Equal(out, clear) {
		t.Errorf("with its key: %d, %d bytes of %d, %v, %s", status, len(out), len(clear), err, errs)
	}
}

func encrypted(t *testing.T, ring *seal.Ring, data []byte) []byte {
	t.Helper()
	recipient, err := age.NewScryptRecipient(ring.Passphrases()[0])
	if err != nil {
		t.Fatal(err)
	}
	recipient.SetWorkFactor(1)
	var out bytes.Buffer
	w, err := age.Encrypt(&out, recipient)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
