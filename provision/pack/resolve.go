package pack

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"plugtone/dhcp"
)

// CleanName takes off what doesn't count in a file name: leading and doubled slashes; backslashes become slashes.
func CleanName(name string) string {
	name = strings.ReplaceAll(name, `\`, "/")
	for strings.Contains(name, "//") {
		name = strings.ReplaceAll(name, "//", "/")
	}
	return strings.TrimLeft(name, "/")
}

// Resolve reads a file name in every way that a pack knows, sorted by vendor. It is pure; the caller chooses.
func (s *Set) Resolve(name string) []Match {
	name = CleanName(name)
	if name == "" || len(name) > 512 {
		return nil
	}
	var out []Match
	for _, v := range s.vendors {
		if m, ok := v.Resolve(name); ok {
			out = append(out, m)
		}
	}
	return out
}

// Resolve reads a file name as this vendor's phones mean it: the first of the pack's files that it fits.
func (v *Vendor) Resolve(name string) (Match, bool) {
	name = CleanName(name)
	for _, f := range v.files {
		for _, p := range f.patterns {
			if m, ok := v.match(f, p, name); ok {
				return v.mergeModels(m), true
			}
		}
	}
	return Match{}, false
}

func (v *Vendor) match(f *File, p pattern, name string) (Match, bool) {
	sub := p.re.FindStringSubmatch(name)
	if sub == nil {
		return Match{}, false
	}
	m := Match{Vendor: v.ID, Kind: f.Kind, File: f, Name: name, Vars: make(map[string]string)}
	models := v.models
	narrowed := len(f.For) > 0
	if narrowed {
		models = slices.DeleteFunc(slices.Clone(models), func(m *Model) bool { return !m.isAny(f.For) })
	}
	for i, key := range p.vars {
		got := sub[i+1]
		m.Vars[key] = got
		switch key {
		case "mac", "MAC":
			mac, err := dhcp.ParseMAC(got)
			if err != nil {
				return Match{}, false
			}
			m.MAC = mac
		case "model":
			model, ok := v.Model(got)
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

// Files lists what a phone asks for, in its order. Names that need something unknown of the phone are left out.
func (v *Vendor) Files(p Phone) []FileName {
	m := v.model(p.Model)
	var out []FileName
	for _, f := range v.files {
		if !m.isAny(f.For) || !f.requested(PhonebookOn(p.Settings), v) {
			continue
		}
		if name, ok := fillName(f.Name, p, m); ok {
			out = append(out, FileName{Name: name, File: f})
		}
	}
	return out
}

func fillName(pattern string, p Phone, m *Model) (string, bool) {
	known := true
	name := placeholder.ReplaceAllStringFunc(pattern, func(s string) string {
		var val string
		switch key := s[1 : len(s)-1]; key {
		case "mac":
			val = macText(p.MAC)
		case "MAC":
			val = strings.ToUpper(macText(p.MAC))
		case "model":
			val = m.Name
		default:
			val = m.Vars[key]
		}
		known = known && val != ""
		return val
	})
	return name, known
}

func macText(m dhcp.MAC) string {
	if m.IsZero() {
		return ""
	}
	return m.Hex()
}

// file finds one of the pack's files by its pattern, or by a name as a phone asks for it.
func (v *Vendor) file(name string, m *Model) (*File, error) {
	f, err := v.declared(name, m)
	if err == nil && f.PhonebookFile != nil {
		f = f.PhonebookFile
	}
	return f, err
}

func (v *Vendor) declared(name string, m *Model) (*File, error) {
	files := v.filesOf(m)
	for _, f := range files {
		if f.Name == name || slices.Contains(f.Also, name) {
			return f, nil
		}
	}
	for _, f := range files { // families may write one name in different cases: {mac}.xml, {MAC}.xml
		if strings.EqualFold(f.Name, name) {
			return f, nil
		}
	}
	clean := CleanName(name)
	for _, f := range files {
		for _, p := range f.patterns {
			if _, ok := v.match(f, p, clean); ok {
				return f, nil
			}
		}
	}
	return nil, fmt.Errorf("%s %s: file %.80q: %w", v.ID, m.Name, name, ErrUnknownFile)
}

// ErrUnknownFile is wrapped by Render's error about a name that the pack doesn't know.
var ErrUnknownFile = errors.New("the pack knows no such file")
