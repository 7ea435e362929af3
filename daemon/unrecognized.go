package daemon

import (
	"slices"
	"sync"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/provision/timeline"
	"plugtone/store"
)

const maxUnrecognized = 4096

// unrecognized remembers what clients did that are no phones, so that "trace" has an answer while somebody finds out why a
// phone isn't recognised. It is memory only and forgets the oldest.
type unrecognized struct {
	mu   sync.Mutex
	ring *timeline.Ring
}

func newUnrecognized() *unrecognized { return &unrecognized{ring: timeline.NewRing(maxUnrecognized)} }

func (o *unrecognized) add(e timeline.Entry) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ring.Add(e)
}

// of returns the entries of mac, oldest first.
func (o *unrecognized) of(mac dhcp.MAC) []timeline.Entry {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.DeleteFunc(o.ring.Entries(), func(e timeline.Entry) bool { return e.MAC != mac })
}

// events joins what is kept of phones and what is remembered of other clients.
type events struct {
	store        *store.Store
	unrecognized *unrecognized
}

// Timeline is what happened to mac, oldest first: the last limit entries, or all for 0.
func (e events) Timeline(mac dhcp.MAC, limit int) ([]timeline.Entry, error) {
	kept, err := e.store.Timeline(mac, limit)
	if err != nil {
		return nil, err
	}
	all := append(kept, e.unrecognized.of(mac)...)
	slices.SortStableFunc(all, func(a, b timeline.Entry) int { return a.Time.Compare(b.Time) })
	if limit > 0 && len(all) > limit {
		all = all[len(all)-limit:]
	}
	return all, nil
}

// Fetches are the last fetches of each file of mac.
func (e events) Fetches(mac dhcp.MAC) ([]fleet.Fetch, error) { return e.store.Fetches(mac) }
