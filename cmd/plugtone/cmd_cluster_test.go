package main

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"
	"time"

	"plugtone/admin/client"
)

// The state of a cluster shows who answers which clients, for whom another member has taken over, and what is not copied.
func TestClusterStatusText(t *testing.T) {
	since := time.Date(2026, 11, 30, 12, 3, 7, 0, time.Local)
	voice := netip.MustParsePrefix("10.20.0.0/16")
	s := client.ClusterStatus{Enabled: true, Name: "a", Connected: true, Conflicts: []string{"subnet 10.30.0.0/24: member b serves it, too"},
		Members: []client.ClusterMember{{Name: "a", Self: true, Alive: true, Subnets: []client.MemberSubnet{{Subnet: voice, Shared: true}}}, {Name: "b", Copies: &client.CopyState{Waiting: 3}},
			{Name: "c", Alive: true, Copies: &client.CopyState{Waiting: 2, Problem: "no route"}}, {Name: "d", Alive: true, Copies: &client.CopyState{}},
			{Name: "e", Alive: true, Copies: &client.CopyState{Problem: "connection reset"}}},
		Shared: []client.SharedSubnet{{Subnet: voice, Usable: true, Servers: []client.SubnetServer{
			{Member: "a", ServerID: netip.MustParseAddr("10.20.0.2"), Alive: true, Percent: 50}, {Member: "b", AwaySince: since}, {Member: "c", Alive: true, Percent: 50}}}},
	}
	var out bytes.Buffer
	if err := printCluster(&out, s); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"conflict  subnet 10.30.0.0/24: member b serves it, too", "all                          -", "2 missing: no route", "not known: connection reset", "10.20.0.0/16 shared",
		"10.20.0.0/16  a       10.20.0.2  50 % of the clients, takes over for b since 2026-11-30 12:03:07",
		"10.20.0.0/16  b       -          none: away since 2026-11-30 12:03:07",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in\n%s", want, &out)
		}
	}
	s.Shared[0].Usable = false
	out.Reset()
	if err := printCluster(&out, s); err != nil || !strings.Contains(out.String(), "known leases only: plugtone status has the reason") || strings.Contains(out.String(), "takes over") {
		t.Errorf("%v, %s", err, &out)
	}
}
