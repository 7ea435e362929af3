package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	bolt "go.etcd.io/bbolt"
)

const (
	snapshotPrefix = "plugtone-"
	snapshotSuffix = ".db"
	snapshotsKept  = 24 // the newest
	daysKept       = 14 // of which the newest snapshot is kept besides
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
// 24 newest are kept, and the newest of each of the last 14 days that have one.
func (s *Store) Snapshot() error {
	var txid uint64
	if err := s.fleetDB.view(func(tx *bolt.Tx) error { txid = uint64(tx.ID()); return nil }); err != nil {
		return err
	}
	had := s.snapshots()
	if len(had) > 0 && txidOf(had[0]) == txid {
		return nil
	}
	path := filepath.Join(s.backups(), snapshotPrefix+stamp(s.cfg.Now())+snapshotSuffix)
	if err := copyDurably(path, s.fleetDB.copyTo); err != nil {
		return fmt.Errorf("snapshot: %w", err)
	}
	var errs []error
	for _, old := range tooOld(s.snapshots()) {
		errs = append(errs, os.Remove(old))
	}
	return errors.Join(errs...)
}

// txidOf returns the last transaction in a file, 0 when it can't be read.
func txidOf(path string) uint64 {
	f, err := os.Open(path)
	if err != nil {
		return 0
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return 0
	}
	m, err := newestMeta(f, info.Size())
	if err != nil {
		return 0
	}
	return m.txid
}

// tooOld chooses from paths, newest first, those that need not be kept.
func tooOld(paths []string) []string {
	var old []string
	days := map[string]bool{}
	for i, p := range paths {
		day, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(p), snapshotPrefix), "T")
		first := !days[day] && len(days) < daysKept
		if first {
			days[day] = true
		}
		if i >= snapshotsKept && !first {
			old = append(old, p)
		}
	}
	return old
}
