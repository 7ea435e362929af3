package yamlpos

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"

	"plugtone/provision/setting"
)

// Reader walks the nodes of one file. It stores where each key was written, and collects problems instead of stopping at
// the first.
type Reader struct {
	File    string // as problems name it
	Errors  Errors
	Written map[string]Value // path of a key or of an item of a list to its value

	size         int  // nodes of the file itself
	nodes, depth int  // decoded so far, and around the node that is being decoded
	exceeded     bool // nodes or depth
}

// Value is where a value was written, and its text when it is a scalar.
type Value struct {
	Pos
	Text string
}

// NewReader makes a reader of the file that problems call by this name.
func NewReader(file string) *Reader { return &Reader{File: file, Written: make(map[string]Value)} }

// Parse returns the root node of a file with one document. It returns nil when the file is empty, longer than limit bytes,
// not UTF-8 or not YAML; all but the first are problems.
func (r *Reader) Parse(data []byte, limit int) *yaml.Node {
	if len(data) > limit {
		r.add(Error{Allowed: fmt.Sprintf("%d bytes: at most %d", len(data), limit)})
		return nil
	}
	if !utf8.Valid(data) {
		before := validPrefix(data)
		column := utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:]) + 1
		r.add(Error{Line: strings.Count(before, "\n") + 1, Column: column, Allowed: "not UTF-8 text: save the file as UTF-8"})
		return nil
	}
	var doc, next yaml.Node
	dec := yaml.NewDecoder(strings.NewReader(string(data)))
	if err := dec.Decode(&doc); err != nil {
		r.syntaxError(data, err)
		return nil
	}
	if err := dec.Decode(&next); err == nil && len(next.Content) > 0 {
		r.ErrorAt(next.Content[0], "", "", "a second document: a file holds one")
	}
	if len(doc.Content) == 0 {
		return nil
	}
	r.Count(&doc)
	return Deref(doc.Content[0])
}

// Count adds the nodes of n to those that the file has itself. What its aliases may expand to is bounded by them.
func (r *Reader) Count(n *yaml.Node) { r.size += size(n) }

// syntaxError reports what the YAML parser refused. The parser stops at the first such place.
func (r *Reader) syntaxError(data []byte, err error) {
	if len(strings.TrimSpace(string(data))) == 0 || err.Error() == "EOF" {
		return
	}
	e := Error{Allowed: "not YAML: " + strings.TrimPrefix(err.Error(), "yaml: ")}
	var le *yaml.LoadError
	if errors.As(err, &le) {
		e.Line, e.Column = max(le.Mark.Line, 1), max(le.Mark.Column, 1)
		e.Allowed = "not YAML: " + le.Message
	}
	r.add(e)
}

func (r *Reader) add(e Error) {
	e.File = r.File
	r.Errors = append(r.Errors, e)
}

// ErrorAt reports a problem at a node, with the text that it quotes.
func (r *Reader) ErrorAt(n *yaml.Node, path, text, allowed string) {
	r.add(Error{Line: n.Line, Column: n.Column, Key: path, Text: text, Allowed: allowed})
}

// Errorf reports a problem with the value at a node, and quotes it.
func (r *Reader) Errorf(n *yaml.Node, path, format string, args ...any) {
	r.ErrorAt(n, path, Text(n), fmt.Sprintf(format, args...))
}

// Pairs calls f for each key of a map, with the path of the key. A value that is not a map, and duplicate keys, are
// problems. The keys of a map that is merged (<<) come after those of the map itself, which replace them.
func (r *Reader) Pairs(n *yaml.Node, path string, f func(key, value *yaml.Node, at string)) {
	if n.Kind != yaml.MappingNode {
		r.Errorf(n, path, "%s where a map of keys and values belongs", Kind(n))
		return
	}
	seen := map[string]int{}
	var merged []*yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], Deref(n.Content[i+1])
		if key.Tag == "!!merge" {
			merged = append(merged, value)
			continue
		}
		if key.Kind != yaml.ScalarNode {
			r.ErrorAt(key, path, "", "a key that is not a plain word")
			continue
		}
		at := Join(path, key.Value)
		if line, duplicate := seen[key.Value]; duplicate {
			r.ErrorAt(key, at, "", fmt.Sprintf("written twice: first on line %d", line))
			continue
		}
		seen[key.Value] = key.Line
		r.nodes += len(key.Value) / nodeText
		r.write(at, value)
		f(key, value, at)
	}
	for _, m := range merged {
		r.merge(m, path, seen, f)
	}
}

// Field reads the value of one key.
type Field func(n *yaml.Node, path string)

// Fields gives each key's value to its field. Unknown keys are problems; a key without value counts as not written.
func (r *Reader) Fields(n *yaml.Node, path string, fields map[string]Field) {
	names := slices.Sorted(maps.Keys(fields))
	r.Pairs(n, path, func(key, value *yaml.Node, at string) {
		field, ok := fields[key.Value]
		if !ok {
			r.UnknownKey(key, at, names)
			return
		}
		if !IsNull(value) {
			field(value, at)
		}
	})
}

// merge calls f for those keys of a merged map that are not among seen.
func (r *Reader) merge(m *yaml.Node, path string, seen map[string]int, f func(key, value *yaml.Node, at string)) {
	if m.Kind != yaml.MappingNode {
		r.Errorf(m, path, "%s is merged where a map belongs", Kind(m))
		return
	}
	for i := 0; i+1 < len(m.Content); i += 2 {
		key, value := m.Content[i], Deref(m.Content[i+1])
		if _, ok := seen[key.Value]; ok || key.Kind != yaml.ScalarNode {
			continue
		}
		seen[key.Value] = key.Line
		at := Join(path, key.Value)
		r.nodes += len(key.Value) / nodeText
		r.write(at, value)
		f(key, value, at)
	}
}

// write stores where the value at path was written. A key without value counts as not written.
func (r *Reader) write(path string, value *yaml.Node) {
	if r.Written != nil && !IsNull(value) {
		r.Written[path] = Value{At(value), Text(value)}
	}
}

// List calls f for each item of a list. A value that is not a list is a problem.
func (r *Reader) List(n *yaml.Node, path string, f func(n *yaml.Node, path string)) {
	if n.Kind != yaml.SequenceNode {
		r.Errorf(n, path, "%s where a list belongs, as in [a, b]", Kind(n))
		return
	}
	for i, item := range n.Content {
		at := fmt.Sprintf("%s[%d]", path, i)
		item = Deref(item)
		if r.Written != nil {
			r.Written[at] = Value{At(item), Text(item)}
		}
		f(item, at)
	}
}

// Scalar returns a text. Numbers and booleans are taken as they are written: a port or a name may look like either.
func (r *Reader) Scalar(n *yaml.Node, path string) (string, bool) {
	if n.Kind != yaml.ScalarNode || IsNull(n) {
		r.Errorf(n, path, "%s where a text belongs", Kind(n))
		return "", false
	}
	return n.Value, true
}

// UnknownKey reports a key that is not among the allowed ones, and the ones that were probably meant.
func (r *Reader) UnknownKey(key *yaml.Node, path string, allowed []string) {
	r.ErrorAt(key, path, "", "unknown key"+Suggest(key.Value, allowed))
}

// Suggest names the words that were probably meant, as ": did you mean interface?".
func Suggest(s string, words []string) string {
	near := setting.Nearest(s, words)
	if len(near) == 0 {
		return ""
	}
	return ": did you mean " + strings.Join(near, " or ") + "?"
}
