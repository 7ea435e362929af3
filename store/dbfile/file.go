package dbfile

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/store/seal"
)

// FileMode keeps secrets to the daemon's own user.
const FileMode = 0o600

// Options are what a File needs. All members up to Damaged must be set.
type Options struct {
	Now     func() time.Time
	Log     *slog.Logger
	Commits prometheus.Observer // seconds of each commit
	Damaged prometheus.Counter  // damaged records

	Keys    *seal.Ring // encrypts the schema's sealed tables; nil: they are not encrypted
	NoSync  bool       // a commit does not wait for the disk
	MaxSize int        // bytes that the file may reach; 0: no limit

	// Commit is called in the place of a transaction's commit, which it gets, by tests of a disk that fails; nil: no test.
	Commit func(commit func() error) error
}

// File is one open bbolt file. Its methods may be called from any goroutine.
type File struct {
	name, path string
	schema     Schema
	locked     error // the key of its sealed records is missing: none is read or written; nil: it is there
	encrypted  bool  // all records of the schema's sealed tables are encrypted: one in clear was put there by another program
	o          Options
	writing    Progress

	replication *replication // nil: there is none

	writeMu  sync.Mutex // one writer at a time
	unsynced bool       // a commit failed whose pages may be visible all the same; under writeMu

	mu      sync.Mutex
	place   Place
	current *handle
	lastErr error           // of the last write, nil when it succeeded
	stuck   error           // bbolt can't write any more; nil while it can
	noted   map[string]bool // damaged records that were counted and logged; true: a Replica has them too
}

// View runs fn in a transaction that reads one state and holds up no writer.
func (f *File) View(fn func(Tx) error) error {
	h := f.acquire()
	if h == nil {
		return f.fileError("read", errClosed)
	}
	defer f.release(h)
	tx, unreadable, err := h.begin()
	if err != nil {
		err = f.fileError("read", err)
		f.mu.Lock()
		if unreadable && f.current == h {
			f.stuck = err
		}
		f.mu.Unlock()
		return err
	}
	defer tx.Rollback() // it has only read
	var fnErr error
	err = guard(func() error {
		fnErr = fn(Tx{Tx: tx, file: f})
		return fnErr
	})
	if fnErr == nil && err != nil {
		return f.fileError("read", err)
	}
	return err
}

var errClosed = errors.New("the file is closed")

func (f *File) acquire() *handle {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.current != nil {
		f.current.users++
	}
	return f.current
}

func (f *File) release(h *handle) {
	f.mu.Lock()
	h.users--
	last := h.retired && h.users == 0
	f.mu.Unlock()
	if last {
		_ = h.db.Close() // nothing was written through it since it was replaced
	}
}

// fileError names the file in err, unless the operating system's error names it already.
func (f *File) fileError(verb string, err error) error {
	if pe := (*fs.PathError)(nil); errors.As(err, &pe) && pe.Path == f.path {
		return fmt.Errorf("%w: %w", err, fleet.ErrInternal)
	}
	return fmt.Errorf("%s %s: %w: %w", verb, f.path, err, fleet.ErrInternal)
}

// Health returns nil while writes succeed, else the reason why they don't. It never waits for the disk.
func (f *File) Health() error {
	f.mu.Lock()
	err, place := errors.Join(f.locked, f.stuck, f.lastErr), f.place
	f.mu.Unlock()
	if gone := place.Check(); gone != nil && !errors.Is(err, ErrReplaced) {
		err = errors.Join(err, f.fileError("write", gone))
	}
	return errors.Join(err, f.writing.Health(f.path, f.o.Now()))
}

// Place returns where the file is.
func (f *File) Place() Place {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.place
}

// Path returns the path of the file.
func (f *File) Path() string { return f.path }

// Size returns the size of the file in bytes.
func (f *File) Size() int64 {
	info, err := os.Stat(f.path)
	if err != nil {
		return 0
	}
	return info.Size()
}

// UsedBytes returns the size of the pages that hold data, without those that are free.
func (f *File) UsedBytes() int64 {
	h := f.acquire()
	if h == nil {
		return 0
	}
	defer f.release(h)
	stats := h.db.Stats()
	used := int64(0)
	_ = f.View(func(tx Tx) error { used = tx.Size(); return nil })
	return used - int64(stats.FreePageN+stats.PendingPageN)*int64(h.db.Info().PageSize)
}

// Sync waits until everything is on the disk.
func (f *File) Sync() error {
	h := f.acquire()
	if h == nil {
		return f.fileError("write", errClosed)
	}
	defer f.release(h)
	if err := h.db.Sync(); err != nil {
		return f.fileError("write", err)
	}
	return nil
}

// Close waits for transactions and closes the file.
func (f *File) Close() error {
	f.writeMu.Lock()
	defer f.writeMu.Unlock()
	f.mu.Lock()
	h, stuck := f.current, f.stuck
	f.current = nil
	f.mu.Unlock()
	if h == nil || stuck != nil {
		return nil // bbolt never gave its lock back: Close would wait for ever
	}
	return h.db.Close()
}

// Suspect reports whether a damaged record was read, or bbolt can't write any more: the next start is to check the file.
func (f *File) Suspect() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.stuck != nil || len(f.noted) > 0
}

// noteDamaged counts and logs a damaged record, once.
func (f *File) noteDamaged(table string, key []byte, err error) {
	id := table + "/" + dhcp.TextOrHex(key)
	f.mu.Lock()
	_, again := f.noted[id]
	full := len(f.noted) >= maxNoted
	if again || !full {
		f.noted[id] = f.replication != nil && f.replication.which(table, key)
	}
	f.mu.Unlock()
	if again || full {
		return
	}
	f.o.Damaged.Inc()
	f.o.Log.Error("damaged record is left out", "file", f.name, "table", table, "key", dhcp.TextOrHex(key), "err", err)
}

// Damaged reports whether a damaged record that the file's Replica has too was read, since Replicate or since the records were replaced.
func Damaged(f *File) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Contains(slices.Collect(maps.Values(f.noted)), true)
}

// maxNoted bounds the memory and the log lines that a damaged file costs.
const maxNoted = 1_000
