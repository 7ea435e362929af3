// Package page is the frame of the admin page: it renders screens in their layout, reports errors, and has the parts that all screens are made
// of. It contains no screen, and no rule about records: those are the API's, which screens call.
//
// # A new screen
//
// A screen is a package beside this one with a Register function, its templates in templates/*.html, and its tests. It is registered in package
// web. A complete one:
//
//	//go:embed templates
//	var files embed.FS
//
//	type screen struct{ page.Screen } // API (the admin API's client), Now, Log, Render
//
//	func Register(f *page.Frame) error {
//		p, err := f.Screen(files)
//		s := screen{p}
//		f.Handle("GET /things", s.list)
//		f.Handle("POST /things/{name}/delete", s.remove)
//		return err
//	}
//
//	type listView struct {
//		page.Base                    // what the layout shows; Render fills it
//		Items []client.Thing
//	}
//
//	func (s screen) list(r *page.Request) error {
//		items, err := s.API.Things(r.Context())
//		if err != nil {
//			return err               // shown as an error page with the status of the API
//		}
//		return s.Render(r, "list", &listView{Base: page.Base{Title: "Things"}, Items: items})
//	}
//
//	func (s screen) remove(r *page.Request) error {
//		if err := s.API.DeleteThing(r.Context(), r.PathValue("name")); err != nil {
//			return err
//		}
//		r.Note("ok", "The thing was deleted.")
//		return r.Redirect("/things")
//	}
//
// and templates/list.html, whose dot is the view:
//
//	{{define "content"}}
//	<header class="page-head"><h1>Things</h1>{{if .Operator}}<a class="button primary" href="/things/new">{{icon "plus"}}Add a thing</a>{{end}}</header>
//	{{template "things" .}}
//	{{end}}
//	{{define "things"}}<div id="things">...</div>{{end}}
//
// Rules:
//
//   - The context of a Request carries the caller: pass it to each API call. The API refuses what the role may not do (403); templates leave
//     out what it refuses by .Operator and .Admin.
//   - Without JavaScript everything works by links and forms. htmx (hx-get, hx-target="#things", hx-swap="outerMorph") replaces one element:
//     Render then executes only the template with the name of that element's id, so give both the same name; id "main" is the content.
//   - Each state is in the URL: filters, sorting, pages. htmx requests of lists have hx-push-url="true" or hx-replace-url="true".
//   - A form is method="post" and begins with {{template "csrf" .}}; after success it redirects. After an error of the API it is shown again: see
//     Form, whose Fail turns 400, 409, 412 and 422 into messages at the fields.
//   - No inline script or style, and no hx-on: the Content-Security-Policy forbids them. A script is a module in assets/js, used by
//     {{script "keys.js"}} in the content; styles of one screen are a file in assets/css.
//   - Components (tables, badges, chips, tabs, fields, dialogs, diffs, empty states) are listed at the top of assets/css/20-components.css, and
//     the templates for them in page/templates/part-components.html. Write a new one there when a second screen needs it.
//   - A time is {{time .At}} (absolute) or {{ago .At}} (relative): both become the viewer's zone by the script.
//   - A request that a page makes by itself (hx-trigger="every 5s") has hx-headers='{"Plugtone-Background":"1"}', so that it does not keep the
//     session alive. Live streams are Request.Stream.
//   - Every test of a screen is a few lines with package webtest, which fails for CSP violations, console errors and axe-core's violations.
//
// # Addresses between screens
//
// A screen links to another by these addresses only:
//
//	/phones?where=EXPR&q=TEXT&sort=FIELD      list of phones; EXPR as in the API; state=STATE is short for where=state=STATE
//	/phones/MAC[/TAB]                         one phone; TAB is keys, lines, settings, files or history
//	/phones/new                               form for a new phone
//	/phones/MAC/do/ACTION                     an action on one phone: its effect, then the button that does it
//	/profiles, /profiles/NAME[/settings]      profiles, their keys and settings
//	/extensions, /registrars                  SIP accounts and servers
//	/change/new                               draft of a change of selected phones, by GET or POST (POST for many MACs). Parameters:
//	                                          action=ACTION: profile, settings, keys, lines, tags, firmware, enable, disable, resync, enroll,
//	                                          export, delete, or adopt for phones without a record; and mac=MAC for each. With all=on the phones are instead all that
//	                                          match where=EXPR and q=TEXT, as in the list; mac is ignored then
//	/changes/ID                               a change: what it did, and undo
//	/jobs/ID                                  progress of a resync
//	/discovered, /import, /pbx, /network, /activity
package page

