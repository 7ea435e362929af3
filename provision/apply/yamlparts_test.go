package apply

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// handWritten is a document with all that people write in one.
const handWritten = `---
# phones of the second floor
private: true
registrars:
  - {name: main, host: pbx.example.com}   # the only one

profiles:
- name: desk
  settings: {language: de}
  keys:
  - {slot: 3, type: blf, value: "1001"}
  - 4=park:701
- name: reception
  parent: desk
extensions:
  - number: 1001
    display_name: "Front
- Desk"
  - &x
    number: 1002
    registrar: main
  - number: 1003
    display_name: |
      - not: an item
      # no comment
  - <<: *x
    number: 1004
devices:
  # the first
  - mac: 00:15:65:00:00:01
    lines: [{extension: 1001},
      {extension: 1002}]
    notes: >-
      two

      lines
  -
    mac: 00:15:65:00:00:02
    vendor_settings: {acme: {a.b: "1"}}
  - mac: 00:15:65:00:00:03
    mac: 00:15:65:00:00:04
  - null
`

// likeExport has lists of the forms that people and export write.
const likeExport = `private: true
registrars: []
profiles:
- name: desk
  keys:
  - {slot: 3, type: blf, value: "1001"}
  - slot: 4
    type: park
- name: reception
extensions:
  - number: "1001"
    display_name: |
      - not: an item
      # no comment
  - number: 1002
    display_name: Büro
  - number: 1003
devices:
  # the first
  - mac: 00:15:65:00:00:01
    lines:
      - extension: "1001"
      - extension: "1002"
    notes: >-
      two

      lines
  -
    mac: 00:15:65:00:00:02
    vendor_settings: {acme: {a.b: "1"}}
  - mac: 00:15:65:00:00:03
    mac: 00:15:65:00:00:04
  - mac: 00:15:65:00:00:05
`

// compareParts reads a document in parts and whole: both have the same records, places and problems. It reports whether it can be split.
func compareParts(t interface{ Fatalf(string, ...any) }, text string, atOnce int) bool {
	got, ok, errGot := parseParts("f.yaml", []byte(text), atOnce)
	if !ok {
		return false
	}
	want, errWant := parseWhole("f.yaml", []byte(text), len(text))
	if fmt.Sprint(errGot) != fmt.Sprint(errWant) {
		t.Fatalf("problems\n%v\nwant\n%v\nof\n%s", errGot, errWant, text)
	}
	if errGot != nil {
		return true
	}
	var x, y any
	if err := json.Unmarshal(got.JSON, &x); err != nil {
		t.Fatalf("%v in %s", err, got.JSON)
	}
	if err := json.Unmarshal(want.JSON, &y); err != nil || !reflect.DeepEqual(x, y) {
		t.Fatalf("read\n%s\nwant\n%s\nof\n%s", got.JSON, want.JSON, text)
	}
	paths := []string{"nothing", "devices[99].mac", "devices[0].nothing", "devices.mac", "", "[0]"}
	for path := range pathsOf(y, "") {
		paths = append(paths, path)
	}
	slices.Sort(paths)
	for _, path := range paths {
		if a, b := got.Find(path), want.Find(path); a != b {
			t.Fatalf("%s is at %v, want %v, of\n%s", path, a, b, text)
		}
	}
	return true
}

// pathsOf returns the paths of all members of a value.
func pathsOf(v any, path string) map[string]bool {
	out := map[string]bool{path: true}
	add := func(path string, v any) {
		for p := range pathsOf(v, path) {
			out[p] = true
		}
	}
	switch v := v.(type) {
	case map[string]any:
		for k, x := range v {
			add(strings.TrimPrefix(path+"."+k, "."), x)
		}
	case []any:
		for i, x := range v {
			add(fmt.Sprintf("%s[%d]", path, i), x)
		}
	}
	return out
}

