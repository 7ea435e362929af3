package store

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"filippo.io/age"
	bolt "go.etcd.io/bbolt"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/store/seal"
)

// releaseFixture unpacks what a released version left: testdata/data-VERSION.tar.gz has its data directory as "data", after a stop, and a
// backup, "before.bak", that it wrote just before. A phone had booted, had fetched its file, and had uploaded one twice.
func releaseFixture(t *testing.T, version string) *fixture {
	t.Helper()
	h := newFixture(t)
	f, err := os.Open("testdata/data-" + version + ".tar.gz")
	must(t, err)
	defer f.Close()
	z, err := gzip.NewReader(f)
	must(t, err)
	for r := tar.NewReader(z); ; {
		head, err := r.Next()
		if err == io.EOF {
			break
		}
		must(t, err)
		if path := filepath.Join(h.cfg.Dir, head.Name); head.Typeflag == tar.TypeReg {
			b, err := io.ReadAll(r)
			must(t, errors.Join(err, os.MkdirAll(filepath.Dir(path), 0o700)))
			must(t, os.WriteFile(path, b, 0o600))
		}
	}
	h.cfg.Dir = h.path("data")
	h.cfg.KeyFile = h.path(seal.FileName)
	return h
}

// releases returns the versions that the changelog has a section of, but for the newest while it has no data directory here: its own is added
// when it is out.
func releases(t *testing.T) (versions []string) {
	t.Helper()
	text, err := os.ReadFile("../CHANGELOG.md")
	must(t, err)
	for i, m := range regexp.MustCompile(`(?m)^## \[(\d+\.\d+\.\d+)\]`).FindAllSubmatch(text, -1) {
		version := string(m[1])
		if _, err := os.Stat("testdata/data-" + version + ".tar.gz"); err == nil {
			versions = append(versions, version)
		} else if i > 0 {
			t.Errorf("there is no testdata/data-%s.tar.gz", version)
		}
	}
	if len(versions) == 0 {
		t.Fatal("no released version has a data directory")
	}
	return versions
}

// wantRelease reports what is not as the released version had it.
func wantRelease(t *testing.T, when string, s *Store) {
	t.Helper()
	first := dhcp.MAC{0, 0x15, 0x65, 0, 0, 1}
	must(t, s.View(func(v fleet.View) error {
		d, err := v.Device(first)
		e, extErr := v.Extension("1001", "main")
		p, profileErr := v.Profile("desk")
		if err := errors.Join(err, extErr, profileErr); err != nil {
			return err
		}
		if d.Label != "Second" || d.Vendor != "yealink" || len(d.Lines) != 1 || e.Password != "f1xture-sip" || e.DisplayName != "Reception" || p.Settings["admin_password"] == nil {
			t.Errorf("%s: %+v, %+v, %+v", when, d, e, p)
		}
		n := 0
		for range v.Devices(dhcp.MAC{}) {
			n++
		}
		if n != 3 {
			t.Errorf("%s: %d devices, want 3", when, n)
		}
		return nil
	}))
	all := map[string]dhcp.MAC{}
	for a, l := range leasesOf(t, s) {
		all[a.String()] = l.MAC
	}
	if len(all) != 2 || all["10.20.1.1"] != first || all["10.20.1.2"] != (dhcp.MAC{0, 0x15, 0x65, 0, 0, 0x99}) {
		t.Errorf("%s: leases %v", when, all)
	}
	line, err := s.Timeline(first, 100)
	must(t, err)
	fetches, err := s.Fetches(first)
	must(t, err)
	tokens, err := s.Tokens()
	must(t, err)
	if len(line) < 5 || len(fetches) == 0 || len(tokens) != 1 {
		t.Errorf("%s: %d timeline entries, %d fetches, %d tokens", when, len(line), len(fetches), len(tokens))
	}
	for _, d := range s.Damage() {
		if d.Kind != Restored && (d.Kind != DamagedLog || when != "from the copies") { // the log is not among the copies
			t.Errorf("%s: reported %s", when, d.Text)
		}
	}
}

// Every released version has a data directory here. It opens, its secrets are encrypted, and what it was before can be put back from the copies.
func TestDataDirectoriesOfReleases(t *testing.T) {
	t.Parallel()
	for _, version := range releases(t) {
		t.Run(version, func(t *testing.T) {
			h := releaseFixture(t, version)
			before := map[string]uint64{}
			for _, spec := range specs() {
				before[spec.Name] = schemaOf(t, h.path(spec.Name))
			}
			s := h.open()
			wantRelease(t, "after the upgrade", s)
			must(t, s.Close())
			if found := filesWith(t, h.cfg.Dir, "f1xture-sip"); len(found) > 0 {
				t.Errorf("%v have a password in clear", found)
			}
			wantRelease(t, "at the next start", h.open())

			old := newFixture(t)
			for _, spec := range specs() {
				copies, err := filepath.Glob(h.path("backups/" + spec.Name + ".schema-*"))
				if err != nil || len(copies) != 1 {
					t.Fatalf("copies of %s: %v, %v", spec.Name, copies, err)
				}
				putBack(t, h, copies[0], old.path(spec.Name))
				if got := schemaOf(t, old.path(spec.Name)); got != before[spec.Name] {
					t.Errorf("the copy of %s has schema %d, the release %d", spec.Name, got, before[spec.Name])
				}
			}
			wantRelease(t, "from the copies", old.open())

			restored := newFixture(t)
			b, err := os.ReadFile(h.path("../before.bak"))
			must(t, err)
			restored.restore(b)
			wantRelease(t, "from its backup", restored.open())
		})
	}
}

// putBack copies a copy that was made before a migration, decrypted if it is encrypted.
func putBack(t *testing.T, h *fixture, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	must(t, err)
	if strings.HasSuffix(from, ".age") {
		ring, err := seal.Read(h.cfg.KeyFile)
		must(t, err)
		id, err := age.NewScryptIdentity(ring.Passphrases()[0])
		must(t, err)
		r, err := age.Decrypt(bytes.NewReader(b), id)
		must(t, err)
		b, err = io.ReadAll(r)
		must(t, err)
	}
	must(t, os.WriteFile(to, b, 0o600))
}

// schemaOf returns the version of a file's schema: the lower half of the number in it.
func schemaOf(t *testing.T, path string) (version uint64) {
	t.Helper()
	db, err := bolt.Open(path, 0o600, &bolt.Options{ReadOnly: true})
	must(t, err)
	must(t, db.View(func(tx *bolt.Tx) error {
		version = binary.BigEndian.Uint64(tx.Bucket([]byte("meta")).Get([]byte("schema"))) & (1<<32 - 1)
		return nil
	}))
	must(t, db.Close())
	return version
}
