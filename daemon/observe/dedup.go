package observe

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

const (
	repeatWindow = time.Minute
	maxRepeats   = 4096
	// maxKnown and maxOther are the lines of one kind in a window, about phones with a device record and about all other senders. The
	// first is a boot of thousands of phones at once; the second is as much as an operator reads.
	maxKnown = 10_000
	maxOther = 200
)

// line is what dedupLogger needs of a log line besides its attributes.
type line struct {
	level   slog.Level
	message string // fixed
	subject string // the client, the address or the subnet that it is about
	detail  string // what distinguishes lines about one subject: a verdict or a file
	known   bool   // about a phone with a device record
}

// dedupLogger writes the same line about the same client once a window, and a limited number of lines of each kind. Those left out are
// counted: repeats in the next such line, the others in a line of their own.
type dedupLogger struct {
	log *slog.Logger
	now func() time.Time

	mu      sync.Mutex
	repeats map[repeatKey]*repeat
	kinds   map[lineKind]*kindCount
}

type repeatKey struct {
	message, subject, detail string
}

type repeat struct {
	since time.Time
	left  int
}

// lineKind is one of a closed set, so that the map of kinds is bounded. Level is part of it: many debug lines must not hide a warning.
type lineKind struct {
	message string
	level   slog.Level
	known   bool
}

type kindCount struct {
	since            time.Time
	written, skipped int
}

func (l *dedupLogger) enabled(level slog.Level) bool {
	return l.log.Enabled(context.Background(), level)
}

func (l *dedupLogger) write(e line, attrs ...slog.Attr) {
	if repeats, ok := l.begin(e); ok {
		l.end(e, repeats, attrs)
	}
}

// begin reports whether a line is to be written, so that one that is left out costs no attributes, and how many like it were left out
// since the last one.
func (l *dedupLogger) begin(e line) (repeats int, ok bool) {
	if !l.enabled(e.level) {
		return 0, false
	}
	repeats, skipped, ok := l.admit(e)
	if skipped > 0 {
		l.suppressed(lineKind{e.message, e.level, e.known}, skipped)
	}
	return repeats, ok
}

func (l *dedupLogger) end(e line, repeats int, attrs []slog.Attr) {
	if repeats > 0 {
		attrs = append(attrs, slog.Int("repeat", repeats))
	}
	l.log.LogAttrs(context.Background(), e.level, e.message, attrs...)
}

// admit reports whether the line is to be written, how many like it were not since the last one, and how many of its kind the window
// that has just ended left out.
func (l *dedupLogger) admit(e line) (left, skipped int, ok bool) {
	now := l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	key := repeatKey{e.message, e.subject, e.detail}
	if r := l.repeats[key]; r != nil {
		if now.Sub(r.since) < repeatWindow {
			r.left++
			return 0, 0, false
		}
		left = r.left
	}
	kind := lineKind{e.message, e.level, e.known}
	k := l.kinds[kind]
	if k == nil || now.Sub(k.since) >= repeatWindow {
		if k != nil {
			skipped = k.skipped
		}
		k = &kindCount{since: now}
		if l.kinds == nil {
			l.kinds = map[lineKind]*kindCount{}
		}
		l.kinds[kind] = k
	}
	limit := maxOther
	if e.known {
		limit = maxKnown
	}
	if k.written >= limit {
		k.skipped++
		return 0, skipped, false
	}
	k.written++
	if l.repeats == nil || len(l.repeats) >= maxRepeats {
		l.repeats = map[repeatKey]*repeat{} // a sender that varies without end costs lines of its kind, not memory
	}
	l.repeats[key] = &repeat{since: now}
	return left, skipped, true
}

func (l *dedupLogger) suppressed(kind lineKind, n int) {
	l.log.LogAttrs(context.Background(), max(kind.level, slog.LevelInfo), "log lines suppressed",
		slog.String("kind", kind.message), slog.Int("lines", n), slog.Bool("recorded", kind.known), slog.Duration("window", repeatWindow))
}

// flush logs how many lines each window that has ended left out, so that the end of a flood is seen without another line of its kind.
func (l *dedupLogger) flush() {
	now := l.now()
	ended := map[lineKind]int{}
	l.mu.Lock()
	for kind, k := range l.kinds {
		if now.Sub(k.since) < repeatWindow {
			continue
		}
		if k.skipped > 0 {
			ended[kind] = k.skipped
		}
		delete(l.kinds, kind)
	}
	l.mu.Unlock()
	for kind, n := range ended {
		l.suppressed(kind, n)
	}
}
