package daemon

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// recorder is a list of events, in order.
type recorder struct {
	mu    sync.Mutex
	lines []string
}

func (s *recorder) add(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines = append(s.lines, line)
}

func (s *recorder) want(t *testing.T, want ...string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Equal(s.lines, want) {
		t.Errorf("got %q, want %q", s.lines, want)
	}
}

// part returns a task that needs the given times to start and to stop.
func (s *recorder) part(name string, start, stop time.Duration) task {
	return task{name, func(ctx context.Context, ready func()) error {
		time.Sleep(start)
		s.add(name + " up")
		ready()
		ready() // twice is once
		<-ctx.Done()
		time.Sleep(stop)
		s.add(name + " down")
		return nil
	}}
}

func TestStagesStartInOrderAndStopInReverse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s recorder
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() {
			done <- runStages(ctx, []stage{
				{tasks: []task{s.part("store", time.Second, 0)}},
				{tasks: []task{s.part("dhcp", time.Second, time.Second), s.part("tftp", 2*time.Second, 2*time.Second)}},
			}, func() { s.add("ready") })
		}()
		time.Sleep(time.Minute)
		s.want(t, "store up", "dhcp up", "tftp up", "ready")
		cancel()
		if err := <-done; err != nil {
			t.Errorf("got %v", err)
		}
		s.want(t, "store up", "dhcp up", "tftp up", "ready", "dhcp down", "tftp down", "store down")
	})
}

func TestFirstFailureStopsTheRest(t *testing.T) {
	boom := errors.New("boom")
	bad := map[string]task{
		"fails before ready": {"http", func(context.Context, func()) error { return boom }},
		"fails later": {"http", func(_ context.Context, ready func()) error {
			ready()
			time.Sleep(time.Hour)
			return boom
		}},
		"panics": {"http", func(context.Context, func()) error { panic("boom") }},
	}
	for name, b := range bad {
		for _, at := range []int{0, 1} {
			synctest.Test(t, func(t *testing.T) {
				var s recorder
				stages := []stage{{tasks: []task{s.part("store", 0, 0)}}, {tasks: []task{s.part("dhcp", 0, 0)}}}
				stages[at].tasks = append(stages[at].tasks, b)
				err := runStages(t.Context(), stages, func() {})
				if err == nil || !strings.HasPrefix(err.Error(), "http: ") || !strings.Contains(err.Error(), "boom") {
					t.Errorf("%s: got error %v, want http's", name, err)
				}
				if s.lines[len(s.lines)-1] != "store down" {
					t.Errorf("%s: got %q, want the store to be the last", name, s.lines)
				}
			})
		}
	}
}

func TestTaskThatEndsByItselfIsAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		err := runStages(t.Context(), []stage{{tasks: []task{{"http", func(_ context.Context, ready func()) error { ready(); return nil }}}}}, func() {})
		if !errors.Is(err, errEnded) {
			t.Errorf("got %v, want http to have ended by itself", err)
		}
	})
}

func TestStoppingTakesNoLongerThanItsGrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var s recorder
		done := make(chan error)
		go func() {
			done <- runStages(ctx, []stage{{tasks: []task{s.part("tftp", 0, time.Hour)}, grace: 5 * time.Second}}, func() {})
		}()
		synctest.Wait()
		start := time.Now()
		cancel()
		if err := <-done; err == nil || !strings.Contains(err.Error(), "did not stop within 5s") {
			t.Errorf("got %v", err)
		}
		if took := time.Since(start); took != 5*time.Second {
			t.Errorf("took %s, want 5s", took)
		}
		time.Sleep(2 * time.Hour) // let the task end, or the bubble would not
	})
}

func TestStopWhileStarting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var s recorder
		done := make(chan error)
		go func() {
			done <- runStages(ctx, []stage{{tasks: []task{s.part("store", 0, 0)}}, {tasks: []task{s.part("slow", 5*time.Second, 0)}}},
				func() { t.Error("ready") })
		}()
		synctest.Wait()
		cancel()
		if err := <-done; err != nil {
			t.Errorf("got %v", err)
		}
		s.want(t, "store up", "slow up", "slow down", "store down")
	})
}
