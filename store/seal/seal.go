// Package seal encrypts what a data directory stores of secrets, with a key that is in a file or a systemd credential of its own.
package seal

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const (
	// FileName is the name of the key file in a data directory.
	FileName = "plugtone.key"
	// CredentialName is the name of the systemd credential that takes the place of the file (LoadCredential=, LoadCredentialEncrypted=).
	CredentialName = "plugtone.key"

	keyLen  = 32 // AES-256
	idLen   = 4  // bytes of a sealed value that name its key
	prefix  = "plugtone-key-"
	comment = "# The key of this data directory: without it no record with a secret can be read. Copy it to a safe place, apart from backups.\n"
)

// ErrNoKey is wrapped by errors about values whose key is not there.
var ErrNoKey = errors.New("its key is missing")

// ErrAltered is wrapped by errors about sealed values that were changed, or are another record's.
var ErrAltered = errors.New("it was altered, or belongs to another record")

// Ring has the key that seals, and older ones that still open. Its methods may be called from any goroutine.
type Ring struct {
	keys []key // the first one seals
}

type key struct {
	secret [keyLen]byte
	id     [idLen]byte
	aead   cipher.AEAD
}

func newKey(secret []byte) (key, error) {
	if len(secret) != keyLen {
		return key{}, fmt.Errorf("a key has %d bytes, not %d", keyLen, len(secret))
	}
	k := key{secret: [keyLen]byte(secret)}
	sum := sha256.Sum256(append([]byte("plugtone key id\x00"), secret...))
	copy(k.id[:], sum[:])
	block, err := aes.NewCipher(secret)
	if err != nil {
		return key{}, err
	}
	k.aead, err = cipher.NewGCM(block)
	return k, err
}

// New returns a ring with one new random key.
func New() *Ring {
	r := &Ring{}
	r.Rotate()
	return r
}

// Rotate makes a new key, which seals from then on. The older ones still open.
func (r *Ring) Rotate() {
	var secret [keyLen]byte
	rand.Read(secret[:]) // never returns an error
	k, err := newKey(secret[:])
	if err != nil {
		panic(err) // the length is right
	}
	r.keys = append([]key{k}, r.keys...)
}

// Forget removes all keys but the one that seals.
func (r *Ring) Forget() { r.keys = r.keys[:1] }

// Has reports whether a key with this ID is there.
func (r *Ring) Has(id string) bool {
	return slices.ContainsFunc(r.keys, func(k key) bool { return hex.EncodeToString(k.id[:]) == id })
}

// Newest reports whether a sealed value, or its beginning, is encrypted with the key that seals.
func (r *Ring) Newest(sealed []byte) bool { return bytes.HasPrefix(sealed, r.keys[0].id[:]) }

// Keys returns how many keys there are.
func (r *Ring) Keys() int { return len(r.keys) }

// ID names the key that seals, in eight hexadecimal digits.
func (r *Ring) ID() string { return hex.EncodeToString(r.keys[0].id[:]) }

// Derive returns a secret of 32 bytes for another purpose, made of the key that seals (HKDF, RFC 5869). The same key and purpose give the same.
func (r *Ring) Derive(purpose string) []byte {
	b, err := hkdf.Key(sha256.New, r.keys[0].secret[:], nil, "plugtone "+purpose, keyLen)
	if err != nil {
		panic(err) // the length is right
	}
	return b
}

// Passphrases returns the keys as passphrases of the age format, for whole files: the one that seals, then the older ones.
func (r *Ring) Passphrases() []string {
	var all []string
	for _, k := range r.keys {
		all = append(all, k.text())
	}
	return all
}

func (k key) text() string { return prefix + base64.RawURLEncoding.EncodeToString(k.secret[:]) }

// Seal encrypts plain and binds it to where, the name of its place: under another name it does not open.
func (r *Ring) Seal(plain, where []byte) []byte {
	k := r.keys[0]
	out := make([]byte, idLen+k.aead.NonceSize(), idLen+k.aead.NonceSize()+len(plain)+k.aead.Overhead())
	copy(out, k.id[:])
	rand.Read(out[idLen:])
	return k.aead.Seal(out, out[idLen:], plain, where)
}

// Open decrypts what Seal has made for this place.
func (r *Ring) Open(sealed, where []byte) ([]byte, error) {
	if len(sealed) < idLen {
		return nil, fmt.Errorf("%d bytes: %w", len(sealed), ErrAltered)
	}
	for _, k := range r.keys {
		if !bytes.Equal(k.id[:], sealed[:idLen]) {
			continue
		}
		n := k.aead.NonceSize()
		if len(sealed) < idLen+n {
			return nil, fmt.Errorf("%d bytes: %w", len(sealed), ErrAltered)
		}
		plain, err := k.aead.Open(nil, sealed[idLen:idLen+n], sealed[idLen+n:], where)
		if err != nil {
			return nil, ErrAltered
		}
		return plain, nil
	}
	return nil, fmt.Errorf("key %x: %w", sealed[:idLen], ErrNoKey)
}

// Read reads a ring from the file at path: a key a line, the one that seals first; lines with # are comments. The error wraps
// fs.ErrNotExist when there is no file.
func Read(path string) (*Ring, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	r := &Ring{}
	for n, line := range strings.Split(string(b), "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		secret, err := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(line, prefix))
		if err != nil || !strings.HasPrefix(line, prefix) {
			return nil, fmt.Errorf("%s:%d: a line must be %s and 43 characters", path, n+1, prefix)
		}
		k, err := newKey(secret)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", path, n+1, err)
		}
		r.keys = append(r.keys, k)
	}
	if len(r.keys) == 0 {
		return nil, fmt.Errorf("%s has no key", path)
	}
	return r, nil
}

// Write writes the ring to path with mode 0600, all of it or nothing.
func (r *Ring) Write(path string) error {
	text := comment
	for _, k := range r.keys {
		text += k.text() + "\n"
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".tmp-*") // with mode 0600
	if err != nil {
		return err
	}
	_, err = io.WriteString(tmp, text)
	if err == nil {
		err = tmp.Sync()
	}
	err = errors.Join(err, tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(tmp.Name()))
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// Path returns where the key of a data directory is: the systemd credential if the service manager passed one in the folder
// credentials ("" when there is none), else the file in dir.
func Path(dir, credentials string) string {
	if credentials != "" {
		path := filepath.Join(credentials, CredentialName)
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			return path
		}
	}
	return filepath.Join(dir, FileName)
}
