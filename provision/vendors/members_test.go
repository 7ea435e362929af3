package vendors_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"plugtone/provision/fleet"
	"plugtone/provision/pack"
	"plugtone/provision/phonefile"
	"plugtone/provision/provisiontest"
	"plugtone/provision/resolve"
)

// lineMembers are the members of lines and registrars in testdata/members.csv.
var lineMembers = []string{"label", "shared", "backup_host", "sip_domain", "outbound_proxy", "backup_outbound_proxy", "register_expires"}

// TestPacksCarryTheMembersOfTheirTable compares which members of records the packs carry with testdata/members.csv: one row for each pack, of the model that
// carries most of them, and has most keys. What is not carried is named by left_out; TestNothingAcceptedIsIgnored holds that for every model.
func TestPacksCarryTheMembersOfTheirTable(t *testing.T) {
	packs := load(t)
	var out bytes.Buffer
	out.WriteString("vendor,model," + strings.Join(lineMembers, ",") + ",pickup_code,locked,label_source\n")
	for _, v := range packs.Vendors() {
		best := modelWithMost(v)
		fmt.Fprintf(&out, "%s,%s", v.ID, best.Name)
		for _, member := range lineMembers {
			_, lacks := best.LineLack(member, 1)
			out.WriteString("," + mark(!lacks))
		}
		pickup, locked, follows := keyMembers(t, packs, v, best.Name)
		fmt.Fprintf(&out, ",%s,%s,%s\n", pickup, locked, follows)
	}
	const file = "testdata/members.csv"
	if f := flag.Lookup("update"); f != nil && f.Value.String() == "true" {
		if err := os.WriteFile(file, out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil || !bytes.Equal(out.Bytes(), want) {
		t.Errorf("%v: the packs carry\n%s\nwant\n%s", err, out.String(), want)
	}
}

// modelWithMost returns the model of a pack that carries most of the members, and of those the one with most keys.
func modelWithMost(v *pack.Vendor) *phonefile.Model {
	models := v.Models()
	best := models[0]
	for _, m := range models {
		if carried(m) > carried(best) || carried(m) == carried(best) && keyCount(m) > keyCount(best) {
			best = m
		}
	}
	return best
}

func mark(carried bool) string {
	if carried {
		return "yes"
	}
	return "-"
}

// carried is how many of the members a model's files carry.
func carried(m *phonefile.Model) (n int) {
	for _, member := range lineMembers {
		if _, lacks := m.LineLack(member, 1); !lacks {
			n++
		}
	}
	return n
}

// keyCount is how many keys a model has.
func keyCount(m *phonefile.Model) (n int) {
	for _, slots := range m.Keys {
		n += slots
	}
	return n
}

// keyMembers reports which members of a BLF key in its first slot a model's files carry: yes, - or none when it has no such key.
func keyMembers(t *testing.T, packs *pack.Set, v *pack.Vendor, model string) (pickup, locked, follows string) {
	t.Helper()
	r := &provisiontest.Records{}
	d := &fleet.Device{MAC: provisiontest.FrontDesk, Vendor: v.ID, Model: model, Enabled: true, Lines: []fleet.Line{{Position: 1, Extension: "1001", Registrar: "main"}}}
	provisiontest.Edit(t, r, func(e fleet.Edit) error {
		return errors.Join(e.PutRegistrar(&fleet.Registrar{Name: "main", Host: "pbx.example.com", Port: 5060, Transport: "udp"}),
			e.PutExtension(&fleet.Extension{Number: "1001", Registrar: "main", DisplayName: "One", Password: "s3cret"}),
			e.PutExtension(&fleet.Extension{Number: "1002", Registrar: "main", DisplayName: "FollowedName", Password: "s3cret"}), e.PutDevice(d))
	})
	for _, area := range []string{"line", "memory", "programmable", "expansion1"} {
		for slot := range 40 {
			k := fleet.Key{Area: area, Slot: slot + 1, Type: "blf", Value: "1002", PickupCode: "*8", Locked: true, LabelSource: fleet.LabelExtension}
			d.Keys = []fleet.Key{k}
			if resolve.CheckDevice(viewOf(t, r), packs, d) != nil {
				continue
			}
			var left []string
			err := r.View(func(f fleet.View) (err error) {
				left, _, err = resolve.LeftOut(f, packs, &fleet.Site{ExternalURL: "http://10.20.0.2/"}, netip.Prefix{}, d, time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			text := strings.Join(left, "\n")
			files := filesOf(t, packs, r, d)
			if !strings.Contains(files, "1002") {
				continue // the key itself has no place
			}
			return mark(!strings.Contains(text, ": pickup_code: ")), mark(!strings.Contains(text, ": locked: ")), mark(strings.Contains(files, "FollowedName"))
		}
	}
	return "none", "none", "none"
}

func viewOf(t *testing.T, r *provisiontest.Records) (out fleet.View) {
	t.Helper()
	if err := r.View(func(f fleet.View) error { out = f; return nil }); err != nil {
		t.Fatal(err)
	}
	return out
}
