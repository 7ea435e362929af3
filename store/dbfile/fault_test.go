package dbfile

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"plugtone/provision/fleet"
)

// A file that gets shorter under the map is what the kernel signals like a disk that can't be read.
func TestAPageThatCantBeReadIsAnError(t *testing.T) {
	f := newFixture(t).open()
	for n := range 2000 {
		put(t, f.File, fmt.Sprint("key", n), strings.Repeat("x", 100))
	}
	must(t, os.Truncate(f.Path(), 4*4096))
	walk := func(tx Tx) error {
		return tx.Table("a").ForEach(func(k, v []byte) error { _, err := tx.Table("a").Payload(k, v); return err })
	}
	for range 2 {
		if err := f.View(walk); !errors.Is(err, fleet.ErrInternal) || !strings.Contains(err.Error(), f.Path()) {
			t.Errorf("read: %v", err)
		}
	}
	if err := f.Update(walk); !errors.Is(err, fleet.ErrInternal) {
		t.Errorf("write: %v", err)
	}
	if f.Health() == nil {
		t.Error("the file is healthy")
	}
}

// Without its first pages bbolt begins no transaction, and keeps a lock for ever. No caller may wait for it.
func TestAnEmptiedFileBlocksNoCaller(t *testing.T) {
	f := newFixture(t).open()
	put(t, f.File, "a", "1")
	must(t, os.Truncate(f.Path(), 0))
	ended := make(chan error)
	go func() {
		defer close(ended)
		for range 3 {
			_, err := get(t, f.File, "a")
			ended <- err
			ended <- f.Update(func(Tx) error { return nil })
			ended <- f.Health()
		}
		_ = f.Close()
	}()
	for n := range 10 {
		select {
		case err := <-ended:
			if n < 9 && !errors.Is(err, fleet.ErrInternal) {
				t.Errorf("call %d: %v", n, err)
			}
		case <-time.After(time.Minute):
			t.Fatalf("call %d waits", n)
		}
	}
}

// Readers and writers that are under way when a file loses its first pages end with an error or with what they have read: none waits for a
// lock that bbolt holds for ever. Closing the file doesn't either.
func TestAnEmptiedFileBlocksNoConcurrentReader(t *testing.T) {
	for range 10 {
		f := newFixture(t).open()
		put(t, f.File, "a", "1")
		var all, ready sync.WaitGroup
		for n := range 48 {
			ready.Add(1)
			all.Go(func() {
				for i, err := 0, error(nil); err == nil; i++ {
					if n == 0 {
						err = f.Update(func(tx Tx) error { return tx.Table("a").Put([]byte("a"), []byte("2")) })
					} else {
						_, err = get(t, f.File, "a")
					}
					if i == 0 {
						ready.Done()
					}
				}
			})
		}
		ready.Wait()
		must(t, os.Truncate(f.Path(), 0))
		ended := make(chan struct{})
		go func() { all.Wait(); _ = f.Close(); close(ended) }()
		select {
		case <-ended:
		case <-time.After(time.Minute):
			t.Fatal("a reader or the writer waits")
		}
		if f.Health() == nil {
			t.Error("the file is healthy")
		}
	}
}

// Readers under way while another file takes the place of theirs end on the old one, without an error, and later ones read the new one.
func TestReadersOfAReplacedFileFinishOnTheOldOne(t *testing.T) {
	f := newFixture(t).open()
	put(t, f.File, "a", "1")
	stop := make(chan struct{})
	var all sync.WaitGroup
	for range 24 {
		all.Go(func() {
			for {
				if v, err := get(t, f.File, "a"); err != nil || v != "1" {
					t.Errorf("%q, %v", v, err)
					return
				}
				select {
				case <-stop:
					return
				default:
				}
			}
		})
	}
	for range 10 {
		must(t, f.Replace(spec.Schema, 0, func(_ Tx, to *File) error {
			return to.Update(func(tx Tx) error { return tx.Table("a").Put([]byte("a"), []byte("1")) })
		}))
	}
	close(stop)
	ended := make(chan struct{})
	go func() { all.Wait(); close(ended) }()
	select {
	case <-ended:
	case <-time.After(time.Minute):
		t.Fatal("a reader waits")
	}
	put(t, f.File, "a", "2")
	must(t, f.Close())
}

// bbolt has the two locks that are released after a fault.
func TestLocksOfBoltAreFound(t *testing.T) {
	h := newFixture(t).open().current
	if lockOf[sync.RWMutex](h.db, "mmaplock") == nil || lockOf[sync.Mutex](h.db, "metalock") == nil {
		t.Error("this bbolt has other locks: see releaseLocks")
	}
}

func TestAPanicOfTheCallerIsPassedOn(t *testing.T) {
	f := newFixture(t).open()
	for _, run := range []func(func(Tx) error) error{f.View, f.Update} {
		func() {
			defer func() {
				if p := recover(); p != "template" {
					t.Errorf("recovered %v", p)
				}
			}()
			_ = run(func(Tx) error { panic("template") })
		}()
		func() {
			defer func() {
				if recover() == nil {
					t.Error("a mistake of the program became an error")
				}
			}()
			_ = run(func(Tx) error { var o *Options; o.NoSync = true; return nil })
		}()
	}
	put(t, f.File, "a", "b") // hangs if a lock was left
}

