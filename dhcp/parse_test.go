package dhcp_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"plugtone/dhcp"
	"plugtone/dhcp/engine"
)

func TestParseOption(t *testing.T) {
	for in, want := range map[string]string{
		"ip 10.20.0.1":             "\x0a\x14\x00\x01",
		"ips 10.20.0.1, 10.20.0.2": "\x0a\x14\x00\x01\x0a\x14\x00\x02",
		"text http://x/ y":         "http://x/ y",
		"hex 01:02 ff":             "\x01\x02\xff",
		"u8 255":                   "\xff",
		"u16 0x0102":               "\x01\x02",
		"u32 1":                    "\x00\x00\x00\x01",
		"bool true":                "\x01",
		"bool false":               "\x00",
	} {
		o, err := dhcp.ParseOption(42, in)
		if err != nil || string(o.Data) != want || o.Code != 42 {
			t.Errorf("%q is % x (%v), want % x", in, o.Data, err, want)
		}
	}
	for in, word := range map[string]string{
		"10.20.0.1": "TYPE VALUE", "ip 10.20.0.300": "10.20.0.300", "ip ::1": "::1", "ip 10.20.0.1 10.20.0.2": "not an IPv4", "text": "TYPE VALUE", "u8 256": "256",
		"hex 1": "digits", "bool yes": "yes", "float 1": "none of ip, ips", `text "1.2.3.4"`: "quote", "text a\tb": "control", "": "TYPE",
	} { // C32
		if _, err := dhcp.ParseOption(42, in); err == nil || !strings.Contains(err.Error(), word) || !strings.HasPrefix(err.Error(), "option 42: ") {
			t.Errorf("%q: error %v does not name %q", in, err, word)
		}
	}
	for _, code := range []uint8{66, 67, 114, 159, 160} { // C32
		for _, in := range []string{"text http://x/ y", "text “http://x/”", "text x\u00a0y"} {
			if _, err := dhcp.ParseOption(code, in); err == nil {
				t.Errorf("option %d takes %q", code, in)
			}
		}
		if _, err := dhcp.ParseOption(code, "text http://x/$mac.cfg"); err != nil {
			t.Error(err)
		}
	}
	for _, code := range []uint8{0, 1, 50, 51, 53, 54, 82, 255} {
		if _, err := dhcp.ParseOption(code, "u8 1"); err == nil {
			t.Errorf("option %d can be set", code)
		}
	}
}

func TestParseRange(t *testing.T) {
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

// All faults are told at once, each with its subnet and its value.
func TestValidate(t *testing.T) {
	s := voice()
	s.Phones, s.VoiceVLAN, s.LeaseTime = "yes", 5000, time.Second
	s.Pools = append(s.Pools, dhcp.Range{First: ip("10.21.0.1"), Last: ip("10.21.0.2")}, dhcp.Range{First: ip("10.20.0.105"), Last: ip("10.20.0.120")}, dhcp.Range{})
	s.Routers = append(s.Routers, ip("10.99.0.1"))
	s.DNSServers = []netip.Addr{ip("::1")}
	s.ProvisioningURL = `"http://x/"`
	s.DomainName = `"a"`
	s.Options = []dhcp.Option{{Code: 51}, {Code: 43}, {Code: 43}}
	move := voice()
	move.Prefix, move.Pools, move.Routers, move.Phones = netip.MustParsePrefix("10.20.0.0/16"), nil, nil, dhcp.PhonesMove
	cfg := dhcp.Config{Mode: "on", Subnets: []dhcp.Subnet{s, move, {}}}
	err := cfg.Validate()
	if err == nil {
		t.Fatal("all of it is taken")
	}
	for _, want := range []string{
		`mode "on"`, `phones "yes"`, "voice_vlan 5000", "lease_time 1s", "pool 10.21.0.1-10.21.0.2 is not inside", "overlaps pool", "is no range",
		"router 10.99.0.1", "dns_servers: ::1", "provisioning_url", "domain_name", "option 51", "option 43 is there twice", "overlaps subnet", "needs a voice_vlan", "not an IPv4 prefix",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no word of %q in:\n%v", want, err)
		}
	}
	if _, err := engine.New(cfg, nil, nil); err == nil {
		t.Error("an engine is made of it")
	}
	good := config(voice())
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
}
