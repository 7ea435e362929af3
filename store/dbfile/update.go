package dbfile

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	bolt "go.etcd.io/bbolt"
)

// ErrOutcomeUnknown is wrapped by the error of a commit that failed after its last write: the change is visible, and may be
// gone after a crash.
var ErrOutcomeUnknown = errors.New("it is not known whether the change is stored; read it again before you repeat it")

// ErrReplaced is wrapped when the path of an open file leads to another file, or nowhere: what is written to the open one
// would be lost.
var ErrReplaced = errors.New("the data directory or the file was removed or replaced while plugtone runs; restart it")

// Update runs fn in one transaction. An error of fn is returned as it is. An error of the file names it, wraps
// fleet.ErrInternal and is remembered until a write succeeds. With a Replica, fn may run several times.
func (f *File) Update(fn func(Tx) error) error {
	if f.replication != nil {
		return f.replication.update(f, fn)
	}
	return UpdateLocally(f, fn)
}

// UpdateLocally is File.Update without the Replica.
func UpdateLocally(f *File, fn func(Tx) error) error {
	f.writing.Begin(f.o.Now())
	defer func() { f.writing.End(f.o.Now()) }()
	f.writeMu.Lock()
	defer f.writeMu.Unlock()
	f.mu.Lock()
	stuck := f.stuck
	f.mu.Unlock()
	if stuck != nil {
		return stuck
	}
	var fnErr error
	start := f.o.Now()
	err := f.Place().Check()
	if err == nil && f.unsynced {
		err = f.rewrite()
	}
	if err == nil {
		err = f.transact(func(tx Tx) error { fnErr = fn(tx); return fnErr })
	}
	if fnErr != nil {
		return fnErr
	}
	if err == nil {
		err = f.Place().Check()
	}
	if err == nil {
		f.o.Commits.Observe(f.o.Now().Sub(start).Seconds())
	} else {
		err = f.fileError("write", err)
	}
	f.mu.Lock()
	f.lastErr = err
	f.mu.Unlock()
	return err
}

// transact runs fn in a transaction and commits it. A page that can't be read while fn runs undoes the transaction. While
// bbolt itself works, it leaves bbolt's lock taken, so that the file takes no further write.
func (f *File) transact(fn func(Tx) error) error {
	h := f.acquire()
	if h == nil {
		return errClosed
	}
	defer f.release(h)
	returned := false
	err := guard(func() (err error) {
		err = f.run(h, fn)
		returned = true
		return err
	})
	if !returned {
		f.mu.Lock()
		f.stuck = f.fileError("write", err)
		f.mu.Unlock()
	}
	return err
}

func (f *File) run(h *handle, fn func(Tx) error) error {
	tx, err := h.db.Begin(true)
	if err != nil {
		return err
	}
	id, ended := tx.ID(), false
	defer func() {
		if !ended { // fn panicked
			_ = tx.Rollback()
		}
	}()
	err = guard(func() error { return fn(Tx{Tx: tx, file: f}) })
	ended = true
	if err != nil {
		return errors.Join(err, tx.Rollback())
	}
	if err = f.commit(tx); err == nil {
		return nil
	}
	_ = tx.Rollback() // in some cases Commit leaves that to its caller
	if !h.reached(id) {
		return err
	}
	f.unsynced = true
	if again := f.rewrite(); again != nil {
		return fmt.Errorf("%w: %w", err, ErrOutcomeUnknown)
	}
	f.o.Log.Warn("a commit failed and the file was written again as a whole", "file", f.path, "err", err)
	return nil
}

func (f *File) commit(tx *bolt.Tx) error {
	if f.o.Commit != nil {
		return f.o.Commit(tx.Commit)
	}
	return tx.Commit()
}

// rewrite writes the whole file again under its name. After a sync that failed, the kernel takes pages for written that
// are not on the disk, and a later sync does not write them.
func (f *File) rewrite() error {
	if err := WriteDurably(f.path, f.CopyTo); err != nil {
		return err
	}
	return f.reopen()
}

// reopen opens the file that took the place of the open one. Transactions that are under way end on the old one.
func (f *File) reopen() error {
	old := f.acquire()
	defer f.release(old)
	place := Place{}
	h, err := openBolt(f.path, f.o.NoSync, f.o.MaxSize)
	if err == nil {
		place, err = PlaceOf(f.path)
	}
	if err == nil {
		err = SyncDir(filepath.Dir(f.path))
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if err != nil {
		f.stuck = f.fileError("open", err)
		return err
	}
	f.current, f.place = h, place
	old.retired = true // closed when its last transaction ends
	f.unsynced = false
	return nil
}

// Replace writes the file again: fill copies what is to stay into an empty file of the same schema, which then takes the
// place of this one. maxSize is the limit from then on. It is how a file gets smaller.
func (f *File) Replace(s Schema, maxSize int, fill func(from Tx, to *File) error) error {
	f.writeMu.Lock()
	defer f.writeMu.Unlock()
	path := f.path + ".new"
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	o := f.o
	o.NoSync, o.MaxSize = true, maxSize
	to, err := Open(path, Spec{Name: f.name, Schema: s}, "", false, o)
	if err != nil {
		return err
	}
	err = f.View(func(tx Tx) error { return fill(tx, to.File) })
	if err == nil {
		err = to.Sync()
	}
	err = errors.Join(err, to.Close())
	if err == nil {
		err = os.Rename(path, f.path)
	}
	if err != nil {
		return errors.Join(f.fileError("replace", err), os.Remove(path))
	}
	f.o.MaxSize = maxSize
	return f.reopen()
}
