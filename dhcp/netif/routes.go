package netif

import (
	"errors"
	"net/netip"
	"sync"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// maxRoutes bounds each of the two caches: there are few relays, but any sender can claim to be one.
const maxRoutes = 1024

// Routes caches which source address and interface the kernel uses towards relays and routed clients.
type Routes struct {
	within     Namespace
	mu         sync.Mutex
	cache      map[netip.Addr]Route
	absent     map[netip.Addr]struct{} // without a route; apart, so that made-up relays push no real one out
	generation int                     // counts Invalidate
}

// Route is how the kernel would send to a destination. The zero Route means that there is none.
type Route struct {
	Source  netip.Addr // source address
	IfIndex int        // outgoing interface
}

// NewRoutes returns an empty cache that queries the kernel in a network namespace.
func NewRoutes(within Namespace) *Routes {
	return &Routes{within: within, cache: map[netip.Addr]Route{}, absent: map[netip.Addr]struct{}{}}
}

// Lookup returns the kernel's route to a destination; the zero Route when there is none.
func (r *Routes) Lookup(to netip.Addr) Route {
	r.mu.Lock()
	route, ok := r.cache[to]
	_, absent := r.absent[to]
	generation := r.generation
	r.mu.Unlock()
	if ok || absent {
		return route
	}
	route, err := r.query(to)
	if err != nil {
		return Route{} // it is not known whether there is a route
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.generation != generation: // the routes have changed meanwhile
	case route.Source.IsValid():
		put(r.cache, to, route)
	default:
		put(r.absent, to, struct{}{})
	}
	return route
}

func put[V any](cache map[netip.Addr]V, to netip.Addr, v V) {
	if len(cache) >= maxRoutes {
		clear(cache)
	}
	cache[to] = v
}

// query returns the zero Route when the kernel has none.
func (r *Routes) query(to netip.Addr) (route Route, err error) {
	err = r.within(func() error {
		found, err := netlink.RouteGet(to.AsSlice())
		if errors.Is(err, unix.ENETUNREACH) || errors.Is(err, unix.EHOSTUNREACH) || errors.Is(err, unix.EACCES) || errors.Is(err, unix.EINVAL) {
			return nil // unreachable, prohibited, or no unicast address
		}
		if err != nil || len(found) == 0 {
			return err
		}
		if from, ok := netip.AddrFromSlice(found[0].Src); ok {
			route = Route{Source: from.Unmap(), IfIndex: found[0].LinkIndex}
		}
		return nil
	})
	return route, err
}

// Invalidate empties the cache, because links, addresses or routes may have changed.
func (r *Routes) Invalidate() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.generation++
	clear(r.cache)
	clear(r.absent)
}
