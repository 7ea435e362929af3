package asynclog

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
)

// stuck is a reader that reads nothing until it is released.
type stuck struct {
	release chan struct{}
	bytes.Buffer
}

func (s *stuck) Write(p []byte) (int, error) {
	<-s.release
	return s.Buffer.Write(p)
}

func TestCloseLosesNoLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got bytes.Buffer
		w := New(&got)
		var writers sync.WaitGroup
		for i := range 8 {
			writers.Go(func() {
				for j := range 500 {
					fmt.Fprintf(w, "line %d %d\n", i, j)
				}
			})
		}
		writers.Wait()
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(w, "stopped")
		lines := strings.Split(strings.TrimSpace(got.String()), "\n")
		if len(lines) != 4001 || lines[4000] != "stopped" {
			t.Fatalf("%d lines, want 4001; the last is %q", len(lines), lines[len(lines)-1])
		}
		next := map[string]int{}
		for _, l := range lines[:4000] {
			var i, j int
			if n, _ := fmt.Sscanf(l, "line %d %d", &i, &j); n != 2 || next[fmt.Sprint(i)] != j {
				t.Fatalf("%q out of order", l)
			}
			next[fmt.Sprint(i)]++
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// A reader that does not read costs no writer any time, and no more memory than the limit. What is lost is counted once it reads.
func TestStuckReaderIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := &stuck{release: make(chan struct{})}
		w := New(to)
		w.OnLost(func(n int) { fmt.Fprintf(w, "lost %d\n", n) })
		line := strings.Repeat("x", 1023) + "\n"
		io.WriteString(w, line)
		synctest.Wait() // the first is being written
		const more = 3000
		for range more {
			io.WriteString(w, line)
		}
		if n := len(w.lines); n != maxWaiting {
			t.Errorf("%d bytes wait, want %d", n, maxWaiting)
		}
		close(to.release)
		synctest.Wait()
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		written := strings.Count(to.String(), line)
		if want := fmt.Sprintf("lost %d\n", more+1-written); written != 1+maxWaiting/1024 || !strings.HasSuffix(to.String(), want) {
			t.Errorf("%d lines are written, then %q; want %q", written, to.String()[written*1024:], want)
		}
	})
}

// A stop does not wait for ever.
func TestCloseWithStuckReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := &stuck{release: make(chan struct{})}
		w := New(to)
		io.WriteString(w, "line\n")
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		close(to.release)
	})
}
