package pack

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

// folder is a pack as it lies on disk, before it is understood.
type folder struct {
	fsys   fs.FS  // rooted at the folder
	name   string // as shown in faults
	node   *yaml.Node
	source map[string]string // template name to text
	origin map[string]string // template name to the folder it lies in, as shown in faults
	dirs   []string          // the folders that it was made from
	id     string
	base   string // extends
	golden map[string][]byte
}

// readFolder reads vendor.yaml, the templates and the goldens of one pack.
func readFolder(fsys fs.FS, name string) (*folder, error) {
	f := &folder{fsys: fsys, name: name, source: make(map[string]string), origin: make(map[string]string), golden: make(map[string][]byte), dirs: []string{name}}
	data, err := fs.ReadFile(fsys, "vendor.yaml")
	if err != nil {
		var pe *fs.PathError
		if errors.As(err, &pe) {
			err = pe.Err
		}
		return nil, fmt.Errorf("%s: %w", path.Join(name, "vendor.yaml"), err)
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil {
		return nil, f.withPlaces([]error{notYAML(err)})
	}
	if doc.Kind != yaml.DocumentNode || len(doc.Content) != 1 || doc.Content[0].Kind != yaml.MappingNode {
		return nil, fmt.Errorf("%s: is not a map", path.Join(name, "vendor.yaml"))
	}
	f.node = doc.Content[0]
	f.id, f.base = scalar(f.node, "vendor"), scalar(f.node, "extends")
	templates, err := fs.Glob(fsys, "*.tmpl")
	if err != nil {
		return nil, err
	}
	for _, t := range templates {
		text, err := fs.ReadFile(fsys, t)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path.Join(name, t), err)
		}
		f.source[t], f.origin[t] = string(text), name
	}
	return f, nil
}

func scalar(m *yaml.Node, key string) string {
	for i := 0; i+1 < len(m.Content); i += 2 {
		if m.Content[i].Value == key {
			return m.Content[i+1].Value
		}
	}
	return ""
}

// decode reads the document strictly; every fault has its line.
func (f *folder) decode() (*document, error) {
	errs := duplicates(f.node, nil)
	errs = append(errs, unknownMembers(f.node)...)
	var d document
	if err := f.node.Decode(&d); err != nil {
		errs = append(errs, splitYAML(err)...)
	}
	return &d, f.withPlaces(errs)
}

// notYAML tells where a file stops being YAML.
func notYAML(err error) error {
	var le *yaml.LoadError
	if errors.As(err, &le) {
		return &lineError{max(le.Mark.Line, 1), "not YAML: " + le.Message}
	}
	return errors.New("not YAML: " + cleanYAML(err))
}

// inTemplate is the beginning of a fault in a template.
var inTemplate = regexp.MustCompile(`^([\w.-]+\.tmpl):\d+`)

// templatePath puts the folder that a template lies in before a fault in that template; ok is false for other faults.
func templatePath(origin map[string]string, msg string) (out string, ok bool) {
	m := inTemplate.FindStringSubmatch(msg)
	if m == nil {
		return "", false
	}
	return path.Join(origin[m[1]], msg), true
}

// withPlaces puts the name of vendor.yaml, or of the template, before each fault.
func (f *folder) withPlaces(errs []error) error {
	if len(errs) == 0 {
		return nil
	}
	var out []error
	file := path.Join(f.name, "vendor.yaml")
	seen := make(map[string]bool)
	for _, e := range errs {
		msg := cleanYAML(e)
		if placed, ok := templatePath(f.origin, msg); ok {
			msg = placed
		} else if line, rest, ok := cutLine(msg); ok && line == 0 {
			msg = file + ": " + rest
		} else if ok {
			msg = fmt.Sprintf("%s:%d: %s", file, line, rest)
		} else {
			msg = file + ": " + msg
		}
		if !seen[msg] {
			seen[msg] = true
			out = append(out, errors.New(msg))
		}
	}
	return errors.Join(out...)
}

