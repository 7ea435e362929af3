package store

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// spec says how one of the files is opened.
type spec struct {
	name      string
	schema    schema
	noSync    bool
	maxSize   int
	snapshots bool   // when damaged, the newest good snapshot takes its place
	lost      string // what it means that it starts empty
}

// stamp is a time in a file name; names sort as times do.
func stamp(t time.Time) string { return t.UTC().Format("20060102T150405.000Z") }

// openFile checks, mends, opens and migrates one file.
func (s *Store) openFile(p spec) (*file, error) {
	f := &file{name: p.name, path: filepath.Join(s.cfg.Dir, p.name), now: s.cfg.Now, commits: s.metrics.commits.WithLabelValues(p.name)}
	if err := s.mend(p, f.path); err != nil {
		return nil, err
	}
	db, err := openBolt(f.path, p.noSync, p.maxSize)
	if err != nil {
		return nil, err
	}
	f.db = db
	if err := f.migrate(p.schema, s.backups()); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return f, nil
}

// mend checks a file while it holds its lock. A damaged one is set aside under another name, never removed.
func (s *Store) mend(p spec, path string) error {
	lock, err := lockFile(path)
	if err != nil {
		return err
	}
	defer lock.Close()
	info, err := lock.Stat()
	if err != nil {
		return err
	}
	if info.Size() == 0 && p.snapshots && len(s.snapshots()) > 0 {
		s.notice(path + " is missing or empty and starts anew, though there are snapshots of it in " + s.backups())
	}
	fault := checkPages(lock, info.Size())
	if fault == nil {
		return nil
	}
	if !errors.Is(fault, errDamaged) {
		return fmt.Errorf("read %s: %w", path, fault)
	}
	aside := path + ".damaged-" + stamp(s.cfg.Now())
	if err := os.Rename(path, aside); err != nil {
		return fmt.Errorf("set damaged file aside: %w", err)
	}
	said := fmt.Sprintf("%s is damaged (%v) and was set aside as %s", path, fault, aside)
	if p.snapshots {
		for _, snap := range s.snapshots() {
			if err := takeSnapshot(snap, path); err != nil {
				said += fmt.Sprintf("; snapshot %s can't be used: %v", snap, err)
				continue
			}
			s.notice(said + "; the snapshot " + snap + " took its place: what was entered after it is lost")
			return nil
		}
	}
	s.notice(said + "; " + p.lost)
	return nil
}

// openVerified opens a copy of a file of ours whose pages are all there.
func openVerified(path string) (*os.File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	switch {
	case err != nil:
	case info.Size() == 0:
		err = damagedf("empty")
	default:
		err = checkPages(f, info.Size())
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// takeSnapshot puts a copy of a good snapshot at path.
func takeSnapshot(snap, path string) error {
	f, err := openVerified(snap)
	if err != nil {
		return err
	}
	defer f.Close()
	return copyDurably(path, func(w io.Writer) error { _, err := io.Copy(w, f); return err })
}
