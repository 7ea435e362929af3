package resolve_test

import (
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/provision/provisiontest"
	"plugtone/provision/resolve"
	"plugtone/provision/setting"
)

func checkDevice(t *testing.T, r *provisiontest.Records, d *fleet.Device) error {
	t.Helper()
	packs := provisiontest.Packs(t)
	var out error
	if err := r.View(func(f fleet.View) error { out = resolve.CheckDevice(f, packs, d); return nil }); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestCheckDeviceFillsIn(t *testing.T) {
	d := &fleet.Device{MAC: mac("001565000001"), Model: "acmecorp/a-4", Lines: []fleet.Line{{Extension: "1003@branch"}, {Extension: "1001"}},
		Keys:           []fleet.Key{{Area: "expansion1", Slot: 1, Type: "blf", Value: "1"}, {Slot: 2, Type: "blf", Value: "2"}},
		Settings:       setting.Values{"ntp_servers": []any{"10.0.0.1"}, "dnd": nil, "voice_vlan": float64(7)},
		VendorSettings: map[string]map[string]string{"acmecorp": {"x.y": "1"}}}
	if err := checkDevice(t, office(t), d); err != nil {
		t.Fatal(err)
	}
	want := &fleet.Device{MAC: d.MAC, Vendor: "acme", Model: "A4",
		Lines:          []fleet.Line{{Position: 1, Extension: "1003", Registrar: "branch"}, {Position: 2, Extension: "1001", Registrar: "main"}},
		Keys:           []fleet.Key{{Area: "line", Slot: 2, Type: "blf", Value: "2"}, {Area: "expansion1", Slot: 1, Type: "blf", Value: "1"}},
		Settings:       setting.Values{"ntp_servers": []string{"10.0.0.1"}, "voice_vlan": 7},
		VendorSettings: map[string]map[string]string{"acme": {"x.y": "1"}}}
	if d.Credentials == nil || d.Credentials.User != "001565000001" || len(d.Credentials.Password) != 20 {
		t.Errorf("credentials %v", d.Credentials)
	}
	want.Credentials = d.Credentials
	if !reflect.DeepEqual(d, want) {
		t.Errorf("canonical device is\n%+v, want\n%+v", d, want)
	}
	before := fmt.Sprintf("%+v", d)
	if err := checkDevice(t, office(t), d); err != nil || fmt.Sprintf("%+v", d) != before {
		t.Errorf("a second check changes the device: %v\n%+v", err, d)
	}
}

// wrongDevice is a change that makes a device invalid, with the field and a part of the message that must name it.
type wrongDevice struct {
	name   string
	change func(*fleet.Device)
	field  string
	want   string
}

var wrongDevices = []wrongDevice{
	{"zero MAC", func(d *fleet.Device) { d.MAC = dhcp.MAC{} }, "mac", "belongs to no device"},
	{"MAC is another's second", func(d *fleet.Device) { d.MAC = mac("001565123457") }, "mac", "device 00:15:65:12:34:56 already"},
	{"other MAC is another's", func(d *fleet.Device) { d.OtherMACs = []dhcp.MAC{front} }, "other_macs[0]", "device 00:15:65:12:34:56 already"},
	{"other MAC twice", func(d *fleet.Device) { d.OtherMACs = []dhcp.MAC{d.MAC} }, "other_macs[0]", "twice"},
	{"unknown vendor", func(d *fleet.Device) { d.Vendor = "acmee" }, "vendor", "acme"},
	{"unknown vendor, no model", func(d *fleet.Device) { d.Vendor, d.Model = "boltt", "" }, "vendor", "bolt"},
	{"unknown model", func(d *fleet.Device) { d.Model = "A5" }, "model", "A4"},
	{"unknown model of a vendor", func(d *fleet.Device) { d.Vendor, d.Model = "", "acme/B1" }, "model", "acme"},
	{"vendor and model disagree", func(d *fleet.Device) { d.Vendor, d.Model = "bolt", "acme/A4" }, "model", "contradicts vendor"},
	{"label with a line break", func(d *fleet.Device) { d.Label = "a\nb" }, "label", "line break"},
	{"label with a control character", func(d *fleet.Device) { d.Label = "a\x07b" }, "label", "U+0007"},
	{"long label", func(d *fleet.Device) { d.Label = strings.Repeat("ä", 129) }, "label", "129 characters; allowed are 128"},
	{"long notes", func(d *fleet.Device) { d.Notes = strings.Repeat("x", 5000) }, "notes", "4096"},
}

var wrongLinesAndKeys = []wrongDevice{
	{"no such extension", func(d *fleet.Device) { d.Lines[0].Extension = "1004" }, "lines[0].extension", "near: 100"},
	{"no such extension there", func(d *fleet.Device) { d.Lines[0].Registrar = "branch" }, "lines[0].extension", "there is 1001@main"},
	{"number on two registrars", func(d *fleet.Device) { d.Lines[0].Extension = "1003" }, "lines[0].extension", "1003@branch or 1003@main"},
	{"position twice", func(d *fleet.Device) {
		d.Lines = append(d.Lines, fleet.Line{Position: 1, Extension: "1002"})
	}, "lines[1].position", "lines[0] has this position already"},
	{"position beyond the model", func(d *fleet.Device) { d.Lines[0].Position = 5 }, "lines[0].position", "4"},
	{"negative position", func(d *fleet.Device) { d.Lines[0].Position = -1 }, "lines[0].position", "1 to 255"},
	{"key that the model can't have", func(d *fleet.Device) { d.Keys = []fleet.Key{{Slot: 7, Type: "blf", Value: "1"}} }, "keys[0]", "6"},
	{"key type that the vendor lacks", func(d *fleet.Device) { d.Keys = []fleet.Key{{Slot: 1, Type: "dnd"}} }, "keys[0]", "dnd"},
	{"key slot twice", func(d *fleet.Device) {
		d.Keys = []fleet.Key{{Slot: 1, Type: "blf", Value: "1"}, {Area: "line", Slot: 1, Type: "blf", Value: "2"}}
	}, "keys[1].slot", "already in keys[0]"},
	{"unknown key type", func(d *fleet.Device) { d.Keys = []fleet.Key{{Slot: 1, Type: "bfl", Value: "1"}} }, "keys[0].type", "near: blf"},
	{"key label with a line break", func(d *fleet.Device) {
		d.Keys = []fleet.Key{{Slot: 1, Type: "blf", Value: "1", Label: "a\rb"}}
	}, "keys[0].label", "line break"},
	{"reserved address taken", func(d *fleet.Device) { d.ReservedIP = netip.MustParseAddr("10.20.0.50") }, "reserved_ip", "device 00:15:65:12:34:56 already"},
	{"reserved IPv6", func(d *fleet.Device) { d.ReservedIP = netip.MustParseAddr("fe80::1") }, "reserved_ip", "IPv4 address of a host"},
	{"reserved multicast", func(d *fleet.Device) { d.ReservedIP = netip.MustParseAddr("224.0.0.1") }, "reserved_ip", "IPv4 address of a host"},
	{"no such profile", func(d *fleet.Device) { d.Profile = "receptoin" }, "profile", "near: reception"},
	{"a profile unlike all", func(d *fleet.Device) { d.Profile = "zzz" }, "profile", "no such profile; there are "},
	{"unknown setting", func(d *fleet.Device) { d.Settings = setting.Values{"timezone": "x"} }, "settings.timezone", "time_zone"},
	{"setting of a wrong type", func(d *fleet.Device) { d.Settings = setting.Values{"voice_vlan": "ten"} }, "settings.voice_vlan", "0 to 4094"},
	{"setting that no file carries", func(d *fleet.Device) { d.Settings = setting.Values{"wallpaper": "a.png"} }, "settings.wallpaper", "no way is known to set it on A4"},
	{"vendor settings of no vendor", func(d *fleet.Device) {
		d.VendorSettings = map[string]map[string]string{"acmee": {"a": "b"}}
	}, "vendor_settings.acmee", "acme"},
	{"vendor setting with a line break", func(d *fleet.Device) {
		d.VendorSettings = map[string]map[string]string{"acme": {"a": "b\nc"}}
	}, `vendor_settings.acme["a"]`, "line break"},
}

func TestCheckDeviceNamesEveryProblem(t *testing.T) {
	r := office(t)
	good := func() *fleet.Device {
		return &fleet.Device{MAC: mac("001565000001"), Vendor: "acme", Model: "A4", Lines: []fleet.Line{{Position: 1, Extension: "1001"}}}
	}
	if err := checkDevice(t, r, good()); err != nil {
		t.Fatalf("the good device: %v", err)
	}
	for _, tt := range append(wrongDevices, wrongLinesAndKeys...) {
		t.Run(tt.name, func(t *testing.T) {
			d := good()
			tt.change(d)
			err := checkDevice(t, r, d)
			var bad fleet.ValidationError
			if !errors.As(err, &bad) || len(bad) != 1 || bad[0].Field != tt.field || !strings.Contains(bad[0].Message, tt.want) {
				t.Errorf("got %v, want one problem of %s with %q", err, tt.field, tt.want)
			}
		})
	}
	all := good()
	all.Label, all.Lines[0].Extension, all.Profile, all.Settings = "a\nb", "9", "x", setting.Values{"dnd": 1}
	if got := fields(checkDevice(t, r, all)); !slices.Equal(got, []string{"label", "profile", "lines[0].extension", "settings.dnd"}) {
		t.Errorf("problems %v", got)
	}
}

func TestCheckDeviceWithoutVendor(t *testing.T) {
	d := &fleet.Device{MAC: mac("001122334455"), Label: "Printer", ReservedIP: netip.MustParseAddr("10.20.0.60")}
	if err := checkDevice(t, office(t), d); err != nil || d.Vendor != "" {
		t.Errorf("%v, vendor %q", err, d.Vendor)
	}
}

// brokenFleet fails in one call, as a damaged store does in the middle of a check.
type brokenFleet struct {
	fleet.View
	call string
}

func (f brokenFleet) broken(call string) error {
	if f.call == call {
		return provisiontest.ErrBroken
	}
	return nil
}

func (f brokenFleet) DeviceByAny(m dhcp.MAC) (*fleet.Device, error) {
	if err := f.broken("DeviceByAny"); err != nil {
		return nil, err
	}
	return f.View.DeviceByAny(m)
}

func (f brokenFleet) DeviceByIP(ip netip.Addr) (dhcp.MAC, error) {
	if err := f.broken("DeviceByIP"); err != nil {
		return dhcp.MAC{}, err
	}
	return f.View.DeviceByIP(ip)
}

func (f brokenFleet) Profile(name string) (*fleet.Profile, error) {
	if err := f.broken("Profile"); err != nil {
		return nil, err
	}
	return f.View.Profile(name)
}

func (f brokenFleet) ExtensionsNumbered(number string) ([]*fleet.Extension, error) {
	if err := f.broken("ExtensionsNumbered"); err != nil {
		return nil, err
	}
	return f.View.ExtensionsNumbered(number)
}

// An error of the store is not a validation error of the record.
func TestCheckDeviceTellsFaultsOfTheStore(t *testing.T) {
	r, packs := office(t), provisiontest.Packs(t)
	for _, call := range []string{"DeviceByAny", "DeviceByIP", "Profile", "ExtensionsNumbered"} {
		d := &fleet.Device{MAC: mac("001565000001"), Vendor: "acme", Profile: "base", ReservedIP: netip.MustParseAddr("10.20.0.61"),
			Lines: []fleet.Line{{Position: 1, Extension: "1001"}}}
		_ = r.View(func(f fleet.View) error {
			err := resolve.CheckDevice(brokenFleet{f, call}, packs, d)
			var bad fleet.ValidationError
			if !errors.Is(err, provisiontest.ErrBroken) || errors.As(err, &bad) {
				t.Errorf("%s broken: %v", call, err)
			}
			return nil
		})
	}
}

func TestCheckProfileNamesTheFieldAndTheMend(t *testing.T) {
	r, packs := office(t), provisiontest.Packs(t)
	check := func(p *fleet.Profile) (err error) {
		_ = r.View(func(f fleet.View) error { err = resolve.CheckProfile(f, packs, p); return nil })
		return err
	}
	// A key for models that are larger than any one device is right in a profile.
	if err := check(&fleet.Profile{Name: "big", Parent: "reception", Keys: []fleet.Key{{Slot: 99, Type: "dnd"}}}); err != nil {
		t.Error(err)
	}
	tests := []struct {
		p     fleet.Profile
		field string
		want  string
	}{
		{fleet.Profile{Name: ""}, "name", "needed"},
		{fleet.Profile{Name: "a b"}, "name", "letters"},
		{fleet.Profile{Name: strings.Repeat("x", 65)}, "name", "allowed are 64"},
		{fleet.Profile{Name: "x", Parent: "x"}, "parent", "itself"},
		{fleet.Profile{Name: "x", Parent: "bas"}, "parent", "near: base"},
		{fleet.Profile{Name: "base", Parent: "reception"}, "parent", "base > reception > base"},
		{fleet.Profile{Name: "x", Keys: []fleet.Key{{Slot: 1}}}, "keys[0].type", "allowed is line"},
		{fleet.Profile{Name: "x", Settings: setting.Values{"x": 1}}, "settings.x", "unknown"},
	}
	for _, tt := range tests {
		err := check(&tt.p)
		var bad fleet.ValidationError
		if !errors.As(err, &bad) || len(bad) != 1 || bad[0].Field != tt.field || !strings.Contains(bad[0].Message, tt.want) {
			t.Errorf("%+v: %v, want one problem of %s with %q", tt.p, err, tt.field, tt.want)
		}
	}
}
