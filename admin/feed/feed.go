// Package feed hands timeline entries to followers as they happen.
package feed

import (
	"sync"
	"sync/atomic"

	"plugtone/provision/timeline"
)

// feedBuffer is how many entries a follower may be behind before it loses some.
const feedBuffer = 256

// Feed hands timeline entries to all followers. A follower that does not keep up loses entries, which Lost counts; it never delays
// the daemon. The zero Feed is ready.
type Feed struct {
	mu        sync.Mutex
	followers map[*Follower]struct{}
}

// Follower is one reader of a Feed.
type Follower struct {
	Entries chan timeline.Entry
	Lost    atomic.Uint64
}

// Publish hands out entries. It never waits.
func (f *Feed) Publish(entries ...timeline.Entry) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for fo := range f.followers {
		for _, e := range entries {
			select {
			case fo.Entries <- e:
			default:
				fo.Lost.Add(1)
			}
		}
	}
}

// Follow starts to collect entries for one follower, until the returned function is called.
func (f *Feed) Follow() (*Follower, func()) {
	fo := &Follower{Entries: make(chan timeline.Entry, feedBuffer)}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.followers == nil {
		f.followers = map[*Follower]struct{}{}
	}
	f.followers[fo] = struct{}{}
	return fo, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.followers, fo)
	}
}
