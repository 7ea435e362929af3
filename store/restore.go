package store

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"plugtone/store/dbfile"
	"plugtone/store/events"
	"plugtone/store/leases"
	"plugtone/store/records"
)

// A restore prepares a folder beside the files. One rename gives it the name preparedName: before, nothing has happened;
// after, this process completes the restore, or the next start does.
const (
	preparedName = "restore.prepared"
	planName     = "plan.json" // in the folder
)

// restorePlan lists the steps of finishRestore.
type restorePlan struct {
	Files []string `json:"files"` // in the folder, to be moved into place
	Aside []string `json:"aside"` // in the data directory, that the backup does not have
	Stamp string   `json:"stamp"` // of the names under which files are set aside
}

// RestoreConfig is what Restore needs. All members but CheckCommand must be set.
type RestoreConfig struct {
	Dir          string // data directory; made when missing
	Now          time.Time
	Log          *slog.Logger
	CheckCommand []string // as in Config
}

// Restore puts the files of a backup into a data directory which no daemon may be using, and returns when the backup was made. All of
// them are unpacked and checked before anything is touched; files that were there are set aside under other names, those that the
// backup does not have too. When the process is killed, the next start finishes what it had begun, or nothing has changed.
func Restore(r io.Reader, c RestoreConfig) (made time.Time, err error) {
	return restore(r, c, func(string) {})
}

// restore calls step before each step that changes the directory.
func restore(r io.Reader, c RestoreConfig, step func(string)) (made time.Time, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("restore: %w", err)
		}
	}()
	dir := c.Dir
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return made, err
	}
	locks, err := lockAll(dir)
	if err != nil {
		return made, err
	}
	defer locks.unlock()
	if err := finish(dir, step); err != nil { // of a restore that was interrupted
		return made, err
	}
	if err := removeLeftovers(dir, c.Log); err != nil {
		return made, err
	}
	plan := restorePlan{Stamp: dbfile.Stamp(c.Now)}
	tmp, err := os.MkdirTemp(dir, ".restore-*")
	if err != nil {
		return made, err
	}
	defer os.RemoveAll(tmp)
	if plan.Files, made, err = unpack(r, tmp, c.Now, c.CheckCommand); err != nil {
		return made, err
	}
	step("prepared")
	return made, carryOut(plan, dir, tmp, step)
}

// carryOut writes the plan into the folder tmp, gives that its name and moves the files into place.
func carryOut(plan restorePlan, dir, tmp string, step func(string)) error {
	restored := map[string]bool{}
	for _, name := range plan.Files {
		restored[name] = true
	}
	for _, name := range append(fileNames(), leases.LogName, markerName) {
		if !restored[name] {
			plan.Aside = append(plan.Aside, name)
		}
	}
	b, err := json.Marshal(plan)
	if err != nil {
		return err
	}
	err = dbfile.WriteDurably(filepath.Join(tmp, planName), func(w io.Writer) error { _, err := w.Write(b); return err })
	if err != nil {
		return err
	}
	step("planned")
	if err := os.Rename(tmp, filepath.Join(dir, preparedName)); err != nil {
		return err
	}
	if err := dbfile.SyncDir(dir); err != nil {
		return err
	}
	return finish(dir, step)
}

// finishRestore does what is left of a restore that was interrupted. The directory is locked.
func finishRestore(dir string) error {
	if !exists(filepath.Join(dir, preparedName)) {
		return nil
	}
	locks, err := lockFiles(dir)
	if err != nil {
		return err
	}
	defer locks.unlock()
	return finish(dir, func(string) {})
}

