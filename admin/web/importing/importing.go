// Package importing is the screen that takes a file of phones or other records: it shows what each column is read as and what each row would do,
// and then applies the file as one change.
package importing

import (
	"embed"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"plugtone/admin/client"
	"plugtone/admin/web/page"
	"plugtone/admin/web/preview"
	"plugtone/provision/impact"
)

//go:embed templates
var files embed.FS

type screen struct{ page.Screen }

// Register adds the screen to a frame.
func Register(f *page.Frame) error {
	p, err := f.Screen(files, preview.Parts)
	s := screen{p}
	f.Handle("GET /import", s.start)
	f.Handle("POST /import", s.check)
	f.Handle("POST /import/apply", s.apply)
	return err
}

// maxFile is the size of the largest file. The page sends it back with each step; larger ones are for plugtone apply.
const maxFile = 8 << 20 // bytes

// startView is the form for a file.
type startView struct {
	page.Base
	Form *page.Form
}

func (s screen) start(r *page.Request) error {
	return s.Render(r, "import", &startView{Base: page.Base{Title: "Import"}, Form: page.NewForm(nil)})
}

// refuse shows the form for a file with what is wrong.
func (s screen) refuse(r *page.Request, form *page.Form, problem string) error {
	form.Problems["file"] = problem
	return s.RenderStatus(r, http.StatusUnprocessableEntity, "import", &startView{Base: page.Base{Title: "Import"}, Form: form})
}

// read returns the form with the file in it: the uploaded one, that of the step before, or what was pasted.
func read(r *page.Request) (*page.Form, *upload, error) {
	if err := r.ParseMultipartForm(maxFile); err != nil && !errors.Is(err, http.ErrNotMultipart) {
		return nil, nil, err
	}
	form, err := r.Form()
	if err != nil {
		return nil, nil, err
	}
	up := &upload{Name: form.Get("name"), Text: form.Values.Get("text")}
	f, head, err := r.FormFile("file")
	switch {
	case errors.Is(err, http.ErrMissingFile), errors.Is(err, http.ErrNotMultipart):
		return form, up, nil
	case err != nil:
		return nil, nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, nil, err
	}
	if head.Filename != "" || len(b) > 0 {
		up.Name, up.Text = head.Filename, string(b)
	}
	return form, up, nil
}

// reviewView is a file before it is applied.
type reviewView struct {
	page.Base
	*review
	Form *page.Form
}

func (s screen) check(r *page.Request) error {
	form, up, err := read(r)
	if err != nil {
		return err
	}
	switch {
	case strings.TrimSpace(up.Text) == "" && up.Name == "":
		return s.refuse(r, form, "choose a file, or paste one")
	case strings.TrimSpace(up.Text) == "":
		return s.refuse(r, form, "the file is empty")
	case len(up.Text) > maxFile:
		return s.refuse(r, form, "the file is larger than 8 MiB; plugtone apply -f takes it")
	}
	v, err := s.review(r, form, up)
	if err != nil {
		return err
	}
	return s.Render(r, "review", v)
}

// review reads a file and tries it.
func (s screen) review(r *page.Request, form *page.Form, up *upload) (*reviewView, error) {
	preview.Defaults(form)
	v := &reviewView{Base: page.Base{Title: "Import"}, Form: form, review: newReview(up, form)}
	if v.Problem != "" {
		return v, nil
	}
	p, err := s.try(r, v.review)
	switch {
	case p != nil:
		v.tried(*p)
	case !v.refused(err):
		return nil, err
	}
	return v, nil
}

// try makes the dry run of a file.
func (s screen) try(r *page.Request, v *review) (*impact.Preview, error) {
	_, err := s.API.Writing(client.Write{DryRun: true}).Apply(r.Context(), v.body(), v.options())
	var tried *client.DryRun
	if errors.As(err, &tried) {
		return &tried.Preview, nil
	}
	return nil, err
}

func (s screen) apply(r *page.Request) error {
	form, up, err := read(r)
	if err != nil {
		return err
	}
	v := newReview(up, form)
	if v.Problem != "" {
		return s.check(r)
	}
	if v.Digest() != form.Get("checked") {
		return s.again(r, form, up, func(v *reviewView) { v.Changed = true })
	}
	waves, err := preview.Waves(r, s.API, form, func() (*preview.Preview, error) {
		p, err := s.try(r, v)
		if p == nil {
			return nil, err
		}
		return preview.Of(*p, nil), nil
	})
	if err != nil {
		if !form.Fail(err, nil) {
			return err
		}
		return s.again(r, form, up, nil)
	}
	out, err := s.API.Writing(client.Write{Message: form.Get("message")}).Apply(r.Context(), v.body(), v.options())
	if err != nil {
		if !v.refused(err) {
			return err
		}
		return s.again(r, form, up, nil) // it names what is wrong now
	}
	text := fmt.Sprintf("%d new, %d changed, %d the same", out.New, out.Changed, out.Same)
	if out.Deleted > 0 {
		text += fmt.Sprintf(", %d removed", out.Deleted)
	}
	if out.Skipped > 0 {
		text += fmt.Sprintf(", %d of a PBX source left alone", out.Skipped)
	}
	r.Note("ok", v.Name+": "+text+".")
	if out.Change == 0 {
		return r.Redirect("/import")
	}
	return preview.Start(r, s.API, out.Change, waves)
}

// again shows the file with what is wrong now.
func (s screen) again(r *page.Request, form *page.Form, up *upload, change func(*reviewView)) error {
	v, err := s.review(r, form, up)
	if err != nil {
		return err
	}
	if change != nil {
		change(v)
	}
	return s.RenderStatus(r, http.StatusUnprocessableEntity, "review", v)
}
