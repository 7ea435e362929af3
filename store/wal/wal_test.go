package wal

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

func open(t *testing.T, path string) *Log {
	t.Helper()
	j, err := Open(path, MinSegment, Identity{1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.Close() })
	return j
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// text is a batch of some length that shows its number.
func text(n int) []byte { return bytes.Repeat(fmt.Appendf(nil, "%06d ", n), 1+n%200) }

func appendAll(t *testing.T, j *Log, from, to int) {
	t.Helper()
	for n := from; n <= to; n++ {
		if _, err := j.Append(text(n)); err != nil {
			t.Fatal(err)
		}
	}
}

// holds checks that batches are those from one number to another.
func holds(t *testing.T, got Batches, from, to int) {
	t.Helper()
	if len(got) != to-from+1 {
		t.Fatalf("%d batches, want %d to %d", len(got), from, to)
	}
	for i, b := range got {
		if b.Number != uint64(from+i) || !bytes.Equal(b.Data, text(from+i)) {
			t.Fatalf("batch %d: number %d, %q", from+i, b.Number, b.Data)
		}
	}
}

func left(t *testing.T, j *Log, after uint64) Batches {
	t.Helper()
	got, err := j.Recover(after)
	must(t, err)
	return got
}

func TestWhatWasAppendedIsThereWhenOpenedAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "j")
	for round := range 3 {
		j := open(t, path)
		got := left(t, j, 3)
		if round > 0 {
			holds(t, got, 4, 10*round)
			if !got.Contiguous() || got.Last() != uint64(10*round) {
				t.Errorf("whole %v, last %d", got.Contiguous(), got.Last())
			}
		} else if j.number = 0; len(got) != 0 {
			t.Fatalf("a new log has %d", len(got))
		}
		appendAll(t, j, 10*round+1, 10*round+10)
		must(t, j.Close())
	}
}

// Both sides are used in turn, many times over; what is checkpointed doesn't come back, what is not is all there.
func TestSegmentsAreUsedInTurn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "j")
	j := open(t, path)
	left(t, j, 0)
	checkpointed := uint64(0)
	take := func(b Batches) error {
		if b[0].Number != checkpointed+1 || !b.Contiguous() {
			t.Fatalf("batches %d to %d after %d", b[0].Number, b.Last(), checkpointed)
		}
		holds(t, b, int(b[0].Number), int(b.Last()))
		checkpointed = b.Last()
		return nil
	}
	rotations := 0
	for n := 1; n <= 3000; n++ {
		rotated, err := j.Append(text(n))
		must(t, err)
		if rotated {
			rotations++
			must(t, j.Checkpoint(take))
		}
		if n%700 == 0 {
			must(t, j.Close())
			j = open(t, path)
			holds(t, left(t, j, checkpointed), int(checkpointed)+1, n)
		}
		if n%997 == 0 {
			must(t, j.CheckpointAll(take))
			if rest, err := j.Pending(); err != nil || len(rest) != 0 {
				t.Fatalf("%d are left, %v", len(rest), err)
			}
		}
	}
	if rotations < 10 {
		t.Errorf("%d rotations", rotations)
	}
}

func TestAFullLogRefusesAndGoesOn(t *testing.T) {
	j := open(t, filepath.Join(t.TempDir(), "j"))
	left(t, j, 0)
	n, err := 0, error(nil)
	for ; err == nil; n++ {
		_, err = j.Append(text(n + 1))
	}
	if !errors.Is(err, ErrFull) {
		t.Fatal(err)
	}
	got, err := j.Pending()
	must(t, err)
	holds(t, got, 1, n-1)
	if err := j.Checkpoint(func(Batches) error { return os.ErrPermission }); !errors.Is(err, os.ErrPermission) {
		t.Errorf("got %v", err)
	}
	if _, err := j.Append(text(n)); !errors.Is(err, ErrFull) {
		t.Errorf("a segment that was not checkpointed is written: %v", err)
	}
	must(t, j.Checkpoint(func(Batches) error { return nil }))
	appendAll(t, j, n, n)
	if _, err := j.Append(make([]byte, MinSegment)); !errors.Is(err, ErrTooLong) {
		t.Errorf("got %v", err)
	}
}

// A batch that was being written when the power went is not there; those before it are.
func TestATornBatchIsNotThere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "j")
	j := open(t, path)
	left(t, j, 0)
	appendAll(t, j, 1, 50)
	end := pageSize + j.used[j.active]
	must(t, j.Close())
	whole, err := os.ReadFile(path)
	must(t, err)
	for cut := int64(1); cut <= 3*sector; cut += sector / 2 {
		torn := bytes.Clone(whole)
		clear(torn[end-cut : end])
		must(t, os.WriteFile(path, torn, 0o600))
		j := open(t, path)
		got := left(t, j, 0)
		if len(got) >= 50 && cut > 200 {
			t.Fatalf("cut %d: %d batches", cut, len(got))
		}
		holds(t, got, 1, len(got))
		appendAll(t, j, len(got)+1, 60)
		must(t, j.Close())
		j = open(t, path)
		holds(t, left(t, j, 0), 1, 60)
		must(t, j.Close())
	}
}

