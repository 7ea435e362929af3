// Package phones is the screen with the list of phones: filters, search, sorting, columns, and the selection that actions begin with.
package phones

import (
	"embed"
	"net/url"

	"plugtone/admin/client"
	"plugtone/admin/web/page"
)

//go:embed templates
var files embed.FS

type screen struct {
	*page.Frame
	templates *page.Templates
}

// Register adds the screen to a frame.
func Register(f *page.Frame) error {
	t, err := f.Templates(files)
	if err != nil {
		return err
	}
	s := screen{f, t}
	f.Handle("GET /phones", s.list)
	return nil
}

type view struct {
	page.Base
	Q     string
	Items []client.Device
	Next  string
}

func (s screen) list(r *page.Request) error {
	v := &view{Base: page.Base{Title: "Phones", Wide: true}, Q: r.FormValue("q")}
	q := url.Values{"limit": {"50"}}
	for _, name := range []string{"q", "where", "state", "cursor"} {
		if text := r.FormValue(name); text != "" {
			q.Set(name, text)
		}
	}
	p, err := s.API.Devices().Page(r.Context(), q)
	if err != nil {
		return err
	}
	v.Items, v.Next = p.Items, p.NextCursor
	return r.Render(s.templates, "list", v)
}
