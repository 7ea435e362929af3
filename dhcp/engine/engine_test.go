package engine_test

import (
	"testing"

	"plugtone/dhcp"
	"plugtone/dhcp/dhcptest"
)

// The four-way exchange of RFC 2131, 3.1, and the records it leaves.
func TestFourWayExchangeLeavesALease(t *testing.T) {
	g := dhcptest.NewFixture(t, dhcptest.ConfigOf(dhcptest.Voice()), nil, dhcptest.Phones{})
	o := g.Want(dhcp.VerdictOffered, dhcptest.Discover(1, dhcptest.AsPhone))
	if o.Reply.Type != dhcp.MessageTypeOffer || o.Reply.YIAddr != dhcptest.Addr("10.20.0.100") || len(o.Changes) != 0 {
		t.Fatalf("offer %+v", o)
	}
	a := g.Want(dhcp.VerdictAcked, dhcptest.Selecting(1, o.Reply.YIAddr, dhcptest.AsPhone))
	l := a.Changes[0].Lease
	if l.Addr != o.Reply.YIAddr || l.MAC != dhcptest.ClientMAC(1) || l.State != dhcp.LeaseActive || !l.Phone || l.Expires.Sub(dhcptest.Start) != dhcptest.DefaultLease+1e9 {
		t.Fatalf("lease %+v", l)
	}
	if !a.Event.NewLease {
		t.Error("the first lease of a client is not reported as new")
	}
}
