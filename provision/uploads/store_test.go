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
	"plugtone/store/seal"
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
	return NewStore(root, nil), dir
}

// phoneStore returns a store and the folder of phone.
func phoneStore(t *testing.T) (*Store, string) {
	s, dir := newStore(t)
	return s, filepath.Join(dir, phone.Hex())
}

// write uploads a file.
func write(s *Store, mac dhcp.MAC, name, body string) error {
	u, err := s.Begin(mac, name, 8<<20)
	return fill(u, err, body)
}

func fill(u *Upload, err error, body string) error {
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

// ring is the cipher of the store, without its errors.
type ring struct{ *seal.Ring }

func (r ring) Seal(plain, where []byte) ([]byte, error) { return r.Ring.Seal(plain, where), nil }

// read returns the newest version of a file, as the phone gets it.
func read(t *testing.T, s *Store, name string) string {
	t.Helper()
	f, _, err := s.Open(phone, name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	if err != nil || int64(len(b)) != f.Size() {
		t.Errorf("%s: %d bytes of %d, %v", name, len(b), f.Size(), err)
	}
	return string(b)
}

// With a cipher no byte of an upload is on disk in clear, also while it is received; what earlier versions stored in clear is encrypted, and
// the same bytes are still no new version.
func TestUploadsAreEncrypted(t *testing.T) {
	plain, dir := newStore(t)
	for _, body := range []string{"password = pl4nted 1", "password = pl4nted 2"} {
		if err := write(plain, phone, "a.cfg", body); err != nil {
			t.Fatal(err)
		}
	}
	s := NewStore(plain.root, ring{seal.New()})
	if got := read(t, s, "a.cfg"); got != "password = pl4nted 2" {
		t.Errorf("before it is encrypted: %q", got)
	}
	n, err := s.Seal(t.Context())
	if n != 2 || err != nil || len(s.active) != 0 {
		t.Errorf("%d files were encrypted, %v; %d phones are counted", n, err, len(s.active))
	}
	u, err := s.Begin(phone, "b.cfg", 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(u, strings.Repeat("password = pl4nted 3", 5000)); err != nil {
		t.Fatal(err)
	}
	inClear(t, dir)
	if err := errors.Join(u.Commit(), write(s, phone, "a.cfg", "password = pl4nted 2"), write(s, phone, "a.cfg", "password = pl4nted 3")); err != nil {
		t.Fatal(err)
	}
	inClear(t, dir)
	if a, b := read(t, s, "a.cfg"), read(t, s, "b.cfg"); a != "password = pl4nted 3" || len(b) != 100_000 {
		t.Errorf("%q, and %d bytes", a, len(b))
	}
	if all, err := filepath.Glob(filepath.Join(dir, phone.Hex(), "a.cfg*")); err != nil || len(all) != 3 {
		t.Errorf("versions: %v, %v", all, err)
	}
	f, _, err := NewStore(plain.root, ring{seal.New()}).Open(phone, "a.cfg")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := io.ReadAll(f); !errors.Is(err, seal.ErrNoKey) {
		t.Errorf("with another key: %v", err)
	}
}

// inClear reports files that have the planted password.
func inClear(t *testing.T, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if bytes.Contains(b, []byte("pl4nted")) {
			t.Errorf("%s has the password in clear", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// The bounds count what phones have sent, not what encryption adds.
func TestEncryptionTakesNoRoomOfThePhone(t *testing.T) {
	plain, _ := newStore(t)
	s := NewStore(plain.root, ring{seal.New()})
	for _, name := range []string{"a", "b", "c", "d"} {
		if err := write(s, phone, name, strings.Repeat("x", maxBytes/4)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := write(s, phone, "e", "x"); !errors.Is(err, ErrNoRoom) {
		t.Errorf("beyond the bound: %v", err)
	}
}
