package cluster

import (
	"math"
	"net/netip"
	"testing"

	"plugtone/store/etcd"
)

// C60: what one member of the subnet has not received, or has of another store, does not count as received by all.
func TestReceivedByAllMembersC60(t *testing.T) {
	p := netip.MustParsePrefix("10.20.0.0/24")
	member := func(name, id string, at int64, shared bool) etcd.Member {
		return etcd.Member{Name: name, Subnets: []etcd.Subnet{{Prefix: p, Shared: shared}}, Received: etcd.Received{ID: id, Revisions: map[netip.Prefix]int64{p: at}}}
	}
	self := member("a", "", 0, true)
	for _, tt := range []struct {
		name    string
		members []etcd.Member
		want    int64
	}{
		{"alone", []etcd.Member{self}, math.MaxInt64},
		{"the lowest", []etcd.Member{self, member("b", "x", 9, true), member("c", "x", 7, true)}, 7},
		{"another store", []etcd.Member{self, member("b", "x", 9, true), member("c", "y", 9, true)}, 0},
		{"nothing published", []etcd.Member{self, {Name: "b", Subnets: self.Subnets}}, 0},
		{"no member of the subnet", []etcd.Member{self, member("b", "x", 9, true), member("c", "", 0, false)}, 9},
	} {
		if got := receivedByAll(p, "a", tt.members, "x"); got != tt.want {
			t.Errorf("%s: %d, want %d", tt.name, got, tt.want)
		}
	}
}
