package journal

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

func open(t *testing.T, path string) *Journal {
	t.Helper()
	j, err := Open(path, MinSide)
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

// text is a batch of some length that tells its number.
func text(n int) []byte { return bytes.Repeat(fmt.Appendf(nil, "%06d ", n), 1+n%200) }

func appendAll(t *testing.T, j *Journal, from, to int) {
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

func left(t *testing.T, j *Journal, after uint64) Batches {
	t.Helper()
	got, err := j.Left(after)
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
			if !got.Whole() || got.Last() != uint64(10*round) {
				t.Errorf("whole %v, last %d", got.Whole(), got.Last())
			}
		} else if j.number = 0; len(got) != 0 {
			t.Fatalf("a new journal has %d", len(got))
		}
		appendAll(t, j, 10*round+1, 10*round+10)
		must(t, j.Close())
	}
}

// Both sides are used in turn, many times over; what is settled doesn't come back, what is not is all there.
func TestSidesTakeTurns(t *testing.T) {
	path := filepath.Join(t.TempDir(), "j")
	j := open(t, path)
	left(t, j, 0)
	settled := uint64(0)
	take := func(b Batches) error {
		if b[0].Number != settled+1 || !b.Whole() {
			t.Fatalf("batches %d to %d after %d", b[0].Number, b.Last(), settled)
		}
		holds(t, b, int(b[0].Number), int(b.Last()))
		settled = b.Last()
		return nil
	}
	turns := 0
	for n := 1; n <= 3000; n++ {
		turned, err := j.Append(text(n))
		must(t, err)
		if turned {
			turns++
			must(t, j.Settle(take))
		}
		if n%700 == 0 {
			must(t, j.Close())
			j = open(t, path)
			holds(t, left(t, j, settled), int(settled)+1, n)
		}
		if n%997 == 0 {
			must(t, j.SettleAll(take))
			if rest, err := j.Unsettled(); err != nil || len(rest) != 0 {
				t.Fatalf("%d are left, %v", len(rest), err)
			}
		}
	}
	if turns < 10 {
		t.Errorf("%d turns", turns)
	}
}

func TestAFullJournalRefusesAndGoesOn(t *testing.T) {
	j := open(t, filepath.Join(t.TempDir(), "j"))
	left(t, j, 0)
	n, err := 0, error(nil)
	for ; err == nil; n++ {
		_, err = j.Append(text(n + 1))
	}
	if !errors.Is(err, ErrFull) {
		t.Fatal(err)
	}
	got, err := j.Unsettled()
	must(t, err)
	holds(t, got, 1, n-1)
	if err := j.Settle(func(Batches) error { return os.ErrPermission }); !errors.Is(err, os.ErrPermission) {
		t.Errorf("got %v", err)
	}
	if _, err := j.Append(text(n)); !errors.Is(err, ErrFull) {
		t.Errorf("a side that was not settled is written: %v", err)
	}
	must(t, j.Settle(func(Batches) error { return nil }))
	appendAll(t, j, n, n)
	if _, err := j.Append(make([]byte, MinSide)); !errors.Is(err, ErrTooLong) {
		t.Errorf("got %v", err)
	}
}

// A batch that was being written when the power went is not there; those before it are.
func TestATornBatchIsNotThere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "j")
	j := open(t, path)
	left(t, j, 0)
	appendAll(t, j, 1, 50)
	end := first + j.used[j.now]
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

// When nobody knows what was settled, what lies before a gap is not taken: it may have been overtaken by what was in the gap.
func TestWithoutANumberOnlyTheNewestCount(t *testing.T) {
	path := filepath.Join(t.TempDir(), "j")
	j := open(t, path)
	left(t, j, 0)
	appendAll(t, j, 1, 9)
	bad := first + j.used[j.now]
	appendAll(t, j, 10, 20)
	must(t, j.Close())
	b, err := os.ReadFile(path)
	must(t, err)
	b[bad+3] ^= 1
	must(t, os.WriteFile(path, b, 0o600))
	holds(t, left(t, open(t, path), 0), 11, 20)
	if got := left(t, open(t, path), 4); len(got) != 15 || got.Whole() || got[0].Number != 5 {
		t.Errorf("after a number: %d, whole %v", len(got), got.Whole())
	}
}

// A client may send bytes that look like a batch: without the salt of the file they are none.
func TestDataIsNoBatch(t *testing.T) {
	dir := t.TempDir()
	other := open(t, filepath.Join(dir, "other"))
	left(t, other, 0)
	appendAll(t, other, 1, 1)
	forged, err := os.ReadFile(filepath.Join(dir, "other"))
	must(t, err)
	forged = forged[first : first+sector]
	path := filepath.Join(dir, "j")
	j := open(t, path)
	left(t, j, 0)
	data := append(make([]byte, sector-headLen), forged...)
	for range 2 {
		_, err := j.Append(data)
		must(t, err)
	}
	must(t, j.SettleAll(func(Batches) error { return nil }))
	appendAll(t, j, 3, 3) // over the head of the first: its second sector lies bare
	must(t, j.Close())
	if got := left(t, open(t, path), 2); len(got) != 1 || got[0].Number != 3 {
		t.Errorf("%d batches: %v", len(got), got)
	}
}

func TestWhatIsNoJournalIsSaidToBe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "j")
	for _, b := range [][]byte{bytes.Repeat([]byte("garbage "), 100_000), append([]byte("plugtone journal\x02"), make([]byte, first+2*MinSide)...)} {
		must(t, os.WriteFile(path, b, 0o600))
		if _, err := Open(path, MinSide); !errors.Is(err, ErrDamaged) {
			t.Errorf("got %v", err)
		}
	}
	for _, unfinished := range []int{0, 100, first, first + MinSide} { // a process that was killed while it laid the file out
		must(t, os.WriteFile(path, make([]byte, unfinished), 0o600))
		j := open(t, path)
		left(t, j, 0)
		appendAll(t, j, 1, 1)
		must(t, j.Close())
	}
}

func BenchmarkAppend(b *testing.B) {
	j, err := Open(filepath.Join(b.TempDir(), "j"), DefaultSide)
	if err != nil {
		b.Fatal(err)
	}
	defer j.Close()
	if _, err := j.Left(0); err != nil {
		b.Fatal(err)
	}
	data := make([]byte, 120)
	for b.Loop() {
		turned, err := j.Append(data)
		if err == nil && turned {
			err = j.Settle(func(Batches) error { return nil })
		}
		if err != nil {
			b.Fatal(err)
		}
	}
}
