package vendors_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"plugtone/provision/phonefile"
)

// The table of built-in packs in docs/vendors.md is what the packs say; -update rewrites it.
func TestVendorsTable(t *testing.T) {
	const path, begin, end = "../../docs/vendors.md", "| pack |", "\n\n"
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(data), begin)
	got, after, _ := strings.Cut(rest, end)
	want := vendorsTable(t)
	if ok && begin+got+"\n" == want {
		return
	}
	if !*update || !ok {
		t.Fatalf("%s: the table is not what the packs say: go test ./provision/vendors -run TestVendorsTable -update", path)
	}
	if err := os.WriteFile(path, []byte(before+want+"\n"+after), 0o644); err != nil {
		t.Fatal(err)
	}
}

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
