package page

import (
	"io/fs"
	"net/http"
)

// Screen is a screen of the page: the frame, which has the API, the clock and the log, with the screen's templates.
type Screen struct {
	*Frame
	templates *Templates
}

// Screen returns a screen with its templates, and those that it shares with other screens; see Templates.
func (f *Frame) Screen(files fs.FS, parts ...fs.FS) (Screen, error) {
	t, err := f.Templates(files, parts...)
	return Screen{f, t}, err
}

// Render answers with the file NAME.html of the screen's templates, in the layout, or only with the element that htmx replaces.
func (s Screen) Render(r *Request, name string, view View) error {
	return s.RenderStatus(r, http.StatusOK, name, view)
}

// RenderStatus is Render with an HTTP status, such as 422 for a form with errors.
func (s Screen) RenderStatus(r *Request, status int, name string, view View) error {
	return r.render(status, s.templates, name, view)
}
