package daemon

import (
	"math"
	"runtime/debug"
	"sync"
)

// memory raises the limit of the collector (GOMEMLIMIT) while something large is done: at the limit the collector would take most of
// the processor time.
type memory struct{ mu sync.Mutex }

// grant raises the limit by some bytes until done is called, once. Without a limit it does nothing.
func (m *memory) grant(bytes int64) (done func()) {
	m.add(bytes)
	return func() { m.add(-bytes) }
}

func (m *memory) add(bytes int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	limit := debug.SetMemoryLimit(-1)
	if limit == math.MaxInt64 {
		return
	}
	debug.SetMemoryLimit(limit + bytes)
}
