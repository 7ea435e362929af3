package pack_test

import (
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"plugtone/provision/fleet"
	. "plugtone/provision/pack"
	"plugtone/provision/packcheck"
)

// Every problem of a pack is reported with its file and line, all at once.
func TestLoadRejectsInvalidPacks(t *testing.T) {
	located := regexp.MustCompile(`(?m)^acme/(vendor\.yaml|\w+\.tmpl):\d+:(\d+:)? `)
	for _, tt := range []struct{ from, to, want string }{
		{"name: Acme\n", "name: Acme\ncolour: red\n", `acme/vendor.yaml:3:1: colour: unknown key: allowed are aliases, areas`},
		{"name: Acme\n", "name: Acme\nname: Acme2\n", `acme/vendor.yaml:3:1: name: written twice: first on line 2`},
		{"name: Acme\n", "", "acme/vendor.yaml: name is missing"},
		{"name: Acme\n", "name: [Acme\n", "acme/vendor.yaml"},
		{"when: voice_vlan, confidence: low}\n  - {option: 43", "when: dinner, confidence: low}\n  - {option: 43", `when: "dinner" must be one of voice_vlan, http, https, tftp`},
		{"{option: 67, text: \"cfg/{MAC}\", nul: true}", "{option: 67}", "option 67: needs one of text, ips"},
		{"{option: 67,", "{option: 53,", "option 53: belongs to the DHCP server"},
		{"cfg/{MAC}\", nul", "cfg/{MAG}\", nul", "{MAG} must be one of url"},
		{"{option: 67, ", "{option: 67, colour: x, ", `dhcp[2].colour: unknown key`},
		{"code: 66, text", "cod: 66, text", `dhcp[5].tlv[0].cod: unknown key: did you mean code?`},
		{"A1: {family: small", "A1: {family: tiny", `model A1: family "tiny" must be one of big, small`},
		{"small: {lines: 2", "small: {family: big, lines: 2", "family"},
		{"A1: {family: small,", "A1: {family: small, colour: red,", `model A1: unknown member "colour"`},
		{`number: "001"`, `number: "1"`, `number "1" does not match \d{3}`},
		{"keys: {line: 4}", "keys: {side: 4}", `key area "side" must be one of line, memory, programmable`},
		{"aliases: [Acme2]", "aliases: [a3]", "the name A3 is also that of A-2"},
		{"small: {lines: 2,", "small: {", "has no lines"},
		{"confidence: low}]\nrecognise", "confidence: lo}]\nrecognise", `confidence "lo" must be one of`},
		{"'^acme-'", "'(acme'", "is not a regular expression"},
		{`"02:ac:3e"`, `"02:ac"`, `oui "02:ac" must be a prefix`},
		{"kind: lines, header", "kind: liens, header", `format cfg: kind "liens"`},
		{"header: [\"# acme\"]", "heder: [x]", `formats.cfg.heder: unknown key: did you mean header?`},
		{"name: \"{mac}.boot\", kind: none", "name: \"{mac}.boot\", kind: nothing", `kind "nothing" must be one of device`},
		{"{mac}.boot", "{mca}.boot", "{mca} must be one of mac"},
		{"{mac}.boot\", kind: none", "/{mac}.boot\", kind: none", "begins with a slash"},
		{"{name: \"{mac}.boot\", kind: none}", "{name: \"{mac}.boot\", kind: none, colour: x}", `files[0].colour: unknown key`},
		{"template: device.tmpl", "template: devise.tmpl", "there is no template devise.tmpl"},
		{"device.tmpl, format: cfg", "device.tmpl, format: cgf", `format "cgf" must be one of`},
		{"kind: upload, max: 2KiB", "kind: upload", "an upload needs max"},
		{"max: 2KiB", "max: 2 pounds", "must be a size"},
		{"for: big, challenge: basic", "for: bag, challenge: basic", `for: "bag" is neither a family nor a model`},
		{"challenge: basic", "challenge: riddle", `challenge "riddle"`},
		{"for: big, challenge: basic", "for: big, settings: true}\n  - {name: x, kind: device, template: keys.tmpl, format: cfg, settings: true", "write settings: true only once"},
		{"dnd: {code: 3", "dmd: {code: 3", `key type "dmd" must be one of`},
		{"areas: [programmable]", "areas: [side]", `area "side" must be one of`},
		{"needs: value, refuse", "needs: luck, refuse", `needs "luck"`},
		{"sd={{.Value}}", "sd={{.Value}", "text of key type speed_dial"},
		{"lldp: lldp", "lldpp: lldp", "setting lldpp: there is no such setting"},
		{"unit: m, also", "also", "is a duration and needs unit"},
		{`join: " ", `, "", "is a list and needs"},
		{"values: languages", "values: tongues", `there is no map "tongues"`},
		{"{param: codecs,", "{para: codecs,", `settings.codecs.para: unknown key: did you mean param or params?`},
		{"vendor: acme\n", "vendor: Acme\n", "is not"},
	} {
		files := acmeFS()
		text := strings.Replace(acme, tt.from, tt.to, 1)
		if text == acme {
			t.Errorf("%q is not in the pack", tt.from)
		}
		files["acme/vendor.yaml"] = &fstest.MapFile{Data: []byte(text)}
		_, err := packcheck.Load(Config{Builtin: files, CheckBuiltin: true})
		if err == nil || !strings.Contains(err.Error(), tt.want) || !located.MatchString(err.Error()) && tt.to != "" {
			t.Errorf("%q:\n%v\nwant %s", tt.to, err, tt.want)
		}
	}
}

