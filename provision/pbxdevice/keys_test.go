package pbxdevice_test

import (
	"strings"
	"sync"
	"testing"

	"plugtone/provision/fleet"
	"plugtone/provision/pack"
	"plugtone/provision/pbx"
	"plugtone/provision/pbxdevice"
	"plugtone/provision/phonefile"
	"plugtone/provision/vendors"
)

var packs = sync.OnceValues(func() (*pack.Set, error) { return pack.Load(pack.Config{Builtin: vendors.FS}) })

func load(t *testing.T) *pack.Set {
	t.Helper()
	s, err := packs()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestWhatAPackRendersIsInverted renders a key of each type, on each model and area of each pack, and reads it back from what the phone would get: the
// code, with the value or the whole text. The key that is found renders the same.
func TestWhatAPackRendersIsInverted(t *testing.T) {
	s := load(t)
	x := pbxdevice.NewKeys()
	keys, twice := 0, 0
	for _, v := range s.Vendors() {
		for _, m := range append([]*phonefile.Model{v.Generic()}, v.Models()...) {
			for area := range m.Areas() {
				if strings.HasPrefix(area, "expansion") && area != "expansion1" {
					continue // all modules are alike
				}
				for _, typ := range m.KeyTypes() {
					k := fleet.Key{Area: area, Slot: 1, Type: typ, Value: "1002"}
					if m.CheckKey(k) != nil {
						continue
					}
					code, text, err := phonefile.KeyCode(v.Renderer, m, k)
					if err != nil || code == "" && text == "" {
						continue
					}
					keys++
					given := pbx.SourceKey{Area: area, Slot: 1, Type: onPhone(code, text), Value: "1002"}
					if strings.Contains(text, "1002") {
						given.Type, given.Value = code, text
					}
					got, ok, problem := x.Key(pbxdevice.Phone{Vendor: v, Model: m.Name}, given)
					if !ok {
						t.Errorf("%s/%s %s on %s: %q %q: %s", v.ID, m.Name, typ, area, given.Type, given.Value, problem)
						continue
					}
					if got.Type != typ {
						twice++
					}
					if c, x, err := phonefile.KeyCode(v.Renderer, m, got); err != nil || onPhone(c, x) != onPhone(code, text) {
						t.Errorf("%s/%s %s on %s is %q %q, read as %s: %q %q %v", v.ID, m.Name, typ, area, code, text, got, c, x, err)
					}
				}
			}
		}
	}
	if keys < 5000 || twice > keys/4 {
		t.Errorf("%d keys, %d of them by another name", keys, twice)
	}
	t.Logf("%d keys, %d of them by another name that renders the same", keys, twice)
}

// onPhone returns what decides on the phone which type a key has: its text, where the pack makes one, else its code.
func onPhone(code, text string) string {
	if text != "" {
		return text
	}
	return code
}

// fusionKeys are keys of FusionPBX and what they are here.
var fusionKeys = []struct {
	model, area   string
	key           pbx.SourceKey
	want, problem string // want as fleet.Key prints it
}{
	{"yealink/T46U", "line", pbx.SourceKey{Type: "16", Value: "1002", Label: "Ann", Line: "1", Extension: "**"}, "2=blf:1002,label=Ann,pickup_code=**", ""},
	{"yealink/T46U", "line", pbx.SourceKey{Type: "16", Value: "1002", Label: "${caller_id_name}", Line: "2"}, "2=blf:1002,line=2,label_source=extension", ""},
	{"yealink/T46U", "line", pbx.SourceKey{Type: "13", Value: "*97", Label: "${voicemail}"}, "2=speed_dial:*97", "its label is left out: ${voicemail} has a value only in the PBX"},
	{"yealink/T46U", "line", pbx.SourceKey{Type: "13", Value: "${voicemail}"}, "", "has the variable ${voicemail}, which has a value only in the PBX"},
	{"yealink/T46U", "line", pbx.SourceKey{Type: "13", Value: "${user_id}"}, "2=speed_dial:1001", ""},
	{"yealink/T46U", "line", pbx.SourceKey{Type: "10", Function: "call_park", Value: "*5901", Extension: "5901"}, "2=park:*5901", `its extension "5901" is left out: a key of type park has no place for it`},
	{"yealink/T46U", "line", pbx.SourceKey{Type: "77", Function: "mobile_line", Value: "1"}, "", "no key type of Yealink has this code; set the key here"},
	{"yealink/T46U", "line", pbx.SourceKey{Type: "0"}, "2=none", ""},
	{"yealink/T46U", "line", pbx.SourceKey{}, "", ""},
	{"yealink/T46U", "expansion2", pbx.SourceKey{Type: "16", Value: "1002"}, "expansion2:2=blf:1002", ""},
	{"yealink/T38G", "memory", pbx.SourceKey{Type: "16", Value: "1002", Line: "1"}, "memory:2=blf:1002,line=2", ""}, // counts lines from 0
	{"yealink/T46U", "line", pbx.SourceKey{Type: "16", Value: "1002", Line: "x"}, "", `its line "x" is not a number from 0 to 255`},
	{"snom/D765", "line", pbx.SourceKey{Type: "blf", Value: "1002"}, "2=blf:1002", ""},
	{"snom/D765", "line", pbx.SourceKey{Type: "speed", Value: "1002"}, "2=speed_dial:1002", ""},
	{"snom/D765", "line", pbx.SourceKey{Type: "icom", Value: "1002"}, "2=intercom:1002", ""},
	{"snom/D765", "line", pbx.SourceKey{Type: "keyevent", Value: "F_DND"}, "2=dnd", ""},
	{"snom/D765", "line", pbx.SourceKey{Type: "line"}, "2=line", ""},
	{"snom/D765", "line", pbx.SourceKey{Type: "ivr", Value: "1"}, "", "no key type of Snom has this code"},
	{"polycom/VVX450", "line", pbx.SourceKey{Type: "normal", Value: "1002"}, "2=blf:1002", ""},
	{"polycom/VVX450", "line", pbx.SourceKey{Type: "automata", Value: "park+5901"}, "2=park:park+5901", ""},
	{"polycom/VVX450", "line", pbx.SourceKey{Type: "Redial"}, "2=redial", ""},
	{"grandstream/GXP2170", "line", pbx.SourceKey{Type: "speed dial", Value: "1002"}, "2=speed_dial:1002", ""},
	{"grandstream/GXP2170", "line", pbx.SourceKey{Type: "monitored call park", Value: "5901", Line: "1"}, "2=park:5901,line=2", ""},
	{"grandstream/GXP1630", "memory", pbx.SourceKey{Type: "monitored call park", Value: "5901"}, "memory:2=park:5901", ""},
	{"grandstream/GXP1630", "memory", pbx.SourceKey{Type: "9", Value: "5901"}, "memory:2=park:5901", ""},
	{"mitel/6867i", "line", pbx.SourceKey{Type: "speeddial", Value: "1002"}, "2=speed_dial:1002", ""},
	{"avaya/J179", "line", pbx.SourceKey{Type: "sca"}, "2=shared_line", ""},
	{"fanvil/X4U", "line", pbx.SourceKey{Type: "ba", Value: "1002", Line: "1"}, "2=blf:1002", ""},
	{"fanvil/X4U", "line", pbx.SourceKey{Type: "f", Value: "1002", Line: "1"}, "2=speed_dial:1002", ""},
	{"fanvil/X4U", "line", pbx.SourceKey{Type: "2", Value: "*97", Function: "voicemail"}, "2=voicemail:*97", ""}, // the PBX's own number
	{"fanvil/X4U", "line", pbx.SourceKey{Type: "1", Function: "line", Line: "1"}, "2=line", ""},
	{"fanvil/X4U", "line", pbx.SourceKey{Type: "bc", Value: "1002"}, "", "no key type of Fanvil has this code"},
	{"htek/UC926", "line", pbx.SourceKey{Type: "3", Value: "1002"}, "2=blf:1002", ""},
	{"", "line", pbx.SourceKey{Type: "16", Value: "1002"}, "", "the vendor is not known, so that its code has no meaning"},
	{"", "line", pbx.SourceKey{Type: "blf", Neutral: true, Value: "1002", Line: "2"}, "2=blf:1002,line=2", ""},
	{"", "line", pbx.SourceKey{Type: "lamp", Neutral: true, Value: "1002"}, "", `there is no key type "lamp"`},
}

// TestKeysAsFusionPBXHasThem has codes of its vendor functions and of its templates.
func TestKeysAsFusionPBXHasThem(t *testing.T) {
	s := load(t)
	x := pbxdevice.NewKeys()
	for _, c := range fusionKeys {
		vendor, model, _ := strings.Cut(c.model, "/")
		p := pbxdevice.Phone{Model: model, Vars: map[string]string{"user_id": "1001"}}
		if vendor != "" {
			v, m, err := s.FindModel(vendor, model)
			if err != nil {
				t.Fatal(err)
			}
			p.Vendor, p.Model = v, m.Name
		}
		c.key.Area, c.key.Slot = c.area, 2
		got, ok, problem := x.Key(p, c.key)
		if text := got.String(); ok != (c.want != "") || ok && text != c.want || !strings.HasPrefix(problem, c.problem) || (c.problem == "") != (problem == "") {
			t.Errorf("%s, %s: %v %s, %q; want %s, %q", c.model, c.key, ok, text, problem, c.want, c.problem)
		}
	}
}
