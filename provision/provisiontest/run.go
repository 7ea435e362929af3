package provisiontest

import (
	"context"
	"testing"
	"time"
)

// Run runs a server until the test ends, and returns when it is ready. A test that stops it earlier takes the end itself, and
// closes ended.
func Run(t testing.TB, run func(ctx context.Context, ready func()) error) (stop context.CancelFunc, ended chan error) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	ended = make(chan error, 1)
	ready := make(chan struct{})
	go func() { ended <- run(ctx, func() { close(ready) }) }()
	<-ready
	t.Cleanup(func() {
		stop()
		select {
		case err, ok := <-ended:
			if ok && err != nil {
				t.Errorf("Run: %v", err)
			}
		case <-time.After(10 * time.Second):
			t.Error("Run did not end")
		}
	})
	return stop, ended
}
