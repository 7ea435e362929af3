package provision

import (
	"fmt"
	"sync"

	"plugtone/provision/fleet"
)

// flights lets one of many that want the same file render it, while the others wait for what it makes.
type flights struct {
	mu      sync.Mutex
	running map[fileKey]*flight
}

type flight struct {
	done chan struct{}
	out  rendered
	err  error
}

func (f *flights) do(key fileKey, render func() (rendered, error)) (rendered, error) {
	f.mu.Lock()
	if x, ok := f.running[key]; ok {
		f.mu.Unlock()
		<-x.done
		return x.out, x.err
	}
	x := &flight{done: make(chan struct{}), err: fmt.Errorf("%w: rendering panicked", fleet.ErrInternal)}
	if f.running == nil {
		f.running = map[fileKey]*flight{}
	}
	f.running[key] = x
	f.mu.Unlock()
	// Also after a panic: who waits must not wait for ever.
	defer func() {
		f.mu.Lock()
		delete(f.running, key)
		f.mu.Unlock()
		close(x.done)
	}()
	x.out, x.err = render()
	return x.out, x.err
}
