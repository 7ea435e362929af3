package daemon

import (
	"slices"
	"sync"

	"plugtone/dhcp"
	"plugtone/provision"
	"plugtone/provision/timeline"
	"plugtone/store"
)

const ringSize = 4096

// ring remembers what clients did that are no phones, so that "trace" has an answer while somebody finds out why a phone
// isn't recognised. It is memory only and forgets the oldest.
type ring struct {
	mu      sync.Mutex
	entries []timeline.Entry
	next    int
}

func (r *ring) add(e timeline.Entry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.entries) < ringSize {
		r.entries = append(r.entries, e)
		return
	}
	r.entries[r.next] = e
	r.next = (r.next + 1) % ringSize
}

// of returns the last entries of mac, oldest first.
func (r *ring) of(mac dhcp.MAC, limit int) []timeline.Entry {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []timeline.Entry
	for i := range r.entries {
		if e := r.entries[(r.next+i)%len(r.entries)]; e.MAC == mac {
			out = append(out, e)
		}
	}
	if limit > 0 && len(out) > limit {
		out = out[len(out)-limit:]
	}
	return out
}

// events joins what is kept of phones and what is remembered of others.
type events struct {
	store *store.Store
	ring  *ring
}

// Timeline is what happened to mac, oldest first.
func (e events) Timeline(mac dhcp.MAC, limit int) ([]timeline.Entry, error) {
	kept, err := e.store.Timeline(mac, limit)
	if err != nil {
		return nil, err
	}
	all := append(kept, e.ring.of(mac, limit)...)
	slices.SortStableFunc(all, func(a, b timeline.Entry) int { return a.Time.Compare(b.Time) })
	if limit > 0 && len(all) > limit {
		all = all[len(all)-limit:]
	}
	return all, nil
}

// Fetches are the last fetches of each file of mac.
func (e events) Fetches(mac dhcp.MAC) ([]provision.Fetch, error) { return e.store.Fetches(mac) }
