package selector

import (
	"net/netip"
	"strings"
	"testing"

	"plugtone/dhcp"
	"plugtone/provision"
	"plugtone/provision/fleet"
	"plugtone/provision/setting"
)

func TestConditionsSelect(t *testing.T) {
	d := &fleet.Device{MAC: dhcp.MAC{0, 0x15, 0x65, 0x12, 0x34, 0x56}, Vendor: "acme", Model: "A4", Profile: "desk", Label: "Front Desk", Tags: []string{"pilot", "x"},
		Location: "Berlin, room 7", Lines: []fleet.Line{{Extension: "1001", Registrar: "main"}}, Settings: setting.Values{"language": "de"}}
	st := provision.Status{State: "stale", Firmware: "1.2.3", IP: netip.MustParseAddr("10.20.1.7"), LeftOut: []string{"key 13: the model has 12"}}
	site := &fleet.Site{Subnets: []fleet.Subnet{{Subnet: dhcp.Subnet{Prefix: netip.MustParsePrefix("10.20.0.0/22")}}}}
	for expr, want := range map[string]bool{
		"": true, "mac=00:15:65:12:34:56": true, "mac=001565*": true, "mac!=001565*": false, "vendor=ACME": true, "model=acme/a4": true, "model=A*": true,
		"profile=desk,state=stale": true, "profile=desk,state!=stale": false, "label=front*": true, "label=*desk": true, "label=*ont*de*": true, "label=*x*": false,
		"extension=1001": true, "extension=1001@main": true, "extension!=1002": true, "registrar=main": true, "tag=pilot": true, "tag!=pilot": false, "tag=y": false,
		"firmware=1.*": true, "subnet=10.20.0.0/22": true, "source=": true, "source=*": false, "left_out=*": true, "left_out=key*": true, "overridden=language": true,
		"overridden!=*": false, "location=*room 7": true, " vendor = acme , tag=x ": true,
	} {
		s, err := Parse(expr)
		if err != nil {
			t.Errorf("%q: %v", expr, err)
			continue
		}
		if got := s.MatchesRecord(d) && s.MatchesStatus(site, d, st); got != want {
			t.Errorf("%q: %v, want %v", expr, got, want)
		}
	}
	for expr, want := range map[string]string{"vendr=x": "near: vendor", "vendor": "is not FIELD=VALUE", ",": "has no condition", " ": "mac=* is every device"} {
		if _, err := Parse(expr); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", expr, err, want)
		}
	}
}
