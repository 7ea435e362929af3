package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// bar shows progress on a terminal, and nothing elsewhere.
type bar struct {
	w     io.Writer
	now   func() time.Time
	width int // of the terminal, in columns; 0: no terminal
	begun time.Time
	shown bool
}

func newBar(w io.Writer, now func() time.Time) *bar {
	b := &bar{w: w, now: now}
	if f, ok := w.(*os.File); ok {
		if size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ); err == nil {
			if b.width = int(size.Col); b.width == 0 {
				b.width = 80 // a serial line
			}
		}
	}
	return b
}

const (
	maxCells     = 50
	minCells     = 5               // of a bar that is worth its place
	estimateFrom = 2 * time.Second // before, an estimate is a guess
)

// show draws the bar in one line of the terminal. An error of standard error can't be reported anywhere.
func (b *bar) show(done, total int) {
	if b.width == 0 || total == 0 {
		return
	}
	if b.begun.IsZero() {
		b.begun = b.now()
	}
	done = min(done, total)
	text := fmt.Sprintf("%d of %d%s", done, total, b.left(done, total))
	if cells := min(b.width-len(text)-4, maxCells); cells >= minCells {
		full := cells * done / total
		text = "[" + strings.Repeat("#", full) + strings.Repeat(" ", cells-full) + "] " + text
	}
	// A line as wide as the terminal would continue on the next one.
	fmt.Fprint(b.w, "\r"+text[:min(len(text), b.width-1)]+"\x1b[K")
	b.shown = true
}

// left estimates how long the rest takes, from how long that which is done took.
func (b *bar) left(done, total int) string {
	took := b.now().Sub(b.begun)
	if took < estimateFrom || done == 0 || done == total {
		return ""
	}
	left := time.Duration(float64(took) * float64(total-done) / float64(done))
	if left >= time.Minute {
		return fmt.Sprintf(", about %d min left", int(left.Round(time.Minute).Minutes()))
	}
	return fmt.Sprintf(", about %d s left", max(1, int(left.Round(time.Second).Seconds())))
}

// end removes the bar.
func (b *bar) end() {
	if b.shown {
		fmt.Fprint(b.w, "\r\x1b[K")
	}
}
