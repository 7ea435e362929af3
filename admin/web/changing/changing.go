// Package changing has the screens of changes: the draft of a change of selected phones with its dry run, a change that was made with undo, and
// the progress of resync jobs.
package changing

import (
	"embed"

	"plugtone/admin/web/page"
	"plugtone/admin/web/preview"
)

//go:embed templates
var files embed.FS

type screen struct{ page.Screen }

// Register adds the screens to a frame.
func Register(f *page.Frame) error {
	p, err := f.Screen(files, preview.Parts)
	s := screen{p}
	f.Handle("GET /change/new", s.draft)
	f.Handle("POST /change/new", s.draft)
	f.Handle("POST /change/apply", s.apply)
	m := made{s}
	f.Handle("GET /changes/{id}", m.change)
	f.Handle("GET /changes/{id}/undo", m.undoDraft)
	f.Handle("POST /changes/{id}/undo", m.undo)
	f.Handle("GET /jobs/{id}", s.job)
	f.Handle("GET /jobs/{id}/live", s.live)
	f.Handle("POST /jobs/{id}/stop", s.stop)
	return err
}
