package store

import (
	"context"
	"errors"
	"io/fs"
	"os"

	"plugtone/provision/sealedfile"
	"plugtone/provision/uploads"
	"plugtone/provision/upstream"
	"plugtone/store/dbfile"
	"plugtone/store/records"
	"plugtone/store/seal"
)

// Cipher returns what encrypts the files that phones upload and the answers of PBXs, with the key of the records; nil when nothing is
// encrypted. While that key is missing it returns errors that wrap seal.ErrNoKey.
func (s *Store) Cipher() sealedfile.Cipher {
	if s.cfg.KeyFile == "" {
		return nil
	}
	return fileCipher{s.keys, s.files[records.FileName]}
}

// CipherOf returns what decrypts the files of a data directory whose keys these are.
func CipherOf(keys *seal.Ring) sealedfile.Cipher { return fileCipher{keys, nil} }

// fileCipher encrypts files with a ring.
type fileCipher struct {
	keys    *seal.Ring // nil: the key is missing
	records *dbfile.File
}

func (c fileCipher) check() error {
	if c.keys == nil || c.records == nil {
		return seal.ErrNoKey
	}
	return c.records.Locked() // a new key is not used beside records that need the one that is missing
}

// Seal implements sealedfile.Cipher.
func (c fileCipher) Seal(plain, where []byte) ([]byte, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	return c.keys.Seal(plain, where), nil
}

// Open implements sealedfile.Cipher.
func (c fileCipher) Open(sealed, where []byte) ([]byte, error) {
	if c.keys == nil {
		return nil, seal.ErrNoKey
	}
	return c.keys.Open(sealed, where)
}

// Newest implements sealedfile.Cipher.
func (c fileCipher) Newest(sealed []byte) bool { return c.keys != nil && c.keys.Newest(sealed) }

// sealFiles encrypts the uploads and the answers of PBXs in a data directory, which no daemon uses, with the newest key.
func sealFiles(ctx context.Context, dir string, cipher sealedfile.Cipher) error {
	data, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer data.Close()
	var errs []error
	for _, folder := range []string{uploads.FolderName, upstream.FolderName} {
		root, err := data.OpenRoot(folder)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		_, err = sealedfile.ResealAll(ctx, root, folder, cipher, func(string) func() { return func() {} })
		errs = append(errs, err, root.Close())
	}
	return errors.Join(errs...)
}