var lineRE = regexp.MustCompile(`^(?:yaml: )?(?:line|<root> )?\s*(\d+)(?::\d+)?:\s*(.*)$`)

func cutLine(msg string) (line int, rest string, ok bool) {
	m := lineRE.FindStringSubmatch(msg)
	if m == nil {
		return 0, "", false
	}
	if line, rest, ok := cutLine(m[2]); ok {
		return line, rest, true // a decoder of ours said it already
	}
	line, _ = strconv.Atoi(m[1])
	return line, m[2], true
}

// cleanYAML takes the library's wording off an error.
func cleanYAML(err error) string {
	s := strings.TrimPrefix(err.Error(), "yaml: ")
	s = strings.TrimSpace(strings.TrimPrefix(strings.TrimPrefix(s, "construct errors:"), "unmarshal errors:"))
	s = wrongType.ReplaceAllStringFunc(strings.ReplaceAll(s, "!!", ""), func(found string) string {
		m := wrongType.FindStringSubmatch(found)
		return wrongKind(m[1], m[2], m[3])
	})
	return unknownField.ReplaceAllString(s, `unknown member "$1"`)
}

// unknownField is how the library says that a member is unknown.
var unknownField = regexp.MustCompile(`field (\S+) not found in type \S+`)

// wrongType is how the library says that one thing stands where another belongs.
var wrongType = regexp.MustCompile("cannot construct (\\w+)(?: `(.*)`)? into (.+)")

// wrongKind says in the words of the README what stands where what belongs.
func wrongKind(is, text, want string) string {
	wants := "a map"
	switch {
	case want == "bool":
		wants = "true or false"
	case strings.HasPrefix(want, "int") || strings.HasPrefix(want, "uint"):
		wants = "a whole number"
	case want == "string":
		wants = "text"
	case strings.HasPrefix(want, "[]"):
		wants = "a list"
	}
	if text == "" {
		have := map[string]string{"seq": "a list", "map": "a map"}[is]
		if have == "" {
			have = "something else"
		}
		return have + " stands where " + wants + " belongs"
	}
	return fmt.Sprintf("%q is not %s", text, wants)
}

// splitYAML gives one error for each line of a joined one.
func splitYAML(err error) []error {
	var out []error
	for line := range strings.Lines(cleanYAML(err)) {
		if line = strings.TrimSpace(line); line != "" && !strings.Contains(line, "already defined at line") { // duplicates tells it
			out = append(out, errors.New(line))
		}
	}
	return out
}

// duplicates finds members that stand twice.
func duplicates(n *yaml.Node, errs []error) []error {
	if n.Kind == yaml.MappingNode {
		seen := make(map[string]int)
		for i := 0; i < len(n.Content); i += 2 {
			k := n.Content[i]
			if first, ok := seen[k.Value]; ok {
				errs = append(errs, nodeError(k, "member %q stands twice, first at line %d", k.Value, first))
			}
			seen[k.Value] = k.Line
		}
	}
	for _, c := range n.Content {
		errs = duplicates(c, errs)
	}
	return errs
}

// unknownMembers checks the maps whose types have no decoder of their own.
func unknownMembers(n *yaml.Node) []error {
	var errs []error
	check := func(m *yaml.Node, where string, allowed string) {
		if m == nil || m.Kind != yaml.MappingNode {
			return
		}
		words := strings.Fields(allowed)
		for i := 0; i < len(m.Content); i += 2 {
			if !slices.Contains(words, m.Content[i].Value) {
				errs = append(errs, nodeError(m.Content[i], "unknown member %q of %s, allowed are %s", m.Content[i].Value, where, strings.Join(words, ", ")))
			}
		}
	}
	check(n, "the pack", "vendor name extends aliases experimental sources facts recognise quirks dhcp variables areas families models unknown_model fill_lines"+
		" formats files challenge key_types maps settings resync boot")
	check(member(n, "recognise"), "recognise", "option60 user_agent hostname filename option43 option55 option77 option124 option125 oui")
	check(member(n, "quirks"), "quirks", "nul_terminate no_client_id_echo")
	for _, b := range items(member(n, "boot")) {
		check(b, "boot", "option60 hostname params server user_agent for source confidence note")
	}
	for _, f := range items(member(n, "facts")) {
		check(f, "facts", "what source confidence")
	}
	for _, o := range items(member(n, "dhcp")) {
		check(o, "dhcp", "option text ips hex u8 u16 u32 tlv end nul enterprise force when for source confidence note")
		for _, t := range items(member(o, "tlv")) {
			check(t, "tlv", "code text ips hex u8 u16 u32 nul when")
		}
	}
	for _, f := range values(member(n, "formats")) {
		check(f, "a format", "kind media_type bool empty repeat value header footer line newline escape refuse max_line spaces quote_when root path index")
	}
	for _, group := range []string{"models", "families"} {
		for _, m := range values(member(n, group)) {
			check(member(m, "expansion"), "expansion", "name modules keys")
		}
	}
	return errs
}

