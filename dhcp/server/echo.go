package server

import (
	"hash/maphash"
	"net/netip"
	"sync"
	"time"

	"plugtone/dhcp"
)

// discoverGap is how soon after a DISCOVER the same client's next one counts as part of a flood: clients wait a second and
// more before they try again.
const discoverGap = 100 * time.Millisecond

// echoes remembers the last DISCOVERs, so that a client that sends hundreds a second costs no more than ten (C49). It
// never grows: clients that share a slot push each other out, and are answered.
type echoes struct {
	mu    sync.Mutex
	seed  maphash.Seed
	slots [1024]echo
}

// echo is a DISCOVER that was let through. Two relays may send the same one on: each is answered.
type echo struct {
	mac     dhcp.MAC
	relay   netip.Addr
	ifindex int
	at      time.Time
}

// again tells whether a DISCOVER comes on the heels of the last one, and remembers it if not.
func (e *echoes) again(req *dhcp.Request, ifindex int, at time.Time) bool {
	now := echo{req.MAC, req.GIAddr, ifindex, at}
	slot := &e.slots[maphash.Comparable(e.seed, now.mac)%uint64(len(e.slots))]
	e.mu.Lock()
	defer e.mu.Unlock()
	last := *slot
	if gap := at.Sub(last.at); gap >= 0 && gap < discoverGap && last.mac == now.mac && last.relay == now.relay && last.ifindex == now.ifindex {
		return true
	}
	*slot = now
	return false
}