// finish moves the files of a prepared folder into place. It can be repeated after each step.
func finish(dir string, step func(string)) error {
	prepared := filepath.Join(dir, preparedName)
	b, err := os.ReadFile(filepath.Join(prepared, planName))
	if errors.Is(err, fs.ErrNotExist) {
		return os.RemoveAll(prepared) // all is done but this
	}
	if err != nil {
		return err
	}
	var plan restorePlan
	if err := json.Unmarshal(b, &plan); err != nil {
		return fmt.Errorf("%s: %w", filepath.Join(prepared, planName), err)
	}
	setAside := func(name string) error {
		path := filepath.Join(dir, name)
		if !exists(path) {
			return nil
		}
		step("set aside " + name)
		return os.Rename(path, path+".before-restore-"+plan.Stamp)
	}
	for _, name := range plan.Aside {
		if err := setAside(name); err != nil {
			return err
		}
	}
	for _, name := range plan.Files {
		from := filepath.Join(prepared, name)
		if !exists(from) {
			continue // it is in place
		}
		if err := setAside(name); err != nil {
			return err
		}
		step("move " + name)
		if err := os.Rename(from, filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	if err := errors.Join(dbfile.SyncDir(prepared), dbfile.SyncDir(dir)); err != nil { // both have changed
		return err
	}
	step("remove the plan")
	if err := os.Remove(filepath.Join(prepared, planName)); err != nil {
		return err
	}
	step("remove the folder")
	return os.RemoveAll(prepared)
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

// dirLocks are the locks of a data directory and of the files that exist in it: an older plugtone locks the files only.
type dirLocks []*os.File

func lockAll(dir string) (dirLocks, error) {
	lock, err := dbfile.LockDir(dir)
	if err != nil {
		return nil, err
	}
	locks := dirLocks{lock}
	files, err := lockFiles(dir)
	if err != nil {
		locks.unlock()
		return nil, err
	}
	return append(locks, files...), nil
}

func lockFiles(dir string) (locks dirLocks, err error) {
	for _, name := range fileNames() {
		path := filepath.Join(dir, name)
		if !exists(path) {
			continue
		}
		lock, err := dbfile.Lock(path)
		if err != nil {
			locks.unlock()
			return nil, err
		}
		locks = append(locks, lock)
	}
	return locks, nil
}

func (l dirLocks) unlock() {
	for _, f := range l {
		_ = f.Close()
	}
}

// unpack writes the files of a backup to dir, and checks and migrates each.
func unpack(r io.Reader, dir string, now time.Time, checkCommand []string) (names []string, made time.Time, err error) {
	known := map[string]dbfile.Spec{}
	for _, s := range specs() {
		known[s.Name] = s
	}
	for t := tar.NewReader(r); ; {
		h, err := t.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, made, fmt.Errorf("this is not a complete backup of plugtone: %w", err)
		}
		if extra := extraOf(h); extra != "" {
			if err := unpackExtra(t, dir, h.Name); err != nil {
				return nil, made, err
			}
			if !slices.Contains(names, extra) {
				names = append(names, extra)
			}
			continue
		}
		spec, ok := known[h.Name]
		if !ok || h.Typeflag != tar.TypeReg {
			return nil, made, fmt.Errorf("%.60q is not part of a backup, or is in it twice; %s, %s and %s are", h.Name, records.FileName, leases.FileName, events.FileName)
		}
		delete(known, h.Name)
		made = h.ModTime
		path := filepath.Join(dir, h.Name)
		err = dbfile.WriteDurably(path, func(w io.Writer) error { _, err := io.Copy(w, t); return err })
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, made, fmt.Errorf("this is not a complete backup: it ends within %s", h.Name)
		}
		if err != nil {
			return nil, made, err
		}
		if err := prepareRestored(path, spec, now, checkCommand); err != nil {
			return nil, made, fmt.Errorf("%s in the backup: %w", h.Name, err)
		}
		names = append(names, h.Name)
	}
	if _, missing := known[records.FileName]; missing {
		return nil, made, fmt.Errorf("this is not a backup of plugtone: it has no %s", records.FileName)
	}
	return names, made, nil
}

// extraOf returns which part of a backup with files an entry belongs to: the configuration or a folder; "" for all others.
func extraOf(h *tar.Header) string {
	if h.Typeflag != tar.TypeReg || !filepath.IsLocal(h.Name) || path.Clean(h.Name) != h.Name {
		return ""
	}
	top, _, inside := strings.Cut(h.Name, "/")
	if h.Name == configurationName || inside && slices.Contains(folders(), top) {
		return top
	}
	return ""
}

func unpackExtra(r io.Reader, dir, name string) error {
	to := filepath.Join(dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(to), 0o750); err != nil {
		return err
	}
	err := dbfile.WriteDurably(to, func(w io.Writer) error { _, err := io.Copy(w, r); return err })
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("this is not a complete backup: it ends within %s", name)
	}
	return err
}

// prepareRestored refuses what Open would not read. It takes the identity off the file, for its log is not in the backup,
// and notes in leases.db that the leases since the backup are missing.
func prepareRestored(path string, spec dbfile.Spec, now time.Time, checkCommand []string) error {
	if r := dbfile.CheckFile(path, spec, checkCommand); !r.Sound {
		return fmt.Errorf("damaged: %s", r.Damage())
	}
	dir := filepath.Dir(path)
	opened, err := dbfile.Open(path, spec, "", false, dbfile.Options{Now: func() time.Time { return now }, Log: slog.New(slog.DiscardHandler),
		Commits: prometheus.NewHistogram(prometheus.HistogramOpts{}), Damaged: prometheus.NewCounter(prometheus.CounterOpts{})})
	if err != nil {
		return err
	}
	err = opened.Update(func(tx dbfile.Tx) error {
		if err := tx.SetMeta(keyIdentity, nil); err != nil || spec.Name != leases.FileName {
			return err
		}
		b, err := dbfile.Encode([]storedDamage{{Age: new(time.Duration), Damage: Damage{Time: now.UTC().Truncate(time.Second), File: leases.FileName, Kind: Restored, Leases: true,
			Text: filepath.Join(filepath.Dir(dir), leases.FileName) + " is that of a backup: leases that were given after it was made are not known"}}})
		if err != nil {
			return err
		}
		return tx.SetMeta(keyDamage, b)
	})
	return errors.Join(err, opened.Close())
}
