package dbfile

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"plugtone/store/wal"
)

// TestLargeCommitIsWrittenOutInParts: each MiB or so of a commit goes to the disk before the next is written. Small commits are left to the sync
// at their end.
func TestLargeCommitIsWrittenOutInParts(t *testing.T) {
	f := newFixture(t).open()
	parts, written := 0, int64(0)
	f.current.writes.out = func(file *os.File, at, n int64) error {
		parts, written = parts+1, written+n
		return writeOutRange(file, at, n)
	}
	put(t, f.File, "small", "x")
	if parts != 0 {
		t.Errorf("a small commit was written out in %d parts", parts)
	}
	must(t, f.Update(func(tx Tx) error { return fill(tx, 1, 2500) }))
	if parts < 8 || parts > 10 || written < 8<<20 {
		t.Errorf("10 MB in %d parts, of %d bytes together", parts, written)
	}
}

// TestCommitFailsWhenItsPagesCannotBeWrittenOut: the kernel reports a failed write once, so the commit must not rely on its sync. What was
// there before is still there, and the file takes further writes.
func TestCommitFailsWhenItsPagesCannotBeWrittenOut(t *testing.T) {
	f := newFixture(t).open()
	put(t, f.File, "k", "before")
	f.current.writes.out = func(*os.File, int64, int64) error { return os.NewSyscallError("sync_file_range", unix.EIO) }
	err := f.Update(func(tx Tx) error {
		return errors.Join(tx.Table("a").Put([]byte("k"), []byte("after")), fill(tx, 1, 2500))
	})
	if !errors.Is(err, unix.EIO) || errors.Is(err, ErrOutcomeUnknown) {
		t.Errorf("got %v, want EIO", err)
	}
	f.current.writes.out = writeOutRange
	if got, err := get(t, f.File, "k"); got != "before" || err != nil {
		t.Errorf("after the failed commit %q, %v", got, err)
	}
	must(t, f.Update(func(tx Tx) error { return fill(tx, 1, 2500) }))
	put(t, f.File, "k", "later")
	if got, err := get(t, f.File, "k"); got != "later" || err != nil {
		t.Errorf("after a later commit %q, %v", got, err)
	}
}

// BenchmarkLeaseBesideCommit measures what a commit of 100 MB does to leases that are written to the same disk 400 times a second: how
// long the slowest of them took, and how many took more than 20 ms.
func BenchmarkLeaseBesideCommit(b *testing.B) {
	for _, v := range []struct {
		name  string
		every int
	}{{"paced", writeOutEvery}, {"atOnce", 1 << 40}} {
		b.Run(v.name, func(b *testing.B) {
			f := newFixture(b)
			file := f.open()
			file.current.writes.every = v.every
			log, err := wal.Open(filepath.Join(filepath.Dir(f.path), "journal"), 0, wal.Identity{1})
			if err != nil {
				b.Fatal(err)
			}
			defer log.Close()
			if _, err := log.Recover(0); err != nil {
				b.Fatal(err)
			}
			n := 0
			for b.Loop() {
				n++
				stop, took := make(chan struct{}), make(chan []time.Duration)
				go func() { took <- appendUntil(b, log, stop) }()
				if err := file.Update(func(tx Tx) error { return fill(tx, n, 25_000) }); err != nil {
					b.Fatal(err)
				}
				close(stop)
				all := <-took
				late := 0
				for _, d := range all {
					if d > 20*time.Millisecond {
						late++
					}
				}
				b.ReportMetric(float64(slices.Max(all).Microseconds())/1000, "ms-longest")
				b.ReportMetric(float64(late), "late")
			}
		})
	}
}

// fill puts records of a page each.
func fill(tx Tx, n, records int) error {
	t := tx.Table("a")
	value := make([]byte, 3800)
	for i := range records {
		binary.BigEndian.PutUint64(value, uint64(n)<<32|uint64(i))
		if err := t.Put(binary.BigEndian.AppendUint64(nil, uint64(i)), value); err != nil {
			return err
		}
	}
	return nil
}

// appendUntil appends to a log every 2.5 ms and returns how long each took from when it was due.
func appendUntil(b *testing.B, log *wal.Log, stop chan struct{}) (took []time.Duration) {
	for due := time.Now(); ; due = due.Add(2500 * time.Microsecond) {
		time.Sleep(time.Until(due)) // a rate of the benchmark
		select {
		case <-stop:
			return took
		default:
		}
		rotated, err := log.Append(make([]byte, 300))
		if err != nil {
			b.Error(err)
			return took
		}
		if took = append(took, time.Since(due)); rotated {
			if err := log.Checkpoint(func(wal.Batches) error { return nil }); err != nil {
				b.Error(err)
			}
		}
	}
}
