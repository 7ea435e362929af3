package store

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"plugtone/store/dbfile"
)

// Backup writes a tar stream of all files, each consistent in itself. They are copied first, so that a slow reader does not block
// writers. The stream contains secrets.
func (s *Store) Backup(w io.Writer) error {
	if err := s.eventsDB.Flush(); err != nil {
		s.cfg.Log.Warn("backup is without the newest events", "err", err)
	}
	dir, err := os.MkdirTemp(s.backups(), ".backup-*")
	if err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	if err = s.leasesDB.Checkpoint(); err == nil {
		err = s.backupFrom(dir, w)
	}
	return errors.Join(err, os.RemoveAll(dir))
}

func (s *Store) backupFrom(dir string, w io.Writer) error {
	now := s.cfg.Now()
	for name, f := range s.files {
		if err := dbfile.WriteDurably(filepath.Join(dir, name), f.CopyTo); err != nil {
			return fmt.Errorf("backup: %w", err)
		}
	}
	t := tar.NewWriter(w)
	for _, name := range fileNames() {
		if s.files[name] == nil {
			continue
		}
		if err := addFile(t, filepath.Join(dir, name), now); err != nil {
			return fmt.Errorf("backup %s: %w", name, err)
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
	h := &tar.Header{Typeflag: tar.TypeReg, Name: info.Name(), Mode: dbfile.FileMode, Size: info.Size(), ModTime: at.Truncate(time.Second)}
	if err := t.WriteHeader(h); err != nil {
		return err
	}
	_, err = io.Copy(t, f)
	return err
}
