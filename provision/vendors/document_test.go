package vendors_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"plugtone/provision/phonefile"
	"plugtone/provision/setting"
)

// The table of built-in packs in docs/vendors.md is that of the packs; -update rewrites it.
func TestTheTableOfVendorsIsThatOfThePacks(t *testing.T) {
	checkTable(t, "../../docs/vendors.md", "| pack |", vendorsTable(t))
}

// The table of settings in docs/settings.md is that of the catalogue and the packs; -update rewrites it.
func TestTheTableOfSettingsIsThatOfTheCatalogue(t *testing.T) {
	checkTable(t, "../../docs/settings.md", "| setting |", settingsTable(t))
}

// checkTable compares the table of a document that starts with begin, up to the next empty line.
func checkTable(t *testing.T, path, begin, want string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(data), begin)
	got, after, _ := strings.Cut(rest, "\n\n")
	if ok && begin+got+"\n" == want {
		return
	}
	if !*update || !ok {
		t.Fatalf("%s: the table is not what the packs say: go test ./provision/vendors -run %s -update", path, t.Name())
	}
	if err := os.WriteFile(path, []byte(before+want+"\n"+after), 0o644); err != nil {
		t.Fatal(err)
	}
}

func settingsTable(t *testing.T) string {
	t.Helper()
	have := make(map[string][]string)
	vendors := load(t).Vendors()
	for _, v := range vendors {
		for _, name := range v.SettingNames() {
			have[name] = append(have[name], v.ID)
		}
	}
	var b strings.Builder
	b.WriteString("| setting | value | meaning | packs |\n|---|---|---|---|\n")
	for _, d := range setting.All() {
		secret := ""
		if d.IsSecret() {
			secret = "; secret"
		}
		who := strings.Join(have[d.Name], " ")
		if len(have[d.Name]) == len(vendors) {
			who = "all"
		} else if 3*len(have[d.Name]) > 2*len(vendors) {
			who = "all but"
			for _, v := range vendors {
				if !slices.Contains(have[d.Name], v.ID) {
					who += " " + v.ID
				}
			}
		}
		fmt.Fprintf(&b, "| `%s` | %s%s | %s | %s |\n", d.Name, cell(d.Allowed()), secret, cell(d.Help), who)
	}
	return b.String()
}

// cell escapes a text for a cell of a table.
func cell(s string) string { return strings.ReplaceAll(s, "|", `\|`) }

func vendorsTable(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("| pack | phones | models | own credentials | experimental |\n|---|---|---|---|---|\n")
	for _, v := range load(t).Vendors() {
		d := v.Describe()
		credentials, experimental := "", ""
		if slices.Contains(v.SettingNames(), "provisioning_user") {
			credentials = "yes"
			for _, f := range d.Files {
				if f.Kind == phonefile.KindDevice && f.Challenge == "basic" {
					credentials = "yes, Basic"
				}
			}
		}
		if d.Experimental {
			experimental = "yes"
		}
		fmt.Fprintf(&b, "| %s | %s | %d | %s | %s |\n", v.ID, v.Name, len(d.Models), credentials, experimental)
	}
	return b.String()
}
