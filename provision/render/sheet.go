package render

import (
	"fmt"
	"regexp"
	"strings"
)

// Param is one parameter of a file: the phone's own name for it and its value.
type Param struct {
	Name  string
	Value string
}

// A sheet is what a template of a parameter format prints: one "name = value" a line. Printed values are packed so that
// none of their characters can end a line, end a name, begin a comment or be trimmed.
const packed = "\x1a"

var packing = strings.NewReplacer(packed, packed+"z", "\n", packed+"n", "\r", packed+"r", "\t", packed+"t",
	"=", packed+"e", "#", packed+"h", " ", packed+"s")

var unpacking = strings.NewReplacer(packed+"z", packed, packed+"n", "\n", packed+"r", "\r", packed+"t", "\t",
	packed+"e", "=", packed+"h", "#", packed+"s", " ")

func pack(s string) string { return packing.Replace(s) }

func unpack(s string) string {
	if !strings.Contains(s, packed) {
		return s
	}
	return unpacking.Replace(s)
}

// readSheet reads the lines of a sheet. Blank lines and lines that begin with # are left out.
func readSheet(text string) ([]Param, error) {
	var out []Param
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, value, ok := strings.Cut(line, " = ")
		if !ok {
			name, ok = strings.CutSuffix(line, " =")
		}
		if !ok {
			return nil, fmt.Errorf("line %.60q is no parameter: write NAME = VALUE, with a space on both sides", unpack(line))
		}
		out = append(out, Param{Name: unpack(strings.TrimSpace(name)), Value: unpack(strings.TrimSpace(value))})
	}
	return out, nil
}

// Merge joins the parameters of a template with those of the settings and of the operator. Settings may not name what
// the template set: two places would claim one truth. The operator's own parameters win over both: they replace a
// parameter where it stands, and those that are new are appended in the order of their names when add is set.
func (f *Format) Merge(params, settings []Param, extra map[string]string, add bool) ([]Param, error) {
	at := make(map[string][]int, len(params)+len(settings))
	params = append(params[:len(params):len(params)], settings...)
	for i, p := range params {
		if err := f.CheckName(p.Name); err != nil {
			return nil, err
		}
		id := f.identity(p.Name)
		if len(at[id]) > 0 && !f.repeats(p.Name) {
			return nil, fmt.Errorf("parameter %s stands twice", p.Name)
		}
		at[id] = append(at[id], i)
	}
	drop := make(map[int]bool)
	var more []Param
	for _, name := range sortedKeys(extra) {
		if err := f.CheckName(name); err != nil {
			return nil, fmt.Errorf("vendor setting: %w", err)
		}
		found := at[f.identity(name)]
		switch {
		case len(found) > 0:
			params[found[0]].Value = extra[name]
			for _, i := range found[1:] {
				drop[i] = true
			}
		case add:
			more = append(more, Param{Name: name, Value: extra[name]})
		}
	}
	out := make([]Param, 0, len(params)+len(more))
	for i, p := range params {
		if !drop[i] {
			out = append(out, p)
		}
	}
	return append(out, more...), nil
}

func (f *Format) repeats(name string) bool {
	for _, r := range f.Repeat {
		if r == name {
			return true
		}
	}
	return false
}

// identity is equal for two spellings of the same parameter.
func (f *Format) identity(name string) string {
	if f.Kind != "tree" {
		return name
	}
	return f.fullPath(name)
}

// plainName is what a parameter of a lines format may be called.
var plainName = regexp.MustCompile(`^[A-Za-z0-9_%$.][A-Za-z0-9_.%$@:/\[\]+-]*$`)

// spacedName is what it may be called where the format says spaces.
var spacedName = regexp.MustCompile(`^[A-Za-z0-9_.\[\]|-]+( [A-Za-z0-9_.\[\]|-]+)*$`)
