package deviceindex

import (
	"context"
	"net/netip"
	"slices"
	"testing"
	"time"

	"plugtone/dhcp"
	"plugtone/provision/devicestatus"
	"plugtone/provision/fleet"
	"plugtone/provision/pack"
	"plugtone/provision/provisiontest"
	"plugtone/provision/registration"
	"plugtone/provision/selector"
	"plugtone/provision/setting"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

var site = &fleet.Site{Subnets: []fleet.Subnet{{Subnet: dhcp.Subnet{Prefix: netip.MustParsePrefix("10.20.0.0/22")}}}}

// newIndex returns an index over records in memory, with a status for each MAC.
func newIndex(t testing.TB, status func(dhcp.MAC) devicestatus.Status, devices ...*fleet.Device) (*Index, *provisiontest.Records) {
	t.Helper()
	records := &provisiontest.Records{}
	provisiontest.Edit(t, records, func(e fleet.Edit) error {
		for _, d := range devices {
			if err := e.PutDevice(d); err != nil {
				return err
			}
		}
		return nil
	})
	return New(Config{
		Records: records, Packs: func() *pack.Set { return nil }, Site: func() *fleet.Site { return site }, Now: func() time.Time { return noon },
		Compute: func(_ context.Context, d *fleet.Device, _ devicestatus.Known) (devicestatus.Computed, error) {
			return devicestatus.Computed{Status: status(d.MAC)}, nil
		},
	}), records
}

func TestConditionsSelect(t *testing.T) {
	d := &fleet.Device{MAC: dhcp.MAC{0, 0x15, 0x65, 0x12, 0x34, 0x56}, OtherMACs: []dhcp.MAC{{0, 0x15, 0x65, 0, 0, 0xaa}}, Vendor: "acme", Model: "A4", Profile: "desk", Label: "Front Desk", Tags: []string{"pilot", "X"},
		Location: "Berlin, room 7", Lines: []fleet.Line{{Extension: "1001", Registrar: "main"}}, Settings: setting.Values{"language": "de"},
		VendorSettings: map[string]map[string]string{"acme": {"P1": "2"}}}
	st := devicestatus.Status{State: "stale", Firmware: "1.2.3", IP: netip.MustParseAddr("10.20.1.7"), LeftOut: []string{"key 13: the model has 12"}}
	x, _ := newIndex(t, func(dhcp.MAC) devicestatus.Status { return st }, d)
	for expr, want := range map[string]bool{
		"": true, "mac=00:15:65:12:34:56": true, "mac=001565*": true, "mac!=001565*": false, "mac=0015650000aa": true, "vendor=ACME": true, "model=acme/a4": true, "model=A*": true,
		"profile=desk,state=stale": true, "profile=desk,state!=stale": false, "label=front*": true, "label=*desk": true, "label=*ont*de*": true, "label=*x*": false,
		"extension=1001": true, "extension=1001@main": true, "extension!=1002": true, "registrar=main": true, "tag=pilot": true, "tag!=pilot": false, "tag=y": false,
		"firmware=1.*": true, "subnet=10.20.0.0/22": true, "source=": true, "source=*": false, "left_out=*": true, "left_out=key*": true, "overridden=language": true,
		"overridden!=*": false, "overridden=acme/p1": true, "location=*room 7": true, " vendor = acme , tag=x ": true,
	} {
		s, err := selector.Parse(expr)
		if err != nil {
			t.Errorf("%q: %v", expr, err)
			continue
		}
		got, err := x.Select(t.Context(), s)
		if err != nil || slices.Contains(got, d.MAC) != want {
			t.Errorf("%q: %v, %v, want %v", expr, got, err, want)
		}
	}
}

// TestRegisteredSelects: what the PBX has of a phone changes with no record.
func TestRegisteredSelects(t *testing.T) {
	d := &fleet.Device{MAC: dhcp.MAC{0, 0x15, 0x65, 0x12, 0x34, 0x56}, Vendor: "acme", Model: "A4", Lines: []fleet.Line{{Position: 1, Extension: "1001", Registrar: "main"}}}
	ip := netip.MustParseAddr("10.20.1.7")
	x, _ := newIndex(t, func(dhcp.MAC) devicestatus.Status { return devicestatus.Status{State: "in_sync", IP: ip} }, d)
	state := ""
	x.c.Registration = func(a []registration.Account, addr netip.Addr) []registration.LineState {
		if len(a) != 1 || a[0].Number != "1001" || a[0].Registrar != "main" || addr != ip {
			t.Errorf("%v at %s", a, addr)
		}
		return []registration.LineState{{State: state}}
	}
	where, err := selector.Parse("registered=refused")
	if err != nil {
		t.Fatal(err)
	}
	for _, state = range []string{registration.Registered, registration.Refused, registration.Registered} {
		got, err := x.Select(t.Context(), where)
		if err != nil || slices.Contains(got, d.MAC) != (state == registration.Refused) {
			t.Errorf("%s: %v, %v", state, got, err)
		}
	}
}
