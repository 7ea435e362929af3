package pack

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"text/template"

	"plugtone/provision/render"
)

// desk is a template with its functions, ready for one phone after another: binding functions to a template costs more
// than printing a small file.
type desk struct {
	view  *view // of the phone that is served now
	share render.Phone
	file  *render.Template   // of a file
	text  *template.Template // or a short text of a key type or a setting
}

// pool keeps the desks of one template.
type pool struct{ p sync.Pool }

func (p *pool) get(v *Vendor, t *render.Template) (*desk, error) {
	if d, ok := p.p.Get().(*desk); ok {
		return d, nil
	}
	d := &desk{}
	d.share.Same = sameAs
	var err error
	d.file, err = t.With(d.funcs(v, false), &d.share)
	return d, err
}

func (p *pool) put(d *desk) {
	d.view = nil
	p.p.Put(d)
}

// seat gives the template for a phone.
func (d *desk) seat(w *view) *render.Template {
	d.view = w
	return d.file
}

// short is one of the pack's short templates: the text of a key, the text of a setting.
type short struct {
	t    *template.Template
	pool pool
}

// expand runs a short template. What it makes stands in device and private files only, so that secrets are plain to it.
func (v *view) expand(s *short, data any) (string, error) {
	d, ok := s.pool.p.Get().(*desk)
	if !ok {
		c, err := s.t.Clone()
		if err != nil {
			return "", err
		}
		d = &desk{}
		d.text = c.Funcs(d.funcs(v.vendor, true))
	}
	defer s.pool.put(d)
	d.view = v
	var b strings.Builder
	if err := d.text.Execute(&b, reveal(data)); err != nil {
		var r *render.Refusal
		if errors.As(err, &r) {
			return "", r
		}
		return "", errors.New(strings.TrimPrefix(err.Error(), "template: "))
	}
	return b.String(), nil
}

func reveal(x any) any {
	if s, ok := x.(render.Sensitive); ok {
		return s.Reveal()
	}
	return x
}

// funcs are the functions of the pack's templates. Those that depend on the phone say so.
func (d *desk) funcs(v *Vendor, plain bool) template.FuncMap {
	show := func(x any) any {
		if plain {
			return reveal(x)
		}
		return x
	}
	return template.FuncMap{
		"setting": func(name string) any {
			d.share.Touched = true
			return show(d.view.settings[name])
		},
		"settingOr": func(name string, otherwise any) any {
			d.share.Touched = true
			return show(d.view.settingOr(name, otherwise))
		},
		"map": v.mapValue,
		"lookup": func(name string, key, otherwise any) (any, error) {
			m, ok := v.doc.Maps[name]
			if !ok {
				return nil, fmt.Errorf("the pack has no map %q", name)
			}
			if x, ok := m[keyText(key)]; ok {
				return string(x), nil
			}
			return otherwise, nil
		},
		"language": func() string {
			d.share.Touched = true
			s, _ := d.view.settings["language"].(string)
			x, _ := byLanguage(v.doc.Maps["languages"], s)
			return x
		},
	}
}

// funcs are those functions for the parser, which only asks for their names.
func (v *Vendor) funcs() template.FuncMap { return (&desk{}).funcs(v, false) }

// empty is the id of a slot or line that nothing is set for: all that templates may print of it follows from this.
type empty struct {
	model *Model
	what  string
	n     int
}

// sameAs gives the id of what prints the same for every phone of a model: keys, lines and modules that aren't in use.
func sameAs(element any) (any, bool) {
	switch x := element.(type) {
	case *keyView:
		return empty{x.model, x.Area, x.Slot}, x.isEmpty()
	case *lineView:
		return empty{x.model, "line position", x.N}, !x.Bound && x.model != nil
	case expansionView:
		return empty{x.model, "module", x.N}, !x.Used && x.plain
	}
	return nil, false
}