// eio fails a commit after it was done: the second sync of a commit comes after the last write.
func eio(commit func() error) error { return errors.Join(commit(), syscall.EIO) }

func TestACommitWhoseSyncFailedIsWrittenAgain(t *testing.T) {
	h := newFixture(t)
	fail := false
	h.o.Commit = func(commit func() error) error {
		if fail {
			fail = false
			return eio(commit)
		}
		return commit()
	}
	f := h.open()
	put(t, f.File, "a", "1")
	before, _ := os.Stat(h.path)
	fail = true
	put(t, f.File, "a", "2")
	after, _ := os.Stat(h.path)
	if os.SameFile(before, after) {
		t.Error("the file was not written again")
	}
	put(t, f.File, "b", "3")
	must(t, f.Close())
	h.o.Commit = nil
	f = h.open()
	for key, want := range map[string]string{"a": "2", "b": "3"} {
		if v, err := get(t, f.File, key); err != nil || v != want {
			t.Errorf("%s: %q, %v", key, v, err)
		}
	}
}

func TestACommitOfUnknownOutcomeIsReported(t *testing.T) {
	h := newFixture(t)
	failing := false
	h.o.Commit = func(commit func() error) error {
		if failing {
			return errors.Join(eio(commit), os.Mkdir(h.path+".dir", 0o700), os.Rename(h.path, h.path+".dir/x.db"), os.Mkdir(h.path, 0o700))
		}
		return commit()
	}
	f := h.open()
	put(t, f.File, "a", "1")
	failing = true // and nothing can take the file's place
	err := f.Update(func(tx Tx) error { return tx.Table("a").Put([]byte("a"), []byte("2")) })
	if !errors.Is(err, ErrOutcomeUnknown) || !errors.Is(err, fleet.ErrInternal) || f.Health() == nil {
		t.Errorf("got %v", err)
	}
	if v, err := get(t, f.File, "a"); err != nil || v != "2" {
		t.Errorf("what can be read: %q, %v", v, err)
	}
	failing = false
	must(t, errors.Join(os.Remove(h.path), os.Rename(h.path+".dir/x.db", h.path)))
	put(t, f.File, "b", "3") // the file is written again first
	if f.Health() != nil {
		t.Error(f.Health())
	}
}

func TestACommitThatWroteNothingLeavesNothing(t *testing.T) {
	h := newFixture(t)
	failing := false
	h.o.Commit = func(commit func() error) error {
		if failing {
			return syscall.EIO
		}
		return commit()
	}
	f := h.open()
	put(t, f.File, "a", "1")
	failing = true
	err := f.Update(func(tx Tx) error { return tx.Table("a").Put([]byte("a"), []byte("2")) })
	if !errors.Is(err, syscall.EIO) || errors.Is(err, ErrOutcomeUnknown) {
		t.Errorf("got %v", err)
	}
	failing = false
	if v, err := get(t, f.File, "a"); err != nil || v != "1" {
		t.Errorf("%q, %v", v, err)
	}
	put(t, f.File, "a", "3")
}

func TestAWriteThatDoesNotEndIsReported(t *testing.T) {
	h := newFixture(t)
	stuck, on := make(chan struct{}), make(chan struct{})
	hanging := false
	h.o.Commit = func(commit func() error) error {
		if hanging {
			close(stuck)
			<-on
		}
		return commit()
	}
	f := h.open()
	hanging = true
	done := make(chan error)
	go func() {
		done <- f.Update(func(tx Tx) error { return tx.Table("a").Put([]byte("a"), []byte("1")) })
	}()
	<-stuck
	h.now.Add(2)
	if err := f.Health(); err != nil {
		t.Errorf("after 2 s: %v", err)
	}
	h.now.Add(1)
	if err := f.Health(); err == nil || !strings.Contains(err.Error(), "has not ended for 3s") {
		t.Errorf("after 3 s: %v", err)
	}
	close(on)
	must(t, <-done)
	if err := f.Health(); err != nil {
		t.Errorf("when it has ended: %v", err)
	}
}

func TestAReplacedFileRefusesWrites(t *testing.T) {
	h := newFixture(t)
	f := h.open()
	put(t, f.File, "a", "1")
	must(t, os.Rename(h.path, h.path+".moved"))
	for range 2 { // removed, then another file in its place
		err := f.Update(func(tx Tx) error { return tx.Table("a").Put([]byte("a"), []byte("2")) })
		if !errors.Is(err, ErrReplaced) || f.Health() == nil {
			t.Errorf("got %v", err)
		}
		must(t, os.WriteFile(h.path, nil, 0o600))
	}
	must(t, os.Rename(h.path+".moved", h.path))
	put(t, f.File, "a", "3")
	if err := f.Health(); err != nil {
		t.Error(err)
	}
}
