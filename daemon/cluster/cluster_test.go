package cluster

import (
	"net/netip"
	"strings"
	"testing"

	"plugtone/dhcp"
	"plugtone/dhcp/sharing"
	"plugtone/store/etcd"
)

func subnet(prefix string, shared bool, pools ...string) etcd.Subnet {
	return etcd.Subnet{Prefix: netip.MustParsePrefix(prefix), Shared: shared, Pools: pools}
}

// Two members serve a subnet only if both share it and have the same pools.
func TestSubnetsThatCanNotBeServedTogether(t *testing.T) {
	self := func(s etcd.Subnet) etcd.Member { return etcd.Member{Name: "a", Subnets: []etcd.Subnet{s}} }
	other := func(alive bool, s etcd.Subnet) []etcd.Member {
		return []etcd.Member{{Name: "a", Subnets: []etcd.Subnet{s}}, {Name: "b", Alive: alive, Subnets: []etcd.Subnet{s}}}
	}
	for name, c := range map[string]struct {
		mine   etcd.Subnet
		others []etcd.Member
		want   string
	}{
		"both share it":                  {subnet("10.20.0.0/24", true, "x"), other(true, subnet("10.20.0.0/24", true, "x")), ""},
		"different subnets":              {subnet("10.20.0.0/24", false), other(true, subnet("10.20.1.0/24", false)), ""},
		"both serve it alone":            {subnet("10.20.0.0/24", false), other(false, subnet("10.20.0.0/24", false)), "member b serves it, too"},
		"only the other shares it":       {subnet("10.20.0.0/24", false), other(true, subnet("10.20.0.0/24", true)), "set shared: true here"},
		"only this one shares it":        {subnet("10.20.0.0/24", true), other(true, subnet("10.20.0.0/24", false)), "without shared: true"},
		"they overlap":                   {subnet("10.20.0.0/22", true), other(true, subnet("10.20.1.0/24", true)), "overlaps"},
		"other pools of one that runs":   {subnet("10.20.0.0/24", true, "x"), other(true, subnet("10.20.0.0/24", true, "y")), "with other pools, y, not x"},
		"other pools of one that is off": {subnet("10.20.0.0/24", true, "x"), other(false, subnet("10.20.0.0/24", true, "y")), ""},
	} {
		switch list := conflicts(self(c.mine), c.others); {
		case c.want == "" && len(list) > 0, c.want != "" && (len(list) != 1 || !strings.Contains(list[0], c.want)):
			t.Errorf("%s: %v, want %q", name, list, c.want)
		}
	}
}

// The servers of a subnet are the members that share it; all are alive only if each is.
func TestServersOfASubnet(t *testing.T) {
	p := netip.MustParsePrefix("10.20.0.0/24")
	id := netip.MustParseAddr("10.20.0.3")
	with := func(name string, alive, shared bool) etcd.Member {
		return etcd.Member{Name: name, Alive: alive, Subnets: []etcd.Subnet{{Prefix: p, Shared: shared, ServerID: id}}}
	}
	servers, all := serversOf(p, "a", []etcd.Member{with("a", false, true), with("b", true, true), with("c", false, false)})
	if len(servers) != 2 || !all || servers[1] != (sharing.Member{Name: "b", ServerID: id, Alive: true}) {
		t.Errorf("%+v, all alive: %v", servers, all)
	}
	if _, all := serversOf(p, "a", []etcd.Member{with("a", true, true), with("b", false, true)}); all {
		t.Error("a dead member counts as alive")
	}
}

// A single appliance has no cluster: nothing is shared, and nothing is warned of.
func TestASingleApplianceHasNoCluster(t *testing.T) {
	var none *Cluster
	if none.Sharing() != nil || none.Warnings() != nil || none.Close() != nil {
		t.Error("a nil cluster does something")
	}
	none.SetSubnets(nil)
	if out, list := none.Serving(), none.NewConflicts([]dhcp.Subnet{{}}); len(out) != 0 || len(list) != 0 {
		t.Errorf("%v, %v", out, list)
	}
}

// Uploads are copied from all members, from those that share a subnet, or from none.
func TestWhoseUploadsAreCopied(t *testing.T) {
	with := func(list ...etcd.Subnet) etcd.Member { return etcd.Member{Subnets: list} }
	a, b := subnet("10.20.0.0/24", true), subnet("10.30.0.0/24", false)
	for _, c := range []struct {
		whose string
		self  etcd.Member
		other etcd.Member
		want  bool
	}{
		{"all", with(), with(), true}, {"none", with(a), with(a), false}, {"shared", with(a, b), with(a), true}, {"shared", with(b), with(b), false}, {"shared", with(), with(), false},
	} {
		if got := copiesFrom(c.whose, c.self, c.other); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}
