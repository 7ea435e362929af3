package provisiontest

import (
	"context"
	"slices"
	"sync"

	"plugtone/provision"
)

// Answers answers what the file servers ask with a function, and remembers what it was asked. It is safe for concurrent use.
type Answers struct {
	F func(provision.Request) provision.Answer

	mu    sync.Mutex
	asked []provision.Request
}

// Answer is what F says.
func (a *Answers) Answer(_ context.Context, r provision.Request) provision.Answer {
	a.mu.Lock()
	a.asked = append(a.asked, r)
	a.mu.Unlock()
	return a.F(r)
}

// All returns what has been asked, the first first.
func (a *Answers) All() []provision.Request {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.asked)
}

// Last returns what was asked last, nothing when nothing was.
func (a *Answers) Last() provision.Request {
	if all := a.All(); len(all) > 0 {
		return all[len(all)-1]
	}
	return provision.Request{}
}

// Forget forgets what has been asked.
func (a *Answers) Forget() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asked = nil
}
