package phonefile

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"plugtone/dhcp"
)

// ErrUnknownFile is wrapped by Render's error about a name that the pack does not have.
var ErrUnknownFile = errors.New("the pack has no such file")

// FileList is the files that phones of one vendor request, in the order in which they request them.
type FileList struct {
	vendor string // its ID
	models *ModelList
	list   []*File
}

// NewFileList makes a list of a vendor's files, and links phonebooks to the uploads that have their names.
func NewFileList(vendor string, models *ModelList, list []*File) *FileList {
	f := &FileList{vendor: vendor, models: models, list: list}
	f.linkPhonebooks()
	return f
}

// Declared returns the files in the pack's order.
func (f *FileList) Declared() []*File { return f.list }

// Resolve reads a file name as this vendor's phones mean it: the first of the pack's files that it fits.
func (f *FileList) Resolve(name string) (Match, bool) {
	name, err := CleanName(name)
	if err != nil {
		return Match{}, false
	}
	ascii := isASCII(name) // other characters may be equal in another case to ASCII ones
	for _, file := range f.list {
		for _, p := range file.patterns {
			if ascii && !p.mayMatch(name) {
				continue
			}
			if m, ok := f.match(file, p, name); ok {
				return f.mergeModels(m), true
			}
		}
	}
	return Match{}, false
}

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r >= utf8.RuneSelf })
}

func (f *FileList) match(file *File, p pattern, name string) (Match, bool) {
	sub := p.re.FindStringSubmatch(name)
	if sub == nil {
		return Match{}, false
	}
	m := Match{Vendor: f.vendor, Kind: file.Kind, File: file, Name: name, Vars: make(map[string]string)}
	models := f.models.list
	narrowed := len(file.For) > 0
	if narrowed {
		models = slices.DeleteFunc(slices.Clone(models), func(m *Model) bool { return !m.IsAny(file.For) })
	}
	for i, key := range p.vars {
		got := sub[i+1]
		m.Vars[key] = got
		switch key {
		case "mac", "MAC", "mac_dash", "mac_underscore":
			mac, err := dhcp.ParseMAC(strings.ReplaceAll(got, "_", "-"))
			if err != nil {
				return Match{}, false
			}
			m.MAC = mac
		case "model":
			model, ok := f.models.Model(got)
			if !ok || !slices.Contains(models, model) {
				return Match{}, false
			}
			models, narrowed = []*Model{model}, true
		case "any", "path":
		default:
			models = slices.DeleteFunc(slices.Clone(models), func(m *Model) bool { return !strings.EqualFold(m.Vars[key], got) })
			narrowed = true
		}
	}
	if len(models) == 0 {
		return Match{}, false
	}
	if narrowed {
		for _, model := range models {
			m.Models = append(m.Models, model.Name)
		}
		if len(models) == 1 {
			m.Model = models[0].Name
		}
	}
	return m, true
}

// mergeModels adds the models whose own entry under files has the same name, in any case: families may have one name
// for files of different formats, and which one a phone gets depends on its model.
func (f *FileList) mergeModels(m Match) Match {
	for _, file := range f.list {
		if file == m.File || !strings.EqualFold(file.Name, m.File.Name) || len(m.Models) == 0 {
			continue
		}
		for _, p := range file.patterns {
			other, ok := f.match(file, p, m.Name)
			if !ok {
				continue
			}
			if m.Models = append(m.Models, other.Models...); len(other.Models) == 0 {
				m.Models = nil
			}
			slices.Sort(m.Models)
			m.Models = slices.Compact(m.Models)
			break
		}
	}
	if len(m.Models) != 1 {
		m.Model = ""
	}
	return m
}

// Files returns what a phone requests, in its order. Names that need something unknown about the phone are left out.
func (f *FileList) Files(p Phone) []FileName {
	m := f.models.ModelOrGeneric(p.Model)
	var out []FileName
	for _, file := range f.list {
		if !m.IsAny(file.For) || !f.requested(file, PhonebookOn(p.Settings)) {
			continue
		}
		if name, ok := fillName(file.Name, p, m); ok {
			out = append(out, FileName{Name: name, File: file})
		}
	}
	return out
}

// fillName fills in the placeholders of a pattern; ok is false when one has no value.
func fillName(pattern string, p Phone, m *Model) (name string, ok bool) {
	ok = true
	name = placeholder.ReplaceAllStringFunc(pattern, func(s string) string {
		var val string
		switch key := s[1 : len(s)-1]; key {
		case "mac":
			val = macText(p.MAC)
		case "MAC":
			val = strings.ToUpper(macText(p.MAC))
		case "mac_dash", "mac_underscore":
			if !p.MAC.IsZero() {
				val = strings.ReplaceAll(p.MAC.String(), ":", macSeparator(key))
			}
		case "model":
			val = m.Name
		default:
			val = m.Vars[key]
		}
		ok = ok && val != ""
		return val
	})
	return name, ok
}

func macText(m dhcp.MAC) string {
	if m.IsZero() {
		return ""
	}
	return m.Hex()
}

// FilesOf returns the files of a model; for a phone of unknown model all of them, those that belong to no family first.
func (f *FileList) FilesOf(m *Model) []*File {
	files := slices.Clone(f.list)
	if m != f.models.generic {
		return slices.DeleteFunc(files, func(file *File) bool { return !m.IsAny(file.For) })
	}
	slices.SortStableFunc(files, func(a, b *File) int { return min(len(a.For), 1) - min(len(b.For), 1) })
	return files
}

// File returns the file of a model with this pattern, or with a name as a phone requests it. The error wraps
// ErrUnknownFile.
func (f *FileList) File(name string, m *Model) (*File, error) {
	file, err := f.declared(name, m)
	if err == nil && file.PhonebookFile != nil {
		file = file.PhonebookFile
	}
	return file, err
}

func (f *FileList) declared(name string, m *Model) (*File, error) {
	files := f.FilesOf(m)
	for _, file := range files {
		if file.Name == name || slices.Contains(file.Also, name) {
			return file, nil
		}
	}
	for _, file := range files { // families may write one name in different cases: {mac}.xml, {MAC}.xml
		if strings.EqualFold(file.Name, name) {
			return file, nil
		}
	}
	clean, err := CleanName(name)
	for _, file := range files {
		for _, p := range file.patterns {
			if _, ok := f.match(file, p, clean); ok && err == nil {
				return file, nil
			}
		}
	}
	return nil, fmt.Errorf("%s %s: file %.80q: %w", f.vendor, m.Name, name, ErrUnknownFile)
}
