package packdoc

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"regexp"
	"slices"

	"go.yaml.in/yaml/v4"

	"plugtone/provision/yamlpos"
)

// maxFile bounds vendor.yaml in bytes.
const maxFile = 4 << 20

// Folder is a pack as it is on disk, before it is decoded.
type Folder struct {
	FS        fs.FS  // rooted at the folder
	Name      string // as shown in errors
	ID        string // vendor
	Base      string // extends
	Node      *yaml.Node
	Templates map[string]string // name to text
	Origin    map[string]string // template name to the folder that it is in, as shown in errors
}

// Read reads vendor.yaml and the templates of one pack. name is how errors name the folder.
func Read(fsys fs.FS, name string) (*Folder, error) {
	f := &Folder{FS: fsys, Name: name, Templates: make(map[string]string), Origin: make(map[string]string)}
	data, err := fs.ReadFile(fsys, "vendor.yaml")
	if err != nil {
		var pe *fs.PathError
		if errors.As(err, &pe) {
			err = pe.Err
		}
		return nil, fmt.Errorf("%s: %w", f.file(), err)
	}
	r := yamlpos.NewReader(f.file())
	f.Node = r.Parse(data, maxFile)
	if len(r.Errors) > 0 {
		return nil, r.Errors
	}
	if f.Node == nil || f.Node.Kind != yaml.MappingNode {
		return nil, fmt.Errorf("%s: is not a map", f.file())
	}
	f.ID, f.Base = Scalar(f.Node, "vendor"), Scalar(f.Node, "extends")
	templates, err := fs.Glob(fsys, "*.tmpl")
	if err != nil {
		return nil, err
	}
	for _, t := range templates {
		text, err := fs.ReadFile(fsys, t)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path.Join(name, t), err)
		}
		f.Templates[t], f.Origin[t] = string(text), name
	}
	return f, nil
}

// file is the name of vendor.yaml as shown in errors.
func (f *Folder) file() string { return path.Join(f.Name, "vendor.yaml") }

// Scalar returns the text of a member of a map, "" when there is none.
func Scalar(m *yaml.Node, key string) string {
	n := yamlpos.Member(m, key)
	if n == nil {
		return ""
	}
	return n.Value
}

// Decode reads the document strictly. The error has every problem with its place.
func (f *Folder) Decode() (*Document, error) {
	r := yamlpos.NewReader(f.file())
	var d Document
	r.Decode(f.Node, "", &d)
	if len(r.Errors) > 0 {
		return &d, r.Errors
	}
	return &d, nil
}

// templateError is the beginning of an error of a template.
var templateError = regexp.MustCompile(`^([\w.-]+\.tmpl):\d+`)

// InTemplate reports whether an error names a place in a template itself.
func InTemplate(err error) bool { return templateError.MatchString(err.Error()) }

// Place puts the folder that a template is in before an error in that template; ok is false for other errors.
func Place(origin map[string]string, err error) (out string, ok bool) {
	m := templateError.FindStringSubmatch(err.Error())
	if m == nil {
		return "", false
	}
	return path.Join(origin[m[1]], err.Error()), true
}

// WithPlaces joins errors, each after the name of vendor.yaml or of the template. Errors that are the same are one.
func (f *Folder) WithPlaces(errs []error) error {
	var out []error
	seen := make(map[string]bool)
	for _, err := range errs {
		if err == nil {
			continue
		}
		msg := f.placed(err)
		if !seen[msg] {
			seen[msg] = true
			out = append(out, errors.New(msg))
		}
	}
	return errors.Join(out...)
}

func (f *Folder) placed(err error) string {
	var e *yamlpos.Error
	if errors.As(err, &e) {
		at := *e
		at.File = f.file()
		return at.Error()
	}
	if placed, ok := Place(f.Origin, err); ok {
		return placed
	}
	return f.file() + ": " + err.Error()
}

// Extend returns f on top of base: what f writes replaces what base writes, the rest stays.
func (f *Folder) Extend(base *Folder) *Folder {
	out := &Folder{FS: f.FS, Name: f.Name, ID: f.ID, Templates: maps.Clone(base.Templates), Origin: maps.Clone(base.Origin)}
	maps.Copy(out.Templates, f.Templates)
	maps.Copy(out.Origin, f.Origin)
	out.Node = overlay(withoutLines(base.Node, make(map[*yaml.Node]*yaml.Node)), f.Node, "")
	return out
}

// withoutLines is a copy without places: lines of the pack that is extended are not lines of the one that extends it.
// copies holds the nodes to which aliases may point.
func withoutLines(n *yaml.Node, copies map[*yaml.Node]*yaml.Node) *yaml.Node {
	if n == nil {
		return nil
	}
	if done, ok := copies[n]; ok {
		return done
	}
	out := *n
	copies[n] = &out
	out.Line, out.Column = 0, 0
	out.Content = make([]*yaml.Node, len(n.Content))
	for i, c := range n.Content {
		out.Content[i] = withoutLines(c, copies)
	}
	out.Alias = withoutLines(n.Alias, copies)
	return &out
}

// overlay joins two nodes. Lists of things that have a name are joined by that name. at is the key that both are under.
func overlay(base, over *yaml.Node, at string) *yaml.Node {
	if base == nil || base.Kind != over.Kind {
		return over
	}
	switch {
	case base.Kind == yaml.MappingNode:
		return overlayMap(base, over, at)
	case base.Kind == yaml.SequenceNode && at == "files":
		return overlayList(base, over, "name")
	case base.Kind == yaml.SequenceNode && at == "dhcp":
		return overlayList(base, over, "option")
	}
	return over
}

func overlayMap(base, over *yaml.Node, at string) *yaml.Node {
	out := *base
	out.Content = slices.Clone(base.Content)
	out.Line, out.Column = over.Line, over.Column
	for i := 0; i+1 < len(over.Content); i += 2 {
		k, v := over.Content[i], over.Content[i+1]
		j := yamlpos.IndexOf(&out, k.Value)
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
}

func overlayList(base, over *yaml.Node, id string) *yaml.Node {
	out := *base
	out.Content = slices.Clone(base.Content)
	for _, v := range over.Content {
		j := slices.IndexFunc(out.Content, func(n *yaml.Node) bool { return Scalar(n, id) == Scalar(v, id) })
		if j < 0 {
			out.Content = append(out.Content, v)
		} else {
			out.Content[j] = overlay(out.Content[j], v, "")
		}
	}
	return &out
}
