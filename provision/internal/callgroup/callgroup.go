// Package callgroup makes a value once for all callers that need it at the same time.
package callgroup

import (
	"fmt"
	"sync"

	"plugtone/provision/fleet"
)

// Group is a set of calls under way. The zero value is ready.
type Group[K comparable, V any] struct {
	mu      sync.Mutex
	running map[K]*call[V]
}

type call[V any] struct {
	done chan struct{}
	out  V
	err  error
}

// Do returns what produce makes, or what a call for the same key makes that is under way.
func (g *Group[K, V]) Do(key K, produce func() (V, error)) (V, error) {
	g.mu.Lock()
	if c, ok := g.running[key]; ok {
		g.mu.Unlock()
		<-c.done
		return c.out, c.err
	}
	c := &call[V]{done: make(chan struct{}), err: fmt.Errorf("%w: the call panicked", fleet.ErrInternal)}
	if g.running == nil {
		g.running = map[K]*call[V]{}
	}
	g.running[key] = c
	g.mu.Unlock()
	// Also after a panic, so that no request waits for ever.
	defer func() {
		g.mu.Lock()
		delete(g.running, key)
		g.mu.Unlock()
		close(c.done)
	}()
	c.out, c.err = produce()
	return c.out, c.err
}