func member(n *yaml.Node, key string) *yaml.Node {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

func items(n *yaml.Node) []*yaml.Node {
	if n == nil || n.Kind != yaml.SequenceNode {
		return nil
	}
	return n.Content
}

func values(n *yaml.Node) []*yaml.Node {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	var out []*yaml.Node
	for i := 1; i < len(n.Content); i += 2 {
		out = append(out, n.Content[i])
	}
	return out
}

// extend lays a pack over another: what it says replaces, what it doesn't say stays.
func (f *folder) extend(base *folder) *folder {
	out := &folder{fsys: f.fsys, name: f.name, id: f.id, source: maps.Clone(base.source), origin: maps.Clone(base.origin),
		dirs: append(slices.Clone(base.dirs), f.name)}
	maps.Copy(out.source, f.source)
	maps.Copy(out.origin, f.origin)
	out.node = overlay(withoutLines(base.node), f.node, "")
	return out
}

// withoutLines is a copy that stands at no line: lines of the pack that is extended are not lines of the one that extends it.
func withoutLines(n *yaml.Node) *yaml.Node {
	out := *n
	out.Line = 0
	out.Content = make([]*yaml.Node, len(n.Content))
	for i, c := range n.Content {
		out.Content[i] = withoutLines(c)
	}
	return &out
}

// overlay joins two nodes. Lists of things that have a name are joined by that name.
func overlay(base, over *yaml.Node, at string) *yaml.Node {
	if base == nil || base.Kind != over.Kind {
		return over
	}
	switch {
	case base.Kind == yaml.MappingNode:
		out := *base
		out.Content = slices.Clone(base.Content)
		out.Line = over.Line
		for i := 0; i+1 < len(over.Content); i += 2 {
			k, v := over.Content[i], over.Content[i+1]
			j := indexOf(out.Content, k.Value)
			switch {
			case v.Tag == "!!null" && j >= 0 && at != "key_types":
				out.Content = slices.Delete(out.Content, j, j+2)
			case j < 0:
				out.Content = append(out.Content, k, v)
			default:
				out.Content[j+1] = overlay(out.Content[j+1], v, k.Value)
			}
		}
		return &out
	case base.Kind == yaml.SequenceNode && (at == "files" || at == "dhcp"):
		id := map[string]string{"files": "name", "dhcp": "option"}[at]
		out := *base
		out.Content = slices.Clone(base.Content)
		for _, v := range over.Content {
			j := slices.IndexFunc(out.Content, func(n *yaml.Node) bool { return scalar(n, id) == scalar(v, id) })
			if j < 0 {
				out.Content = append(out.Content, v)
			} else {
				out.Content[j] = overlay(out.Content[j], v, "")
			}
		}
		return &out
	}
	return over
}

func indexOf(content []*yaml.Node, key string) int {
	for i := 0; i+1 < len(content); i += 2 {
		if content[i].Value == key {
			return i
		}
	}
	return -1
}

func parseYAML(data []byte, into any) error {
	d := yaml.NewDecoder(bytes.NewReader(data))
	d.KnownFields(true)
	return d.Decode(into)
}
