package sealedfile

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"testing/iotest"
	"time"

	"plugtone/store/seal"
)

// ring is the cipher of the store, without its errors.
type ring struct{ *seal.Ring }

func (r ring) Seal(plain, where []byte) ([]byte, error) { return r.Ring.Seal(plain, where), nil }

func random(n int) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{7})
	_, _ = r.Read(b) // never fails
	return b
}

func sealed(t *testing.T, plain []byte, place string, c Cipher) []byte {
	t.Helper()
	var b bytes.Buffer
	w := NewWriter(&b, place, c)
	for part := range bytes.SplitSeq(plain, []byte{0}) { // in writes of many lengths, without the zeros
		if _, err := w.Write(part); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

type file struct{ *bytes.Reader }

func (file) Close() error { return nil }

func open(b []byte, place string, c Cipher) ([]byte, error) {
	r, err := NewReader(file{bytes.NewReader(b)}, int64(len(b)), place, c)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

func TestWhatWasWrittenIsRead(t *testing.T) {
	c := ring{seal.New()}
	for _, n := range []int{0, 1, 31, chunkLen - 1, chunkLen, chunkLen + 1, 2 * chunkLen, 3*chunkLen + 77} {
		plain := bytes.ReplaceAll(random(n), []byte{0}, []byte{1})
		b := sealed(t, plain, "uploads/a/b", c)
		r, err := NewReader(file{bytes.NewReader(b)}, int64(len(b)), "uploads/a/b", c)
		if err != nil {
			t.Fatal(n, err)
		}
		if err := iotest.TestReader(r, plain); err != nil {
			t.Errorf("%d bytes: %v", n, err)
		}
		if r.Size() != int64(n) || PlainSize(int64(len(b))) != int64(n) || !r.Sealed() {
			t.Errorf("%d bytes: size %d, of the stored file %d", n, r.Size(), PlainSize(int64(len(b))))
		}
		if n > 30 && bytes.Contains(b, plain[:16]) {
			t.Errorf("%d bytes: in clear", n)
		}
	}
}

// Every change is noticed: of a byte, of the length, of the order of chunks, of the file's place, and a mixture of two files.
func TestChangesAreNoticed(t *testing.T) {
	c := ring{seal.New()}
	plain := bytes.ReplaceAll(random(3*chunkLen), []byte{0}, []byte{1})
	const full = chunkLen + Overhead
	b := sealed(t, plain, "uploads/a/b", c)
	other := sealed(t, plain, "uploads/a/b", c)
	flip := func(at int) []byte {
		x := bytes.Clone(b)
		x[at] ^= 1
		return x
	}
	swapped := bytes.Clone(b)
	copy(swapped[headerLen:], b[headerLen+full:headerLen+2*full])
	copy(swapped[headerLen+full:], b[headerLen:headerLen+full])
	mixed := bytes.Clone(b)
	copy(mixed[headerLen+full:headerLen+2*full], other[headerLen+full:])
	for what, x := range map[string][]byte{
		"a byte of the header": flip(headerLen - 1), "a byte of the key's name": flip(headerLen), "a byte of a chunk": flip(headerLen + full + 100),
		"its last byte": flip(len(b) - 1), "cut within a chunk": b[:len(b)-5], "cut after a chunk": b[:headerLen+2*full], "cut to its header": b[:headerLen],
		"cut to a part of the overhead": b[:headerLen+full+3], "two chunks swapped": swapped, "a chunk of another file": mixed, "bytes more": append(bytes.Clone(b), 1, 2, 3),
	} {
		if got, err := open(x, "uploads/a/b", c); err == nil {
			t.Errorf("%s: %d bytes were read", what, len(got))
		}
	}
	if _, err := open(b, "uploads/a/c", c); !errors.Is(err, seal.ErrAltered) {
		t.Errorf("in another place: %v", err)
	}
	if _, err := open(b, "uploads/a/b", ring{seal.New()}); !errors.Is(err, seal.ErrNoKey) {
		t.Errorf("with another key: %v", err)
	}
	if _, err := open(b, "uploads/a/b", nil); err == nil {
		t.Error("read without a key")
	}
	if got, err := open([]byte("in clear"), "uploads/a/b", c); err != nil || string(got) != "in clear" {
		t.Errorf("a file in clear: %q, %v", got, err)
	}
}

func TestResealAllEncryptsWhatIsNotYet(t *testing.T) {
	dir := t.TempDir()
	keys := seal.New()
	c := ring{keys}
	put := func(name string, b []byte) {
		t.Helper()
		path := filepath.Join(dir, name)
		at := time.Unix(1e9, 0)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, b, 0o640), os.Chmod(path, 0o640), os.Chtimes(path, at, at)); err != nil {
			t.Fatal(err)
		}
	}
	put("001565000001/a.log", []byte("plain"))
	put("001565000001/a.log~1", []byte("plain too"))
	put("001565000002/b.cfg", sealed(t, []byte("older"), Place("uploads", "001565000002/b.cfg"), c))
	keys.Rotate()
	put("001565000002/c.cfg", sealed(t, []byte("newest"), Place("uploads", "001565000002/c.cfg"), c))
	put("001565000003/damaged", []byte(magic+"too short"))
	put("001565000003/.coming-1", []byte("under way"))
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	locked := 0
	lock := func(string) func() { locked++; return func() { locked-- } }
	n, err := ResealAll(t.Context(), root, "uploads", c, lock)
	if n != 4 || err != nil || locked != 0 { // the damaged one is too short to be an encrypted file
		t.Errorf("%d files, %v", n, err)
	}
	keys.Forget()
	for name, want := range map[string]string{"001565000001/a.log": "plain", "001565000001/a.log~1": "plain too", "001565000002/b.cfg": "older", "001565000002/c.cfg": "newest"} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := open(b, Place("uploads", name), c); err != nil || string(got) != want || bytes.Contains(b, []byte(want)) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || !info.ModTime().Equal(time.Unix(1e9, 0)) || info.Mode().Perm() != 0o640 {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
	if n, err := ResealAll(t.Context(), root, "uploads", c, lock); n != 0 || err != nil {
		t.Errorf("a second time %d files, %v", n, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := ResealAll(ctx, root, "uploads", c, lock); !errors.Is(err, context.Canceled) {
		t.Errorf("while the daemon stops: %v", err)
	}
}
