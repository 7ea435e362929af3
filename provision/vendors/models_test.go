package vendors_test

import (
	"encoding/csv"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v4"

	"plugtone/provision/fleet"
	"plugtone/provision/phonefile"
	"plugtone/provision/vendors"
)

// The keys of Fanvil's phones stand in pages of their display: the last key is the last one of the last page.
func TestFanvilKeyPages(t *testing.T) {
	v, ok := load(t).Vendor("fanvil")
	if !ok {
		t.Fatal("no pack")
	}
	for _, c := range []struct {
		model, element, count string
		pages, keys           int
	}{
		{"X7C", "dssSide", "SideKeyPageNum", 5, 12},
		{"V65", "dssSide", "SideKeyPageNum", 3, 9},
		{"V63", "dssSide", "SideKeyPageNum", 3, 7},
		{"V64", "dssSide", "SideKeyPageNum", 3, 7},
		{"V62G", "dssSide", "SideKeyPageNum", 3, 7},
		{"V67", "internal", "FuncKeyPageNum", 4, 29},
		{"X4SG", "internal", "FuncKeyPageNum", 5, 6},
		{"W610W", "internal", "FuncKeyPageNum", 2, 8},
		{"W611W", "internal", "FuncKeyPageNum", 2, 8},
		{"W620W", "internal", "FuncKeyPageNum", 2, 8},
	} {
		last := c.pages * c.keys
		p := phonefile.Phone{MAC: [6]byte{2, 0, 0, 0, 0, 1}, Vendor: v.ID, Model: c.model, Enabled: true, Assigned: true, ServerURL: "http://10.20.0.2/",
			Now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), Keys: []fleet.Key{{Area: "line", Slot: last, Type: "blf", Value: "1099", Label: "last"}}}
		if err := v.CheckKey(c.model, p.Keys[0]); err != nil {
			t.Errorf("%s: %v", c.model, err)
			continue
		}
		body, err := v.Render("020000000001.cfg", p)
		if err != nil {
			t.Errorf("%s: %v", c.model, err)
			continue
		}
		text := string(body)
		if want := fmt.Sprintf("<%s>%d</%[1]s>", c.count, c.pages); !strings.Contains(text, want) {
			t.Errorf("%s: no %s", c.model, want)
		}
		_, page, _ := strings.Cut(text, fmt.Sprintf("<%s index=%q>", c.element, fmt.Sprint(c.pages)))
		page, _, _ = strings.Cut(page, "</"+c.element+">")
		keys := regexp.MustCompile(`<Fkey index="\d+">`).FindAllString(page, -1)
		if len(keys) != c.keys || !strings.HasSuffix(keys[len(keys)-1], fmt.Sprintf("=%q>", fmt.Sprint(c.keys))) || !strings.Contains(page, "1099") {
			t.Errorf("%s: page %d has the keys %v, want %d with the last one watching 1099", c.model, c.pages, keys, c.keys)
		}
	}
}

// A model goes by its part number too.
func TestModelIsFoundByPartNumber(t *testing.T) {
	s := load(t)
	for _, c := range []struct{ vendor, part, model string }{
		{"cisco-3pcc", "8841-3PCC", "8841"}, {"cisco-3pcc", "CP-8841-3PCC", "8841"}, {"cisco-3pcc", "DP-9841", "9841"}, {"cisco-3pcc", "ATA191-MPP", "ATA191"},
		{"polycom", "3111-48820-001", "VVX250"}, {"polycom", "2345-12360-001", "SPIP321"},
	} {
		v, _ := s.Vendor(c.vendor)
		if m, ok := v.Model(c.part); !ok || m.Name != c.model {
			t.Errorf("%s %s: %v, want %s", c.vendor, c.part, m, c.model)
		}
	}
}

// testdata/names.csv lists the models that other provisioning systems serve, by the names that they have there.
func TestModelsOfOtherSystems(t *testing.T) {
	f, err := os.Open("testdata/names.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	s := load(t)
	for i, r := range rows[1:] {
		if v, ok := s.Vendor(r[1]); !ok {
			t.Errorf("testdata/names.csv:%d: no pack %s", i+2, r[1])
		} else if _, ok := v.Model(r[2]); !ok {
			t.Errorf("testdata/names.csv:%d: %s has %s, which the pack %s lacks", i+2, r[0], r[2], r[1])
		}
	}
}

func TestNumberOfModels(t *testing.T) {
	const fewestModels, fewestVendors = 800, 28
	models, all := 0, load(t).Vendors()
	for _, v := range all {
		models += len(v.Models())
	}
	if models < fewestModels || len(all) < fewestVendors {
		t.Errorf("%d models of %d vendors, want %d of %d at least", models, len(all), fewestModels, fewestVendors)
	}
	readme, err := os.ReadFile("../../README.md")
	if want := fmt.Sprintf("%d vendors, %d models", len(all), models); err != nil || !strings.Contains(string(readme), want) {
		t.Errorf("README.md does not state %q: %v", want, err)
	}
}

// Every model has a source, or its family has one.
func TestModelsHaveSources(t *testing.T) {
	type member struct{ Family, Source string }
	for _, v := range load(t).Vendors() {
		data, err := vendors.FS.ReadFile(v.ID + "/vendor.yaml")
		if err != nil {
			t.Fatal(err)
		}
		var doc struct{ Families, Models map[string]member }
		if err := yaml.Unmarshal(data, &doc); err != nil {
			t.Fatal(err)
		}
		for name, m := range doc.Models {
			for m.Source == "" && m.Family != "" {
				m = doc.Families[m.Family]
			}
			if m.Source == "" {
				t.Errorf("%s %s: no source", v.ID, name)
			}
		}
	}
}
