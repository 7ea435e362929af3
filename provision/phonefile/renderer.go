// Package phonefile renders the files of one phone: what its model can do, which files it requests, and the bytes of each
// from the pack's templates.
//
// It has no records, leases or trust: a Phone has everything resolved. It has no vendor either: what makes a vendor is in
// the document of its pack, which package pack loads and checks.
package phonefile

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"plugtone/provision/packdoc"
	"plugtone/provision/render"
	"plugtone/provision/tz"
	"plugtone/provision/yamlpos"
)

// ErrNoContent is wrapped by Render's error about a file that isn't rendered.
var ErrNoContent = errors.New("nothing is rendered for this file")

// Caches is what the renderers of one pack set share. A set owns its caches: they are dropped with it.
type Caches struct {
	zones     sync.Map // name to tz.Zone; bounded by the number of zones that there are
	Fragments *render.FragmentBudget
}

// NewCaches makes the caches of one pack set.
func NewCaches() *Caches { return &Caches{Fragments: render.NewFragmentBudget()} }

// zone returns a time zone. Reading one costs more than rendering a file.
func (c *Caches) zone(name string) (tz.Zone, error) {
	if z, ok := c.zones.Load(name); ok {
		return z.(tz.Zone), nil
	}
	z, err := tz.Load(name)
	if err == nil {
		c.zones.Store(name, z)
	}
	return z, err
}

// Renderer renders the files of one vendor's phones. It never changes once its files are set.
type Renderer struct {
	*ModelList
	*FileList
	doc             *packdoc.Document
	caches          *Caches
	keySnippets     map[*packdoc.KeyType]*snippet
	settingSnippets map[*packdoc.Setting]*snippet
}

// NewRenderer makes a renderer of a pack and parses the short templates of its key types and settings. The errors are
// validation errors of the pack, with their places. Files are to be set before it is used.
func NewRenderer(doc *packdoc.Document, models *ModelList, caches *Caches) (*Renderer, []error) {
	r := &Renderer{ModelList: models, doc: doc, caches: caches,
		keySnippets: make(map[*packdoc.KeyType]*snippet), settingSnippets: make(map[*packdoc.Setting]*snippet)}
	return r, r.parseSnippets()
}

// Render returns the bytes of one file for a phone; file is File.Name or a name as the phone requests it. Equal phones
// get equal bytes. A file without a template (none, static, firmware, upload) is an error that wraps ErrNoContent,
// as is a phonebook of a phone without one.
func (r *Renderer) Render(file string, p Phone) ([]byte, error) {
	out, _, err := r.render(file, p)
	return out, err
}

// RenderVerified renders one file like Render and reads it back in its format. Tests and checks call it.
func (r *Renderer) RenderVerified(file string, p Phone) ([]byte, error) {
	f, err := r.File(file, r.ModelOrGeneric(p.Model))
	if err != nil {
		return nil, err
	}
	out, params, err := r.render(file, p)
	if err == nil {
		err = f.verify(out, params)
	}
	return out, err
}

// VerifyFile renders one of the pack's files for a phone and reads it back in its format. Its errors don't name phone and
// file, as those of Render do.
func (r *Renderer) VerifyFile(f *File, p Phone) error {
	out, params, err := r.renderFile(f, r.ModelOrGeneric(p.Model), p)
	if err != nil {
		return err
	}
	return f.verify(out, params)
}

// render also returns the parameters that the bytes were written from, for reading back.
func (r *Renderer) render(file string, p Phone) ([]byte, []render.Param, error) {
	m := r.ModelOrGeneric(p.Model)
	f, err := r.File(file, m)
	if err != nil {
		return nil, nil, err
	}
	out, params, err := r.renderFile(f, m, p)
	if err != nil {
		return nil, nil, fmt.Errorf("%s %s: %s: %w", r.doc.Vendor, phoneName(p, m), f.Name, err)
	}
	return out, params, nil
}

