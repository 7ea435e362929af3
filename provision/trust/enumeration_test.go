package trust

import (
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
	if l.connected.Len() != enumerationSources || l.datagrams.Len() != enumerationSources {
		t.Errorf("%d and %d sources are remembered", l.connected.Len(), l.datagrams.Len())
	}
	if last := (Source{netip.AddrFrom4([4]byte{198, 18, 0x3f, 0xff}), true}); l.state(last) == nil {
		t.Error("the newest source is forgotten")
	}
}
