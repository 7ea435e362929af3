package apply

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"

	"plugtone/provision/yamlpos"
)

// Documents of more than wholeMax bytes are read in parts of recordsAtOnce records: nodes of YAML take fifty times the memory of their text.
const (
	wholeMax      = 1 << 20
	recordsAtOnce = 500
	maxMembers    = 16 // of a document that is read in parts: a fleet has five
)

// part is some lines of a document: a member, or items of the list that the member is.
type part struct {
	key      string
	from, to int // in the document, in bytes
	line     int // of the document, from 0
	list     bool
	first    int // index of its first item
	items    int
}

// parts is a document in parts, and the one that was read last.
type parts struct {
	file string
	text []byte
	list []part
	last int
	root *yaml.Node // of the last
}

// otherBreaks end lines of YAML too.
var otherBreaks = [][]byte{[]byte("\u0085"), []byte("\u2028"), []byte("\u2029")}

// splitYAML returns the parts of a document whose members begin at the first column, with the items of each list on lines of their own, equally
// indented: as an export is. ok is false for any other. A part that ends within a text in quotes or within brackets is no YAML of its own, so
// that a reader notices it.
func splitYAML(b []byte, atOnce int) (list []part, ok bool) {
	if bytes.Count(b, []byte("\r")) != bytes.Count(b, []byte("\r\n")) || slices.ContainsFunc(otherBreaks, func(x []byte) bool { return bytes.Contains(b, x) }) {
		return nil, false
	}
	s := splitter{atOnce: atOnce}
	for at, line := 0, 0; at < len(b); line++ {
		end := len(b)
		if i := bytes.IndexByte(b[at:], '\n'); i >= 0 {
			end = at + i + 1
		}
		if !s.take(b[at:end], at, line) {
			return nil, false
		}
		at = end
	}
	for i := range s.list {
		s.list[i].to = len(b)
		if i > 0 {
			s.list[i-1].to = s.list[i].from
		}
	}
	return s.list, len(s.list) > 0
}

// splitter splits a document, line by line.
type splitter struct {
	atOnce int
	list   []part
	keys   []string
	dash   int  // where the items of the list begin that the last part belongs to
	open   bool // the last part has only its key yet
}

// plainKey is a member's key, and what follows on its line.
var plainKey = regexp.MustCompile(`^(\w+):(?:$| (.*))`)

// take adds a line that begins at a byte of the document. It returns false for a document that can't be split.
func (s *splitter) take(line []byte, at, number int) bool {
	text := strings.TrimRight(string(line), " \r\n")
	body := strings.TrimLeft(text, " ")
	indent := len(text) - len(body)
	if body == "" || body[0] == '#' {
		return true
	}
	if key := plainKey.FindStringSubmatch(text); key != nil {
		if len(s.keys) == maxMembers || slices.Contains(s.keys, key[1]) {
			return false
		}
		s.keys = append(s.keys, key[1])
		s.list = append(s.list, part{key: key[1], from: at, line: number})
		s.open = key[2] == "" || key[2][0] == '#'
		return true
	}
	if len(s.list) == 0 {
		return text == "---"
	}
	p, item := &s.list[len(s.list)-1], body == "-" || strings.HasPrefix(body, "- ")
	if s.open && item {
		p.list, s.dash = true, indent
	}
	s.open = false
	switch {
	case !p.list || indent > s.dash:
		return indent > 0
	case indent < s.dash || !item:
		return false
	case p.items == s.atOnce:
		s.list = append(s.list, part{key: p.key, from: at, line: number, list: true, first: p.first + p.items, items: 1})
	default:
		p.items++
	}
	return true
}

// read returns the nodes of a part, with their places in the document. ok is false when the part is no YAML of its own.
func (d *parts) read(p part) (root *yaml.Node, ok bool) {
	text, before := d.text[p.from:p.to], p.line
	if p.first > 0 {
		text, before = slices.Concat([]byte(p.key+":\n"), text), p.line-1
	}
	r := yamlpos.NewReader(d.file)
	root = r.Parse(text, len(text))
	if root == nil || len(r.Errors) > 0 || root.Kind != yaml.MappingNode || len(root.Content) != 2 || p.list && len(yamlpos.Items(root.Content[1])) != p.items {
		return nil, false
	}
	yamlpos.Shift(root, before)
	return root, true
}

// toJSON returns the document in JSON, or the problems that it has. ok is false when it must be read whole.
func (d *parts) toJSON() (b []byte, problems yamlpos.Errors, ok bool) {
	var out bytes.Buffer
	out.Grow(len(d.text))
	var err error
	add := func(v any) {
		var b []byte
		if err == nil {
			b, err = json.Marshal(v)
			out.Write(b)
		}
	}
	r := yamlpos.Reader{File: d.file} // of all parts: what their aliases expand to is bounded together
	for i, p := range d.list {
		root, ok := d.read(p)
		if !ok {
			return nil, nil, false
		}
		asText(root, false)
		r.Count(root)
		if p.first == 0 {
			fmt.Fprintf(&out, "%s%q:", between(i == 0, "{"), p.key)
		}
		if !p.list {
			add(r.Any(root.Content[1], p.key))
		}
		for j, item := range yamlpos.Items(root.Content[1]) {
			if p.list {
				out.WriteString(between(p.first+j == 0, "["))
				add(r.Any(item, fmt.Sprintf("%s[%d]", p.key, p.first+j)))
			}
		}
		if p.list && (i+1 == len(d.list) || d.list[i+1].key != p.key) {
			out.WriteByte(']')
		}
	}
	out.WriteByte('}')
	return out.Bytes(), r.Errors, err == nil
}

func between(first bool, begin string) string {
	if first {
		return begin
	}
	return ","
}

// find returns the place of a member.
func (d *parts) find(path string) yamlpos.Pos {
	key := path
	if i := strings.IndexAny(path, ".["); i >= 0 {
		key = path[:i]
	}
	rest, index := path[len(key):], -1
	if number, _, closed := strings.Cut(strings.TrimPrefix(rest, "["), "]"); closed {
		if n, err := strconv.Atoi(number); err == nil {
			index, rest = n, strings.TrimPrefix(rest, "["+number+"]")
		}
	}
	var at yamlpos.Pos
	for i, p := range d.list {
		if p.key != key {
			continue
		}
		if p.first == 0 {
			at = yamlpos.Pos{Line: p.line + 1, Column: 1}
		}
		if !p.list {
			return yamlpos.Find(d.rootOf(i), path)
		}
		if index >= p.first && index < p.first+p.items {
			return yamlpos.Find(d.rootOf(i), fmt.Sprintf("%s[%d]%s", key, index-p.first, rest))
		}
	}
	return at
}

// rootOf returns the nodes of a part that was read before.
func (d *parts) rootOf(i int) *yaml.Node {
	if d.root == nil || d.last != i {
		d.root, _ = d.read(d.list[i])
		d.last = i
	}
	return d.root
}
