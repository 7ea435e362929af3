package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// An encrypted backup is in the age format, and is read with its passphrase only.
func TestABackupIsEncryptedWithAPassphrase(t *testing.T) {
	sh := newShell(t)
	dir := t.TempDir()
	path := func(name, text string) string {
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return p
	}
	right, wrong, empty := path("right", "correct horse\n"), path("wrong", "battery staple"), path("empty", "\n")
	file := filepath.Join(dir, "b.age")
	sh.ok("backup --with-files --passphrase-file " + right + " " + file)
	b, err := os.ReadFile(file)
	if err != nil || !bytes.HasPrefix(b, []byte(ageHeader)) || bytes.Contains(b, []byte("whole backup")) {
		t.Fatalf("%.60q, %v", b, err)
	}
	for flag, want := range map[string]string{"": "it is encrypted", " --passphrase-file " + wrong: "the passphrase is wrong", " --passphrase-file " + empty: "is empty",
		" --passphrase-file " + right: "this is not a complete backup of plugtone"} { // the fixture's backup is a text
		if status, _, errs := sh.run("restore " + file + flag + " --data-dir " + filepath.Join(dir, "data")); status != 1 || !strings.Contains(errs, want) {
			t.Errorf("restore%s: %d %s, want %s", flag, status, errs, want)
		}
	}
}
