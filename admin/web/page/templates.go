package page

import (
	"embed"
	"fmt"
	"html/template"
	"io"
	"io/fs"
	"path"
	"strings"
	"sync"

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

// Templates are the templates of one screen. A file is parsed when it is shown first: all of them take 11 MB, and most daemons show few.
type Templates struct {
	sets map[string]parser // by file, without .html
}

// parser returns a template, which the first call parses.
type parser = func() (*template.Template, error)

// Templates finds templates/*.html of a screen, each with the layout and the components. Files whose names begin with "part-" belong to
// all others; so do those of parts, which several screens share.
func (f *Frame) Templates(screen fs.FS, parts ...fs.FS) (*Templates, error) {
	names, err := fs.Glob(screen, "templates/*.html")
	if err != nil {
		return nil, err
	}
	common := sync.OnceValues(func() (*template.Template, error) {
		common := template.New("").Funcs(f.funcs())
		for _, p := range append([]fs.FS{files}, parts...) {
			if _, err := common.ParseFS(p, "templates/part-*.html"); err != nil {
				return nil, err
			}
		}
		for _, name := range names {
			if strings.HasPrefix(path.Base(name), "part-") {
				if _, err := common.ParseFS(screen, name); err != nil {
					return nil, err
				}
			}
		}
		return common, nil
	})
	t := &Templates{map[string]parser{}}
	for _, name := range names {
		base := strings.TrimSuffix(path.Base(name), ".html")
		if strings.HasPrefix(base, "part-") {
			continue
		}
		t.sets[base] = sync.OnceValues(func() (*template.Template, error) {
			set, err := common()
			if err == nil {
				set, err = set.Clone()
			}
			if err != nil {
				return nil, err
			}
			return set.ParseFS(screen, name)
		})
	}
	return t, nil
}

// set returns the templates of a file.
func (t *Templates) set(file string) (*template.Template, error) {
	parse := t.sets[file]
	if parse == nil {
		return nil, fmt.Errorf("no template %s.html", file)
	}
	return parse()
}

// execute writes a whole page, or only the template with the name of an element's id.
func (t *Templates) execute(w io.Writer, name, fragment string, view View) error {
	set, err := t.set(name)
	if err != nil {
		return err
	}
	switch {
	case fragment == "":
		return set.ExecuteTemplate(w, "layout", view)
	case fragment == "main" || set.Lookup(fragment) == nil:
		return set.ExecuteTemplate(w, "main", view)
	}
	return set.ExecuteTemplate(w, fragment, view)
}
