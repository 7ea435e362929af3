package store

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"plugtone/store/dbfile"
	"plugtone/store/records"
)

const (
	snapshotPrefix = "plugtone-"
	snapshotSuffix = ".db"
	snapshotsMax   = 24 // the newest
	snapshotDays   = 14 // of which the newest snapshot is kept besides
)

// snapshots returns the paths of the snapshots of plugtone.db, newest first.
func (s *Store) snapshots() []string {
	paths, err := filepath.Glob(filepath.Join(s.backups(), snapshotPrefix+"*"+snapshotSuffix))
	if err != nil {
		return nil
	}
	slices.Sort(paths)
	slices.Reverse(paths)
	return paths
}

// Snapshot copies plugtone.db to backups/ if it changed since the newest copy, and removes copies that are too old. The
// 24 newest are kept, and the newest of each of the last 14 days that have one. It also stores the age of damage.
func (s *Store) Snapshot() error { return errors.Join(s.ageDamage(), s.snapshot()) }

func (s *Store) snapshot() error {
	file := s.files[records.FileName]
	info, err := os.Stat(file.Path())
	if err != nil {
		return fmt.Errorf("snapshot: %w", err)
	}
	changed := info.ModTime() // a copy gets the time of what it is a copy of
	if had := s.snapshots(); len(had) > 0 {
		if newest, err := os.Stat(had[0]); err == nil && newest.ModTime().Equal(changed) {
			return nil
		}
	}
	path := filepath.Join(s.backups(), snapshotPrefix+dbfile.Stamp(s.cfg.Now())+snapshotSuffix)
	if err := dbfile.WriteDurably(path, file.CopyTo); err != nil {
		return fmt.Errorf("snapshot: %w", err)
	}
	errs := []error{os.Chtimes(path, changed, changed)}
	for _, old := range tooOld(s.snapshots()) {
		errs = append(errs, os.Remove(old))
	}
	return errors.Join(errs...)
}

// copySnapshot puts a copy of a sound snapshot at path.
func copySnapshot(snapshot, path string, spec dbfile.Spec, command []string) error {
	if r := dbfile.CheckFile(snapshot, spec, command); !r.Sound {
		return errors.New(r.Damage())
	}
	f, err := os.Open(snapshot)
	if err != nil {
		return err
	}
	defer f.Close()
	return dbfile.WriteDurably(path, func(w io.Writer) error { _, err := io.Copy(w, f); return err })
}

// tooOld chooses from paths, newest first, those that need not be kept.
func tooOld(paths []string) []string {
	var old []string
	days := map[string]bool{}
	for i, p := range paths {
		day, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(p), snapshotPrefix), "T")
		first := !days[day] && len(days) < snapshotDays
		if first {
			days[day] = true
		}
		if i >= snapshotsMax && !first {
			old = append(old, p)
		}
	}
	return old
}
