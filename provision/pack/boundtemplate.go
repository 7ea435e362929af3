package pack

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"text/template"

	"plugtone/provision/render"
)

// boundTemplate is a template with its functions, ready for one phone after another: binding functions to a template costs more
// than printing a small file.
type boundTemplate struct {
	view      *view // of the phone that is served now
	fragments render.FragmentContext
	file      *render.Template   // of a file
	snippet   *template.Template // or a short text of a key type or a setting
}

// templatePool keeps the bound templates of one template.
type templatePool struct{ p sync.Pool }

func (p *templatePool) get(v *Vendor, t *render.Template) (*boundTemplate, error) {
	if d, ok := p.p.Get().(*boundTemplate); ok {
		return d, nil
	}
	d := &boundTemplate{}
	d.fragments.FragmentKey = fragmentKey
	var err error
	d.file, err = t.With(d.funcs(v, false), &d.fragments)
	return d, err
}

func (p *templatePool) put(d *boundTemplate) {
	d.view = nil
	p.p.Put(d)
}

// bind sets the phone that the template is rendered for.
func (d *boundTemplate) bind(w *view) *render.Template {
	d.view = w
	return d.file
}

// snippet is one of the pack's short templates: the text of a key, the text of a setting.
type snippet struct {
	t    *template.Template
	pool templatePool
}

// expand runs a short template. What it makes stands in device and private files only, so that secrets are plain to it.
func (v *view) expand(s *snippet, data any) (string, error) {
	d, ok := s.pool.p.Get().(*boundTemplate)
	if !ok {
		c, err := s.t.Clone()
		if err != nil {
			return "", err
		}
		d = &boundTemplate{}
		d.snippet = c.Funcs(d.funcs(v.vendor, true))
	}
	defer s.pool.put(d)
	d.view = v
	var b strings.Builder
	if err := d.snippet.Execute(&b, reveal(data)); err != nil {
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
func (d *boundTemplate) funcs(v *Vendor, plain bool) template.FuncMap {
	show := func(x any) any {
		if plain {
			return reveal(x)
		}
		return x
	}
	return template.FuncMap{
		"setting": func(name string) any {
			d.fragments.UsedPhoneData = true
			return show(d.view.settings[name])
		},
		"settingOr": func(name string, otherwise any) any {
			d.fragments.UsedPhoneData = true
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
			d.fragments.UsedPhoneData = true
			s, _ := d.view.settings["language"].(string)
			x, _ := byLanguage(v.doc.Maps["languages"], s)
			return x
		},
	}
}

// funcs are those functions for the parser, which only asks for their names.
func (v *Vendor) funcs() template.FuncMap { return (&boundTemplate{}).funcs(v, false) }

// emptyElement is the key of a slot or line that nothing is set for: all that templates may print of it follows from this.
type emptyElement struct {
	model *Model
	what  string
	n     int
}

// fragmentKey returns the id of what prints the same for every phone of a model: keys, lines and modules that aren't in use.
func fragmentKey(element any) (any, bool) {
	switch x := element.(type) {
	case *keyView:
		return emptyElement{x.model, x.Area, x.Slot}, x.isEmpty()
	case *lineView:
		return emptyElement{x.model, "line position", x.N}, !x.Bound && x.model != nil
	case expansionView:
		return emptyElement{x.model, "module", x.N}, !x.Used && x.plain
	}
	return nil, false
}
