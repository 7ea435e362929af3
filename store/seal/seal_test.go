package seal

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestSealedValuesOpenInTheirPlaceOnly(t *testing.T) {
	r, other := New(), New()
	rapid.Check(t, func(t *rapid.T) {
		plain, where := rapid.SliceOf(rapid.Byte()).Draw(t, "plain"), rapid.SliceOf(rapid.Byte()).Draw(t, "where")
		sealed := r.Seal(plain, where)
		if got, err := r.Open(sealed, where); err != nil || !bytes.Equal(got, plain) {
			t.Fatalf("%x, %v", got, err)
		}
		if len(plain) > 8 && bytes.Contains(sealed, plain) {
			t.Fatal("the value can be read without the key")
		}
		if _, err := r.Open(sealed, append(where, 'x')); !errors.Is(err, ErrAltered) {
			t.Fatalf("in another place: %v", err)
		}
		if _, err := other.Open(sealed, where); !errors.Is(err, ErrNoKey) {
			t.Fatalf("with another key: %v", err)
		}
		bit := rapid.IntRange(8*idLen, 8*len(sealed)-1).Draw(t, "bit")
		sealed[bit/8] ^= 1 << (bit % 8)
		if _, err := r.Open(sealed, where); !errors.Is(err, ErrAltered) {
			t.Fatalf("with a flipped bit: %v", err)
		}
		short := sealed[:rapid.IntRange(0, idLen+11).Draw(t, "length")]
		if _, err := r.Open(short, where); err == nil {
			t.Fatalf("%d bytes open", len(short))
		}
	})
}

func TestOlderKeysOpenUntilTheyAreForgotten(t *testing.T) {
	r := New()
	first, id := r.Seal([]byte("s3cret"), nil), r.ID()
	r.Rotate()
	if r.ID() == id {
		t.Error("a rotation makes no new key")
	}
	if got, err := r.Open(first, nil); err != nil || string(got) != "s3cret" {
		t.Errorf("%q, %v", got, err)
	}
	path := filepath.Join(t.TempDir(), FileName)
	if err := r.Write(path); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
		t.Errorf("the key file: %v, %v", info, err)
	}
	again, err := Read(path)
	if err != nil || again.ID() != r.ID() || again.Keys() != 2 || !slices.Equal(again.Passphrases(), r.Passphrases()) {
		t.Fatalf("read again: %v", err)
	}
	again.Forget()
	if _, err := again.Open(first, nil); !errors.Is(err, ErrNoKey) {
		t.Errorf("with a forgotten key: %v", err)
	}
}

func TestFaultyKeyFilesAreErrors(t *testing.T) {
	path := filepath.Join(t.TempDir(), FileName)
	if _, err := Read(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
	for text, want := range map[string]string{"": "has no key", "# only a comment\n": "has no key", "hello\n": ":1: a line must be", "\n" + prefix + "c2hvcnQ\n": ":2: a key has 32 bytes"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Read(path); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "c2hvcnQ") {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func TestACredentialTakesThePlaceOfTheFile(t *testing.T) {
	data, credentials := t.TempDir(), t.TempDir()
	if got := Path(data, credentials); got != filepath.Join(data, FileName) {
		t.Errorf("without a credential: %s", got)
	}
	if err := New().Write(filepath.Join(credentials, CredentialName)); err != nil {
		t.Fatal(err)
	}
	if got := Path(data, credentials); got != filepath.Join(credentials, CredentialName) {
		t.Errorf("with a credential: %s", got)
	}
	if got := Path(data, ""); got != filepath.Join(data, FileName) {
		t.Errorf("without systemd: %s", got)
	}
}

func TestDerivedSecretsDifferByKeyAndPurpose(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	r := New()
	if err := r.Write(path); err != nil {
		t.Fatal(err)
	}
	same, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	a := r.Derive("nonces")
	if !bytes.Equal(a, same.Derive("nonces")) || len(a) != keyLen {
		t.Errorf("the same key gives %x and %x", a, same.Derive("nonces"))
	}
	for what, b := range map[string][]byte{"another purpose": r.Derive("other"), "another key": New().Derive("nonces"), "the key itself": r.keys[0].secret[:]} {
		if bytes.Equal(a, b) {
			t.Errorf("%s gives the same secret", what)
		}
	}
}
