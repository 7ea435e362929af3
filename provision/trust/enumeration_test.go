package trust

import (
	"maps"
	"net/netip"
	"strconv"
	"testing"
	"time"
)

// The number of remembered sources is bounded: those that were quiet longest are dropped.
func TestRememberedSourcesAreBounded(t *testing.T) {
	l := NewEnumerationLimiter()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for i := range 2 * enumerationSources {
		for _, datagram := range []bool{false, true} {
			l.Failed(Source{netip.AddrFrom4([4]byte{198, 18, byte(i >> 8), byte(i)}), datagram}, strconv.Itoa(i), false, now)
		}
	}
	connected, datagrams := len(maps.Collect(l.connected.All())), len(maps.Collect(l.datagrams.All()))
	if connected != enumerationSources || datagrams != enumerationSources {
		t.Errorf("%d and %d sources are remembered", connected, datagrams)
	}
	if last := (Source{netip.AddrFrom4([4]byte{198, 18, 0x3f, 0xff}), true}); l.state(last) == nil {
		t.Error("the newest source is forgotten")
	}
}
