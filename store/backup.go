package store

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"plugtone/store/dbfile"
)

// Backup writes a tar stream of all files, each consistent in itself. They are copied first, so that a slow reader does not block
// writers. Records are encrypted in it, and the key is not in it. With withFiles it has the configuration and the folders files and uploads too, as
// they are: the configuration may have secrets in clear.
func (s *Store) Backup(w io.Writer, withFiles bool) error {
	if err := s.eventsDB.Flush(); err != nil {
		s.cfg.Log.Warn("backup is without the newest events", "err", err)
	}
	dir, err := os.MkdirTemp(s.backups(), ".backup-*")
	if err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	if err = s.leasesDB.Checkpoint(); err == nil {
		err = s.backupFrom(dir, w, withFiles)
	}
	return errors.Join(err, os.RemoveAll(dir))
}

func (s *Store) backupFrom(dir string, w io.Writer, withFiles bool) error {
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
		if err := addFile(t, name, filepath.Join(dir, name), now); err != nil {
			return fmt.Errorf("backup %s: %w", name, err)
		}
	}
	if withFiles {
		if err := s.addFolders(t, now); err != nil {
			return fmt.Errorf("backup: %w", err)
		}
	}
	return t.Close()
}

// configurationName is the configuration in a backup. It is restored into the data directory, and put into place by the operator.
const configurationName = "plugtone.yaml"

// folders are the folders of the data directory that a backup with files has.
func folders() []string { return []string{"files", "uploads"} }

func (s *Store) addFolders(t *tar.Writer, now time.Time) error {
	if s.cfg.Configuration != "" {
		if err := addFile(t, configurationName, s.cfg.Configuration, now); err != nil {
			return err
		}
	}
	for _, folder := range folders() {
		err := filepath.WalkDir(s.path(folder), func(path string, e fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) {
				return nil // never made, or removed meanwhile
			}
			if err != nil || !e.Type().IsRegular() || e.Name()[0] == '.' {
				return err // a name with a dot is an upload under way
			}
			name, err := filepath.Rel(s.cfg.Dir, path)
			if err != nil {
				return err
			}
			if err := addFile(t, filepath.ToSlash(name), path, now); !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func addFile(t *tar.Writer, name, path string, at time.Time) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	h := &tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: dbfile.FileMode, Size: info.Size(), ModTime: at.Truncate(time.Second)}
	if err := t.WriteHeader(h); err != nil {
		return err
	}
	_, err = io.CopyN(t, f, info.Size()) // a file that grows meanwhile is cut
	return err
}
