package dhcp_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"plugtone/dhcp"
	"plugtone/dhcp/dhcptest"
	"plugtone/dhcp/engine"
)

func TestRangesAreReadAndPrinted(t *testing.T) {
	for in, want := range map[string]string{"10.0.0.1-10.0.0.9": "10.0.0.1-10.0.0.9", " 10.0.0.1 - 10.0.0.1 ": "10.0.0.1", "10.0.0.7": "10.0.0.7", "10.0.1.0/24": "10.0.1.0-10.0.1.255"} {
		r, err := dhcp.ParseRange(in)
		if err != nil || r.String() != want {
			t.Errorf("%q is %v (%v)", in, r, err)
		}
		if again, err := dhcp.ParseRange(r.String()); again != r || err != nil {
			t.Errorf("%v does not read back: %v %v", r, again, err)
		}
	}
	for _, in := range []string{"", "10.0.0.9-10.0.0.1", "::1", "::/64", "10.0.0.1-", "a-b"} {
		if _, err := dhcp.ParseRange(in); err == nil {
			t.Errorf("%q is taken", in)
		}
	}
}

// Validate returns all problems at once, each with its subnet and its value.
func TestValidateReturnsAllProblems(t *testing.T) {
	s := dhcptest.Voice()
	s.Phones, s.VoiceVLAN, s.LeaseTime = "yes", 5000, time.Second
	s.Pools = append(s.Pools, dhcp.Range{First: dhcptest.Addr("10.21.0.1"), Last: dhcptest.Addr("10.21.0.2")}, dhcp.Range{First: dhcptest.Addr("10.20.0.105"), Last: dhcptest.Addr("10.20.0.120")}, dhcp.Range{})
	s.Routers = append(s.Routers, dhcptest.Addr("10.99.0.1"))
	s.DNSServers = []netip.Addr{dhcptest.Addr("::1")}
	s.ProvisioningURL = `"http://x/"`
	s.DomainName = `"a"`
	s.Options = []dhcp.Option{{Code: 51}, {Code: 43}, {Code: 43}}
	move := dhcptest.Voice()
	move.Prefix, move.Pools, move.Routers, move.Phones = netip.MustParsePrefix("10.20.0.0/16"), nil, nil, dhcp.PhonesMove
	cfg := dhcp.Config{Mode: "on", Subnets: []dhcp.Subnet{s, move, {}}}
	err := cfg.Validate()
	if err == nil {
		t.Fatal("all of it is taken")
	}
	for _, want := range []string{
		`mode "on"`, `phones "yes"`, "voice_vlan 5000", "lease_time 1s", "pool 10.21.0.1-10.21.0.2 is not inside", "overlaps pool", "is not a range",
		"router 10.99.0.1", "dns_servers: ::1", "provisioning_url", "domain_name", "option 51", "option 43 is set twice", "overlaps subnet", "needs a voice_vlan", "not an IPv4 prefix",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no word of %q in:\n%v", want, err)
		}
	}
	if _, err := engine.New(cfg, nil, nil); err == nil {
		t.Error("an engine is made of it")
	}
	good := dhcptest.ConfigOf(dhcptest.Voice())
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
}
