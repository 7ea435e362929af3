package observe

import (
	"slices"
	"sync"

	"plugtone/dhcp"
	"plugtone/provision/timeline"
)

const maxUnrecognized = 4096

// unrecognized holds the entries of clients that are not phones, so that "trace" can show why a
// phone isn't recognised. It is in memory only and drops the oldest entries.
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
