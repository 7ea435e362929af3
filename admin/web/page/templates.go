package page

import (
	"embed"
	"fmt"
	"html/template"
	"io"
	"io/fs"
	"path"
	"strings"

	"plugtone/admin/web/session"
)

//go:embed templates
var files embed.FS

// Base has what the layout shows. A view embeds it and sets Title; Render fills the rest.
type Base struct {
	Title string // of the page; also what its tab in the browser shows
	Wide  bool   // the content takes the whole width, for tables

	Path, Version, Theme, Now string
	User, Role, CSRF          string
	Operator, Admin           bool // whether the caller has this role, or a higher one
	Nav                       []NavItem
	Notes                     []session.Note
}

func (b *Base) base() *Base { return b }

// ShortUser returns the name of the user without what kind of name it is.
func (b *Base) ShortUser() string {
	_, name, _ := strings.Cut(b.User, ":")
	return name
}

// View is what a template shows. A struct that embeds Base is one.
type View interface{ base() *Base }

// Templates are the templates of one screen.
type Templates struct {
	sets map[string]*template.Template // by file, without .html
}

// Templates parses templates/*.html of a screen, each with the layout and the components. Files whose names begin with "part-" are parsed into
// all others; so are those of parts, which several screens share.
func (f *Frame) Templates(screen fs.FS, parts ...fs.FS) (*Templates, error) {
	common := template.New("").Funcs(f.funcs())
	for _, p := range append([]fs.FS{files}, parts...) {
		if _, err := common.ParseFS(p, "templates/part-*.html"); err != nil {
			return nil, err
		}
	}
	names, err := fs.Glob(screen, "templates/*.html")
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if strings.HasPrefix(path.Base(name), "part-") {
			if _, err := common.ParseFS(screen, name); err != nil {
				return nil, err
			}
		}
	}
	t := &Templates{map[string]*template.Template{}}
	for _, name := range names {
		base := strings.TrimSuffix(path.Base(name), ".html")
		if strings.HasPrefix(base, "part-") {
			continue
		}
		set, err := common.Clone()
		if err != nil {
			return nil, err
		}
		if t.sets[base], err = set.ParseFS(screen, name); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// execute writes a whole page, or only the template with the name of an element's id.
func (t *Templates) execute(w io.Writer, name, fragment string, view View) error {
	set := t.sets[name]
	if set == nil {
		return fmt.Errorf("no template %s.html", name)
	}
	switch {
	case fragment == "":
		return set.ExecuteTemplate(w, "layout", view)
	case fragment == "main" || set.Lookup(fragment) == nil:
		return set.ExecuteTemplate(w, "main", view)
	}
	return set.ExecuteTemplate(w, fragment, view)
}
