package uploads

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"plugtone/dhcp"
	"plugtone/store/seal"
)

// copyFile copies a version.
func copyFile(s *Store, f File, body string) error {
	u, err := s.BeginCopy(f, int64(len(body)))
	return fill(u, err, body)
}

// shared returns a store that reports its uploads, and the newest of them.
func shared(t *testing.T) (s *Store, dir string, last *File) {
	s, dir = phoneStore(t)
	last = &File{}
	s.OnStored(func(f File) { *last = f })
	return s, dir, last
}

// A version has a later time than the one before it, whatever the clock does, and so has the same file when it is uploaded again.
func TestVersionsHaveLaterTimes(t *testing.T) {
	s, dir, last := shared(t)
	if err := write(s, phone, "a.log", "1"); err != nil {
		t.Fatal(err)
	}
	ahead := time.Date(2090, 1, 1, 0, 0, 0, 0, time.UTC)
	if err := os.Chtimes(filepath.Join(dir, "a.log"), ahead, ahead); err != nil {
		t.Fatal(err)
	}
	for _, body := range []string{"2", "2", "3"} {
		before := *last
		if err := write(s, phone, "a.log", body); err != nil {
			t.Fatal(err)
		}
		list, err := s.Files(phone)
		if err != nil || len(list) != 1 || list[0] != *last || !last.Time.After(ahead) || !last.Time.After(before.Time) {
			t.Errorf("%q: listed %v, reported %v, %v", body, list, *last, err)
		}
	}
	if all, _ := os.ReadDir(dir); len(all) != 3 {
		t.Errorf("versions: %v", all)
	}
}

// A copy becomes the newest version if it is later than what is there, and the version before it stays as an older one. It is not reported.
func TestLaterVersionWins(t *testing.T) {
	plain, dir := phoneStore(t)
	s := NewStore(plain.root, ring{seal.New()})
	var last File
	s.OnStored(func(f File) { last = f })
	if err := write(s, phone, "a.cfg", "first"); err != nil {
		t.Fatal(err)
	}
	reported := last
	later := last
	later.Time = later.Time.Add(time.Second)
	if has, err := s.Has(later); has || err != nil {
		t.Errorf("has the later one: %v, %v", has, err)
	}
	earlier := last
	earlier.Time = earlier.Time.Add(-time.Second)
	for _, c := range []struct {
		file File
		body string
		want string
	}{{earlier, "old", "first"}, {later, "second", "second"}, {later, "other", "second"}, {last, "again", "second"}} {
		if err := copyFile(s, c.file, c.body); err != nil {
			t.Fatal(err)
		}
		if got := read(t, s, "a.cfg"); got != c.want {
			t.Errorf("after a copy of %v: %q, want %q", c.file.Time, got, c.want)
		}
	}
	f, info, err := s.open(phone.Hex() + "/a.cfg~1")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if has, err := s.Has(later); !has || err != nil || last != reported || info.Size() == 0 {
		t.Errorf("has it: %v, %v; reported %v", has, err, last)
	}
	if b := make([]byte, 5); true {
		if n, _ := f.Read(b); string(b[:n]) != "first" {
			t.Errorf("the older version is %q", b[:n])
		}
	}
	if b, err := os.ReadFile(filepath.Join(dir, "a.cfg")); err != nil || strings.Contains(string(b), "second") {
		t.Errorf("the copy is in clear, or %v", err)
	}
}

// The same bytes are no new version: only the time is the later one.
func TestSameBytesAreConfirmed(t *testing.T) {
	s, dir, last := shared(t)
	if err := write(s, phone, "a.cfg", "same"); err != nil {
		t.Fatal(err)
	}
	f := *last
	f.Time = f.Time.Add(time.Minute)
	if err := copyFile(s, f, "same"); err != nil {
		t.Fatal(err)
	}
	g := f
	g.Time = g.Time.Add(time.Minute)
	if err := errors.Join(s.Confirm(g), s.Confirm(f)); err != nil { // an earlier time changes nothing
		t.Fatal(err)
	}
	list, err := s.Files(phone)
	all, _ := os.ReadDir(dir)
	if err != nil || len(list) != 1 || !list[0].Time.Equal(g.Time) || len(all) != 1 {
		t.Errorf("%v, %v, %v", list, all, err)
	}
}

// What a broken or hostile member names stays out: other folders, older versions, hidden files, times that leave no room, sizes beyond the bounds.
func TestCopiesThatAreRefused(t *testing.T) {
	s, dir, _ := shared(t)
	now := time.Now()
	for _, key := range []string{"", ".", "..", "../001565123457/a.cfg", "a/b", "/etc/passwd", ".hidden", "a.cfg~1", "A.cfg", "a%2f..", "a%00%", "a\x00b", strings.Repeat("n", 201)} {
		if err := copyFile(s, File{phone, key, now}, "x"); !errors.Is(err, ErrNotCopied) {
			t.Errorf("key %.20q: %v", key, err)
		}
		if _, err := s.Has(File{phone, key, now}); !errors.Is(err, ErrNotCopied) {
			t.Errorf("has %.20q: %v", key, err)
		}
		if _, _, err := s.OpenKey(phone, key); !errors.Is(err, ErrNotCopied) {
			t.Errorf("open %.20q: %v", key, err)
		}
	}
	for _, at := range []time.Time{{}, time.UnixMicro(0), time.UnixMicro(-5), time.UnixMicro(1<<63 - 1), time.Date(2100, 1, 2, 0, 0, 0, 0, time.UTC)} {
		if err := copyFile(s, File{phone, "a.cfg", at}, "x"); !errors.Is(err, ErrNotCopied) {
			t.Errorf("time %v: %v", at, err)
		}
	}
	for _, size := range []int64{-1, maxBytes + 1} {
		if u, err := s.BeginCopy(File{phone, "a.cfg", now}, size); !errors.Is(err, ErrTooLarge) {
			u.Abort()
			t.Errorf("size %d: %v", size, err)
		}
	}
	if all, err := os.ReadDir(dir); err == nil && len(all) > 0 {
		t.Errorf("stored: %v", all)
	}
	for i := range maxFiles {
		if err := copyFile(s, File{phone, strings.Repeat("n", i+1), now}, "x"); err != nil {
			t.Fatal(err)
		}
	}
	if err := copyFile(s, File{phone, "one-more", now}, "x"); !errors.Is(err, ErrNoRoom) {
		t.Errorf("a file too many: %v", err)
	}
}

func TestPhonesAndFilesAreListed(t *testing.T) {
	s, dir := newStore(t)
	mac := func(n byte) dhcp.MAC { return dhcp.MAC{0, 0x15, 0x65, 0, 0, n} }
	for i := range byte(5) {
		if err := write(s, mac(5-i), "A b.log", "x"); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"001565000006X", "00-00-00-00-00-07", "lost+found"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	var got []dhcp.MAC
	for after := (dhcp.MAC{}); ; {
		some, err := s.Phones(after, 2)
		if err != nil {
			t.Fatal(err)
		}
		if len(some) == 0 {
			break
		}
		got = append(got, some...)
		after = some[len(some)-1]
	}
	files, err := s.Files(mac(1))
	if len(got) != 5 || got[0] != mac(1) || got[4] != mac(5) || err != nil || len(files) != 1 || files[0].Key != "a%20b.log" {
		t.Errorf("%v, %v, %v", got, files, err)
	}
	if files, err := s.Files(mac(9)); len(files) != 0 || err != nil {
		t.Errorf("of a phone without uploads: %v, %v", files, err)
	}
}
