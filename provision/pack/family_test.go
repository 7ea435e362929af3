package pack

import (
	"slices"
	"strings"
	"testing"

	"plugtone/dhcp"
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
		t.Errorf("files where the pack says nothing: %s", got)
	}
	if _, err := acmeWith("families:\n", "unknown_model: huge\nfamilies:\n"); err == nil || !strings.Contains(err.Error(), `unknown_model: there is no family "huge"`) {
		t.Error(err)
	}
}

// Options can depend on the URL's scheme; of several conditions all must hold.
func TestOptionConditions(t *testing.T) {
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

// Where the phone has line buttons of its own, lines don't take empty line keys.
// A line key without a label of its own has the line's, as a line has that fills an empty key.
func TestLineKeyHasTheLinesLabel(t *testing.T) {
	v := acmeVendor(t)
	p := acmePhone("A1")
	p.Lines[0].Label = "Front"
	p.Keys = []Key{{Area: "line", Slot: 2, Type: "line", Line: 1}, {Area: "line", Slot: 3, Type: "line", Line: 1, Label: "Mine"}}
	w, err := v.newView(p, v.model("A1"), false)
	if err != nil {
		t.Fatal(err)
	}
	if got := w.slots["line"]; got[1].Label != "Front" || got[2].Label != "Mine" {
		t.Errorf("%q, %q", got[1].Label, got[2].Label)
	}
}

func TestLinesDontFillKeys(t *testing.T) {
	s, err := acmeWith("families:\n", "fill_lines: false\nfamilies:\n")
	if err != nil {
		t.Fatal(err)
	}
	v, _ := s.Vendor("acme")
	for _, tt := range []struct {
		v    *Vendor
		want int
	}{{v, 0}, {acmeVendor(t), 1}} {
		p := acmePhone("A1")
		p.Keys = nil
		p.Lines = p.Lines[:1]
		m, _ := tt.v.Model("A1")
		view, err := tt.v.newView(p, m, false)
		if err != nil {
			t.Fatal(err)
		}
		if len(view.Keys) != tt.want {
			t.Errorf("%d keys are set, want %d", len(view.Keys), tt.want)
		}
	}
}
