package engine_test

import (
	"testing"

	"plugtone/dhcp"
)

// The four-way exchange of RFC 2131, 3.1, and the records it leaves.
func TestExchange(t *testing.T) {
	g := newFixture(t, config(voice()), nil, phones{})
	o := g.Want(dhcp.VerdictOffered, discoverOf(1, asPhone))
	if o.Reply.Type != dhcp.MessageTypeOffer || o.Reply.YIAddr != ip("10.20.0.100") || len(o.Changes) != 0 {
		t.Fatalf("offer %+v", o)
	}
	a := g.Want(dhcp.VerdictAcked, selectingOf(1, o.Reply.YIAddr, asPhone))
	l := a.Changes[0].Lease
	if l.Addr != o.Reply.YIAddr || l.MAC != mac(1) || l.State != dhcp.LeaseActive || !l.Phone || l.Expires.Sub(start) != ruleDefaultLease+1e9 {
		t.Fatalf("lease %+v", l)
	}
	if !a.Event.NewLease {
		t.Error("the first lease of a client is not told to be new")
	}
}
