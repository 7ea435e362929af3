package neighbors

import (
	"errors"
	"maps"
	"net/netip"
	"testing"
	"time"

	"plugtone/dhcp"
)

func TestNeighborTableIsCached(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	a, b := netip.MustParseAddr("10.20.1.7"), netip.MustParseAddr("10.20.1.8")
	mac := dhcp.MAC{0, 0x15, 0x65, 0, 0, 1}
	table, reads := map[netip.Addr]dhcp.MAC{a: mac}, 0
	var broken error
	n := &Table{now: func() time.Time { return now }, read: func() (map[netip.Addr]dhcp.MAC, error) { reads++; return maps.Clone(table), broken }}
	for range 100 {
		if got, ok := n.Of(a); got != mac || !ok {
			t.Fatalf("%s %v", got, ok)
		}
		if _, ok := n.Of(b); ok {
			t.Fatal("another host is at the other address")
		}
	}
	if reads != 1 {
		t.Errorf("read %d times", reads)
	}
	table[b] = mac
	now = now.Add(missAge)
	if _, ok := n.Of(b); !ok || reads != 2 {
		t.Errorf("a new neighbour is not seen after %d reads", reads)
	}
	now, broken = now.Add(maxAge), errors.New("no netlink")
	if _, ok := n.Of(a); ok {
		t.Error("a table that can't be read proves something")
	}
}

func TestNeighborTableOfTheKernelCanBeRead(t *testing.T) {
	if _, err := readNeighbors(); err != nil {
		t.Fatal(err)
	}
}
