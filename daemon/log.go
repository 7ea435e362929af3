package daemon

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"time"

	"plugtone/daemon/config"
)

// newLog returns a logger whose level can be changed by a reload.
func newLog(w io.Writer, format string, level *slog.LevelVar) *slog.Logger {
	o := &slog.HandlerOptions{Level: level}
	if format == "json" {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}

func levelOf(c *config.Config) slog.Level {
	switch c.Log.Level {
	case "debug":
		return slog.LevelDebug
	case "warn":
		return slog.LevelWarn
	case "error":
		return slog.LevelError
	}
	return slog.LevelInfo
}

const (
	repeatWindow = time.Minute
	repeatKeys   = 4096
)

// repeats keeps the same line about the same phone from filling the log: it is written once a window, with the number
// of those left out since.
type repeats struct {
	mu   sync.Mutex
	seen map[repeatKey]*repeated
}

type repeatKey struct{ msg, who, verdict string }

type repeated struct {
	since time.Time
	left  int
}

// admit tells whether the line is to be written, and how many like it were not.
func (r *repeats) admit(k repeatKey, now time.Time) (left int, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e := r.seen[k]; e != nil {
		if now.Sub(e.since) < repeatWindow {
			e.left++
			return 0, false
		}
		left = e.left
	} else if len(r.seen) >= repeatKeys {
		r.seen = nil // whoever varies what he says without end costs a line more, not memory
	}
	if r.seen == nil {
		r.seen = make(map[repeatKey]*repeated)
	}
	r.seen[k] = &repeated{since: now}
	return left, true
}

// dedupLogger logs unless the same was logged a moment ago.
type dedupLogger struct {
	log *slog.Logger
	now func() time.Time
	r   repeats
}

func (l *dedupLogger) enabled(level slog.Level) bool {
	return l.log.Enabled(context.Background(), level)
}

func (l *dedupLogger) write(level slog.Level, msg, who, verdict string, attrs ...slog.Attr) {
	if !l.enabled(level) {
		return
	}
	left, ok := l.r.admit(repeatKey{msg, who, verdict}, l.now())
	if !ok {
		return
	}
	if left > 0 {
		attrs = append(attrs, slog.Int("repeat", left))
	}
	l.log.LogAttrs(context.Background(), level, msg, attrs...)
}
