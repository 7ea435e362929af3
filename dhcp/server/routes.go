package server

import (
	"net/netip"
	"sync"

	"github.com/vishvananda/netlink"
)

// maxRoutes bounds what is remembered: there are not many relays, and anybody may claim to be one.
const maxRoutes = 1024

// routes remembers which of our addresses the kernel uses towards relays and routed clients.
type routes struct {
	within func(func() error) error
	mu     sync.Mutex
	known  map[netip.Addr]way
}

// way is how the kernel would send to somebody: from which address of ours, out of which interface. The zero way is none.
type way struct {
	from    netip.Addr
	ifindex int
}

func newRoutes(within func(func() error) error) *routes {
	return &routes{within: within, known: map[netip.Addr]way{}}
}

// towards asks the kernel; the zero way when it knows none.
func (r *routes) towards(to netip.Addr) way {
	r.mu.Lock()
	w, ok := r.known[to]
	r.mu.Unlock()
	if ok {
		return w
	}
	err := r.within(func() error {
		found, err := netlink.RouteGet(to.AsSlice())
		if err != nil || len(found) == 0 {
			return err
		}
		w.ifindex = found[0].LinkIndex
		if from, ok := netip.AddrFromSlice(found[0].Src); ok {
			w.from = from.Unmap()
		}
		return nil
	})
	if err != nil || !w.from.IsValid() {
		return way{}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.known) >= maxRoutes {
		clear(r.known)
	}
	r.known[to] = w
	return w
}

// forget is called when links, addresses or routes may have changed.
func (r *routes) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	clear(r.known)
}