// IsRefusal reports whether the template refused the phone: a device with such a record can't have the file.
func IsRefusal(err error) bool {
	var r *render.Refusal
	return errors.As(err, &r)
}

func phoneName(p Phone, m *Model) string {
	if p.MAC.IsZero() {
		return m.Name
	}
	return strings.TrimSpace(m.Name + " " + p.MAC.String())
}

func (r *Renderer) renderFile(f *File, m *Model, p Phone) ([]byte, []render.Param, error) {
	if f.Of != "" {
		return r.renderChecksum(f, m, p)
	}
	if f.template == nil {
		return nil, nil, ErrNoContent
	}
	v, err := r.newView(p, m, f.Kind == KindCommon)
	if err != nil {
		return nil, nil, err
	}
	if f.MaxNumbers > 0 && v.Phonebook == "" {
		return nil, nil, ErrNoContent
	}
	v.setContacts(f, p)
	bound, err := f.template.get(r)
	if err != nil {
		return nil, nil, err
	}
	defer f.template.put(bound)
	t := bound.bind(v)
	format := f.format()
	if !format.HasParams() {
		out, err := t.Document(v)
		return out, nil, err
	}
	params, err := t.Params(v)
	if err != nil {
		return nil, nil, err
	}
	var settings []render.Param
	var extra map[string]string
	if f.Kind == KindDevice {
		extra = p.Extra
	}
	if f.Settings {
		if settings, err = v.settingParams(format); err != nil {
			return nil, nil, err
		}
	}
	if params, err = format.Merge(params, settings, extra, f.Settings); err != nil {
		return nil, nil, err
	}
	out, err := format.Write(params)
	return out, params, err
}

func (r *Renderer) mapValue(name string, key any) (string, error) {
	m, ok := r.doc.Maps[name]
	if !ok {
		return "", fmt.Errorf("the pack has no map %q", name)
	}
	x, ok := m[fmt.Sprint(key)]
	if !ok {
		return "", fmt.Errorf("map %s has no entry for %.60q, it has %s", name, fmt.Sprint(key), strings.Join(slices.Sorted(maps.Keys(m)), ", "))
	}
	return string(x), nil
}

// parseSnippets parses the short templates of key types and settings.
func (r *Renderer) parseSnippets() []error {
	var errs []error
	add := func(types map[string]*packdoc.KeyType) {
		for _, name := range slices.Sorted(maps.Keys(types)) {
			k := types[name]
			if k == nil || k.Text == "" {
				continue
			}
			s, err := r.parseSnippet("text of key type "+name, k.Text)
			if err != nil {
				errs = append(errs, yamlpos.Errorf(k.Pos, "%v", err))
			}
			r.keySnippets[k] = s
		}
	}
	add(r.doc.KeyTypes)
	for _, d := range r.doc.Families {
		add(d.KeyTypes)
	}
	for _, d := range r.doc.Models {
		add(d.KeyTypes)
	}
	for _, name := range slices.Sorted(maps.Keys(r.doc.Settings)) {
		for i := range r.doc.Settings[name] {
			d := &r.doc.Settings[name][i]
			if d.Text == "" {
				continue
			}
			s, err := r.parseSnippet("text of setting "+name, d.Text)
			if err != nil {
				errs = append(errs, yamlpos.Errorf(d.Pos, "%v", err))
			}
			r.settingSnippets[d] = s
		}
	}
	return errs
}

// SettingNames returns the settings that some model's files carry, by name.
func (r *Renderer) SettingNames() []string {
	names := make(map[string]bool)
	for name := range r.doc.Settings {
		names[name] = true
	}
	for _, f := range r.Declared() {
		for _, name := range f.settings {
			names[name] = true
		}
	}
	if _, ok := r.HasPhonebook(""); ok {
		names["phonebook"] = true
	}
	return slices.Sorted(maps.Keys(names))
}

func (r *Renderer) vendorName() string { return cmp.Or(r.doc.Name, r.doc.Vendor) }
