package states

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// States are computed at once while no phone is served, and slowly, but surely, while phones are.
func TestStatesWaitForPhonesThatAreServed(t *testing.T) {
	for _, c := range []struct {
		name  string
		until time.Duration // phones are served without a pause until then
		took  time.Duration
	}{{"no phone", 0, 0}, {"one phone", time.Nanosecond, pause}, {"a few phones", 3 * pause, 4 * pause}, {"phones without end", time.Hour, waits * pause}} {
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			last := func() time.Time {
				if c.until == 0 {
					return began.Add(-time.Hour)
				}
				return began.Add(min(time.Since(began), c.until-1))
			}
			if err := (Config{LastPhone: last, Now: time.Now}).wait(t.Context()); err != nil || time.Since(began) != c.took {
				t.Errorf("%s: %v after %s, want %s", c.name, err, time.Since(began), c.took)
			}
			ctx, stop := context.WithCancel(t.Context())
			stop()
			if err := (Config{LastPhone: time.Now, Now: time.Now}).wait(ctx); err == nil {
				t.Errorf("%s: no error after the end", c.name)
			}
		})
	}
}

func TestAnErrorThatStaysIsLoggedEveryTenMinutes(t *testing.T) {
	var log bytes.Buffer
	now := time.Unix(1e9, 0)
	failed := Config{Now: func() time.Time { return now }, Log: slog.New(slog.NewTextHandler(&log, nil))}.logged()
	for range 600 {
		failed(errors.New("no key"))
		now = now.Add(2 * time.Second)
	}
	failed(errors.New("another"))
	if got := strings.Count(log.String(), "no key"); got != 2 || !strings.Contains(log.String(), "another") {
		t.Errorf("logged %d times in 20 minutes: %s", got, log.String())
	}
}
