package store

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	bolt "go.etcd.io/bbolt"
)

// restorable is every file that a backup may hold, with the schema that this plugtone knows.
func restorable() map[string]schema {
	return map[string]schema{fleetFile: fleetSchema(), leaseFile: leaseSchema(), eventFile: eventSchema()}
}

// Backup writes a tar stream of all files as of now, each whole in itself. They are copied first, so that a slow reader
// holds up nobody. It has secrets in it.
func (s *Store) Backup(w io.Writer) error {
	if err := s.events.flush(); err != nil {
		s.cfg.Log.Warn("backup is without the newest events", "err", err)
	}
	dir, err := os.MkdirTemp(s.backups(), ".backup-*")
	if err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	if err = s.wal.checkpointAll(); err == nil {
		err = s.backupFrom(dir, w)
	}
	return errors.Join(err, os.RemoveAll(dir))
}

func (s *Store) backupFrom(dir string, w io.Writer) error {
	now := s.cfg.Now()
	for _, f := range s.files() {
		if err := copyDurably(filepath.Join(dir, f.name), f.copyTo); err != nil {
			return fmt.Errorf("backup: %w", err)
		}
	}
	t := tar.NewWriter(w)
	for _, f := range s.files() {
		if err := addFile(t, filepath.Join(dir, f.name), now); err != nil {
			return fmt.Errorf("backup %s: %w", f.name, err)
		}
	}
	return t.Close()
}

func addFile(t *tar.Writer, path string, at time.Time) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	h := &tar.Header{Typeflag: tar.TypeReg, Name: info.Name(), Mode: fileMode, Size: info.Size(), ModTime: at.Truncate(time.Second)}
	if err := t.WriteHeader(h); err != nil {
		return err
	}
	_, err = io.Copy(t, f)
	return err
}

// Restore puts the files of a backup into dir, which no daemon may be using. All of them are unpacked and checked before
// anything is touched; files that were there are set aside under other names, those that the backup has not too.
func Restore(r io.Reader, dir string, now time.Time) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	tmp, err := os.MkdirTemp(dir, ".restore-*")
	if err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	names, err := unpack(r, tmp)
	if err == nil {
		err = putInPlace(tmp, dir, names, now)
	}
	if err != nil {
		err = fmt.Errorf("restore: %w", err)
	}
	return errors.Join(err, os.RemoveAll(tmp))
}

// unpack writes the files of a backup to dir and checks each.
func unpack(r io.Reader, dir string) ([]string, error) {
	known := restorable()
	var names []string
	for t := tar.NewReader(r); ; {
		h, err := t.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("this is no backup of plugtone, or not all of it: %w", err)
		}
		want, ok := known[h.Name]
		if !ok || h.Typeflag != tar.TypeReg {
			return nil, fmt.Errorf("%.60q is not part of a backup, or is in it twice; %s, %s and %s are", h.Name, fleetFile, leaseFile, eventFile)
		}
		delete(known, h.Name)
		path := filepath.Join(dir, h.Name)
		err = copyDurably(path, func(w io.Writer) error { _, err := io.Copy(w, t); return err })
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, fmt.Errorf("this is not all of a backup: it ends within %s", h.Name)
		}
		if err != nil {
			return nil, err
		}
		if err := checkRestored(path, want); err != nil {
			return nil, fmt.Errorf("%s in the backup: %w", h.Name, err)
		}
		names = append(names, h.Name)
	}
	if _, missing := known[fleetFile]; missing {
		return nil, fmt.Errorf("this is no backup of plugtone: it has no %s", fleetFile)
	}
	return names, nil
}

// checkRestored refuses what Open would not read.
func checkRestored(path string, want schema) error {
	f, err := openVerified(path)
	if err != nil {
		return err
	}
	defer f.Close()
	db, err := openBolt(path, false, 0)
	if err != nil {
		return err
	}
	var have uint64
	err = db.View(func(tx *bolt.Tx) error { have = schemaOf(tx); return nil })
	if err == nil {
		err = refuseNewer(filepath.Base(path), have, want)
	}
	return errors.Join(err, db.Close())
}

func fileExists(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, os.ErrNotExist)
}

// putInPlace moves files into dir while it holds the locks of those that are there.
func putInPlace(from, dir string, names []string, now time.Time) error {
	var there []string
	for name := range restorable() {
		path := filepath.Join(dir, name)
		if !fileExists(path) {
			continue
		}
		lock, err := lockFile(path)
		if err != nil {
			return err
		}
		defer lock.Close()
		there = append(there, path)
	}
	// A journal goes with the lease file that it belongs to.
	if path := filepath.Join(dir, logFile); fileExists(path) {
		there = append(there, path)
	}
	for _, path := range there {
		if err := os.Rename(path, path+".before-restore-"+stamp(now)); err != nil {
			return err
		}
	}
	for _, name := range names {
		if err := os.Rename(filepath.Join(from, name), filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	return syncDir(dir)
}
