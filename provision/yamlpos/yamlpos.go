// Package yamlpos reads the YAML files that people write: configuration, vendor packs and profiles. It reports every
// problem at once, each with file, line, column, the key, the text as written and what is allowed instead.
//
// The YAML itself is parsed by go.yaml.in/yaml. This package only walks the parser's nodes, strictly: unknown keys, keys
// that are written twice and values of another type are problems. It contains no schema; callers bring their own.
package yamlpos

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// Pos is a place in a file, counted from 1. The zero Pos is unknown.
type Pos struct{ Line, Column int }

// At returns the place of a node; nil has none.
func At(n *yaml.Node) Pos {
	if n == nil {
		return Pos{}
	}
	return Pos{n.Line, n.Column}
}

// Error is one problem in a file.
type Error struct {
	File         string
	Line, Column int    // 0: unknown
	Key          string // path of the key, such as dhcp.subnets[0].pools[1]; "" when the problem names it
	Text         string // what was written; "" when nothing was
	Allowed      string // what is wrong with it and what is allowed
}

// Errorf makes a problem at a place.
func Errorf(at Pos, format string, args ...any) *Error {
	return &Error{Line: at.Line, Column: at.Column, Allowed: fmt.Sprintf(format, args...)}
}

// Error prints file:line:column: key: "text": what is allowed.
func (e Error) Error() string {
	var b strings.Builder
	if e.File != "" {
		b.WriteString(e.File + ":")
	}
	if e.Line > 0 {
		fmt.Fprintf(&b, "%d:", e.Line)
	}
	if e.Line > 0 && e.Column > 0 {
		fmt.Fprintf(&b, "%d:", e.Column)
	}
	if b.Len() > 0 {
		b.WriteByte(' ')
	}
	if e.Key != "" {
		b.WriteString(e.Key + ": ")
	}
	if e.Text != "" {
		fmt.Fprintf(&b, "%.80q: ", e.Text)
	}
	return b.String() + e.Allowed
}

// Errors is every problem of a file.
type Errors []Error

// Error prints one problem a line.
func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i, x := range e {
		lines[i] = x.Error()
	}
	return strings.Join(lines, "\n")
}

// Sort puts the problems into the order of the file.
func (e Errors) Sort() {
	slices.SortStableFunc(e, func(a, b Error) int {
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		return a.Column - b.Column
	})
}

// Deref follows an alias. An alias never points to an alias.
func Deref(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode && n.Alias != nil {
		return n.Alias
	}
	return n
}

// IsNull reports whether a key has no value.
func IsNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

// Text returns a scalar as written, and nothing for a map or a list.
func Text(n *yaml.Node) string {
	if n = Deref(n); n.Kind == yaml.ScalarNode {
		return n.Value
	}
	return ""
}

// Kind names what a node is, for a problem such as "a list where a text belongs".
func Kind(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "a map"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case IsNull(n):
		return "nothing"
	}
	return "a single value"
}

// Join returns the path of a key within the map at path.
func Join(path, key string) string {
	switch {
	case path == "":
		return key
	case strings.ContainsAny(key, ". []\""):
		return path + "[" + strconv.Quote(key) + "]"
	}
	return path + "." + key
}

// Member returns the value of a key of a map, nil when n is not a map or has no such key.
func Member(n *yaml.Node, key string) *yaml.Node {
	if i := IndexOf(n, key); i >= 0 {
		return n.Content[i+1]
	}
	return nil
}

// MemberPos returns the place of a key of a map; it is unknown when n is not a map or has no such key.
func MemberPos(n *yaml.Node, key string) Pos {
	if i := IndexOf(n, key); i >= 0 {
		return At(n.Content[i])
	}
	return Pos{}
}

// IndexOf returns where among the content of a map a key is, -1 when n is not a map or has no such key.
func IndexOf(n *yaml.Node, key string) int {
	if n == nil || n.Kind != yaml.MappingNode {
		return -1
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return i
		}
	}
	return -1
}

// Items returns the items of a list, none when n is not a list.
func Items(n *yaml.Node) []*yaml.Node {
	if n == nil || n.Kind != yaml.SequenceNode {
		return nil
	}
	return n.Content
}

// Shift moves the places of a node and all below it down by lines.
func Shift(n *yaml.Node, lines int) {
	n.Line += lines
	for _, x := range n.Content {
		Shift(x, lines)
	}
}

// Find returns the place of the key with a path such as keys[1].type below root: that of the nearest key around it when it
// is not written itself. Keys that hold dots may be quoted, as in settings["a.b"], or not.
func Find(root *yaml.Node, path string) Pos {
	var at Pos
	for n := root; n != nil; {
		var here Pos
		if n, here, path = step(Deref(n), path); n != nil {
			at = here
		}
	}
	return at
}

// step follows the first part of a path: to an item of a list or to the longest key of a map that fits.
func step(n *yaml.Node, path string) (child *yaml.Node, at Pos, rest string) {
	path = strings.TrimPrefix(path, ".")
	if n.Kind == yaml.SequenceNode && strings.HasPrefix(path, "[") {
		index, rest, _ := strings.Cut(path[1:], "]")
		if i, err := strconv.Atoi(index); err == nil && i >= 0 && i < len(n.Content) {
			return n.Content[i], At(n.Content[i]), rest
		}
		return nil, Pos{}, ""
	}
	if n.Kind != yaml.MappingNode {
		return nil, Pos{}, ""
	}
	longest := -1
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i].Value
		for _, form := range []string{key, "[" + strconv.Quote(key) + "]"} {
			after, ok := strings.CutPrefix(path, form)
			if ok && len(form) > longest && (after == "" || after[0] == '.' || after[0] == '[') {
				longest, child, at, rest = len(form), n.Content[i+1], At(n.Content[i]), after
			}
		}
	}
	return child, at, rest
}

// validPrefix is the text before the first byte that is not UTF-8.
func validPrefix(data []byte) string {
	for i := 0; i < len(data); {
		c, n := utf8.DecodeRune(data[i:])
		if c == utf8.RuneError && n == 1 {
			return string(data[:i])
		}
		i += n
	}
	return string(data)
}
