// Package overview is the first screen of the admin page: whether everything runs, and what needs attention.
package overview

import (
	"embed"

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
	f.Handle("GET /{$}", s.show)
	return nil
}

type view struct {
	page.Base
	Status client.DaemonStatus
}

func (s screen) show(r *page.Request) error {
	v := &view{Base: page.Base{Title: "Overview"}}
	var err error
	if v.Status, err = s.API.Status(r.Context()); err != nil {
		return err
	}
	return r.Render(s.templates, "overview", v)
}
