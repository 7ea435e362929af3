package dbfile

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
)

// Spec describes what a file holds and how it is opened.
type Spec struct {
	Name   string
	Schema Schema
}

// State is what a file was found to be before it is opened.
type State struct {
	Empty   bool   // missing, or without a byte
	Known   bool   // as it was when plugtone stopped: nothing else was looked at
	Changed bool   // it is not as it was when plugtone stopped
	Report  Report // unless Empty or Known
}

// Examine judges the file at path before bbolt maps it, while it holds its lock. stopped is the digest that the file had
// when plugtone stopped, 0 when that is not known. An error means that the file can't be read, not that it is damaged.
func Examine(path string, s Spec, stopped uint64, command []string) (st State, err error) {
	lock, err := Lock(path)
	if err != nil {
		return st, err
	}
	defer lock.Close()
	info, err := lock.Stat()
	if err != nil {
		return st, err
	}
	if info.Size() == 0 && info.Mode().IsRegular() {
		return State{Empty: true}, nil
	}
	sum, err := digest(lock)
	if err != nil {
		return st, err
	}
	st.Known = sum == stopped
	st.Changed = !st.Known && stopped != 0
	if !st.Known {
		st.Report, err = check(lock, s.Name, s.Schema, command)
	}
	return st, err
}

// Digest returns a sum over the whole file, to recognise it at the next start.
func Digest(path string) (uint64, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	return digest(f)
}

func digest(f *os.File) (uint64, error) {
	sum := crc32.New(castagnoli)
	n, err := io.Copy(sum, io.NewSectionReader(f, 0, 1<<62))
	if err != nil {
		return 0, fmt.Errorf("read %s: %w", f.Name(), err)
	}
	return uint64(sum.Sum32())<<32 | uint64(uint32(n)) | 1, nil
}

// Opened is what Open found.
type Opened struct {
	*File
	From    uint64 // the schema that it had, 0 when it was new
	Version uint64 // the schema that it has
	Damaged int    // records that were set aside
}

// Open opens and migrates a file that Examine found sound or Empty. With examine, for a file that is not Known, records that
// do not match their checksums are set aside within the file.
func Open(path string, s Spec, backups string, examine bool, o Options) (Opened, error) {
	f := &File{name: s.Name, path: path, schema: s.Schema, o: o, noted: map[string]bool{}}
	h, err := openBolt(path, o.NoSync, o.MaxSize)
	if err != nil {
		return Opened{}, err
	}
	f.current = h
	opened := Opened{File: f, Version: s.Schema.Version}
	f.place, err = PlaceOf(path)
	if err == nil {
		opened.From, err = f.migrate(s.Schema, backups)
	}
	if err == nil {
		err = sealAll(f, opened.From == 0)
	}
	if err == nil && examine {
		opened.Damaged, err = f.setAside(s.Schema)
	}
	if err != nil {
		return Opened{}, errors.Join(err, f.Close())
	}
	return opened, nil
}

// Create makes an empty database at path, all of it or nothing. A file without a byte may be there, which it replaces. What is no file but a
// symbolic link, for example, is left as it is.
func Create(path string) error {
	if info, err := os.Lstat(path); err == nil && !info.Mode().IsRegular() {
		return nil
	}
	made := path + ".new"
	if err := os.Remove(made); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	h, err := openBolt(made, false, 0)
	if err != nil {
		return err
	}
	if err := errors.Join(h.db.Close(), os.Rename(made, path)); err != nil {
		return errors.Join(err, os.Remove(made))
	}
	return SyncDir(filepath.Dir(path))
}

// setAside moves damaged records to a table of their own and returns how many there were.
func (f *File) setAside(schema Schema) (int, error) {
	var bad []location
	err := f.View(func(tx Tx) (err error) { bad, err = walk(tx.Tx, schema, new(Report)); return err })
	if err != nil || len(bad) == 0 {
		return 0, err
	}
	return len(bad), f.Update(func(tx Tx) error {
		for _, at := range bad {
			if err := tx.SetAside(string(at.table), at.key); err != nil {
				return err
			}
		}
		return nil
	})
}
