package netif

import (
	"net/netip"
	"sync"

	"github.com/vishvananda/netlink"
)

// maxRoutes bounds the cache: there are few relays, but any sender can claim to be one.
const maxRoutes = 1024

// Routes caches which source address and interface the kernel uses towards relays and routed clients.
type Routes struct {
	within Namespace
	mu     sync.Mutex
	cache  map[netip.Addr]Route
}

// Route is how the kernel would send to a destination. The zero Route means that there is none.
type Route struct {
	Source  netip.Addr // source address
	IfIndex int        // outgoing interface
}

// NewRoutes returns an empty cache that queries the kernel in a network namespace.
func NewRoutes(within Namespace) *Routes {
	return &Routes{within: within, cache: map[netip.Addr]Route{}}
}

// Lookup returns the kernel's route to a destination; the zero Route when there is none.
func (r *Routes) Lookup(to netip.Addr) Route {
	r.mu.Lock()
	route, ok := r.cache[to]
	r.mu.Unlock()
	if ok {
		return route
	}
	err := r.within(func() error {
		found, err := netlink.RouteGet(to.AsSlice())
		if err != nil || len(found) == 0 {
			return err
		}
		route.IfIndex = found[0].LinkIndex
		if from, ok := netip.AddrFromSlice(found[0].Src); ok {
			route.Source = from.Unmap()
		}
		return nil
	})
	if err != nil || !route.Source.IsValid() {
		return Route{}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.cache) >= maxRoutes {
		clear(r.cache)
	}
	r.cache[to] = route
	return route
}

// Invalidate empties the cache, because links, addresses or routes may have changed.
func (r *Routes) Invalidate() {
	r.mu.Lock()
	defer r.mu.Unlock()
	clear(r.cache)
}
