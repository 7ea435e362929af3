package server

import (
	"hash/maphash"
	"net/netip"
	"sync"
	"time"

	"plugtone/dhcp"
)

// repeatGap is how soon after a message the same client's next one of that type counts as a repetition. Clients wait a
// second and more before they try again.
const repeatGap = 100 * time.Millisecond

// repeatLimit stores the last messages, so that a client that sends hundreds of DISCOVERs a second costs no more than
// ten (C49). Its size is fixed: clients that share a slot replace each other, and are answered.
type repeatLimit struct {
	mu    sync.Mutex
	seed  maphash.Seed
	slots [1024]sighting
}

// sighting is one message that was let through. The same one through two relays counts as two.
type sighting struct {
	key sightingKey
	at  time.Time
}

type sightingKey struct {
	mac     dhcp.MAC
	kind    dhcp.MessageType
	relay   netip.Addr
	ifindex int
}

// repeated reports whether a message follows too soon on the client's last one of its type, and stores it if not.
func (l *repeatLimit) repeated(h *header, ifindex int, at time.Time) bool {
	key := sightingKey{h.mac, h.kind, h.giaddr, ifindex}
	slot := &l.slots[maphash.Comparable(l.seed, key)%uint64(len(l.slots))]
	l.mu.Lock()
	defer l.mu.Unlock()
	if gap := at.Sub(slot.at); gap >= 0 && gap < repeatGap && slot.key == key {
		return true
	}
	*slot = sighting{key, at}
	return false
}
