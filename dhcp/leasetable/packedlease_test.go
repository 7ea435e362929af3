package leasetable

import (
	"net/netip"
	"strings"
	"testing"
	"time"
	"unsafe"

	"pgregory.net/rapid"

	"plugtone/dhcp"
)

// A packed lease unpacks to the same lease.
func TestPackedLeaseRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := func(name string) string {
			s := rapid.String().Draw(t, name)
			if rapid.Bool().Draw(t, name+" is long") {
				s = strings.Repeat("x", rapid.IntRange(100, 300).Draw(t, name+" length")) + s
			}
			return s
		}
		moment := func(name string) time.Time {
			return time.Unix(rapid.Int64Range(0, 1<<33).Draw(t, name), 0).UTC()
		}
		l := dhcp.Lease{
			Addr:     dhcp.NumberedAddr(rapid.Uint32().Draw(t, "address")),
			ClientID: text("client id"), Hostname: text("hostname"), VendorClass: text("class"), Vendor: text("vendor"),
			CircuitID: text("circuit"), RemoteID: text("remote"),
			State: rapid.SampledFrom(leaseStates[:]).Draw(t, "state"), Phone: rapid.Bool().Draw(t, "phone"),
			FirstSeen: moment("first seen"), Starts: moment("starts"), Expires: moment("expires"),
		}
		copy(l.MAC[:], rapid.SliceOfN(rapid.Byte(), 6, 6).Draw(t, "mac"))
		if rapid.Bool().Draw(t, "has subnet") {
			l.Subnet = netip.PrefixFrom(l.Addr, rapid.IntRange(0, 32).Draw(t, "bits"))
		}
		switch rapid.IntRange(0, 3).Draw(t, "relay") {
		case 1:
			l.Relay.GIAddr = netip.MustParseAddr("0.0.0.0")
		case 2:
			l.Relay = dhcp.Relay{GIAddr: netip.MustParseAddr("10.30.0.1"), Source: netip.MustParseAddr("10.30.0.1")}
		case 3:
			l.Relay = dhcp.Relay{GIAddr: netip.MustParseAddr("10.30.0.1"), Source: netip.MustParseAddr("192.0.2.254")}
		}
		k := packLease(&l)
		if got := k.lease(); got != l {
			t.Errorf("packed %+v, unpacked %+v", l, got)
		}
	})
	if k := packLease(&dhcp.Lease{Addr: dhcp.NumberedAddr(1), State: "borrowed"}); k.lease().State != dhcp.LeaseReleased || !k.lease().Expires.IsZero() {
		t.Errorf("an unknown state is unpacked as %+v", k.lease())
	}
	if n := unsafe.Sizeof(packedLease{}); n > 64 {
		t.Errorf("a lease takes %d bytes", n)
	}
}

// A MAC is known as long as it has a record, on any address.
func TestKnownMACsFollowTheRecords(t *testing.T) {
	o := durableIndex{leases: map[uint32]*packedLease{}, macs: map[dhcp.MAC]int{}}
	one, two := dhcp.MAC{1}, dhcp.MAC{2}
	o.put(10, &packedLease{addr: 10, mac: one})
	o.put(10, &packedLease{addr: 10, mac: one, state: packedActive}) // a renewal
	o.put(11, &packedLease{addr: 11, mac: one})
	o.put(10, &packedLease{addr: 10, mac: two})
	if !o.holds(one) || !o.holds(two) {
		t.Errorf("%v", o.macs)
	}
	o.put(11, nil)
	o.put(12, nil)
	if o.holds(one) || !o.holds(two) || len(o.macs) != 1 {
		t.Errorf("%v", o.macs)
	}
}
