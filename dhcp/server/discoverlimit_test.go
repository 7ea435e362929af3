package server

import (
	"hash/maphash"
	"net/netip"
	"testing"
	"time"

	"plugtone/dhcp"
)

// C49: a client that floods with DISCOVERs is answered ten times a second; others, and another relay's copy, at once.
func TestDiscoverFloodC49(t *testing.T) {
	l := &repeatLimit{seed: maphash.MakeSeed()}
	one, two := &header{kind: dhcp.MessageTypeDiscover, mac: dhcp.MAC{1}}, &header{kind: dhcp.MessageTypeDiscover, mac: dhcp.MAC{2}}
	relayed := &header{kind: dhcp.MessageTypeDiscover, mac: dhcp.MAC{1}, giaddr: netip.MustParseAddr("10.30.0.1")}
	at := time.Unix(1000, 0)
	answered := 0
	for range 1000 {
		if !l.repeated(one, 7, at) {
			answered++
		}
		at = at.Add(time.Millisecond)
	}
	if answered != 10 {
		t.Errorf("%d DISCOVERs of a second's flood are answered, want 10", answered)
	}
	if l.repeated(two, 7, at) || l.repeated(relayed, 7, at) || l.repeated(one, 8, at) {
		t.Error("another client's, relay's or link's DISCOVER counts as the same")
	}
	if at = at.Add(-time.Hour); l.repeated(one, 8, at) {
		t.Error("a message after the clock was set back counts as repeated")
	}
}
