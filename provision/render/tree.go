package render

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// step is one element of a path. A tree format writes XML. A parameter's name is a path of elements, as in XPath: sip/line[@index=1]/PhoneNumber, with
// [@attribute=value] for attributes that distinguish elements, [child=value] for a child that does, [#2] for the second
// of elements that nothing distinguishes, and @name at the end for a value that is an attribute.
type step struct {
	name  string
	key   string // the step as written: equal keys under one parent are one element
	attrs []Param
	kids  []Param
	attr  bool // the last step: an attribute, not an element
}

var (
	xmlName   = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]*$`)
	predicate = regexp.MustCompile(`^\[(?:(@?[A-Za-z_][A-Za-z0-9_.-]*)=(?:'([^']*)'|([^\]']*))|#([0-9]+))\]`)
	shorthand = regexp.MustCompile(`\[([0-9]+)\]`)
)

func (f *Format) checkTree() error {
	if f.Path == "" {
		f.Path = "{name}"
	}
	if strings.Count(f.Path, "{name}") != 1 {
		return fmt.Errorf("path %q must hold {name} once", f.Path)
	}
	s, err := parsePath(f.Root)
	if err != nil || len(s) != 1 || s[0].attr {
		return fmt.Errorf("root %q is not the name of an element, with [@attribute=value] where it has attributes", f.Root)
	}
	f.root = s[0]
	if f.Index != "" && !xmlName.MatchString(f.Index) {
		return fmt.Errorf("index %q is not a name of an attribute", f.Index)
	}
	_, err = parsePath(f.fullPath("x"))
	return err
}

// fullPath returns the path below the root for a parameter's name.
func (f *Format) fullPath(name string) string {
	if f.Index != "" {
		name = shorthand.ReplaceAllString(name, "[@"+f.Index+"=$1]")
	}
	if strings.ContainsRune(cutPredicates(name), '/') || strings.HasPrefix(name, "@") {
		return name
	}
	return strings.Replace(f.Path, "{name}", name, 1)
}

func cutPredicates(s string) string {
	var b strings.Builder
	depth := 0
	for _, r := range s {
		switch {
		case r == '[':
			depth++
		case r == ']' && depth > 0:
			depth--
		case depth == 0:
			b.WriteRune(r)
		}
	}
	return b.String()
}

func parsePath(path string) ([]step, error) {
	var out []step
	rest := path
	bad := fmt.Errorf("parameter name %.80q is not a path of XML elements such as sip/line[@index=1]/PhoneNumber", path)
	for {
		i := strings.IndexAny(rest, "/[")
		if i < 0 {
			i = len(rest)
		}
		s := step{name: rest[:i]}
		rest = rest[i:]
		if name, ok := strings.CutPrefix(s.name, "@"); ok {
			s.name, s.attr = name, true
		}
		if !xmlName.MatchString(s.name) || s.attr && rest != "" {
			return nil, bad
		}
		s.key = s.name
		for strings.HasPrefix(rest, "[") {
			m := predicate.FindStringSubmatch(rest)
			if m == nil {
				return nil, bad
			}
			if err := checkText(m[2] + m[3]); err != nil {
				return nil, fmt.Errorf("parameter name %.80q: %w", path, err)
			}
			rest = rest[len(m[0]):]
			s.key += m[0]
			if m[1] != "" && s.has(m[1]) {
				return nil, fmt.Errorf("parameter name %.80q: %s is chosen by %s twice", path, s.name, m[1])
			}
			if attr, ok := strings.CutPrefix(m[1], "@"); ok {
				s.attrs = append(s.attrs, Param{attr, m[2] + m[3]})
			} else if m[1] != "" {
				s.kids = append(s.kids, Param{m[1], m[2] + m[3]})
			}
		}
		out = append(out, s)
		if rest == "" {
			return out, nil
		}
		if rest = rest[1:]; rest == "" {
			return nil, bad
		}
	}
}

// has reports whether an element is chosen by this attribute (@name) or child already.
func (s *step) has(name string) bool {
	among := s.kids
	if attr, ok := strings.CutPrefix(name, "@"); ok {
		name, among = attr, s.attrs
	}
	return slices.ContainsFunc(among, func(p Param) bool { return p.Name == name })
}

// node is an element, while it is written or after it was read.
type node struct {
	name  string
	attrs []Param
	text  string
	kids  []*node
	byKey map[string]*node
}

func newNode(s step) *node {
	n := &node{name: s.name, attrs: append([]Param(nil), s.attrs...)}
	for _, k := range s.kids {
		n.kids = append(n.kids, &node{name: k.Name, text: k.Value})
	}
	return n
}

func (n *node) child(s step) *node {
	c := n.byKey[s.key]
	if c == nil {
		c = newNode(s)
		n.kids = append(n.kids, c)
		if n.byKey == nil {
			n.byKey = make(map[string]*node)
		}
		n.byKey[s.key] = c
	}
	return c
}

