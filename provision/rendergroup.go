package provision

import (
	"fmt"
	"sync"

	"plugtone/provision/fleet"
)

// renderGroup renders a file once for all requests that need it at the same time.
type renderGroup struct {
	mu      sync.Mutex
	running map[fileKey]*renderCall
}

type renderCall struct {
	done chan struct{}
	out  renderedFile
	err  error
}

func (g *renderGroup) do(key fileKey, render func() (renderedFile, error)) (renderedFile, error) {
	g.mu.Lock()
	if c, ok := g.running[key]; ok {
		g.mu.Unlock()
		<-c.done
		return c.out, c.err
	}
	c := &renderCall{done: make(chan struct{}), err: fmt.Errorf("%w: rendering panicked", fleet.ErrInternal)}
	if g.running == nil {
		g.running = map[fileKey]*renderCall{}
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
	c.out, c.err = render()
	return c.out, c.err
}
