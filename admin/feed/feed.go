// Package feed sends timeline entries to followers as they happen, over HTTP as server-sent events.
package feed

import (
	"crypto/rand"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"plugtone/provision/timeline"
)

const (
	buffer = 256  // how many entries a follower may be behind before it loses some
	recent = 1024 // how many entries are stored for followers that reconnect
)

// Item is an entry with its place in the feed.
type Item struct {
	ID    string // for Last-Event-ID; the next daemon's are different
	Entry timeline.Entry
}

// Feed sends timeline entries to all followers. A follower that does not keep up loses entries, which Lost counts; it never delays
// the daemon. The zero Feed is ready.
type Feed struct {
	mu        sync.Mutex
	run       string           // differs for each run of the daemon, so that ids of an earlier run are recognised
	next      uint64           // number of the next entry
	last      []timeline.Entry // the most recent entries; number n is at n % recent
	followers map[*Follower]struct{}
}

// Follower is one reader of a Feed.
type Follower struct {
	Items chan Item
	Lost  atomic.Uint64
}

// Publish sends entries to all followers. It never waits.
func (f *Feed) Publish(entries ...timeline.Entry) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.begin()
	for _, e := range entries {
		if len(f.last) < recent {
			f.last = append(f.last, e)
		} else {
			f.last[f.next%recent] = e
		}
		if len(f.followers) > 0 {
			f.send(f.item(f.next))
		}
		f.next++
	}
}

// item returns a kept entry. The caller holds mu.
func (f *Feed) item(number uint64) Item {
	return Item{fmt.Sprintf("%s-%d", f.run, number), f.last[number%recent]}
}

func (f *Feed) send(item Item) {
	for fo := range f.followers {
		select {
		case fo.Items <- item:
		default:
			fo.Lost.Add(1)
		}
	}
}

func (f *Feed) begin() {
	if f.run == "" {
		f.run = rand.Text()[:8]
	}
}

// Follow starts to collect items for one follower, until stop is called. missed are the items after the one with the id last, as far as
// they are kept; lost reports whether some are not. Without an id nothing is missed.
func (f *Feed) Follow(last string) (fo *Follower, missed []Item, lost bool, stop func()) {
	fo = &Follower{Items: make(chan Item, buffer)}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.begin()
	if last != "" {
		missed, lost = f.after(last)
	}
	if f.followers == nil {
		f.followers = map[*Follower]struct{}{}
	}
	f.followers[fo] = struct{}{}
	return fo, missed, lost, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.followers, fo)
	}
}

// after returns the kept items after an id. The caller holds mu.
func (f *Feed) after(id string) (items []Item, lost bool) {
	run, number, _ := strings.Cut(id, "-")
	n, err := strconv.ParseUint(number, 10, 64)
	oldest := f.next - uint64(len(f.last))
	from := n + 1
	// Of another run, or too long ago: what happened in between is not known.
	if lost = err != nil || run != f.run || n >= f.next || from < oldest; lost {
		from = oldest
	}
	for ; from < f.next; from++ {
		items = append(items, f.item(from))
	}
	return items, lost
}
