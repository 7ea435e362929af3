package vendors_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"plugtone/provision/pack"
	"plugtone/provision/packcheck"
	"plugtone/provision/phonefile"
)

// The goldens of a pack show together what it can do: one line alone, several, every key type and setting, a key on an
// expansion module, and the characters that files escape.
func TestGoldensShowEverything(t *testing.T) {
	for _, v := range load(t).Vendors() {
		t.Run(v.ID, func(t *testing.T) {
			names, err := filepath.Glob(filepath.Join(v.ID, "testdata", "*.txtar"))
			if err != nil || len(names) < 3 {
				t.Fatalf("%d goldens, %v", len(names), err)
			}
			shown := make(map[string]bool)
			for _, name := range names {
				data, err := os.ReadFile(name)
				if err != nil {
					t.Fatal(err)
				}
				g, err := packcheck.ReadGolden(v, data)
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				shows(g.Phone, shown)
			}
			var missing []string
			for _, what := range showable(v) {
				if !shown[what] {
					missing = append(missing, what)
				}
			}
			if len(missing) > 0 {
				t.Errorf("no golden shows %s", strings.Join(missing, ", "))
			}
		})
	}
}

// shows adds what a golden's phone has.
func shows(p phonefile.Phone, shown map[string]bool) {
	switch {
	case !p.Enabled || !p.Assigned:
		shown["an account cleared"] = true
		return
	case len(p.Lines) == 1:
		shown["one line alone"] = true
	case len(p.Lines) > 1:
		shown["several lines"] = true
	}
	texts := []string{p.Label}
	for _, l := range p.Lines {
		texts = append(texts, l.DisplayName, l.Label)
		shown["a shared line"] = shown["a shared line"] || l.Shared
	}
	for _, k := range p.Keys {
		texts = append(texts, k.Label)
		shown["key "+k.Type] = true
		shown["a key with its line"] = shown["a key with its line"] || k.Line > 1
		if strings.HasPrefix(k.Area, "expansion") {
			shown["a key on an expansion module"] = true
		}
	}
	for name := range p.Settings {
		shown["setting "+name] = true
	}
	if book, ok := p.Settings["phonebook"]; ok && book != "off" { // both are filled in
		shown["setting phonebook_url"], shown["setting phonebook_name"] = true, true
	}
	all := strings.Join(texts, "")
	shown["&"] = shown["&"] || strings.ContainsAny(all, "&")
	shown["characters beyond ASCII"] = shown["characters beyond ASCII"] || strings.IndexFunc(all, func(r rune) bool { return r > 127 }) >= 0
}

// showable is what a vendor's phones can have.
func showable(v *pack.Vendor) []string {
	out := []string{"one line alone", "an account cleared", "&", "characters beyond ASCII"}
	d := v.Describe()
	if slices.ContainsFunc(d.Models, func(m pack.ModelDescription) bool { return m.Lines > 1 }) {
		out = append(out, "several lines")
	}
	if slices.ContainsFunc(d.Models, func(m pack.ModelDescription) bool { return m.Expansion != "" }) {
		out = append(out, "a key on an expansion module")
	}
	for _, t := range d.KeyTypes {
		if t != "none" {
			out = append(out, "key "+t)
		}
	}
	if slices.Contains(d.KeyTypes, "shared_line") {
		out = append(out, "a shared line")
	}
	for _, s := range d.Settings {
		out = append(out, "setting "+s)
	}
	return out
}
