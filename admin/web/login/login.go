// Package login has the pages that begin and end a session of the admin page: by a token, or by a one-time address of "plugtone web". Its API
// operation makes such addresses.
package login

import (
	"embed"
	"errors"
	"net"
	"net/http"

	"plugtone/admin/access"
	"plugtone/admin/web/page"
	"plugtone/admin/web/session"
)

//go:embed templates
var files embed.FS

type screen struct{ page.Screen }

// Path is where one-time addresses are, followed by the code.
const Path = "/login/"

// Register adds the pages to a frame.
func Register(f *page.Frame) error {
	p, err := f.Screen(files)
	s := screen{p}
	f.HandlePublic("GET /login", s.form)
	f.HandlePublic("POST /login", s.signIn)
	f.HandlePublic("GET "+Path+"{code}", s.offer)
	f.HandlePublic("POST "+Path+"{code}", s.redeem)
	f.Handle("POST /logout", s.signOut)
	f.Handle("POST /theme", s.theme)
	return err
}

type formView struct {
	page.Base
	Next    string // where to go afterwards
	Problem string
	Code    string // of a one-time address
}

func (s screen) form(r *page.Request) error {
	next := page.LocalPath(r.FormValue("next"))
	if r.Caller().Role != access.None {
		return r.Redirect(next)
	}
	return s.Render(r, "login", &formView{Base: page.Base{Title: "Sign in"}, Next: next})
}

func (s screen) signIn(r *page.Request) error {
	next := page.LocalPath(r.PostFormValue("next"))
	cookie, err := s.Sessions.SignIn(r.PostFormValue("token"), address(r))
	if errors.Is(err, session.ErrToken) {
		s.Log.Warn("sign-in to the page refused", "from", address(r))
		return s.RenderStatus(r, http.StatusUnauthorized, "login", &formView{Base: page.Base{Title: "Sign in"}, Next: next,
			Problem: "No token has this secret, or it has no role for the page."})
	}
	if err != nil {
		return err
	}
	return s.begin(r, cookie, next)
}

// offer shows a button, because programs that look at addresses for previews would use the code up by a GET.
func (s screen) offer(r *page.Request) error {
	return s.Render(r, "once", &formView{Base: page.Base{Title: "Sign in"}, Code: r.PathValue("code")})
}

func (s screen) redeem(r *page.Request) error {
	cookie, err := s.Sessions.Redeem(r.PathValue("code"), address(r))
	if errors.Is(err, session.ErrCode) {
		return s.RenderStatus(r, http.StatusGone, "once", &formView{Base: page.Base{Title: "Sign in"},
			Problem: "This address was used already, or is older than 5 minutes."})
	}
	if err != nil {
		return err
	}
	return s.begin(r, cookie, "/")
}

func (s screen) begin(r *page.Request, cookie, next string) error {
	if old := r.Session(); old != nil {
		s.Sessions.End(old)
	}
	http.SetCookie(r.Writer(), session.Cookie(r.Request, cookie))
	return r.Redirect(next)
}

func (s screen) signOut(r *page.Request) error {
	s.Sessions.End(r.Session())
	http.SetCookie(r.Writer(), session.Cookie(r.Request, ""))
	return r.Redirect("/login")
}

// theme keeps the colours in a cookie: they belong to the browser, not to the user.
func (s screen) theme(r *page.Request) error {
	c := &http.Cookie{Name: "theme", Value: r.PostFormValue("theme"), Path: "/", MaxAge: 365 * 24 * 3600, HttpOnly: true, Secure: r.TLS != nil, SameSite: http.SameSiteStrictMode}
	if c.Value != "light" && c.Value != "dark" {
		c.Value, c.MaxAge = "", -1
	}
	http.SetCookie(r.Writer(), c)
	return r.Redirect(page.LocalPath(r.PostFormValue("next")))
}

// address returns the address of the browser.
func address(r *page.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}
