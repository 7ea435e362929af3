package daemon

import (
	"io"
	"log/slog"

	"plugtone/daemon/config"
)

// newLog returns a logger whose level can be changed by a reload. A writer that may lose lines gets to log how many.
func newLog(w io.Writer, format string, level *slog.LevelVar) *slog.Logger {
	o := &slog.HandlerOptions{Level: level}
	log := slog.New(slog.NewTextHandler(w, o))
	if format == "json" {
		log = slog.New(slog.NewJSONHandler(w, o))
	}
	if w, ok := w.(interface{ OnLost(func(n int)) }); ok {
		w.OnLost(func(n int) { log.Warn("log lines dropped: they are not read as fast as they come", "lines", n) })
	}
	return log
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
