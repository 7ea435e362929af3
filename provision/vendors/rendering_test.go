package vendors_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/provision/pack"
	"plugtone/provision/packcheck"
	"plugtone/provision/phonefile"
	"plugtone/provision/provisiontest"
	"plugtone/provision/resolve"
	"plugtone/provision/setting"
)

var renderedAt = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// unrendered returns the devices that Rendering.Validate names.
func unrendered(t *testing.T, packs *pack.Set, r *provisiontest.Records, macs ...dhcp.MAC) (out []dhcp.MAC, err error) {
	t.Helper()
	_ = r.View(func(f fleet.View) error {
		_, err = resolve.Rendering{Packs: packs, Site: &fleet.Site{ExternalURL: "http://10.20.0.2/"}, SubnetOf: func(*fleet.Device) fleet.Subnet { return fleet.Subnet{} }, Before: r.View,
			Places: &resolve.Places{}, Now: renderedAt}.Validate(f, macs)
		return nil
	})
	var bad fleet.ValidationError
	if err != nil && !errors.As(err, &bad) {
		t.Fatal(err)
	}
	for _, p := range bad {
		mac, _, ok := resolve.RenderedDevice(p.Field)
		if !ok {
			mac = macs[0]
		}
		out = append(out, mac)
	}
	return out, err
}

// TestEachDeviceOfAModelIsRendered saves phones of one model of which some have texts that their format can't hold: those are named.
func TestEachDeviceOfAModelIsRendered(t *testing.T) {
	packs := load(t)
	r := &provisiontest.Records{}
	var macs []dhcp.MAC
	provisiontest.Edit(t, r, func(e fleet.Edit) error {
		macs = nil // edits run more than once
		err := e.PutRegistrar(&fleet.Registrar{Name: "main", Host: "pbx.example.com", Port: 5060, Transport: "udp"})
		for i, name := range []string{"Front Desk", "Jim Fall", "Lab; left", "Anna 2", "Lab; right"} {
			x := &fleet.Extension{Number: fmt.Sprint(1001 + i), Registrar: "main", DisplayName: name, Password: "s3cret"}
			d := &fleet.Device{MAC: dhcp.MAC{0, 0x80, 0xf0, 0, 0, byte(i)}, Vendor: "sipnetic", Model: "Sipnetic", Enabled: true, Lines: []fleet.Line{{Position: 1, Extension: x.Number, Registrar: "main"}}}
			macs = append(macs, d.MAC)
			err = errors.Join(err, e.PutExtension(x), e.PutDevice(d))
		}
		return err
	})
	got, err := unrendered(t, packs, r, macs...)
	if !slices.Equal(got, []dhcp.MAC{macs[2], macs[4]}) || !strings.Contains(err.Error(), `device 00:80:f0:00:00:02 files`) || !strings.Contains(err.Error(), "can't be rendered") {
		t.Errorf("%v: %v", got, err)
	}
}

// TestEqualShapesRenderAlike makes phones with random texts of odd characters and lengths in every pack: those that are named when all are
// validated at once are those that can't be rendered by themselves.
func TestEqualShapesRenderAlike(t *testing.T) {
	const phones, model = 60, 2
	packs, failing := load(t), 0
	for _, v := range packs.Vendors() {
		t.Run(v.ID, func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(1, 2))
			r := &provisiontest.Records{}
			var macs []dhcp.MAC
			models := v.Models()
			provisiontest.Edit(t, r, func(e fleet.Edit) error {
				macs = nil
				err := e.PutRegistrar(&fleet.Registrar{Name: "main", Host: "pbx.example.com", Port: 5060, Transport: "udp"})
				for i := range phones {
					x := &fleet.Extension{Number: fmt.Sprint(1000 + i), Registrar: "main", DisplayName: oddText(rnd), Password: setting.Secret(oddText(rnd))}
					d := &fleet.Device{MAC: dhcp.MAC{0, 0x80, 0xf0, 0, 0, byte(i)}, Vendor: v.ID, Model: models[i%min(model, len(models))].Name, Enabled: true, Label: oddText(rnd),
						Lines: []fleet.Line{{Position: 1, Extension: x.Number, Registrar: "main", Label: oddText(rnd)}}}
					if k := (fleet.Key{Area: "line", Slot: 2, Type: "speed_dial", Value: fmt.Sprint(2000 + i), Label: oddText(rnd)}); v.CheckKey(d.Model, k) == nil {
						d.Keys = append(d.Keys, k)
					}
					err = errors.Join(err, e.PutExtension(x), e.PutDevice(d))
					macs = append(macs, d.MAC)
				}
				return err
			})
			var alone []dhcp.MAC
			for _, mac := range macs {
				one, _ := unrendered(t, packs, r, mac)
				alone = append(alone, one...)
			}
			failing += len(alone)
			if together, _ := unrendered(t, packs, r, macs...); !slices.Equal(together, alone) {
				t.Errorf("by themselves %v can't be rendered, together %v", alone, together)
			}
		})
	}
	if failing < 20 {
		t.Errorf("only %d of the phones can't be rendered", failing)
	}
}

// oddText is a text of some words, with a character that some format may not hold in one of two.
func oddText(rnd *rand.Rand) string {
	text := strings.Repeat("abc", 1+rnd.IntN(9)) + fmt.Sprint(rnd.IntN(1000))
	if rnd.IntN(2) == 0 {
		odd := []rune(`" ;'#é`)
		text += string(odd[rnd.IntN(len(odd))])
	}
	return text + "z"
}

// Every XML file of every pack is read by a parser that isn't the one it is written with.
func TestEveryXMLParses(t *testing.T) {
	for _, v := range load(t).Vendors() {
		for _, m := range v.Models() {
			for _, s := range packcheck.Samples(v, m) {
				for _, n := range v.Files(s.Phone) {
					if n.File.Template == "" {
						continue
					}
					body, err := v.Render(n.Name, s.Phone)
					if errors.Is(err, phonefile.ErrNoContent) || phonefile.IsRefusal(err) {
						continue
					}
					if err != nil {
						t.Fatal(err)
					}
					text := strings.TrimSpace(string(body))
					if !strings.HasPrefix(text, "<?xml") && !strings.HasPrefix(text, "<") || strings.HasPrefix(text, "<<") {
						continue
					}
					d := xml.NewDecoder(bytes.NewReader(body))
					for {
						if _, err := d.Token(); err == io.EOF {
							break
						} else if err != nil {
							t.Errorf("%s %s %s: %v", v.ID, m.Name, n.Name, err)
							break
						}
					}
				}
			}
		}
	}
}
