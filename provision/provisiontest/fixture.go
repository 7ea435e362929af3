package provisiontest

import (
	"errors"
	"net/netip"
	"testing"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/provision/setting"
)

// MAC parses a MAC that is known to be valid.
func MAC(s string) dhcp.MAC {
	var m dhcp.MAC
	if err := m.UnmarshalText([]byte(s)); err != nil {
		panic(err)
	}
	return m
}

// FrontDesk is the MAC of the device in Office.
var FrontDesk = MAC("00:15:65:12:34:56")

// Edit makes changes that must succeed.
func Edit(t testing.TB, r *Records, f func(fleet.Edit) error) {
	t.Helper()
	if err := r.Edit("test", "test", f); err != nil {
		t.Fatal(err)
	}
}

// Office returns a fleet with two registrars, some extensions, a profile with a parent, and one device.
func Office(t testing.TB) *Records {
	r := &Records{}
	Edit(t, r, func(e fleet.Edit) error {
		return errors.Join(
			e.PutRegistrar(&fleet.Registrar{Name: "main", Host: "pbx.example.com", Port: 5060, Transport: "udp", Settings: setting.Values{"srtp": "off"}}),
			e.PutRegistrar(&fleet.Registrar{Name: "branch", Host: "10.9.9.9", Port: 5061, Transport: "tls"}),
			e.PutExtension(&fleet.Extension{Number: "1001", Registrar: "main", DisplayName: "Front Desk", Password: "s3cret&<>"}),
			e.PutExtension(&fleet.Extension{Number: "1002", Registrar: "main", AuthUser: "u1002", Password: "pw1002"}),
			e.PutExtension(&fleet.Extension{Number: "1003", Registrar: "main"}),
			e.PutExtension(&fleet.Extension{Number: "1003", Registrar: "branch"}),
			e.PutProfile(&fleet.Profile{Name: "base", Settings: setting.Values{"srtp": "optional", "voice_vlan": 20}}),
			e.PutProfile(&fleet.Profile{Name: "reception", Parent: "base", Settings: setting.Values{"voice_vlan": 30},
				Keys: []fleet.Key{{Area: "line", Slot: 2, Type: "blf", Value: "1009"}, {Area: "line", Slot: 3, Type: "blf", Value: "1008"}, {Area: "expansion1", Slot: 1, Type: "blf", Value: "1007"}}}),
			e.PutDevice(&fleet.Device{MAC: FrontDesk, Vendor: "acme", Model: "A4", Label: "Front Desk Phone", Enabled: true, Profile: "reception",
				OtherMACs:  []dhcp.MAC{MAC("00:15:65:12:34:57")},
				ReservedIP: netip.MustParseAddr("10.20.0.50"),
				Lines:      []fleet.Line{{Position: 1, Extension: "1001", Registrar: "main"}},
				Keys:       []fleet.Key{{Area: "line", Slot: 2, Type: "blf", Value: "1002", Label: "Bob", Line: 1}}}),
		)
	})
	return r
}

// Fields returns the paths of a ValidationError.
func Fields(err error) []string {
	var bad fleet.ValidationError
	errors.As(err, &bad)
	var out []string
	for _, f := range bad {
		out = append(out, f.Field)
	}
	return out
}
