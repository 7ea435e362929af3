package leasetable

import (
	"net/netip"
	"testing"
	"time"

	"plugtone/dhcp"
)

// Times that a step of the wall clock shifts must not have a monotonic reading, which would be shifted too: declines would then count for
// the length of the step.
func TestShiftedTimesAreWallClock(t *testing.T) {
	mac := dhcp.MAC{0, 0x15, 0x65, 0, 0, 1}
	v := NewLeases(dhcp.Config{Subnets: []dhcp.Subnet{{Prefix: netip.MustParsePrefix("10.20.0.0/24")}}})
	v.Advance(time.Now())
	v.apply(dhcp.Change{Lease: dhcp.Lease{Addr: dhcp.NumberedAddr(0x0a140064), MAC: mac, State: dhcp.LeaseDeclined, Expires: time.Now().Add(time.Hour)}})
	v.shift(24*time.Hour, time.Now(), func(*packedLease) {})
	if c := v.declines[mac]; c.n != 1 || c.since != c.since.Round(0) {
		t.Errorf("counted since %s", c.since)
	}
}
