package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"filippo.io/age"

	"plugtone/provision/sealedfile"
	"plugtone/store"
	"plugtone/store/dbfile"
	"plugtone/store/seal"
)

// decryption decrypts files of a data folder with its keys.
type decryption struct {
	ring    *seal.Ring
	keyFile string // where they are from
}

// folder decrypts every file below a folder to a new one, with its time, and returns how many. It goes on after a file that can't be decrypted,
// and fails then. What is left of a file that was not written to its end is left out, as the daemon removes it.
func (d decryption) folder(from, to string) (done int, err error) {
	inside, err := isBelow(to, from)
	if err != nil {
		return 0, err
	}
	if inside || to == "-" {
		return 0, usagef("-o %s: name a new folder outside of %s", to, from)
	}
	var failed []error
	err = filepath.WalkDir(from, func(name string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, name)
		if err != nil {
			return err
		}
		target := filepath.Join(to, rel)
		switch {
		case e.IsDir():
			return os.Mkdir(target, 0o700)
		case !e.Type().IsRegular(), strings.HasPrefix(e.Name(), "."): // no stored file has such a name
			return nil
		}
		err = dbfile.WriteDurably(target, func(w io.Writer) error { return d.file(name, true, w) })
		if err == nil {
			done++
			err = copyTime(e, target)
		}
		if err != nil {
			failed = append(failed, err)
		}
		return nil
	})
	return done, errors.Join(err, errors.Join(failed...))
}

// isBelow reports whether a path is that of a folder, or of something in it.
func isBelow(name, folder string) (bool, error) {
	at, err := filepath.Abs(name)
	top, err2 := filepath.Abs(folder)
	if err := errors.Join(err, err2); err != nil {
		return false, err
	}
	rel, err := filepath.Rel(top, at)
	return err == nil && filepath.IsLocal(rel), err
}

// copyTime gives a file the time of another.
func copyTime(from fs.DirEntry, to string) error {
	info, err := from.Info()
	if err != nil {
		return err
	}
	return os.Chtimes(to, info.ModTime(), info.ModTime())
}

// file writes a file of the data folder in clear. One that is in clear is an error, unless clear is true.
func (d decryption) file(name string, clear bool, w io.Writer) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	path, err := filepath.Abs(name)
	if err != nil {
		return err
	}
	phone := filepath.Dir(path)
	place := sealedfile.Place(filepath.Base(filepath.Dir(phone)), filepath.Base(phone)+"/"+filepath.Base(path))
	sealed, err := sealedfile.NewReader(f, info.Size(), place, store.CipherOf(d.ring))
	if err != nil || sealed.Sealed() || clear && filepath.Ext(name) != ".age" {
		if err == nil {
			_, err = io.Copy(w, sealed)
		}
		return err
	}
	var identities []age.Identity
	for _, passphrase := range d.ring.Passphrases() {
		id, err := age.NewScryptIdentity(passphrase)
		if err != nil {
			return err
		}
		id.SetMaxWorkFactor(1) // of copies that plugtone made
		identities = append(identities, id)
	}
	r, err := age.Decrypt(f, identities...)
	if errors.As(err, new(*age.NoIdentityMatchError)) {
		return fmt.Errorf("%s: none of the keys in %s is its key", name, d.keyFile)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	_, err = io.Copy(w, r)
	return err
}