// A disk that reports a failed write may have done it all the same: the batch that gets its number, wherever there was
// room for it, is the only one that has it.
func TestAFailedBatchIsNotReadWithTheNext(t *testing.T) {
	path := filepath.Join(t.TempDir(), "j")
	for _, checkpointed := range []bool{false, true} {
		must(t, os.RemoveAll(path))
		j := open(t, path)
		left(t, j, 0)
		n := 0
		for j.used[0] < j.header.segment-4*sector {
			n++
			_, err := j.Append(text(1))
			must(t, err)
		}
		after := uint64(0)
		if checkpointed {
			must(t, j.CheckpointAll(func(b Batches) error { after = b.Last(); return nil }))
			for range 20 { // the failed one will be behind where the next begins
				n++
				_, err := j.Append(text(1))
				must(t, err)
			}
		}
		write := j.write
		fail := func(b []byte, at int64) (int, error) {
			_, err := write(b, at)
			return 0, errors.Join(os.ErrInvalid, err)
		}
		j.write = fail
		failed := bytes.Repeat([]byte("failed "), 20)
		if _, err := j.Append(failed); !errors.Is(err, os.ErrInvalid) {
			t.Fatal(err)
		}
		if checkpointed {
			must(t, j.CheckpointAll(func(b Batches) error { after = b.Last(); return nil }))
		}
		long := bytes.Repeat([]byte("x"), 6*sector) // does not fit where the failed one is, or goes to the beginning
		if _, err := j.Append(long); !errors.Is(err, os.ErrInvalid) {
			t.Fatalf("written beside the failed one: %v", err)
		}
		j.write = write
		_, err := j.Append(long)
		must(t, err)
		must(t, j.Close())
		got := left(t, open(t, path), after)
		if len(got) != n+1-int(after) || !got.Contiguous() || got.Last() != uint64(n+1) || !bytes.Equal(got[len(got)-1].Data, long) {
			t.Errorf("checkpointed %v: %d batches up to number %d, whole %v, the last of %d bytes", checkpointed, len(got), got.Last(), got.Contiguous(), len(got[len(got)-1].Data))
		}
	}
}

// When it is not known what was checkpointed, what is before a gap is left out: what was in the gap may have overtaken it.
func TestWithoutACheckpointBatchesBeforeAGapAreDropped(t *testing.T) {
	path := filepath.Join(t.TempDir(), "j")
	j := open(t, path)
	left(t, j, 0)
	appendAll(t, j, 1, 9)
	bad := pageSize + j.used[j.active]
	appendAll(t, j, 10, 20)
	must(t, j.Close())
	b, err := os.ReadFile(path)
	must(t, err)
	b[bad+3] ^= 1
	must(t, os.WriteFile(path, b, 0o600))
	holds(t, left(t, open(t, path), 0), 11, 20)
	if got := left(t, open(t, path), 4); len(got) != 15 || got.Contiguous() || got[0].Number != 5 {
		t.Errorf("after a number: %d, whole %v", len(got), got.Contiguous())
	}
}

// A client may send bytes that look like a batch: without the salt of the file they are none.
func TestDataThatLooksLikeABatchIsNone(t *testing.T) {
	dir := t.TempDir()
	other := open(t, filepath.Join(dir, "other"))
	left(t, other, 0)
	appendAll(t, other, 1, 1)
	forged, err := os.ReadFile(filepath.Join(dir, "other"))
	must(t, err)
	forged = forged[pageSize : pageSize+sector]
	path := filepath.Join(dir, "j")
	j := open(t, path)
	left(t, j, 0)
	data := append(make([]byte, sector-batchHead), forged...)
	for range 2 {
		_, err := j.Append(data)
		must(t, err)
	}
	must(t, j.CheckpointAll(func(Batches) error { return nil }))
	appendAll(t, j, 3, 3) // over the head of the pageSize: its second sector is exposed
	must(t, j.Close())
	if got := left(t, open(t, path), 2); len(got) != 1 || got[0].Number != 3 {
		t.Errorf("%d batches: %v", len(got), got)
	}
}

func TestFileThatIsNoLogIsReported(t *testing.T) {
	path := filepath.Join(t.TempDir(), "j")
	for _, b := range [][]byte{bytes.Repeat([]byte("garbage "), 100_000), append([]byte("plugtone journal\x02"), make([]byte, pageSize+2*MinSegment)...)} {
		must(t, os.WriteFile(path, b, 0o600))
		if _, err := Open(path, MinSegment, Identity{1}); !errors.Is(err, ErrDamaged) {
			t.Errorf("got %v", err)
		}
	}
	for _, unfinished := range []int{0, 100, pageSize, pageSize + MinSegment} { // a process that was killed while it laid the file out
		must(t, os.WriteFile(path, make([]byte, unfinished), 0o600))
		j := open(t, path)
		left(t, j, 0)
		appendAll(t, j, 1, 1)
		must(t, j.Close())
	}
}

func BenchmarkAppend(b *testing.B) {
	j, err := Open(filepath.Join(b.TempDir(), "j"), DefaultSegment, Identity{1})
	if err != nil {
		b.Fatal(err)
	}
	defer j.Close()
	if _, err := j.Recover(0); err != nil {
		b.Fatal(err)
	}
	data := make([]byte, 120)
	for b.Loop() {
		rotated, err := j.Append(data)
		if err == nil && rotated {
			err = j.Checkpoint(func(Batches) error { return nil })
		}
		if err != nil {
			b.Fatal(err)
		}
	}
}