// TestYAMLIsTheSameInParts edits lines of documents: what can be read in parts is what it is as a whole, in records, places and problems.
func TestYAMLIsTheSameInParts(t *testing.T) {
	clean := strings.Replace(likeExport, "    mac: 00:15:65:00:00:04\n", "", 1)
	for _, atOnce := range []int{1, 2, 500} {
		for _, text := range []string{likeExport, clean, strings.ReplaceAll(clean, "\n", "\r\n"), "---\n" + clean, strings.TrimSuffix(clean, "\n")} {
			if !compareParts(t, text, atOnce) {
				t.Errorf("can't be split:\n%s", text)
			}
		}
	}
	for _, text := range []string{handWritten, "{devices: []}\n", "- a\n", "devices:\n  - a\n ...\n", clean + "devices:\n", "", clean + "---\nprivate: true\n", strings.Replace(clean, "Büro", "a\u2028b", 1)} {
		if compareParts(t, text, 1) {
			t.Errorf("is split:\n%s", text)
		}
	}
	lines := strings.SplitAfter(handWritten+likeExport, "\n")
	rapid.Check(t, func(t *rapid.T) {
		text := slices.Clone(strings.SplitAfter(rapid.SampledFrom([]string{handWritten, likeExport, clean}).Draw(t, "document"), "\n"))
		for range rapid.IntRange(0, 4).Draw(t, "edits") {
			i := rapid.IntRange(0, len(text)-1).Draw(t, "line")
			switch rapid.IntRange(0, 4).Draw(t, "edit") {
			case 0:
				text = slices.Delete(text, i, min(i+rapid.IntRange(1, 8).Draw(t, "lines"), len(text)))
			case 1:
				text[i] = " " + text[i]
			case 2:
				text[i] = strings.TrimPrefix(text[i], "  ")
			case 3:
				text = slices.Insert(text, i, rapid.SampledFrom(lines).Draw(t, "another"))
			case 4:
				text[i] = strings.Replace(text[i], ":", rapid.SampledFrom([]string{": \"", ": [", ": '", ": |", ": &a", ": *a", ":\t"}).Draw(t, "begin"), 1)
			}
			if len(text) == 0 {
				return
			}
		}
		compareParts(t, strings.Join(text, ""), rapid.IntRange(1, 3).Draw(t, "at once"))
	})
}

// TestAliasesOfAllPartsAreBoundedTogether: many parts that expand to little each are no more than one that expands to much.
func TestAliasesOfAllPartsAreBoundedTogether(t *testing.T) {
	tens := func(item string) string { return "[" + strings.TrimSuffix(strings.Repeat(item+",", 10), ",") + "]" }
	text := "devices:\n" + strings.Repeat(fmt.Sprintf("- {a: &a %s, b: &b %s, c: &c %s, d: %s}\n", tens("1"), tens("*a"), tens("*b"), tens("*c")), 40)
	_, ok, err := parseParts("f.yaml", []byte(text), 1)
	if !ok || err == nil || !strings.Contains(err.Error(), "its aliases expand to too much") {
		t.Errorf("in parts: %t, %v", ok, err)
	}
	if _, err := parseWhole("f.yaml", []byte(text), len(text)); err == nil || !strings.Contains(err.Error(), "its aliases expand to too much") {
		t.Errorf("whole: %v", err)
	}
}

// TestDocumentOfManyMembersIsReadWhole: a fleet has five, with any number of records.
func TestDocumentOfManyMembersIsReadWhole(t *testing.T) {
	var text strings.Builder
	for i := range maxMembers {
		fmt.Fprintf(&text, "member%d:\n- 1\n- 2\n", i)
	}
	if list, ok := splitYAML([]byte(text.String()), 1); !ok || len(list) != 2*maxMembers {
		t.Errorf("%d parts, %t", len(list), ok)
	}
	if _, ok := splitYAML([]byte(text.String()+"another: 1\n"), 1); ok {
		t.Error("is split")
	}
}
