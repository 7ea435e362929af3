package provisiontest

import (
	"context"
	"slices"
	"sync"

	"plugtone/provision"
)

// Answers answers the file servers' requests with a function, and records the requests. It is safe for concurrent use.
type Answers struct {
	F func(provision.Request) provision.Answer

	mu       sync.Mutex
	requests []provision.Request
}

// Answer is a result of F.
func (a *Answers) Answer(_ context.Context, r provision.Request) provision.Answer {
	a.mu.Lock()
	a.requests = append(a.requests, r)
	a.mu.Unlock()
	return a.F(r)
}

// All returns the requests in their order.
func (a *Answers) All() []provision.Request {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.requests)
}

// Last returns the last request, the zero Request when there was none.
func (a *Answers) Last() provision.Request {
	if all := a.All(); len(all) > 0 {
		return all[len(all)-1]
	}
	return provision.Request{}
}

// Forget drops the recorded requests.
func (a *Answers) Forget() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.requests = nil
}
