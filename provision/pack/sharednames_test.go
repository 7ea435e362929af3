package pack_test

import (
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"plugtone/dhcp"
	. "plugtone/provision/pack"
	"plugtone/provision/packcheck"
	"plugtone/provision/phonefile"
)

// Two families whose phones request one name and read different formats; models of neither read the second.
func TestSharedNameHasTheFormatOfTheModel(t *testing.T) {
	s, err := Load(Config{Builtin: fstest.MapFS{
		"two/vendor.yaml": {Data: []byte(`vendor: two
name: Two
families: {new: {lines: 1}, old: {lines: 1}}
models: {N1: {family: new}, N2: {family: new}, O1: {family: old}, X1: {lines: 1}}
formats: {words: {kind: lines}, codes: {kind: lines, line: "{name}:{value}"}}
files:
  - {name: "{mac}.cfg", kind: device, template: words.tmpl, format: words, for: new}
  - {name: "{mac}.cfg", kind: device, template: codes.tmpl, format: codes, for: [old]}
  - {name: "{model}-only.cfg", kind: none, for: new}
`)},
		"two/words.tmpl": {Data: []byte("name = words\n")},
		"two/codes.tmpl": {Data: []byte("P1 = codes\n")},
	}})
	if err != nil {
		t.Fatal(err)
	}
	found := s.Resolve("020000000001.cfg")
	if len(found) != 1 || !slices.Equal(found[0].Models, []string{"N1", "N2", "O1"}) || found[0].Model != "" {
		t.Fatalf("resolved as %+v", found)
	}
	if only := s.Resolve("n1-only.cfg"); len(only) != 1 || only[0].Model != "N1" {
		t.Errorf("a name of its own resolved as %+v", only)
	}
	v, _ := s.Vendor("two")
	for model, want := range map[string]string{"N2": "name = words", "O1": "P1:codes", "": "name = words"} {
		p := phonefile.Phone{MAC: dhcp.MAC{2, 0, 0, 0, 0, 1}, Model: model, Enabled: true, Assigned: true, ServerURL: "http://10.20.0.2/"}
		for _, name := range []string{"{mac}.cfg", "020000000001.cfg"} {
			got, err := v.Render(name, p)
			if err != nil || strings.TrimSpace(string(got)) != want {
				t.Errorf("model %q, %s: %q, %v; want %q", model, name, got, err, want)
			}
		}
	}
	if _, err := v.Render("{mac}.cfg", phonefile.Phone{Model: "X1", ServerURL: "http://10.20.0.2/"}); err == nil {
		t.Error("X1 has no such file, and got one")
	}
}

// Families may write one name in different cases; each phone gets the file of its own family.
func TestSharedNameInTwoCases(t *testing.T) {
	s, err := packcheck.Load(Config{CheckBuiltin: true, Builtin: fstest.MapFS{
		"two/vendor.yaml": {Data: []byte(`vendor: two
name: Two
families: {new: {lines: 1}, old: {lines: 1}}
models: {N1: {family: new}, O1: {family: old}}
formats: {words: {kind: lines}, codes: {kind: lines, line: "{name}:{value}"}}
files:
  - {name: "{mac}.cfg", kind: device, template: words.tmpl, format: words, for: new}
  - {name: "{MAC}.cfg", kind: device, template: codes.tmpl, format: codes, for: old}
`)},
		"two/words.tmpl": {Data: []byte("name = words\n")},
		"two/codes.tmpl": {Data: []byte("P1 = codes\n")},
	}})
	if err != nil {
		t.Fatal(err)
	}
	v, _ := s.Vendor("two")
	m, ok := v.Resolve("02000000000A.cfg")
	if !ok || !slices.Equal(m.Models, []string{"N1", "O1"}) || m.Model != "" {
		t.Fatalf("resolved as %+v", m)
	}
	p := phonefile.Phone{MAC: dhcp.MAC{2, 0, 0, 0, 0, 10}, Model: "O1", Enabled: true, Assigned: true, ServerURL: "http://10.20.0.2/"}
	if got, err := v.Render(m.File.Name, p); err != nil || string(got) != "P1:codes\n" {
		t.Errorf("%q %v", got, err)
	}
}
