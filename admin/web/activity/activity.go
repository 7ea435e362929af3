// Package activity is the screen of what was done, in tabs: changes of records, resync jobs, the audit log, and tokens.
package activity

import (
	"embed"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"plugtone/admin/client"
	"plugtone/admin/web/page"
	"plugtone/provision/fleet"
	"plugtone/provision/notify"
)

//go:embed templates
var files embed.FS

type screen struct{ page.Screen }

// Register adds the screen to a frame.
func Register(f *page.Frame) error {
	p, err := f.Screen(files)
	s := screen{p}
	f.Handle("GET /activity", s.changes)
	f.Handle("GET /activity/jobs", s.jobs)
	f.Handle("GET /activity/audit", s.audit)
	f.Handle("GET /activity/tokens", s.tokens)
	f.Handle("POST /activity/tokens", s.addToken)
	f.Handle("POST /activity/tokens/{name}/delete", s.deleteToken)
	return err
}

// tab is one tab of the screen.
type tab struct {
	Path, Text string
	Here       bool
}

// view is what the templates show; each tab has its members.
type view struct {
	page.Base
	Tabs     []tab
	Older    string // address of the next page; "" on the last one
	Newest   string // address of the first page; "" on it
	Changes  []fleet.Change
	Jobs     []job
	Audit    []fleet.AuditEntry
	Tokens   []fleet.Token
	Form     *page.Form
	NewToken *client.NewToken
	Roles    []page.Option
}

// job is a resync job in the list.
type job struct {
	notify.Job
	Done, Fetched int
	Shown         page.State
}

// open begins the view of a tab.
func open(r *page.Request) *view {
	v := &view{Base: page.Base{Title: "Activity", Wide: true}}
	v.Tabs = []tab{{Path: "/activity", Text: "Changes"}, {Path: "/activity/jobs", Text: "Resyncs"}}
	if r.Caller().Role.String() == "admin" {
		v.Tabs = append(v.Tabs, tab{Path: "/activity/audit", Text: "Audit log"}, tab{Path: "/activity/tokens", Text: "Tokens"})
	}
	for i := range v.Tabs {
		if v.Tabs[i].Here = v.Tabs[i].Path == r.URL.Path; v.Tabs[i].Here {
			v.Title = v.Tabs[i].Text
		}
	}
	return v
}

// rows is how many rows a page has.
const rows = "50"

// query returns the query of the page that the address names.
func (v *view) query(r *page.Request) url.Values {
	q := url.Values{"limit": {rows}}
	if c := r.URL.Query().Get("cursor"); c != "" {
		q.Set("cursor", c)
		v.Newest = r.URL.Path
	}
	return q
}

// older sets the address of the next page.
func (v *view) older(r *page.Request, cursor string) {
	if cursor != "" {
		v.Older = r.URL.Path + "?" + url.Values{"cursor": {cursor}}.Encode()
	}
}

func (s screen) changes(r *page.Request) error {
	v := open(r)
	p, err := s.API.ChangePage(r.Context(), v.query(r))
	if err != nil {
		return err
	}
	v.Changes = p.Items
	v.older(r, p.NextCursor)
	return s.Render(r, "changes", v)
}

func (s screen) jobs(r *page.Request) error {
	v := open(r)
	list, err := s.API.Jobs(r.Context())
	if err != nil {
		return err
	}
	for _, j := range list {
		x := job{Job: j, Fetched: j.Counts[notify.Fetched], Shown: page.State{Name: "Done", Tone: "ok"}}
		for o, n := range j.Counts {
			if o.Final() {
				x.Done += n
			}
		}
		switch {
		case j.State == notify.Running:
			x.Shown = page.State{Name: "Running", Tone: "new"}
		case j.State == notify.Stopped:
			x.Shown = page.State{Name: "Stopped", Tone: "warn", Reason: j.Reason}
		case x.Fetched < j.Total:
			x.Shown = page.State{Name: "Done", Tone: "warn", Reason: "Not all phones have fetched."}
		}
		v.Jobs = append(v.Jobs, x)
	}
	return s.Render(r, "jobs", v)
}

func (s screen) audit(r *page.Request) error {
	v := open(r)
	p, err := s.API.AuditPage(r.Context(), v.query(r))
	if err != nil {
		return err
	}
	v.Audit = p.Items
	v.older(r, p.NextCursor)
	return s.Render(r, "audit", v)
}

func (s screen) tokens(r *page.Request) error {
	return s.showTokens(r, http.StatusOK, page.NewForm(url.Values{"name": {""}, "role": {"operator"}}), nil)
}

func (s screen) showTokens(r *page.Request, status int, f *page.Form, created *client.NewToken) (err error) {
	v := open(r)
	v.Form, v.NewToken = f, created
	v.Roles = []page.Option{{Value: "viewer", Text: "viewer: reads, without secrets"}, {Value: "operator", Text: "operator: also changes phones"},
		{Value: "admin", Text: "admin: also secrets and tokens"}, {Value: "push", Text: "push: only sends a PBX’s accounts"}}
	if v.Tokens, err = s.API.Tokens(r.Context()); err != nil {
		return err
	}
	return s.RenderStatus(r, status, "tokens", v)
}

// addToken creates a token. Its secret is on this answer and nowhere else, so that there is no redirect.
func (s screen) addToken(r *page.Request) error {
	f, err := r.Form()
	if err != nil {
		return err
	}
	out, err := s.API.AddToken(r.Context(), client.TokenRequest{Name: f.Get("name"), Role: f.Get("role")})
	if err != nil {
		if !f.Fail(err, nil) {
			return err
		}
		return s.showTokens(r, f.Status, f, nil)
	}
	return s.showTokens(r, http.StatusCreated, page.NewForm(url.Values{"name": {""}, "role": {"operator"}}), &out)
}

func (s screen) deleteToken(r *page.Request) error {
	name := r.PathValue("name")
	if err := s.API.DeleteToken(r.Context(), name); err != nil {
		return err
	}
	r.Note("ok", fmt.Sprintf("The token %s was deleted. It is refused from now on, and its sessions end.", name))
	return r.Redirect("/activity/tokens")
}

// ShortName is the name of a caller without what kind of name it is.
func (v *view) ShortName(actor string) string {
	if _, name, ok := strings.Cut(actor, ":"); ok {
		return name
	}
	return actor
}

// Sentence makes a sentence of a fragment.
func (v *view) Sentence(text string) string {
	if text == "" {
		return ""
	}
	return strings.ToUpper(text[:1]) + text[1:]
}
