package pack_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
	. "plugtone/provision/pack"
)

// acmeWith loads the pack of the tests with one place changed.
func acmeWith(from, to string) (*Set, error) {
	files := acmeFS()
	text := []byte(strings.Replace(acme, from, to, 1))
	files["acme/vendor.yaml"].Data = text
	return Load(Config{Builtin: files})
}

// A phone of unknown model is taken for one of the family that the pack names: it gets that family's files and options.
func TestUnknownModelIsOfAFamily(t *testing.T) {
	s, err := acmeWith("families:\n", "unknown_model: big\nfamilies:\n")
	if err != nil {
		t.Fatal(err)
	}
	v, _ := s.Vendor("acme")
	plain := acmeVendor(t)
	names := func(v *Vendor) string {
		var out []string
		for _, f := range v.Files(acmePhone("")) {
			out = append(out, f.File.Name)
		}
		return strings.Join(out, " ")
	}
	if got := names(v); !strings.Contains(got, "{mac}-keys.cfg") {
		t.Errorf("files of a phone taken for big: %s", got)
	}
	if got := names(plain); strings.Contains(got, "{mac}-keys.cfg") {
		t.Errorf("files where the pack declares none: %s", got)
	}
	if _, err := acmeWith("families:\n", "unknown_model: huge\nfamilies:\n"); err == nil || !strings.Contains(err.Error(), `unknown_model: there is no family "huge"`) {
		t.Error(err)
	}
}

// Options can depend on the URL's scheme; of several conditions all must hold.
func TestOptionsDependOnAllConditions(t *testing.T) {
	s, err := acmeWith("when: voice_vlan, confidence: low}\n", "when: [https, voice_vlan], confidence: low}\n")
	if err != nil {
		t.Fatal(err)
	}
	v, _ := s.Vendor("acme")
	for _, tt := range []struct {
		url  string
		vlan int
		want bool
	}{{"https://pbx/", 20, true}, {"https://pbx/", 0, false}, {"http://pbx/", 20, false}} {
		o, err := v.Options("A1", testMAC, dhcp.Site{ProvisioningURL: tt.url, VoiceVLAN: tt.vlan})
		if err != nil {
			t.Fatal(err)
		}
		if got := slices.ContainsFunc(o.List, func(o dhcp.Option) bool { return o.Code == 132 }); got != tt.want {
			t.Errorf("%s with VLAN %d: option 132 %v", tt.url, tt.vlan, got)
		}
	}
}

// slotLabels prints the label of each line key, and how many keys are set.
const slotLabels = "{{range .Slots \"line\"}}label.{{.Slot}} = {{.Label}}\n{{end}}set = {{len .Keys}}\n"

// A line key without a label of its own has the line's, as a line has that fills an empty key.
func TestLineKeyHasTheLinesLabel(t *testing.T) {
	v, err := changed(t, map[string]string{"device.tmpl": slotLabels})
	if err != nil {
		t.Fatal(err)
	}
	p := acmePhone("A1")
	p.Lines[0].Label = "Front"
	p.Keys = []fleet.Key{{Area: "line", Slot: 2, Type: "line", Line: 1}, {Area: "line", Slot: 3, Type: "line", Line: 1, Label: "Mine"}}
	got, err := v.Render("{mac}.cfg", p)
	if err != nil || !strings.Contains(string(got), "label.2 = Front\nlabel.3 = Mine\n") {
		t.Errorf("%v\n%s", err, got)
	}
}

// Where the phone has line buttons of its own, lines don't take empty line keys.
func TestLinesDontFillKeys(t *testing.T) {
	for text, want := range map[string]int{"fill_lines: false\nfamilies:\n": 0, "families:\n": 1} {
		v, err := changed(t, map[string]string{"device.tmpl": slotLabels}, "families:\n", text)
		if err != nil {
			t.Fatal(err)
		}
		p := acmePhone("A1")
		p.Keys = nil
		p.Lines = p.Lines[:1]
		got, err := v.Render("{mac}.cfg", p)
		if err != nil || !strings.Contains(string(got), fmt.Sprintf("set = %d\n", want)) {
			t.Errorf("%v\n%s\nwant %d keys to be set", err, got, want)
		}
	}
}
