package vendors_test

import (
	"errors"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"plugtone/provision/fleet"
	"plugtone/provision/pack"
	"plugtone/provision/provisiontest"
	"plugtone/provision/resolve"
	"plugtone/provision/setting"
)

// Renaming an extension changes its display name, the labels that follow it and the phonebook on phones of every vendor that
// has them, and no label that was set.
func TestRenamedExtensionChangesItsLabels(t *testing.T) {
	packs := load(t)
	for _, tt := range []struct{ vendor, model string }{
		{"yealink", "T46U"}, {"grandstream", "GRP2614"}, {"snom", "D785"}, {"polycom", "VVX411"}, {"fanvil", "X4U"},
		{"cisco-3pcc", "8851"}, {"htek", "UC926"}, {"sangoma", "S505"}, {"gigaset", "Maxwell 3"}, {"mitel", "6867i"},
	} {
		t.Run(tt.vendor, func(t *testing.T) {
			r := &provisiontest.Records{}
			d := &fleet.Device{MAC: provisiontest.FrontDesk, Vendor: tt.vendor, Model: tt.model, Enabled: true,
				Lines: []fleet.Line{{Position: 1, Extension: "1001", Registrar: "main"}, {Position: 2, Extension: "1002", Registrar: "main", Label: "FixedLine"}},
				Keys: []fleet.Key{{Area: "line", Slot: 3, Type: "speed_dial", Value: "1001", LabelSource: fleet.LabelExtension},
					{Area: "line", Slot: 4, Type: "speed_dial", Value: "1002", Label: "FixedKey"}},
				Settings: setting.Values{"phonebook": "extensions"}}
			provisiontest.Edit(t, r, func(e fleet.Edit) error {
				return errors.Join(e.PutRegistrar(&fleet.Registrar{Name: "main", Host: "pbx.example.com", Port: 5060, Transport: "udp"}),
					e.PutExtension(&fleet.Extension{Number: "1001", Registrar: "main", DisplayName: "OldOne", Password: "s3cret"}),
					e.PutExtension(&fleet.Extension{Number: "1002", Registrar: "main", DisplayName: "OldTwo", Password: "s3cret"}), e.PutDevice(d))
			})
			before := filesOf(t, packs, r, d)
			provisiontest.Edit(t, r, func(e fleet.Edit) error {
				return errors.Join(e.PutExtension(&fleet.Extension{Number: "1001", Registrar: "main", DisplayName: "NewOne", Password: "s3cret"}),
					e.PutExtension(&fleet.Extension{Number: "1002", Registrar: "main", DisplayName: "NewTwo", Password: "s3cret"}))
			})
			after := filesOf(t, packs, r, d)
			if strings.NewReplacer("OldOne", "NewOne", "OldTwo", "NewTwo").Replace(before) != after {
				t.Errorf("the files differ in more than the names:\n%s", after)
			}
			for _, fixed := range []string{"FixedLine", "FixedKey"} {
				if !strings.Contains(after, fixed) {
					t.Errorf("no %s", fixed)
				}
			}
			// The first extension's name is that of the account, the line, the key and the contact; the second's that of the account and the contact.
			if got := strings.Count(after, "NewOne"); got < 3 {
				t.Errorf("the name of 1001 stands %d times", got)
			}
			if !strings.Contains(after, "NewTwo") {
				t.Error("no name of 1002")
			}
		})
	}
}

// filesOf renders everything that a device gets, as its records are.
func filesOf(t *testing.T, packs *pack.Set, r *provisiontest.Records, d *fleet.Device) string {
	t.Helper()
	var out strings.Builder
	err := r.View(func(f fleet.View) error {
		p, _, err := resolve.Phone(f, packs, &fleet.Site{ExternalURL: "http://10.20.0.2/"}, netip.Prefix{}, d, time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
		if err != nil {
			return err
		}
		v, _ := packs.Vendor(d.Vendor)
		if _, err := resolve.AddPhonebook(f, v, d, &p); err != nil {
			return err
		}
		for _, n := range v.Files(p) {
			if n.File.Template == "" {
				continue
			}
			text, err := v.Render(n.Name, p)
			if err == nil {
				out.Write(text)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// digests are those of other files of the phone, which change with these.
var digests = regexp.MustCompile(`\b[0-9a-f]{12}([0-9a-f]{20})?\b`)

// TestRenamedExtensionInEveryPack renames an extension on a phone of every pack, with the keys and lines that its model has: the files differ in the
// name alone, and labels that were set stay.
func TestRenamedExtensionInEveryPack(t *testing.T) {
	packs := load(t)
	for _, v := range packs.Vendors() {
		model := modelWithMost(v)
		t.Run(v.ID, func(t *testing.T) {
			r := &provisiontest.Records{}
			name := func(display string) {
				provisiontest.Edit(t, r, func(e fleet.Edit) error {
					return errors.Join(e.PutRegistrar(&fleet.Registrar{Name: "main", Host: "pbx.example.com", Port: 5060, Transport: "udp"}),
						e.PutExtension(&fleet.Extension{Number: "1001", Registrar: "main", DisplayName: display, Password: "s3cret"}),
						e.PutExtension(&fleet.Extension{Number: "1002", Registrar: "main", DisplayName: "Other", Password: "s3cret"}))
				})
			}
			name("OldOne")
			d := &fleet.Device{MAC: provisiontest.FrontDesk, Vendor: v.ID, Model: model.Name, Enabled: true, Lines: []fleet.Line{{Position: 1, Extension: "1001", Registrar: "main"}}}
			ok := func(d fleet.Device) bool { return resolve.CheckDevice(viewOf(t, r), packs, &d) == nil }
			for _, with := range []func(*fleet.Device){
				func(d *fleet.Device) {
					d.Lines = append(slices.Clone(d.Lines), fleet.Line{Position: 2, Extension: "1002", Registrar: "main", Label: "FixedLine"})
				},
				func(d *fleet.Device) {
					d.Keys = append(slices.Clone(d.Keys), fleet.Key{Area: "line", Slot: 3, Type: "speed_dial", Value: "1001", LabelSource: fleet.LabelExtension})
				},
				func(d *fleet.Device) {
					d.Keys = append(slices.Clone(d.Keys), fleet.Key{Area: "line", Slot: 4, Type: "speed_dial", Value: "1001", Label: "FixedKey"})
				},
				func(d *fleet.Device) { d.Settings = setting.Values{"phonebook": "extensions"} },
			} {
				next := *d
				if with(&next); ok(next) {
					*d = next
				}
			}
			provisiontest.Edit(t, r, func(e fleet.Edit) error { return e.PutDevice(d) })
			before := digests.ReplaceAllString(filesOf(t, packs, r, d), "DIGEST")
			name("NewOne")
			after := digests.ReplaceAllString(filesOf(t, packs, r, d), "DIGEST")
			if strings.ReplaceAll(before, "OldOne", "NewOne") != after {
				t.Errorf("the files differ in more than the name:\n%s\nbefore:\n%s", after, before)
			}
			if !strings.Contains(before, "1001") {
				return // its files hold more than this phone has, such as its own password
			}
			_, lacksName := model.LineLack("display_name", 1)
			_, lacksLabel := model.LineLack("label", 1)
			if carried := !lacksName || !lacksLabel; carried && !strings.Contains(after, "NewOne") {
				t.Errorf("the new name is not in the files:\n%s", after)
			}
		})
	}
}
