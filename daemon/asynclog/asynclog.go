// Package asynclog writes log lines in the background, so that no phone waits for the disk, a pipe or journald behind a log line.
// What waits is bounded. A clean stop loses no line; a process that is killed may lose those of its last moment.
package asynclog

import (
	"io"
	"sync"
	"time"
)

const (
	maxWaiting = 1 << 20         // bytes of lines that wait to be written; more are dropped and counted
	closeTime  = 3 * time.Second // the longest that Close waits for a reader that has stopped reading
)

// Writer passes lines on to another writer, as many at once as wait. Each Write is one line. It is safe for concurrent use.
type Writer struct {
	to   io.Writer
	wake chan struct{} // holds one token while lines wait
	quit chan struct{}
	done chan struct{}

	mu     sync.Mutex
	lines  []byte
	lost   int
	onLost func(n int)
	closed bool
}

// New returns a Writer that runs until Close.
func New(to io.Writer) *Writer {
	w := &Writer{to: to, wake: make(chan struct{}, 1), quit: make(chan struct{}), done: make(chan struct{})}
	go w.run()
	return w
}

// OnLost sets what is called with the number of lines that were dropped, when there is room again. It may write.
func (w *Writer) OnLost(f func(n int)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.onLost = f
}

// Write takes a line. It never waits for the other writer and returns no error, except after Close, when it writes the line itself.
func (w *Writer) Write(line []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.closed:
		return w.to.Write(line)
	case len(w.lines)+len(line) > maxWaiting:
		w.lost++
	default:
		w.lines = append(w.lines, line...)
	}
	select {
	case w.wake <- struct{}{}:
	default:
	}
	return len(line), nil
}

func (w *Writer) run() {
	defer close(w.done)
	var spare []byte
	for {
		select {
		case <-w.wake:
			spare = w.flush(spare)
		case <-w.quit:
			w.flush(spare)
			return
		}
	}
}

// flush writes what waits, and returns a buffer for later lines.
func (w *Writer) flush(spare []byte) []byte {
	w.mu.Lock()
	lines, lost, onLost := w.lines, w.lost, w.onLost
	w.lines, w.lost = spare[:0], 0
	w.mu.Unlock()
	if len(lines) > 0 {
		_, _ = w.to.Write(lines) // there is no other place to report to
	}
	if lost > 0 && onLost != nil {
		onLost(lost)
	}
	return lines
}

// Close writes what waits. Lines that come later are written at once.
func (w *Writer) Close() error {
	w.mu.Lock()
	first := !w.closed
	w.closed = true
	w.mu.Unlock()
	if first {
		close(w.quit)
	}
	limit := time.NewTimer(closeTime)
	defer limit.Stop()
	select {
	case <-w.done:
	case <-limit.C:
	}
	return nil
}
