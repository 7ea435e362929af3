package engine

import (
	"net/netip"
	"testing"
	"time"

	"plugtone/dhcp"
)

// C34: T1 < T2 < lease, moved down by at most an eighth, the same for a MAC each time, different between MACs.
func TestRenewalTimesC34(t *testing.T) {
	seen := map[uint32]bool{}
	for n := range 1000 {
		mac := dhcp.MAC{0x00, 0x15, 0x65, byte(n >> 16), byte(n >> 8), byte(n)}
		for _, secs := range []uint32{60, 120, 3600, 691200, 4000000000} {
			t1, t2 := renewalTimes(secs, mac)
			if !(t1 < t2 && t2 < secs) || t1 > secs/2 || t1 < secs/2-secs/16-1 {
				t.Fatalf("lease %d: T1 %d, T2 %d", secs, t1, t2)
			}
			if again, _ := renewalTimes(secs, mac); again != t1 {
				t.Fatal("not the same again")
			}
			if secs == 691200 {
				seen[t1] = true
			}
		}
	}
	if len(seen) < 400 {
		t.Errorf("only %d different T1 for 1000 phones", len(seen))
	}
	e, err := New(dhcp.Config{Subnets: []dhcp.Subnet{{Prefix: netip.MustParsePrefix("10.20.0.0/24")}}}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	r, x := &dhcp.Reply{}, new(exchange)
	begin(x, e, time.Time{}, &dhcp.Request{Type: dhcp.MessageTypeRequest}, &dhcp.Link{}, nil)
	x.subnet, x.serverID = &e.subnets[0], netip.AddrFrom4([4]byte{10, 20, 0, 2})
	x.fill(r, dhcp.InfiniteLease)
	for _, o := range r.Options {
		if o.Code == dhcp.OptionT1 || o.Code == dhcp.OptionT2 {
			t.Error("T1 or T2 beside a lease that never ends")
		}
	}
}
