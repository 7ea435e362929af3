package observe

import (
	"slices"
	"sync"

	"plugtone/dhcp"
	"plugtone/provision/timeline"
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
