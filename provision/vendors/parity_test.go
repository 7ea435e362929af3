package vendors_test

import (
	"bytes"
	"encoding/csv"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"plugtone/provision/pack"
	"plugtone/provision/packcheck"
	"plugtone/provision/phonefile"
	"plugtone/provision/setting"
)

// TestParity compares what the packs can set with what other provisioning systems let an operator set. testdata/parity has a file for
// each vendor: the parameters whose value is a variable in the named reference templates, with the models that they were read for.
// A parameter is covered when some file of the model carries it: by itself, or by a setting of the catalogue. Accounts, keys, security
// and time must be covered whole; of all together at least floor percent of testdata/parity/floors.csv. -v lists what is missing.
func TestParity(t *testing.T) {
	s := load(t)
	floors := readFloors(t)
	var covered, all int
	files, _ := filepath.Glob("testdata/parity/*.csv")
	for _, file := range files {
		id := strings.TrimSuffix(filepath.Base(file), ".csv")
		if id == "floors" {
			continue
		}
		t.Run(id, func(t *testing.T) {
			v, ok := s.Vendor(id)
			if !ok {
				t.Fatalf("no vendor %s", id)
			}
			c, n := parityOf(t, v, file, floors[id])
			covered, all = covered+c, all+n
		})
	}
	if all == 0 {
		t.Fatal("no reference parameters")
	}
	t.Logf("all vendors: %d of %d parameters, %.1f %%", covered, all, percent(covered, all))
	if percent(covered, all) < floors["all"] {
		t.Errorf("all vendors: %.1f %% of the reference parameters are covered, the floor is %.0f %%", percent(covered, all), floors["all"])
	}
}

func percent(part, all int) float64 { return 100 * float64(part) / float64(all) }

// reference is one parameter that an operator controls in a reference template.
type reference struct {
	models  []string
	group   string
	name    string
	instead []string // its names in other firmware, or what sets the same
}

// mandatory are the groups of which every parameter must be covered.
var mandatory = []string{"account", "key", "security", "time"}

func parityOf(t *testing.T, v *pack.Vendor, file string, floor float64) (covered, all int) {
	rendered := make(map[string]map[string]bool)
	missing := make(map[string][]string) // parameter to the models that lack it
	for _, r := range readReferences(t, file) {
		for _, model := range r.models {
			if rendered[model] == nil {
				rendered[model] = renderedNames(t, v, model)
			}
			all++
			switch {
			case slices.ContainsFunc(append(r.instead, r.name), func(name string) bool { return rendered[model][plainName(name)] }):
				covered++
			case slices.Contains(mandatory, r.group):
				t.Errorf("%s of %s (%s) is set by nothing", r.name, model, r.group)
			default:
				key := r.group + " " + r.name
				missing[key] = append(missing[key], model)
			}
		}
	}
	for _, name := range slices.Sorted(keysOf(missing)) {
		t.Logf("missing %s: %s", name, strings.Join(missing[name], " "))
	}
	t.Logf("%s: %d of %d parameters, %.1f %%", v.ID, covered, all, percent(covered, all))
	if percent(covered, all) < floor {
		t.Errorf("%.1f %% of the reference parameters are covered, the floor is %.0f %%", percent(covered, all), floor)
	}
	return covered, all
}

func keysOf[V any](m map[string]V) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// readReferences reads lines of models (separated by spaces), group, parameter and its other name.
func readReferences(t *testing.T, file string) []reference {
	var out []reference
	for _, row := range readTable(t, file, 4) {
		out = append(out, reference{models: strings.Fields(row[0]), group: row[1], name: row[2], instead: strings.Split(row[3], "|")})
	}
	return out
}

func readFloors(t *testing.T) map[string]float64 {
	out := make(map[string]float64)
	for _, row := range readTable(t, "testdata/parity/floors.csv", 2) {
		n, err := strconv.ParseFloat(row[1], 64)
		if err != nil {
			t.Fatal(err)
		}
		out[row[0]] = n
	}
	return out
}

func readTable(t *testing.T, file string, fields int) [][]string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	r := csv.NewReader(bytes.NewReader(data))
	r.Comment, r.FieldsPerRecord, r.LazyQuotes = '#', fields, true
	rows, err := r.ReadAll()
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return rows
}

