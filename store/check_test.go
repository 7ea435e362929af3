package store

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"plugtone/store/records"
)

const (
	branchPage = 1 // flags of pages in a bbolt file
	leafPage   = 2
)

// eachPage calls f with each page of a file that is a branch or a leaf, and writes the file back.
func eachPage(t *testing.T, path string, f func(number uint64, flags uint16, page []byte)) {
	t.Helper()
	b, err := os.ReadFile(path)
	must(t, err)
	size := os.Getpagesize()
	for at := 2 * size; at+size <= len(b); at += size {
		page := b[at : at+size]
		number, flags := binary.NativeEndian.Uint64(page), binary.NativeEndian.Uint16(page[8:])
		if number == uint64(at/size) && (flags == branchPage || flags == leafPage) {
			f(number, flags, page)
		}
	}
	must(t, os.WriteFile(path, b, 0o600))
}

// A damaged length or a circle of pages must cost neither the memory of the machine nor hours.
func TestTheCheckOfADamagedFileIsBounded(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]func(t *testing.T, path string){
		"a page that claims to be 16 TiB long": func(t *testing.T, path string) {
			eachPage(t, path, func(_ uint64, flags uint16, page []byte) {
				if flags == leafPage {
					binary.NativeEndian.PutUint32(page[12:], 1<<32-1)
				}
			})
		},
		"a page that leads to itself": func(t *testing.T, path string) {
			found := false
			eachPage(t, path, func(number uint64, flags uint16, page []byte) {
				if flags == branchPage {
					found = true
					binary.NativeEndian.PutUint64(page[16+8:], number) // of the first element
				}
			})
			if !found {
				t.Fatal("the file has no branch page")
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := fullFixture(t)
			damage(t, h.path(records.FileName))
			began := time.Now()
			for _, r := range Check(h.cfg.Dir, h.cfg.CheckCommand) {
				if r.Sound == (r.File == records.FileName) {
					t.Errorf("%s: sound is %v: %s", r.File, r.Sound, r.Damage())
				}
			}
			if took := time.Since(began); took > time.Minute {
				t.Errorf("the check took %s", took)
			}
			if s := h.open(); !s.has(records.FileName, DamagedPages) {
				t.Errorf("damage %+v", s.Damage())
			}
		})
	}
}

// The system sends SIGTERM to the check too when it stops plugtone.
func TestACheckThatIsEndedSetsNothingAside(t *testing.T) {
	t.Parallel()
	h := fullFixture(t)
	h.cfg.CheckCommand = []string{"/bin/sh", "-c", "kill -TERM $$"}
	must(t, os.Remove(h.path(markerName)))
	if s, err := Open(h.cfg); err == nil {
		t.Errorf("it started with damage %+v", s.Damage())
		must(t, s.Close())
	} else if !strings.Contains(err.Error(), h.path(records.FileName)) {
		t.Errorf("got %v", err)
	}
	if aside, _ := filepath.Glob(h.path("*.damaged-*")); len(aside) > 0 {
		t.Errorf("set aside: %q", aside)
	}
}

// A check that can't be started, for memory or the program is missing, is no reason to read the file in this process without a bound.
func TestAFileWhoseCheckCannotStartIsNotRead(t *testing.T) {
	t.Parallel()
	h := fullFixture(t)
	h.cfg.CheckCommand = []string{h.path("gone")}
	must(t, os.Remove(h.path(markerName)))
	if s, err := Open(h.cfg); err == nil {
		t.Error("it started")
		must(t, s.Close())
	} else if !strings.Contains(err.Error(), h.path(records.FileName)+" is not read unchecked, and its check can't be started") {
		t.Errorf("got %v", err)
	}
	for _, r := range Check(h.cfg.Dir, h.cfg.CheckCommand)[:3] {
		if r.Sound || !strings.Contains(r.Problem, "can't be started") {
			t.Errorf("%+v", r)
		}
	}
	h.cfg.CheckCommand = newFixture(t).cfg.CheckCommand
	if s := h.open(); len(s.Damage()) > 0 {
		t.Errorf("damage %+v", s.Damage())
	}
}

// Damage that is found while plugtone runs is set aside and reported by the next start, also after a clean stop.
func TestDamageFoundWhileRunningIsExaminedAtTheNextStart(t *testing.T) {
	t.Parallel()
	h := fullFixture(t)
	path := h.path(records.FileName)
	s := h.open()
	b, err := os.ReadFile(path)
	must(t, err)
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	must(t, err)
	notes := []byte(strings.Repeat("n", 300))
	for at := bytes.Index(b, notes); at >= 0; at = bytes.Index(b, notes) {
		_, err := f.WriteAt([]byte{'m'}, int64(at)) // the page that bbolt has mapped
		must(t, err)
		b[at] = 'm'
	}
	must(t, f.Close())
	if n := h.devices(s); n > 10 {
		t.Fatalf("%d devices were read", n)
	}
	must(t, s.Close())
	if s := h.open(); !s.has(records.FileName, DamagedRecords) {
		t.Errorf("damage %+v", s.Damage())
	}
}
