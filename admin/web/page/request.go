package page

import (
	"bytes"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"plugtone/admin/access"
	"plugtone/admin/client"
	"plugtone/admin/web/session"
)

// Limits of the body of a request.
const (
	maxForm   = 4 << 20  // bytes of a form
	maxUpload = 64 << 20 // bytes of a form with files
)

// Request is one request of a browser, and its answer.
type Request struct {
	*http.Request
	w       http.ResponseWriter
	frame   *Frame
	session *session.Session
}

var (
	errCrossOrigin = &client.Problem{Status: http.StatusForbidden, Detail: "the request came from a page of another site"}
	errCSRF        = &client.Problem{Status: http.StatusForbidden, Detail: "this form is from another session; open the page again"}
	errNotFound    = &client.Problem{Status: http.StatusNotFound, Detail: "there is no such page"}
)

// admit puts the caller into the context, limits the body, and checks the CSRF text of requests that may change something.
func (r *Request) admit() error {
	limit := int64(maxForm)
	if strings.HasPrefix(r.Header.Get("Content-Type"), "multipart/") {
		limit = maxUpload
	}
	r.Body = http.MaxBytesReader(r.w, r.Body, limit)
	if r.session == nil {
		return nil
	}
	r.Request = r.WithContext(access.With(r.Context(), r.session.Caller()))
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return nil
	}
	text := r.Header.Get("X-Csrf-Token")
	if text == "" {
		text = r.PostFormValue("csrf")
	}
	if !r.session.ValidCSRF(text) {
		return errCSRF
	}
	return nil
}

// removeFiles removes the files of a form that were too large for memory. The HTTP server does so for its own Request only, and admit made
// another one.
func (r *Request) removeFiles() {
	if r.MultipartForm == nil {
		return
	}
	if err := r.MultipartForm.RemoveAll(); err != nil {
		r.frame.Log.Warn("files of a form stay in the folder for temporary files", "err", err)
	}
}

// Caller returns who is signed in; one with the role None on public pages.
func (r *Request) Caller() access.Caller { return access.Of(r.Context()) }

// MayChange reports whether the caller may change records. Templates have it as .Operator.
func (r *Request) MayChange() bool { return r.Caller().Role >= access.Operator }

// Session returns the session; nil on public pages.
func (r *Request) Session() *session.Session { return r.session }

// Writer returns the writer of the answer, for handlers that don't Render: downloads for instance.
func (r *Request) Writer() http.ResponseWriter { return r.w }

// Fragment returns the id of the element that htmx replaces by the answer; "" when a whole page is wanted.
func (r *Request) Fragment() string {
	if r.Header.Get("HX-Request") == "" || r.Header.Get("HX-Request-Type") == "full" || r.Header.Get("HX-History-Restore-Request") != "" {
		return ""
	}
	_, id, _ := strings.Cut(r.Header.Get("HX-Target"), "#")
	return id
}

// Note shows a message on the next page of the session. kind is ok, warn or error.
func (r *Request) Note(kind, text string) {
	if r.session != nil {
		r.session.Add(session.Note{Kind: kind, Text: text})
	}
}

// Redirect sends the browser to another page of this server.
func (r *Request) Redirect(path string) error {
	if r.Header.Get("HX-Request") != "" {
		r.w.Header().Set("HX-Redirect", path)
		r.w.WriteHeader(http.StatusNoContent)
		return nil
	}
	http.Redirect(r.w, r.Request, path, http.StatusSeeOther)
	return nil
}

// render answers with the file NAME.html of some templates, in the layout, or only with the element that htmx replaces.
func (r *Request) render(status int, t *Templates, name string, view View) error {
	r.fill(view.base())
	var out bytes.Buffer
	if err := t.execute(&out, name, r.Fragment(), view); err != nil {
		return err
	}
	r.w.Header().Set("Content-Type", "text/html; charset=utf-8")
	r.w.Header().Add("Vary", "HX-Request, HX-Target")
	r.w.WriteHeader(status)
	_, err := out.WriteTo(r.w)
	if err != nil {
		r.frame.Log.Debug("page not sent", "path", r.URL.Path, "err", err)
	}
	return nil
}

// fill sets the members of a view that the layout shows.
func (r *Request) fill(b *Base) {
	b.Version, b.Theme, b.Path, b.Now = r.frame.Version, theme(r.Request), r.URL.Path, r.frame.Now().UTC().Format(time.RFC3339)
	if r.session == nil {
		return
	}
	c := r.Caller()
	b.User, b.Role, b.CSRF = c.Name, c.Role.String(), r.session.CSRF()
	b.Operator, b.Admin = c.Role >= access.Operator, c.Role >= access.Admin
	if r.Fragment() == "" {
		b.Notes = r.session.Notes()
	}
	b.Nav = r.frame.nav(r.URL.Path)
}

func theme(r *http.Request) string {
	c, err := r.Cookie("theme")
	if err == nil && (c.Value == "dark" || c.Value == "light") {
		return c.Value
	}
	return ""
}

// errorView is the view of the error page.
type errorView struct {
	Base
	Status  int
	Problem *client.Problem
	Back    string
}

// fail shows an error. Errors of the API have a status and a text for people; all others are logged.
func (r *Request) fail(err error) {
	if r.Context().Err() != nil {
		return // the browser has gone
	}
	var p *client.Problem
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &p):
	case errors.As(err, &large):
		p = &client.Problem{Status: http.StatusRequestEntityTooLarge, Detail: "the form is too large"}
	default:
		r.frame.Log.Error("page failed", "method", r.Method, "path", r.URL.Path, "err", err)
		p = &client.Problem{Status: http.StatusInternalServerError, Detail: "internal error; the log has the details"}
	}
	v := &errorView{Base: Base{Title: http.StatusText(p.Status)}, Status: p.Status, Problem: p, Back: referrer(r.Request)}
	if err := r.render(p.Status, r.frame.errors, "error", v); err != nil {
		r.frame.Log.Error("error page", "err", err)
		http.Error(r.w, p.Detail, p.Status)
	}
}

// referrer returns the page of this server that a request came from; "/" otherwise.
func referrer(r *http.Request) string {
	u, err := url.Parse(r.Referer())
	if err != nil || u.Host != r.Host || u.Path == "" || u.Path == "/login" {
		return "/"
	}
	return u.RequestURI()
}

// nextQuery returns the query of /login that names where to go afterwards.
func nextQuery(path string) string { return url.Values{"next": {path}}.Encode() }

// LocalPath returns path if it is one of this server, else "/".
func LocalPath(path string) string {
	u, err := url.Parse(path)
	if err != nil || u.IsAbs() || u.Host != "" || !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") || strings.Contains(path, "\\") {
		return "/"
	}
	return path
}

// IsForbidden reports whether the API refused a call because of the caller's role.
func IsForbidden(err error) bool {
	var p *client.Problem
	return errors.As(err, &p) && p.Status == http.StatusForbidden
}
