package daemon

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"time"
)

// task is one part of the daemon that runs for as long as the daemon does.
type task struct {
	name string
	// run serves until ctx ends and calls ready once when it can be used. A return before ctx ends is the end of the
	// daemon: a part that is not there is worse than a restart.
	run func(ctx context.Context, ready func()) error
}

// stage is tasks that start together and are stopped together.
type stage struct {
	tasks []task
	grace time.Duration // how long they may take to stop
}

// runStages starts the stages one after another, each when all of the one before are ready, calls up when all are, and
// waits. When ctx ends or a task fails they are stopped in the opposite order. The first failure is returned.
func runStages(ctx context.Context, stages []stage, up func()) error {
	if len(stages) == 0 {
		up()
		<-ctx.Done()
		return nil
	}
	first := stages[0]
	// Stopping belongs to this function alone, so that a later stage has ended before an earlier one is stopped.
	inner, stop := context.WithCancelCause(context.WithoutCancel(ctx))
	defer stop(nil)
	ready := make(chan struct{}, len(first.tasks))
	ended := make(chan error, len(first.tasks))
	for _, t := range first.tasks {
		go func() { ended <- runTask(inner, t, func() { ready <- struct{}{} }) }()
	}
	running, failed := waitReady(ctx, ready, ended, len(first.tasks))
	if failed == nil && ctx.Err() == nil {
		rest, cancel := context.WithCancelCause(ctx)
		later := make(chan error, 1)
		go func() { later <- runStages(rest, stages[1:], up) }()
		select {
		case failed = <-later:
		case failed = <-ended:
			running--
			cancel(failed)
			<-later
		}
		cancel(nil)
	}
	stop(failed)
	return errors.Join(failed, waitEnd(ended, running, first.grace))
}

// waitReady waits until all n are ready, one has ended, or ctx has.
func waitReady(ctx context.Context, ready <-chan struct{}, ended <-chan error, n int) (running int, failed error) {
	for got := 0; got < n; {
		select {
		case <-ready:
			got++
		case err := <-ended:
			return n - 1, err
		case <-ctx.Done():
			return n, nil
		}
	}
	return n, nil
}

// waitEnd waits until n tasks have stopped after their context was cancelled, and returns their errors. It is an error
// when some have not stopped within grace.
func waitEnd(ended <-chan error, n int, grace time.Duration) error {
	if grace <= 0 {
		grace = defaultGrace
	}
	timeout := time.NewTimer(grace)
	defer timeout.Stop()
	var errs []error
	for range n {
		select {
		case err := <-ended:
			if err != nil && !errors.Is(err, errEnded) {
				errs = append(errs, err)
			}
		case <-timeout.C:
			return errors.Join(append(errs, fmt.Errorf("%d tasks did not stop within %s", n-len(errs), grace))...)
		}
	}
	return errors.Join(errs...)
}

const defaultGrace = 10 * time.Second

var errEnded = errors.New("ended by itself")

// runTask turns a panic into the failure of the task: the rest is stopped in order and systemd restarts the daemon.
func runTask(ctx context.Context, t task, ready func()) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%s: panic: %v\n%s", t.name, p, debug.Stack())
		}
	}()
	called := false
	err = t.run(ctx, func() {
		if !called {
			called = true
			ready()
		}
	})
	switch {
	case ctx.Err() != nil && (err == nil || errors.Is(err, context.Canceled)):
		return nil
	case err == nil:
		return fmt.Errorf("%s: %w", t.name, errEnded)
	}
	if strings.HasPrefix(err.Error(), t.name+": ") {
		return err // the error names the task already
	}
	return fmt.Errorf("%s: %w", t.name, err)
}
