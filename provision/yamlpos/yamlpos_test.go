package yamlpos_test

import (
	"reflect"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"plugtone/provision/yamlpos"
)

type fixture struct {
	Name   string          `yaml:"name"`
	On     bool            `yaml:"on"`
	Count  *int            `yaml:"count"`
	List   []string        `yaml:"list"`
	Inner  map[string]part `yaml:"inner"`
	Either either          `yaml:"either"`
	Any    map[string]any  `yaml:"any"`
}

type part struct {
	Size int `yaml:"size"`
	Pos  yamlpos.Pos
}

// either is written as one word or as a map.
type either struct {
	Word string `yaml:"word"`
}

func (e *either) DecodeYAML(r *yamlpos.Reader, n *yaml.Node, path string) {
	if n.Kind == yaml.ScalarNode {
		e.Word = n.Value
		return
	}
	r.DecodeFields(n, path, e)
}

func read(text string) (fixture, *yamlpos.Reader, *yaml.Node) {
	var out fixture
	r := yamlpos.NewReader("f.yaml")
	root := r.Parse([]byte(text), 1<<20)
	if root != nil {
		r.Decode(root, "", &out)
	}
	return out, r, root
}

// What the types allow is read: aliases, merged maps, and what may be written in two ways.
func TestDecodeReadsEveryKind(t *testing.T) {
	got, r, root := read("name: 007\non: true\ncount: 3\nlist: &l [a, 1]\ninner: {x: &x {size: 1}, y: {<<: *x}, z: {<<: *x, size: 2}}\neither: word\nany: {l: *l, n: null, f: 1.5}\n")
	if len(r.Errors) > 0 {
		t.Fatal(r.Errors)
	}
	three := 3
	want := fixture{Name: "007", On: true, Count: &three, List: []string{"a", "1"}, Either: either{"word"},
		Inner: map[string]part{"x": {Size: 1, Pos: yamlpos.Pos{Line: 5, Column: 12}}, "y": {Size: 1, Pos: yamlpos.Pos{Line: 5, Column: 29}}, "z": {Size: 2, Pos: yamlpos.Pos{Line: 5, Column: 42}}},
		Any:   map[string]any{"l": []any{"a", 1}, "n": nil, "f": 1.5}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v\nwant\n%+v", got, want)
	}
	if w := r.Written["inner.z.size"]; w.Line != 5 || w.Text != "2" {
		t.Errorf("inner.z.size is stored as %+v", w)
	}
	for path, want := range map[string]yamlpos.Pos{"list[1]": {Line: 4, Column: 14}, "inner.x.nothing": {Line: 5, Column: 9}, "nothing": {}} {
		if at := yamlpos.Find(root, path); at != want {
			t.Errorf("%s is found at %+v, want %+v", path, at, want)
		}
	}
}

// Every problem is reported at once, with its place, its key and what is allowed.
func TestDecodeReportsEveryProblem(t *testing.T) {
	for text, want := range map[string]string{
		"nmae: x\non: yes please\ncount: many\nlist: {a: b}\ninner: {x: {sise: 1}}\nname: a\nname: b\n": `f.yaml:1:1: nmae: unknown key: did you mean name?
f.yaml:2:5: on: "yes please": true or false, without quotes
f.yaml:3:8: count: "many": a whole number, without quotes
f.yaml:4:7: list: a map where a list belongs, as in [a, b]
f.yaml:5:13: inner.x.sise: unknown key: did you mean size?
f.yaml:7:1: name: written twice: first on line 6`,
		"colour: x\n":       `f.yaml:1:1: colour: unknown key: allowed are any, count, either, inner, list, name, on`,
		"name: [a\n":        `f.yaml:2:1: not YAML: did not find expected ',' or ']'`,
		"name: \xff\n":      `f.yaml:1:7: not UTF-8 text: save the file as UTF-8`,
		"name: a\n---\nb\n": `f.yaml:3:1: a second document: a file holds one`,
	} {
		if _, r, _ := read(text); r.Errors.Error() != want {
			t.Errorf("%q:\n%v\nwant\n%s", text, r.Errors, want)
		}
	}
}

// Aliases that expand without end are an error.
func TestAliasesAreBounded(t *testing.T) {
	bomb := "any:\n  a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
	for i := range 9 {
		next := strings.Repeat("*a"+string(rune('0'+i))+", ", 10)
		bomb += "  a" + string(rune('1'+i)) + ": &a" + string(rune('1'+i)) + " [" + next + "]\n"
	}
	long := strings.Repeat("x", 100_000)
	for _, text := range []string{bomb, "any: &a {b: *a}\n", "any:\n l:\n - &a " + long + "\n" + strings.Repeat(" - *a\n", 1000),
		"any:\n l:\n - &a\n  ? " + long + "\n  : y\n" + strings.Repeat(" - *a\n", 1000), "any:\n l:\n - &a\n  ? " + long + "\n  : y\n" + strings.Repeat(" - {<<: *a}\n", 1000)} {
		if _, r, _ := read(text); !strings.Contains(r.Errors.Error(), "its aliases expand to too much") {
			t.Errorf("%.40q: %.200v", text, r.Errors)
		}
	}
}

// What a file has itself is read, however much it is: a fleet of 100,000 phones has millions of nodes.
func TestLargeFileWithoutAliasesIsRead(t *testing.T) {
	text := "any:\n l:\n" + strings.Repeat("  - [x, x, x, x]\n", 50_000)
	if got, r, _ := read(text); len(r.Errors) != 0 {
		t.Error(r.Errors)
	} else if list, ok := got.Any["l"].([]any); !ok || len(list) != 50_000 {
		t.Errorf("%d items", len(list))
	}
}

// All that is written is read or refused.
func FuzzDecode(f *testing.F) {
	f.Add("name: a\ninner: {x: {size: 1}}\n")
	f.Add("<<: *a\n? [b]\n: c\n")
	f.Fuzz(func(t *testing.T, text string) {
		_, r, _ := read(text)
		for _, e := range r.Errors {
			if e.Allowed == "" {
				t.Errorf("a problem without words: %+v", e)
			}
		}
	})
}