func (n *node) setAttr(name, value string) error {
	for _, a := range n.attrs {
		if a.Name == name {
			return fmt.Errorf("duplicate attribute %s", name)
		}
	}
	n.attrs = append(n.attrs, Param{name, value})
	return nil
}

func (f *Format) writeTree(params []Param) ([]byte, error) {
	root := newNode(f.root)
	for _, p := range params {
		known := f.name(p.Name)
		if known.err != nil {
			return nil, known.err
		}
		steps := known.steps
		n := root
		for _, s := range steps {
			if s.attr {
				if err := n.setAttr(s.name, f.shape(p.Value)); err != nil {
					return nil, fmt.Errorf("parameter %s: %w", p.Name, err)
				}
				break
			}
			n = n.child(s)
		}
		if !steps[len(steps)-1].attr {
			n.text = f.shape(p.Value)
		}
	}
	var b bytes.Buffer
	b.WriteString(xml.Header)
	root.write(&b, "")
	return b.Bytes(), nil
}

func (n *node) write(b *bytes.Buffer, indent string) {
	put := func(parts ...string) {
		for _, p := range parts {
			b.WriteString(p)
		}
	}
	put(indent, "<", n.name)
	sep := " "
	if len(n.attrs) > 4 {
		sep = "\n" + indent + "  "
	}
	for _, a := range n.attrs {
		put(sep, a.Name, `="`, escapeXML(a.Value), `"`)
	}
	switch {
	case len(n.kids) == 0 && n.text == "":
		put("/>\n")
	case len(n.kids) == 0:
		put(">", escapeXML(n.text), "</", n.name, ">\n")
	default:
		put(">", escapeXML(n.text), "\n")
		for _, k := range n.kids {
			k.write(b, indent+" ")
		}
		put(indent, "</", n.name, ">\n")
	}
}

// escapeXML is safe in text and in attributes with either quote.
func escapeXML(s string) string { return xmlEscaper.Replace(s) }

var xmlEscaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", "&apos;",
	"\n", "&#10;", "\r", "&#13;", "\t", "&#9;")

// readTree reads XML into nodes with the standard library's reader.
func readTree(data []byte) (*node, error) {
	if err := wellFormed(data); err != nil {
		return nil, err
	}
	d := xml.NewDecoder(bytes.NewReader(data))
	top := &node{}
	stack := []*node{top}
	for {
		t, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		n := stack[len(stack)-1]
		switch e := t.(type) {
		case xml.StartElement:
			c := &node{name: e.Name.Local}
			for _, a := range e.Attr {
				c.attrs = append(c.attrs, Param{a.Name.Local, a.Value})
			}
			n.kids = append(n.kids, c)
			stack = append(stack, c)
		case xml.CharData:
			if len(n.kids) == 0 {
				n.text += string(e)
			}
		case xml.EndElement:
			if len(n.kids) > 0 {
				n.text = strings.TrimSuffix(n.text, "\n")
			}
			stack = stack[:len(stack)-1]
		}
	}
	return top.kids[0], nil
}

// find follows one step of a path in what was read.
func (n *node) find(s step) *node {
	nth := 1
	if i := strings.Index(s.key, "[#"); i >= 0 {
		nth, _ = strconv.Atoi(strings.TrimRight(s.key[i+2:], "]"))
	}
	for _, k := range n.kids {
		if k.name == s.name && k.has(s) {
			if nth--; nth == 0 {
				return k
			}
		}
	}
	return nil
}

func (n *node) has(s step) bool {
	for _, want := range s.attrs {
		if got, ok := n.attr(want.Name); !ok || got != want.Value {
			return false
		}
	}
	for _, want := range s.kids {
		ok := false
		for _, k := range n.kids {
			ok = ok || k.name == want.Name && k.text == want.Value
		}
		if !ok {
			return false
		}
	}
	return true
}

func (n *node) attr(name string) (string, bool) {
	for _, a := range n.attrs {
		if a.Name == name {
			return a.Value, true
		}
	}
	return "", false
}

func (f *Format) verifyTree(data []byte, params []Param) error {
	root, err := readTree(data)
	if err != nil {
		return err
	}
	if root.name != f.root.name || !root.has(f.root) {
		return fmt.Errorf("has the root element %s, not %s", root.name, f.root.key)
	}
	for _, p := range params {
		got, err := f.lookup(root, p.Name)
		if err != nil {
			return fmt.Errorf("parameter %s: %w", p.Name, err)
		}
		if want := f.shape(p.Value); got != want {
			return fmt.Errorf("parameter %s reads back as %q, not %q", p.Name, got, want)
		}
	}
	return nil
}

func (f *Format) lookup(n *node, name string) (string, error) {
	known := f.name(name)
	if known.err != nil {
		return "", known.err
	}
	for _, s := range known.steps {
		if s.attr {
			v, ok := n.attr(s.name)
			if !ok {
				return "", fmt.Errorf("there is no attribute %s", s.name)
			}
			return v, nil
		}
		if n = n.find(s); n == nil {
			return "", errors.New("there is no element " + s.key)
		}
	}
	return n.text, nil
}
