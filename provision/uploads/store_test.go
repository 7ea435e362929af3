package uploads

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
)

var phone = dhcp.MAC{0, 0x15, 0x65, 0x12, 0x34, 0x56}

// newStore returns a store and its folder.
func newStore(t *testing.T) (*Store, string) {
	t.Helper()
	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = root.Close() })
	return NewStore(root), dir
}

// phoneStore returns a store and the folder of phone.
func phoneStore(t *testing.T) (*Store, string) {
	s, dir := newStore(t)
	return s, filepath.Join(dir, phone.Hex())
}

// write uploads a file.
func write(s *Store, mac dhcp.MAC, name, body string) error {
	u, err := s.Begin(mac, name, 8<<20)
	if err != nil {
		return err
	}
	if _, err := u.Write([]byte(body)); err != nil {
		u.Abort()
		return err
	}
	return u.Commit()
}

// While the disk is slow for one phone, the others' files are stored.
func TestSlowDiskOfOnePhoneHoldsUpNoOther(t *testing.T) {
	s, _ := newStore(t)
	slow := s.acquire(dhcp.MAC{1})
	slow.mu.Lock()
	defer slow.mu.Unlock()
	if err := write(s, dhcp.MAC{2}, "a.log", "x"); err != nil {
		t.Error(err)
	}
}

// As many uploads at once as a phone may have: each is stored whole or refused, none removes another that is under way, and
// nothing is left in memory.
func TestConcurrentUploadsAreStoredWhole(t *testing.T) {
	s, dir := newStore(t)
	var all sync.WaitGroup
	for phone := range 4 {
		for n := range maxConcurrent {
			all.Go(func() {
				for i := range 10 {
					name := fmt.Sprint(n, "-", i%3)
					if err := write(s, dhcp.MAC{byte(phone + 1)}, name, strings.Repeat(name, i)); err != nil {
						t.Errorf("phone %d, %s: %v", phone, name, err)
					}
				}
			})
		}
	}
	all.Wait()
	if len(s.active) != 0 {
		t.Errorf("%d phones are still counted", len(s.active))
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
		if len(entries) < 3*maxConcurrent {
			t.Errorf("%d files", len(entries))
		}
	}
}

// A phone whose room is full of different files can still replace each of them.
func TestFullStoreStillReplacesFiles(t *testing.T) {
	s, dir := newStore(t)
	const most = maxBytes / 4
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
	if err := send("e", 'x', 1); !errors.Is(err, ErrNoRoom) {
		t.Errorf("a fifth file: %v", err)
	}
	if entries, _ := os.ReadDir(filepath.Join(dir, dhcp.MAC{1}.Hex())); len(entries) != len(names) {
		t.Errorf("%v", entries)
	}
}

func TestLastVersionsAreKept(t *testing.T) {
	s, dir := phoneStore(t)
	for _, body := range []string{"1", "2", "2", "3", "4", "5", "6", "7", "7"} {
		if err := write(s, phone, "a.log", body); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	for _, name := range []string{"a.log", "a.log~1", "a.log~2", "a.log~3", "a.log~4"} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Error(err)
		}
		got = append(got, string(b))
	}
	all, _ := os.ReadDir(dir)
	if strings.Join(got, " ") != "7 6 5 4 3" || len(all) != 5 {
		t.Errorf("kept %v in %d files", got, len(all))
	}
}

func TestBytesAndFilesOfAPhoneAreBounded(t *testing.T) {
	s, dir := phoneStore(t)
	big := strings.Repeat("x", 5<<20)
	for i := range 6 {
		if err := write(s, phone, "a.log", big+string(rune('a'+i))); err != nil {
			t.Fatal(err)
		}
	}
	var total int64
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		total += info.Size()
	}
	if total > 16<<20 || len(entries) != 3 {
		t.Errorf("%d bytes in %d files", total, len(entries))
	}
	if err := errors.Join(write(s, phone, "b.log", big), write(s, phone, "c.log", big)); err != nil {
		t.Errorf("older versions don't make room: %v", err)
	}
	if err := write(s, phone, "d.log", big); !errors.Is(err, ErrNoRoom) {
		t.Errorf("a fourth file of 5 MiB: %v", err)
	}
	var err error
	for i := 0; err == nil && i < 100; i++ {
		err = write(s, phone, "now-"+strings.Repeat("n", i+1), "x")
	}
	if entries, _ := os.ReadDir(dir); !errors.Is(err, ErrNoRoom) || len(entries) != 64 {
		t.Errorf("%d files, then %v", len(entries), err)
	}
}

func TestUploadsAreStoredWholeOrNotAtAll(t *testing.T) {
	s, dir := phoneStore(t)
	if err := write(s, phone, "a.log", "before"); err != nil {
		t.Fatal(err)
	}
	u, err := s.Begin(phone, "a.log", 4)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(u, "12345"); !errors.Is(err, ErrTooLarge) {
		t.Errorf("beyond its size: %v", err)
	}
	if err := u.Commit(); !errors.Is(err, ErrTooLarge) {
		t.Errorf("commit of what is too large: %v", err)
	}
	var open []*Upload
	for range 4 {
		u, err := s.Begin(phone, "b.log", 4)
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, u)
	}
	if _, err := s.Begin(phone, "b.log", 4); !errors.Is(err, fleet.ErrInternal) {
		t.Errorf("a fifth at once: %v", err)
	}
	for _, u := range open {
		u.Abort()
	}
	if b, err := os.ReadFile(filepath.Join(dir, "a.log")); string(b) != "before" || err != nil {
		t.Errorf("%q, %v", b, err)
	}
	if err := os.WriteFile(filepath.Join(dir, ".coming-99"), []byte("half"), 0o600); err != nil { // as a crash leaves it
		t.Fatal(err)
	}
	if err := write(s, phone, "b.log", "x"); err != nil {
		t.Fatal(err)
	}
	if all, _ := os.ReadDir(dir); len(all) != 2 {
		t.Errorf("left behind: %v", all)
	}
}

func TestNamesStayInThePhonesFolder(t *testing.T) {
	s, dir := phoneStore(t)
	for _, name := range []string{"", ".hidden", "..", strings.Repeat("n", 201), strings.Repeat("/", 67)} {
		if u, err := s.Begin(phone, name, 9); err == nil {
			u.Abort()
			t.Errorf("%q was taken", name)
		}
	}
	for _, name := range []string{"a/../../b", "x~1", "ü.log"} {
		if err := write(s, phone, name, name); err != nil {
			t.Fatal(err)
		}
		f, _, err := s.Open(phone, strings.ToUpper(name))
		if err != nil {
			t.Fatal(err)
		}
		if b, _ := io.ReadAll(f); string(b) != name {
			t.Errorf("%q holds %q", name, b)
		}
		_ = f.Close()
	}
	if all, _ := os.ReadDir(dir); len(all) != 3 {
		t.Errorf("%v", all)
	}
	if _, _, err := s.Open(dhcp.MAC{2}, "x~1"); err == nil {
		t.Error("another phone's file was opened")
	}
}
