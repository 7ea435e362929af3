package phonefile

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"text/template"

	"plugtone/provision/render"
)

// boundTemplate is a template with its functions, ready for one phone after another. Binding functions to a template
// clones it, which is a fifth of what rendering allocates (BenchmarkRender/yealink in provision/vendors).
type boundTemplate struct {
	view      *view // of the phone that is served now
	fragments render.FragmentContext
	file      *render.Template   // of a file
	snippet   *template.Template // or a short text of a key type or a setting
}

// boundTemplates is the bound templates of one file. They belong to the file, and are dropped with it.
type boundTemplates struct {
	template *render.Template
	pool     sync.Pool
}

func (t *boundTemplates) get(r *Renderer) (*boundTemplate, error) {
	if b, ok := t.pool.Get().(*boundTemplate); ok {
		return b, nil
	}
	b := &boundTemplate{}
	b.fragments.FragmentKey = fragmentKey
	var err error
	b.file, err = t.template.With(b.funcs(r, false), &b.fragments)
	return b, err
}

func (t *boundTemplates) put(b *boundTemplate) {
	b.view = nil
	t.pool.Put(b)
}

// bind sets the phone that the template is rendered for.
func (b *boundTemplate) bind(v *view) *render.Template {
	b.view = v
	return b.file
}

// snippet is one of the pack's short templates: the text of a key, the text of a setting.
type snippet struct {
	t    *template.Template
	pool sync.Pool
}

// parseSnippet parses the text of what errors call name.
func (r *Renderer) parseSnippet(name, text string) (*snippet, error) {
	t, err := template.New(name).Option("missingkey=error").Funcs(render.Funcs()).Funcs(r.Funcs()).Parse(text)
	if err != nil {
		msg := strings.TrimPrefix(err.Error(), "template: ")
		if _, rest, ok := strings.Cut(msg, name+":1: "); ok { // a text of one line
			msg = rest
		}
		return nil, fmt.Errorf("%s: %s", name, msg)
	}
	return &snippet{t: t}, nil
}

// expand runs a snippet. What it makes is printed in device and private files only, so that secrets are plain to it.
func (v *view) expand(s *snippet, data any) (string, error) {
	b, ok := s.pool.Get().(*boundTemplate)
	if !ok {
		c, err := s.t.Clone()
		if err != nil {
			return "", err
		}
		b = &boundTemplate{}
		b.snippet = c.Funcs(b.funcs(v.renderer, true))
	}
	defer func() {
		b.view = nil
		s.pool.Put(b)
	}()
	b.view = v
	var out strings.Builder
	if err := b.snippet.Execute(&out, reveal(data)); err != nil {
		var r *render.Refusal
		if errors.As(err, &r) {
			return "", r
		}
		return "", errors.New(strings.TrimPrefix(err.Error(), "template: "))
	}
	return out.String(), nil
}

func reveal(x any) any {
	if s, ok := x.(render.Sensitive); ok {
		return s.Reveal()
	}
	return x
}

// funcs returns the functions of the pack's templates. Those that depend on the phone note that they were called.
func (b *boundTemplate) funcs(r *Renderer, plain bool) template.FuncMap {
	show := func(x any) any {
		if plain {
			return reveal(x)
		}
		return x
	}
	return template.FuncMap{
		"setting": func(name string) any {
			b.fragments.UsedPhoneData = true
			return show(b.view.settings[name])
		},
		"settingOr": func(name string, otherwise any) any {
			b.fragments.UsedPhoneData = true
			return show(b.view.settingOr(name, otherwise))
		},
		"map": r.mapValue,
		"lookup": func(name string, key, otherwise any) (any, error) {
			m, ok := r.doc.Maps[name]
			if !ok {
				return nil, fmt.Errorf("the pack has no map %q", name)
			}
			if x, ok := m[fmt.Sprint(key)]; ok {
				return string(x), nil
			}
			return otherwise, nil
		},
		"fileURL": func(name string) string {
			b.fragments.UsedPhoneData = true
			if strings.Contains(name, "://") {
				return name
			}
			return b.view.URL + name
		},
		"language": func() string {
			b.fragments.UsedPhoneData = true
			s, _ := b.view.settings["language"].(string)
			x, _ := byLanguage(r.doc.Maps["languages"], s)
			return x
		},
	}
}

// Funcs returns those functions for the parser, which only needs their names.
func (r *Renderer) Funcs() template.FuncMap { return (&boundTemplate{}).funcs(r, false) }

// emptyElement is the key of a slot or line that nothing is set for: all that templates may print of it follows from this.
type emptyElement struct {
	model *Model
	what  string
	n     int
}

// fragmentKey returns the key of what prints the same for every phone of a model: keys, lines and modules that aren't in
// use.
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
