package render

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Param is one parameter of a file: the phone's own name for it and its value.
type Param struct {
	Name  string
	Value string
}

// A parameter list is what a template of a parameter format prints: one "name = value" a line. Printed values are packed so that
// none of their characters can end a line, end a name, begin a comment or be trimmed.
const packed = "\x1a"

var packing = strings.NewReplacer(packed, packed+"z", "\n", packed+"n", "\r", packed+"r", "\t", packed+"t",
	"=", packed+"e", "#", packed+"h", " ", packed+"s")

var unpacking = strings.NewReplacer(packed+"z", packed, packed+"n", "\n", packed+"r", "\r", packed+"t", "\t",
	packed+"e", "=", packed+"h", "#", packed+"s", " ")

func pack(s string) string {
	for i := range len(s) {
		switch s[i] {
		case packed[0], '\n', '\r', '\t', '=', '#', ' ':
			return packing.Replace(s)
		}
	}
	return s
}

func unpack(s string) string {
	if !strings.Contains(s, packed) {
		return s
	}
	return unpacking.Replace(s)
}

// readParamList reads the lines of a parameter list. Blank lines and lines that begin with # are left out.
func readParamList(text string) ([]Param, error) {
	out := make([]Param, 0, strings.Count(text, " = ")+8)
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
			return nil, &paramListError{line: unpack(line)}
		}
		out = append(out, Param{Name: unpack(strings.TrimSpace(name)), Value: unpack(strings.TrimSpace(value))})
	}
	return out, nil
}

// paramListError is the error about a printed line that is not a parameter.
type paramListError struct{ line string }

func (e *paramListError) Error() string {
	return fmt.Sprintf("line %.60q is not a parameter: write NAME = VALUE, with a space on both sides", e.line)
}

// printedBy guesses which line of a template printed a line: the one with the longest beginning in common. 0: none.
func printedBy(source, line string) int {
	best, longest := 0, 0
	n := 0
	for text := range strings.Lines(source) {
		n++
		text = strings.TrimSpace(text)
		fixed, _, _ := strings.Cut(text, "{{")
		if len(fixed) > longest && strings.HasPrefix(line, fixed) {
			best, longest = n, len(fixed)
		}
	}
	return best
}

// Merge joins the parameters of a template with those of the settings and of the operator. Settings may not name what
// the template set: two places would claim one truth. The operator's own parameters win over both: they replace a
// parameter in its place, and those that are new are appended in the order of their names when add is set.
func (f *Format) Merge(params, settings []Param, extra map[string]string, add bool) ([]Param, error) {
	all := append(params[:len(params):len(params)], settings...)
	if len(settings) == 0 && len(extra) > 0 {
		all = slices.Clone(params)
	}
	at := make(map[string]int, len(all)) // where a parameter first is
	for i, p := range all {
		known := f.name(p.Name)
		if known.err != nil {
			return nil, known.err
		}
		if _, twice := at[known.full]; !twice {
			at[known.full] = i
		} else if !f.repeats(p.Name) {
			return nil, fmt.Errorf("duplicate parameter %s: %s", p.Name, claims(slices.IndexFunc(all, func(q Param) bool { return f.name(q.Name).full == known.full }), i, len(params)))
		}
	}
	drop := make(map[int]bool)
	for _, name := range sortedKeys(extra) {
		known := f.name(name)
		if known.err != nil {
			return nil, fmt.Errorf("vendor setting: %w", known.err)
		}
		first, found := at[known.full]
		switch {
		case found:
			all[first].Value = extra[name]
			for i := first + 1; i < len(params)+len(settings) && f.repeats(all[first].Name); i++ {
				if f.name(all[i].Name).full == known.full {
					drop[i] = true
				}
			}
		case add:
			all = append(all, Param{Name: name, Value: extra[name]})
		}
	}
	if len(drop) == 0 {
		return all, nil
	}
	out := make([]Param, 0, len(all))
	for i, p := range all {
		if !drop[i] {
			out = append(out, p)
		}
	}
	return out, nil
}

// claims describes where a duplicate parameter is set; the first n parameters are the template's.
func claims(first, second, n int) string {
	switch {
	case second < n:
		return "the template prints both"
	case first < n:
		return "the template prints it, and a setting sets it"
	}
	return "two settings set it"
}

func (f *Format) repeats(name string) bool {
	for _, r := range f.Repeat {
		if r == name {
			return true
		}
	}
	return false
}

// plainName is what a parameter of a lines format may be called.
var plainName = regexp.MustCompile(`^[A-Za-z0-9_%$.][A-Za-z0-9_.%$@:/\[\]+-]*$`)

// spacedName matches a name in a format with spaces.
var spacedName = regexp.MustCompile(`^[A-Za-z0-9_.\[\]|-]+( [A-Za-z0-9_.\[\]|-]+)*$`)
