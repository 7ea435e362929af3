package provision

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"plugtone/dhcp"
)

func newShelf(t *testing.T) (*Shelf, string) {
	t.Helper()
	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = root.Close() })
	return NewShelf(root), dir
}

func shelve(s *Shelf, mac dhcp.MAC, name, body string) error {
	u, err := s.Begin(mac, name, 100)
	if err != nil {
		return err
	}
	if _, err := u.Write([]byte(body)); err != nil {
		u.Abort()
		return err
	}
	return u.Commit()
}

// While the disk is slow for one phone, the others' files are taken.
func TestShelfOfOnePhoneHoldsUpNoOther(t *testing.T) {
	s, _ := newShelf(t)
	slow := s.enter(dhcp.MAC{1})
	slow.mu.Lock()
	defer slow.mu.Unlock()
	if err := shelve(s, dhcp.MAC{2}, "a.log", "x"); err != nil {
		t.Error(err)
	}
}

// As many uploads at once as a phone may have: each is kept whole or refused, none sweeps away another that is under way, and
// nothing is left in memory.
func TestShelfAtOnce(t *testing.T) {
	s, dir := newShelf(t)
	var all sync.WaitGroup
	for phone := range 4 {
		for n := range uploadsAtOnce {
			all.Go(func() {
				for i := range 10 {
					name := fmt.Sprint(n, "-", i%3)
					if err := shelve(s, dhcp.MAC{byte(phone + 1)}, name, strings.Repeat(name, i)); err != nil {
						t.Errorf("phone %d, %s: %v", phone, name, err)
					}
				}
			})
		}
	}
	all.Wait()
	if len(s.coming) != 0 {
		t.Errorf("%d phones are still counted", len(s.coming))
	}
	for phone := range 4 {
		entries, err := os.ReadDir(filepath.Join(dir, dhcp.MAC{byte(phone + 1)}.Hex()))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			b, err := os.ReadFile(filepath.Join(dir, dhcp.MAC{byte(phone + 1)}.Hex(), e.Name()))
			name, _, _ := strings.Cut(e.Name(), "~")
			if err != nil || len(b)%len(name) != 0 || strings.Trim(string(b), name) != "" || name[0] == '.' {
				t.Errorf("%s holds %q, %v", e.Name(), b, err)
			}
		}
		if len(entries) < 3*uploadsAtOnce {
			t.Errorf("%d files", len(entries))
		}
	}
}

// A phone whose room is full of different files can still send each of them anew.
func TestShelfFullOfFilesTakesThemAnew(t *testing.T) {
	s, dir := newShelf(t)
	const most = uploadBytes / 4
	send := func(name string, fill byte, size int) error {
		u, err := s.Begin(dhcp.MAC{1}, name, most)
		if err != nil {
			return err
		}
		if _, err := u.Write(bytes.Repeat([]byte{fill}, size)); err != nil {
			t.Fatal(err)
		}
		return u.Commit()
	}
	names := []string{"a", "b", "c", "d"}
	for _, fill := range []byte("xyz") {
		for _, name := range names {
			if err := send(name, fill, most); err != nil {
				t.Fatalf("%s %c: %v", name, fill, err)
			}
			if b, err := os.ReadFile(filepath.Join(dir, dhcp.MAC{1}.Hex(), name)); err != nil || len(b) != most || b[0] != fill {
				t.Errorf("%s %c: %d bytes, %v", name, fill, len(b), err)
			}
		}
	}
	if err := send("e", 'x', 1); !errors.Is(err, ErrUploadRoom) {
		t.Errorf("a fifth file: %v", err)
	}
	if entries, _ := os.ReadDir(filepath.Join(dir, dhcp.MAC{1}.Hex())); len(entries) != len(names) {
		t.Errorf("%v", entries)
	}
}
