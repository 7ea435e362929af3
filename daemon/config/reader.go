package config

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"

	"plugtone/provision/setting"
)

// maxFile bounds the configuration file: a larger one is a mistake, not a configuration.
const maxFile = 4 << 20

// reader walks a YAML tree, notes where every key stands and collects problems instead of stopping at the first.
type reader struct {
	file     string
	problems Problems
	warnings []Warning
	where    map[string]position
}

// parse gives the root mapping of a document, nil when it is empty or broken.
func (r *reader) parse(data []byte) *yaml.Node {
	if len(data) > maxFile {
		r.problems = append(r.problems, Problem{File: r.file, Allowed: fmt.Sprintf("%d bytes: at most %d", len(data), maxFile)})
		return nil
	}
	if !utf8.Valid(data) {
		before := validPart(data)
		column := utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:]) + 1
		r.problems = append(r.problems, Problem{File: r.file, Line: strings.Count(before, "\n") + 1, Column: column, Allowed: "not UTF-8 text: save the file as UTF-8"})
		return nil
	}
	var doc yaml.Node
	var next yaml.Node
	dec := yaml.NewDecoder(strings.NewReader(string(data)))
	if err := dec.Decode(&doc); err != nil {
		r.syntax(data, err)
		return nil
	}
	if err := dec.Decode(&next); err == nil && len(next.Content) > 0 {
		r.problemAt(next.Content[0], "", "", "a second document: the configuration is one")
	}
	if len(doc.Content) == 0 {
		return nil
	}
	return deref(doc.Content[0])
}

// validPart is the text before the first byte that is not UTF-8.
func validPart(data []byte) string {
	for i := 0; i < len(data); {
		c, n := utf8.DecodeRune(data[i:])
		if c == utf8.RuneError && n == 1 {
			return string(data[:i])
		}
		i += n
	}
	return string(data)
}

// syntax reports what the YAML parser refused. The parser stops at the first such place.
func (r *reader) syntax(data []byte, err error) {
	if len(strings.TrimSpace(string(data))) == 0 || err.Error() == "EOF" {
		return
	}
	f := Problem{File: r.file, Allowed: "not YAML: " + strings.TrimPrefix(err.Error(), "yaml: ")}
	var le *yaml.LoadError
	if errors.As(err, &le) {
		f.Line, f.Column = max(le.Mark.Line, 1), max(le.Mark.Column, 1)
		f.Allowed = "not YAML: " + le.Message
	}
	r.problems = append(r.problems, f)
}

// deref follows an alias. An alias never stands for an alias, and the schema's depth bounds every walk.
func deref(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode && n.Alias != nil {
		return n.Alias
	}
	return n
}

func (r *reader) problemAt(n *yaml.Node, path, text, allowed string) {
	r.problems = append(r.problems, Problem{File: r.file, Line: n.Line, Column: n.Column, Key: path, Text: text, Allowed: allowed})
}

// problem reports the value at n, quoting it.
func (r *reader) problem(n *yaml.Node, path, format string, args ...any) {
	r.problemAt(n, path, shown(n), fmt.Sprintf(format, args...))
}

// problemPath reports the key at path where it was written.
func (r *reader) problemPath(path, text, format string, args ...any) {
	p := r.where[path]
	r.problems = append(r.problems, Problem{File: r.file, Line: p.line, Column: p.column, Key: path, Text: text, Allowed: fmt.Sprintf(format, args...)})
}

func (r *reader) warn(path, text, format string, args ...any) {
	p := r.where[path]
	r.warnings = append(r.warnings, Warning{File: r.file, Line: p.line, Column: p.column, Key: path, Text: text, Allowed: fmt.Sprintf(format, args...)})
}

// shown is a scalar as written, and nothing for what would fill the screen.
func shown(n *yaml.Node) string {
	if n = deref(n); n.Kind == yaml.ScalarNode {
		return n.Value
	}
	return ""
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

// kind names what stands at n, for "a list, not a map".
func kind(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "a map"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case isNull(n):
		return "nothing"
	}
	return "a single value"
}

// field reads the value of one key.
type field func(n *yaml.Node, path string)

