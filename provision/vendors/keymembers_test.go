package vendors_test

import (
	"errors"
	"net/netip"
	"slices"
	"testing"
	"time"

	"plugtone/provision/fleet"
	"plugtone/provision/provisiontest"
	"plugtone/provision/resolve"
)

// A key's own pickup code and its lock are carried, or named as left out.
func TestKeyMembersLeftOut(t *testing.T) {
	packs := load(t)
	for _, tt := range []struct {
		vendor, model  string
		pickup, locked bool // carried
	}{
		{"yealink", "T46U", true, false}, {"grandstream", "GRP2614", false, false}, {"snom", "D785", true, true}, {"polycom", "VVX411", false, false},
		{"fanvil", "X4U", true, false}, {"cisco-3pcc", "8851", false, false}, {"htek", "UC926", false, false}, {"sangoma", "S505", true, false},
		{"gigaset", "Maxwell 3", true, false}, {"mitel", "6867i", false, true},
	} {
		t.Run(tt.vendor, func(t *testing.T) {
			r := &provisiontest.Records{}
			d := &fleet.Device{MAC: provisiontest.FrontDesk, Vendor: tt.vendor, Model: tt.model, Enabled: true, Lines: []fleet.Line{{Position: 1, Extension: "1001", Registrar: "main"}},
				Keys: []fleet.Key{{Area: "line", Slot: 3, Type: "blf", Value: "1002", PickupCode: "*8", Locked: true}}}
			provisiontest.Edit(t, r, func(e fleet.Edit) error {
				return errors.Join(e.PutRegistrar(&fleet.Registrar{Name: "main", Host: "pbx.example.com", Port: 5060, Transport: "udp"}),
					e.PutExtension(&fleet.Extension{Number: "1001", Registrar: "main", Password: "s3cret"}), e.PutDevice(d))
			})
			var left []string
			err := r.View(func(f fleet.View) (err error) {
				left, _, err = resolve.LeftOut(f, packs, &fleet.Site{ExternalURL: "http://10.20.0.2/"}, netip.Prefix{}, d, time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			v, _ := packs.Vendor(tt.vendor)
			for member, carried := range map[string]bool{"pickup_code": tt.pickup, "locked": tt.locked} {
				if got := !slices.Contains(left, "key line:3: "+member+": has no place in the files of "+v.Name); got != carried {
					t.Errorf("%s carried is %t: %q", member, got, left)
				}
			}
		})
	}
}
