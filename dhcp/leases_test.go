package dhcp

import (
	"net/netip"
	"testing"
	"time"
)

// Times that a step of the wall clock shifts must not have a monotonic reading, which would be shifted too: declines would then count for
// the length of the step.
func TestShiftedTimesAreWallClock(t *testing.T) {
	mac := MAC{0, 0x15, 0x65, 0, 0, 1}
	v := NewLeases(Config{Subnets: []Subnet{{Prefix: netip.MustParsePrefix("10.20.0.0/24")}}})
	v.Advance(time.Now())
	v.apply(Change{Lease: Lease{Addr: addr4(0x0a140064), MAC: mac, State: LeaseDeclined, Expires: time.Now().Add(time.Hour)}})
	v.shift(24*time.Hour, time.Now(), func(*packedLease) {})
	if c := v.declines[mac]; c.n != 1 || c.since != c.since.Round(0) {
		t.Errorf("counted since %s", c.since)
	}
}