func TestLoadReportsAllProblemsAtOnce(t *testing.T) {
	files := acmeFS()
	text := strings.Replace(strings.Replace(acme, "kind: none", "kind: nothing", 1), "lldp: lldp", "lldpp: lldp", 1)
	files["acme/vendor.yaml"] = &fstest.MapFile{Data: []byte(text)}
	files["other/d.tmpl"] = &fstest.MapFile{Data: []byte("a = {{.Nope}}\n")}
	_, err := packcheck.Load(Config{Builtin: files, CheckBuiltin: true})
	for _, want := range []string{`kind "nothing"`, "lldpp", `other/d.tmpl:1:6: .Nope: there is no Nope here (model A1 and 2 more, sample phone "least")`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want also %s", err, want)
		}
	}
}

// A template that fails for any model, or prints what the format can't carry, is rejected when the pack is loaded.
func TestLoadRendersTheTemplatesOfEachModel(t *testing.T) {
	for text, want := range map[string]string{
		"a = {{.Vars.nope}}\n":                            "nope",
		"a = {{(index .Lines 3).Number}}\n":               "out of range",
		"a = 1\na = 2\n":                                  "duplicate parameter a",
		"lldp = 1\n":                                      "duplicate parameter lldp",
		"a = {{setting \"dtmf\"}}\n":                      "has no value",
		"a = {{map \"nope\" 1}}\n":                        `no map "nope"`,
		"{{range .AllLines}}a = {{.N}}\n{{end}}":          "duplicate parameter",
		"a b = 1\n":                                       "parameter name",
		"nonsense\n":                                      "is not a parameter",
		"{{if .Enabled}}a = 1{{else}}{{.Nope}}{{end}}\n":  "Nope",
		"{{if .Assigned}}a = 1{{else}}{{.Nope}}{{end}}\n": "Nope",
	} {
		files := acmeFS()
		files["acme/device.tmpl"] = &fstest.MapFile{Data: []byte(text)}
		if _, err := packcheck.Load(Config{Builtin: files, CheckBuiltin: true}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

// An operator's folder changes only those members of a built-in pack that it has.
func TestExtensionChangesOnlyItsMembers(t *testing.T) {
	dir := writeTree(t, map[string]string{
		"acme/vendor.yaml": "vendor: acme\nextends: acme\nmodels:\n  A9: {family: big, number: \"009\"}\n  A1: null\nsettings: {dtmf: dtmf}\nkey_types: {park: 50, dnd: null}\n" +
			"dhcp:\n  - {option: 67, text: other}\n  - {option: 160, text: \"{url}\"}\nfiles:\n  - {name: \"{mac}.boot\", kind: none, missing: fine}\n  - {name: extra.cfg, kind: none}\n",
		"acme/keys.tmpl":   "mine = 1\n",
		"oem/vendor.yaml":  "vendor: oem\nname: OEM\nextends: acme\naliases: null\nrecognise: {option60: ['^OEM'], user_agent: null, hostname: null, option124: null, option55: null, oui: null}\n",
		"readme.txt":       "not a pack",
		".git/vendor.yaml": "not a pack",
	})
	s, err := packcheck.Load(Config{Builtin: acmeFS(), Dirs: []string{dir}})
	if err != nil {
		t.Fatal(err)
	}
	v, _ := s.Vendor("acme")
	if _, ok := v.Model("A9"); !ok || v.CheckKey("A9", fleet.Key{Area: "line", Slot: 1, Type: "park"}) != nil || !v.Supports("A9", "dtmf") || !v.Supports("A9", "lldp") {
		t.Error("what was added is not there")
	}
	if _, ok := v.Model("A1"); ok || v.CheckKey("A9", fleet.Key{Area: "programmable", Slot: 1, Type: "dnd"}) == nil {
		t.Error("what was taken away is still there")
	}
	d := v.Describe()
	if got := strings.Join(d.DHCP, "\n"); !strings.Contains(got, "67 other") || !strings.Contains(got, "160 {url}") || !strings.Contains(got, "150 {server_ip} 10.0.0.9") {
		t.Error(got)
	}
	if d.Files[0].Missing != "fine" || d.Files[len(d.Files)-1].Name != "extra.cfg" || len(d.Files) != 7 {
		t.Errorf("%+v", d.Files)
	}
	if got, err := v.Render("{mac}-keys.cfg", acmePhone("A9")); err != nil || string(got) != "# acme\nmine = 1\n" {
		t.Errorf("%s %v", got, err)
	}
	if o, ok := s.Vendor("oem"); !ok || len(o.Models()) != 3 {
		t.Error("the new vendor has not the models of the old")
	}
	for text, want := range map[string]string{
		"vendor: acme\nextends: missing\n": `extends "missing" must be one of acme, other`,
		"vendor: A c\n":                    "is not made of lower case letters",
		"vendor: acme\nextends: acme\nmodels: {A9: {family: gone}}\n":     `family "gone"`,
		"vendor: third\nextends: acme\n":                                  "acmecorp is also that of",
		"vendor: acme\nextends: acme\nformats: {cfg: {refuse: \"&s\"}}\n": "can't carry",
	} {
		dir := writeTree(t, map[string]string{"x/vendor.yaml": text})
		if _, err := packcheck.Load(Config{Builtin: acmeFS(), Dirs: []string{dir}}); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "x/vendor.yaml") {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
	if _, err := packcheck.Load(Config{Builtin: acmeFS(), Dirs: []string{"/nowhere/at/all"}}); err != nil {
		t.Errorf("a folder that isn't there: %v", err)
	}
}

// An experimental pack recognises nothing until it is named.
func TestExperimentalPackRecognisesNothingUntilNamed(t *testing.T) {
	files := acmeFS()
	files["acme/vendor.yaml"] = &fstest.MapFile{Data: []byte(strings.Replace(acme, "name: Acme\n", "name: Acme\nexperimental: true\n", 1))}
	e := Evidence{VendorClass: "Acme A1"}
	s, err := Load(Config{Builtin: files})
	if err != nil {
		t.Fatal(err)
	}
	if id := s.Identify(e); id.Vendor != "" {
		t.Errorf("recognised: %+v", id)
	}
	if v, ok := s.Vendor("acme"); !ok || !v.Experimental || v.Recognises {
		t.Error("the pack is not listed as experimental")
	}
	if s, err = Load(Config{Builtin: files, Experimental: []string{"acme"}}); err != nil || s.Identify(e).Vendor != "acme" {
		t.Error("not recognised though it was named")
	}
	if _, err = Load(Config{Builtin: files, Experimental: []string{"acne"}}); err == nil || !strings.Contains(err.Error(), `there is no vendor "acne"`) {
		t.Error(err)
	}
}
