package netif

import (
	"context"
	"errors"
	"net/netip"
	"testing"
)

// A destination without a route costs one query of the kernel, as one with a route does. A change of the routes, and a query that
// failed, must not be cached.
func TestAbsentRoutesAreCached(t *testing.T) {
	n := newNetwork(t)
	queries := 0
	failed := errors.New("no namespace")
	var failure error
	routes := NewRoutes(func(f func() error) error {
		queries++
		if failure != nil {
			return failure
		}
		return n.pbx.Do(f)
	})
	near, far := netip.MustParseAddr("10.20.0.9"), netip.MustParseAddr("192.0.2.1")
	failure = failed
	routes.Lookup(far)
	failure = nil
	for _, c := range []struct {
		to      netip.Addr
		queries int
		source  string
	}{{far, 2, "invalid IP"}, {far, 2, "invalid IP"}, {near, 3, "10.20.0.2"}, {near, 3, "10.20.0.2"}} {
		if got := routes.Lookup(c.to); got.Source.String() != c.source || queries != c.queries {
			t.Errorf("%s: from %s after %d queries, want %s after %d", c.to, got.Source, queries, c.source, c.queries)
		}
	}
	for i := range 2 * maxRoutes { // made-up relays
		routes.Lookup(netip.AddrFrom4([4]byte{198, 51, byte(i >> 8), byte(i)}))
	}
	before := queries
	if routes.Lookup(near); queries != before {
		t.Error("destinations without a route push out one that has a route")
	}
	if len(routes.absent) > maxRoutes {
		t.Errorf("%d destinations are remembered", len(routes.absent))
	}
	n.ok(n.pbx.AddRoute(netip.MustParsePrefix("192.0.2.0/24"), near))
	routes.Invalidate()
	if got := routes.Lookup(far); got.Source.String() != "10.20.0.2" {
		t.Errorf("after a route was added: from %s", got.Source)
	}
}

// An answer of the kernel from before a change is not remembered after it.
func TestRouteThatChangedWhileItWasQueriedIsNotCached(t *testing.T) {
	n := newNetwork(t)
	var routes *Routes
	queries := 0
	routes = NewRoutes(func(f func() error) error {
		queries++
		err := n.pbx.Do(f)
		if queries == 1 {
			routes.Invalidate()
		}
		return err
	})
	routes.Lookup(netip.MustParseAddr("10.20.0.9"))
	routes.Lookup(netip.MustParseAddr("10.20.0.9"))
	if queries != 2 {
		t.Errorf("%d queries, want a second one after the change", queries)
	}
}

// What changes between the first list of interfaces and the first report of the kernel would be missed else.
func TestWatchBeginsWithAChange(t *testing.T) {
	n := newNetwork(t)
	changed, ended := make(chan struct{}, 100), make(chan error, 1)
	ctx, stop := context.WithCancel(t.Context())
	go func() { ended <- Watch(ctx, n.pbx.Do, func() { changed <- struct{}{} }) }()
	<-changed
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