var number = regexp.MustCompile(`\d+|\{n\}`)

// plainName is a parameter's name as it is compared: without case, and where the reference counts ({n}) without any numbers.
func plainName(name string) string {
	name = strings.ToLower(name)
	if strings.Contains(name, "{n}") {
		return number.ReplaceAllString(name, "{n}")
	}
	return name
}

// renderedNames is the name of every parameter that some phone of the model gets.
func renderedNames(t *testing.T, v *pack.Vendor, model string) map[string]bool {
	t.Helper()
	m, ok := v.Model(model)
	if !ok {
		t.Fatalf("%s has no model %s", v.ID, model)
	}
	out := make(map[string]bool)
	var phones []phonefile.Phone
	for _, s := range packcheck.Samples(v, m) {
		phones = append(phones, s.Phone)
	}
	full := phones[1]
	phones[1].CAURL, phones[1].CACert = "http://10.20.0.2/ca.pem", "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----"
	for _, d := range setting.All() {
		for _, choice := range append(pairs(d), d.Choices...) {
			var val any = choice
			if d.Type != setting.Choice {
				val = []string{choice}
			}
			if v.CheckSetting(m.Name, d.Name, val) == nil {
				p := full
				p.Keys = nil
				p.Settings = map[string]any{d.Name: val}
				phones = append(phones, p)
			}
		}
	}
	for _, p := range phones {
		for _, n := range v.Files(p) {
			if n.File.Template == "" {
				continue
			}
			data, err := v.RenderVerified(n.Name, p)
			if errors.Is(err, phonefile.ErrNoContent) || phonefile.IsRefusal(err) {
				continue
			}
			if err != nil {
				t.Fatalf("%s: %v", model, err)
			}
			addNames(t, out, data)
		}
	}
	return out
}

// pairs has an item for every key that the list's pairs can have.
func pairs(d setting.Def) []string {
	keys := map[setting.Form][]string{setting.ActionURL: setting.ActionEvents(), setting.FeatureCode: setting.Features(), setting.SoftKeys: setting.SoftKeyStates()}[d.Form]
	out := make([]string, len(keys))
	for i, key := range keys {
		out[i] = key + "=" + map[setting.Form]string{setting.ActionURL: "http://10.20.0.2/", setting.FeatureCode: "*1", setting.SoftKeys: "a b"}[d.Form]
	}
	return out
}

// addNames adds the names of a file's parameters: of lines what stands before = or :, of XML the path of each element below the root,
// and of each attribute @name, element/@name and [value], for some name a parameter.
func addNames(t *testing.T, out map[string]bool, data []byte) {
	t.Helper()
	add := func(name string) {
		name = strings.ToLower(strings.TrimSpace(name))
		out[name] = true
		out[number.ReplaceAllString(name, "{n}")] = true
	}
	if bytes.HasPrefix(bytes.TrimSpace(data), []byte("<")) {
		addXMLNames(t, add, data)
		return
	}
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSpace(line)
		if rest, ok := strings.CutPrefix(line, "SET "); ok {
			line = strings.Replace(rest, " ", "=", 1)
		}
		if i := strings.IndexAny(line, "=:"); i > 0 {
			add(line[:i])
		}
	}
}

func addXMLNames(t *testing.T, add func(string), data []byte) {
	t.Helper()
	d := xml.NewDecoder(bytes.NewReader(data))
	d.Strict = false
	var path []string
	leaf := false
	for {
		tok, err := d.Token()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(fmt.Errorf("%w in %.200s", err, data))
		}
		switch tok := tok.(type) {
		case xml.StartElement:
			path = append(path, tok.Name.Local)
			for _, a := range tok.Attr {
				add("@" + a.Name.Local)
				add(tok.Name.Local + "/@" + a.Name.Local)
				if len(a.Value) < 100 {
					add("[" + a.Value + "]")
				}
			}
			leaf = true
		case xml.EndElement:
			if leaf {
				add(strings.Join(path[min(1, len(path)-1):], "/"))
			}
			path, leaf = path[:len(path)-1], false
		}
	}
}