import (
	"log/slog"
	"net/http"
	"strings"
	"time"

	"plugtone/admin/client"
	"plugtone/admin/web/session"
)

// Config has what a Frame needs. All members are required.
type Config struct {
	Mux      *http.ServeMux
	API      *client.Client // its calls take the caller from the context
	Sessions *session.Sessions
	Assets   Assets
	Now      func() time.Time
	Log      *slog.Logger
	Version  string
}

// Assets are the files that pages load.
type Assets interface {
	URL(name string) string // address of a file; it changes with the content
}

// Frame is what all screens share.
type Frame struct {
	Config
	paths  map[string]bool // of the screens that are registered
	errors *Templates
}

// New returns a Frame without screens.
func New(c Config) (*Frame, error) {
	f := &Frame{Config: c, paths: map[string]bool{}}
	var err error
	f.errors, err = f.Templates(files)
	return f, err
}

// Handler answers a request, by a method of it. A returned error is shown as a page.
type Handler func(*Request) error

// Handle registers a screen for signed-in users. pattern is METHOD /PATH, as of http.ServeMux. Requests that may change something need the
// CSRF text of the session.
func (f *Frame) Handle(pattern string, h Handler) { f.handle(pattern, h, true) }

// HandlePublic registers a page that needs no session, such as the form to sign in.
func (f *Frame) HandlePublic(pattern string, h Handler) { f.handle(pattern, h, false) }

func (f *Frame) handle(pattern string, h Handler, needsSession bool) {
	if path, ok := strings.CutPrefix(pattern, "GET "); ok {
		f.paths[path] = true
	}
	cross := http.NewCrossOriginProtection()
	cross.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.serve(w, r, nil, func(*Request) error { return errCrossOrigin })
	}))
	f.Mux.Handle(pattern, cross.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := f.Sessions.Of(r)
		if err != nil {
			f.serve(w, r, nil, func(*Request) error { return err })
			return
		}
		if s == nil && needsSession {
			toLogin(w, r)
			return
		}
		f.serve(w, r, s, h)
	})))
}

// Has reports whether a screen is registered at a path: a link to it would lead somewhere.
func (f *Frame) Has(path string) bool { return f.paths[path] }

// NotFound answers a path that no screen has, for browsers.
func (f *Frame) NotFound(w http.ResponseWriter, r *http.Request) {
	s, _ := f.Sessions.Of(r) // without a session the page is shown without the navigation
	f.serve(w, r, s, func(*Request) error { return errNotFound })
}

// serve calls h, and shows its error.
func (f *Frame) serve(w http.ResponseWriter, r *http.Request, s *session.Session, h Handler) {
	secure(w.Header())
	q := &Request{Request: r, w: w, frame: f, session: s}
	defer q.removeFiles()
	err := q.admit()
	if err == nil {
		err = h(q)
	}
	if err != nil {
		q.fail(err)
	}
}

// secure sets the headers that keep other sites' content out of the pages, and the pages out of other sites'.
func secure(h http.Header) {
	h.Set("Content-Security-Policy", "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
}

// toLogin sends a browser to the form to sign in, and back to where it wanted afterwards.
func toLogin(w http.ResponseWriter, r *http.Request) {
	target := "/login"
	if r.Method == http.MethodGet && r.Header.Get("HX-Request") == "" && r.URL.Path != "/" {
		target += "?" + nextQuery(r.URL.RequestURI())
	}
	secure(w.Header())
	if r.Header.Get("HX-Request") != "" {
		w.Header().Set("HX-Redirect", target)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	http.Redirect(w, r, target, http.StatusSeeOther)
}
