// Package phone is the screens of one phone, but for its keys: what happened to it, its lines, settings, files and history, and everything that
// can be done with it.
package phone

import (
	"embed"

	"plugtone/admin/web/page"
	"plugtone/admin/web/preview"
	"plugtone/admin/web/record"
)

//go:embed templates
var files embed.FS

type screen struct{ page.Screen }

// Register adds the screens to a frame.
func Register(f *page.Frame) error {
	p, err := f.Screen(files, record.Parts, preview.Parts)
	s := screen{p}
	f.Handle("GET /phones/new", s.newPhone)
	f.Handle("POST /phones/new", s.addPhone)
	f.Handle("GET /phones/{mac}", s.timeline)
	f.Handle("GET /phones/{mac}/live", s.live)
	f.Handle("GET /phones/{mac}/job/{id}", s.job)
	f.Handle("GET /phones/{mac}/lines", s.lines)
	f.Handle("POST /phones/{mac}/lines", s.saveLines)
	f.Handle("GET /phones/{mac}/settings", s.settings)
	f.Handle("POST /phones/{mac}/settings", s.saveSetting)
	f.Handle("GET /phones/{mac}/files", s.files)
	f.Handle("GET /phones/{mac}/history", s.history)
	f.Handle("GET /phones/{mac}/do/{action}", s.ask)
	f.Handle("POST /phones/{mac}/do/{action}", s.act)
	return err
}

// titled returns the frame of a view of a phone.
func titled(h record.Head, tab string) record.View {
	v := record.View{Head: h}
	v.Title = h.Name()
	if tab != "" {
		v.Title = tab + " · " + v.Title
	}
	return v
}