// mapping hands each known key's value to its field. A key without value counts as not written.
func (r *reader) mapping(n *yaml.Node, path string, fields map[string]field) {
	names := make([]string, 0, len(fields))
	for k := range fields {
		names = append(names, k)
	}
	slices.Sort(names)
	r.pairs(n, path, func(key, value *yaml.Node, at string) {
		f, ok := fields[key.Value]
		if !ok {
			r.problemAt(key, at, "", "unknown key"+nearest(key.Value, names))
			return
		}
		if !isNull(value) {
			f(value, at)
		}
	})
}

// pairs calls f for each key of a map, refusing what is no map and keys that stand twice.
func (r *reader) pairs(n *yaml.Node, path string, f func(key, value *yaml.Node, at string)) {
	if n.Kind != yaml.MappingNode {
		r.problem(n, path, "%s where a map of keys and values belongs", kind(n))
		return
	}
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], deref(n.Content[i+1])
		if key.Kind != yaml.ScalarNode {
			r.problemAt(key, path, "", "a key that is not a plain word")
			continue
		}
		at := join(path, key.Value)
		if line, twice := seen[key.Value]; twice {
			r.problemAt(key, at, "", fmt.Sprintf("written twice: first on line %d", line))
			continue
		}
		seen[key.Value] = key.Line
		if !isNull(value) {
			r.where[at] = position{value.Line, value.Column, shown(value)}
		}
		f(key, value, at)
	}
}

func join(path, key string) string {
	switch {
	case path == "":
		return key
	case strings.ContainsAny(key, ". []\""):
		return path + "[" + strconv.Quote(key) + "]"
	}
	return path + "." + key
}

// list calls f for each item of a list.
func (r *reader) list(n *yaml.Node, path string, f func(n *yaml.Node, path string)) {
	if n.Kind != yaml.SequenceNode {
		r.problem(n, path, "%s where a list belongs, as in [a, b]", kind(n))
		return
	}
	for i, item := range n.Content {
		at := fmt.Sprintf("%s[%d]", path, i)
		item = deref(item)
		r.where[at] = position{item.Line, item.Column, shown(item)}
		f(item, at)
	}
}

// text reads a string. Numbers and booleans are taken as they are written: a port or a name may look like either.
func (r *reader) text(n *yaml.Node, path string) (string, bool) {
	if n.Kind != yaml.ScalarNode || isNull(n) {
		r.problem(n, path, "%s where a text belongs", kind(n))
		return "", false
	}
	return n.Value, true
}

func (r *reader) toBool(dst *bool) field {
	return func(n *yaml.Node, path string) {
		switch s := shown(n); {
		case n.Kind != yaml.ScalarNode || n.Tag != "!!bool":
			r.problem(n, path, "true or false, without quotes")
		default:
			*dst = strings.EqualFold(s, "true")
		}
	}
}

func (r *reader) toInt(dst *int, low, high int) field {
	return func(n *yaml.Node, path string) {
		v, err := strconv.Atoi(shown(n))
		if n.Kind != yaml.ScalarNode || n.Tag != "!!int" || err != nil || v < low || v > high {
			r.problem(n, path, "a whole number from %d to %d, without quotes", low, high)
			return
		}
		*dst = v
	}
}

func (r *reader) toWord(dst *string, words ...string) field {
	return func(n *yaml.Node, path string) {
		s := shown(n)
		if n.Kind != yaml.ScalarNode || !slices.Contains(words, s) {
			r.problem(n, path, "%s%s", oneOf(words), nearest(s, words))
			return
		}
		*dst = s
	}
}

// toWords reads a list of words without repetition.
func (r *reader) toWords(dst *[]string, words ...string) field {
	return func(n *yaml.Node, path string) {
		out := []string{}
		r.list(n, path, func(n *yaml.Node, at string) {
			var w string
			r.toWord(&w, words...)(n, at)
			switch {
			case w == "":
			case slices.Contains(out, w):
				r.problem(n, at, "duplicate")
			default:
				out = append(out, w)
			}
		})
		*dst = out
	}
}

func oneOf(words []string) string {
	if len(words) == 1 {
		return words[0]
	}
	return "one of " + strings.Join(words, ", ")
}

// nearest suggests the words that were probably meant, as ": did you mean interface?".
func nearest(s string, words []string) string {
	near := setting.Nearest(s, words)
	if len(near) == 0 {
		return ""
	}
	return ": did you mean " + strings.Join(near, " or ") + "?"
}
