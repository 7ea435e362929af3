package vendors_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"plugtone/provision/fleet"
	"plugtone/provision/phonefile"
	"plugtone/provision/provisiontest"
	"plugtone/provision/resolve"
)

// beyondCase is a device with a line or key beyond its model.
type beyondCase struct {
	name, vendor, model string
	beyond              bool
	lines               []fleet.Line
	keys                []fleet.Key
	refused             string // part of the problem
	file                string // part of the phone's file
	warning, left       string // part of the status
}

func beyondCases() []beyondCase {
	key := func(area string, slot int) []fleet.Key {
		return []fleet.Key{{Area: area, Slot: slot, Type: "blf", Value: "1002", Label: "Bob"}}
	}
	line := func(n int) []fleet.Line { return []fleet.Line{{Position: n, Extension: "1001", Registrar: "main"}} }
	return []beyondCase{
		{name: "line key, not certain", vendor: "grandstream", model: "GRP2602", keys: key("line", 9), file: "pks.vpk.9.keyMode", warning: "GRP2602 has line keys 1 to 4, not 9, as far as is known; that is not certain"},
		{name: "area, not certain", vendor: "grandstream", model: "GRP2602", keys: key("memory", 3), file: "pks.mpk.3.keyMode", warning: "has no memory keys"},
		{name: "module, not certain", vendor: "grandstream", model: "GRP2602", keys: key("expansion1", 5), file: "pks.ext.5.keyMode", warning: "has no expansion1 keys"},
		{name: "line, not certain", vendor: "grandstream", model: "GRP2602", lines: line(6), file: "account.6.sip.userid", warning: "line 6: GRP2602 has lines 1 to 4, as far as is known"},
		{name: "line key, certain", vendor: "yealink", model: "T46U", keys: key("line", 40), refused: "T46U has line keys 1 to 27, not 40; beyond_model lets more through"},
		{name: "line, certain", vendor: "yealink", model: "T46U", lines: line(20), refused: "T46U has lines 1 to 16; beyond_model lets more through"},
		{name: "line key, present", vendor: "yealink", model: "T46U", beyond: true, keys: key("line", 40), file: "linekey.40.type = 16", warning: "more are let through for this device"},
		{name: "module, present", vendor: "yealink", model: "T46U", beyond: true, keys: key("expansion4", 2), file: "expansion_module.4.key.2.type = 16", warning: "has no expansion4 keys"},
		{name: "line, present", vendor: "yealink", model: "T46U", beyond: true, lines: line(20), file: "account.20.user_name = 1001", warning: "lines 1 to 16"},
		{name: "an area that no file has", vendor: "grandstream", model: "GXV3480", beyond: true, keys: key("programmable", 2), left: "key programmable:2: beyond the model: has no place in the files of Grandstream"},
	}
}

// Counts never block a real phone: a line or key beyond a number that is not certain is written, with a warning; beyond a
// certain one it is refused until beyond_model is set. What no file carries is reported as left out.
func TestLinesAndKeysBeyondTheModel(t *testing.T) {
	for _, tt := range beyondCases() {
		t.Run(tt.name, func(t *testing.T) {
			packs, records := load(t), provisiontest.Office(t)
			d := &fleet.Device{MAC: provisiontest.MAC("00:15:65:00:00:09"), Vendor: tt.vendor, Model: tt.model, Enabled: true, BeyondModel: tt.beyond, Lines: tt.lines, Keys: tt.keys}
			if d.Lines == nil {
				d.Lines = []fleet.Line{{Position: 1, Extension: "1001", Registrar: "main"}}
			}
			_ = records.View(func(f fleet.View) error {
				err := resolve.CheckDevice(f, packs, d)
				if tt.refused != "" {
					if err == nil || !strings.Contains(err.Error(), tt.refused) {
						t.Errorf("problem %v", err)
					}
					return nil
				}
				if err != nil {
					t.Fatal(err)
				}
				site := &fleet.Site{ExternalURL: "http://10.20.0.2/"}
				left, beyond, err := resolve.LeftOut(f, packs, site, netip.Prefix{}, d, time.Unix(0, 0))
				if err != nil || !strings.Contains(strings.Join(beyond, "\n"), tt.warning) || !strings.Contains(strings.Join(left, "\n"), tt.left) || tt.left == "" && len(left) > 0 {
					t.Errorf("beyond %q, left out %q, %v", beyond, left, err)
				}
				p, _, err := resolve.Phone(f, packs, site, netip.Prefix{}, d, time.Unix(0, 0))
				if err != nil {
					t.Fatal(err)
				}
				v, _ := packs.Vendor(tt.vendor)
				var text string
				for _, n := range v.Files(p) {
					if n.File.Kind == phonefile.KindDevice && n.File.Template != "" {
						out, err := v.RenderVerified(n.Name, p)
						if err != nil {
							t.Fatal(err)
						}
						text += string(out)
					}
				}
				if !strings.Contains(text, tt.file) {
					t.Errorf("no %s in the file", tt.file)
				}
				return nil
			})
		})
	}
}
