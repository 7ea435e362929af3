package admin

import (
	"sync"
	"sync/atomic"

	"plugtone/provision/timeline"
)

// feedBuffer is how many entries a follower may be behind before it loses some.
const feedBuffer = 256

// Feed hands timeline entries to everybody who follows them, as they happen. A follower that does not keep up loses
// entries (and is told how many); it never holds up the daemon. The zero Feed is ready.
type Feed struct {
	mu        sync.Mutex
	followers map[*follower]struct{}
}

type follower struct {
	entries chan timeline.Entry
	lost    atomic.Uint64
}

// Publish hands out entries. It never waits.
func (f *Feed) Publish(entries ...timeline.Entry) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for fo := range f.followers {
		for _, e := range entries {
			select {
			case fo.entries <- e:
			default:
				fo.lost.Add(1)
			}
		}
	}
}

// follow starts to collect entries for one follower, until the returned function is called.
func (f *Feed) follow() (*follower, func()) {
	fo := &follower{entries: make(chan timeline.Entry, feedBuffer)}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.followers == nil {
		f.followers = map[*follower]struct{}{}
	}
	f.followers[fo] = struct{}{}
	return fo, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.followers, fo)
	}
}
