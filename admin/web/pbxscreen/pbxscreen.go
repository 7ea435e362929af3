// Package pbxscreen is the screen with PBX sources: their last sync, what could not be used, and a sync with its dry run.
package pbxscreen

import (
	"context"
	"embed"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"plugtone/admin/client"
	"plugtone/admin/web/page"
	"plugtone/admin/web/preview"
	"plugtone/provision/pbx"
	"plugtone/provision/pbxsync"
)

//go:embed templates
var files embed.FS

type screen struct{ page.Screen }

// Register adds the screen to a frame.
func Register(f *page.Frame) error {
	p, err := f.Screen(files, preview.Parts)
	s := screen{p}
	f.Handle("GET /pbx", s.list)
	f.Handle("POST /pbx/{name}/test", s.test)
	f.Handle("GET /pbx/{name}/sync", s.draft)
	f.Handle("POST /pbx/{name}/sync", s.sync)
	return err
}

type listView struct {
	page.Base
	Sources   []source
	Tested    *tested
	Synced    string // source of a sync that was just made
	Change    string // number of its change
	ChangeURL string // "" without a screen of changes
}

// source is one PBX source in words.
type source struct {
	pbxsync.SourceStatus
	Pushed bool
	Tone   string
	State  string
	Every  string
	Counts []counts
}

// counts is what the last sync did with one kind of record.
type counts struct {
	Kind string
	pbxsync.SyncCounts
}

// tested is the result of a test.
type tested struct {
	Name string
	client.PBXTest
	Error string // why the PBX could not be read
}

func (s screen) list(r *page.Request) error { return s.show(r, http.StatusOK, nil) }

func (s screen) show(r *page.Request, status int, result *tested) error {
	list, err := s.API.PBXs(r.Context())
	if err != nil {
		return err
	}
	v := &listView{Base: page.Base{Title: "PBX"}, Tested: result}
	if id, err := strconv.ParseUint(r.FormValue("change"), 10, 64); err == nil {
		v.Synced, v.Change = r.FormValue("synced"), strconv.FormatUint(id, 10)
		if s.Has("/changes/{id}") {
			v.ChangeURL = "/changes/" + v.Change
		}
	}
	for _, x := range list {
		v.Sources = append(v.Sources, describe(x))
	}
	return s.RenderStatus(r, status, "pbx", v)
}

func describe(x pbxsync.SourceStatus) source {
	out := source{SourceStatus: x, Pushed: x.Type == pbx.Pushed}
	switch {
	case x.Error != "":
		out.Tone, out.State = "bad", "Last sync failed"
	case x.SyncedAt.IsZero():
		out.Tone, out.State = "off", "Never synced"
	case len(x.Result.Problems) > 0:
		out.Tone, out.State = "warn", page.Plural(len(x.Result.Problems), "problem", "problems")
	default:
		out.Tone, out.State = "ok", "In sync"
	}
	switch {
	case out.Pushed:
		out.Every = "when the PBX sends it"
	case x.Interval == 0:
		out.Every = "when an operator starts it"
	default:
		out.Every = "every " + page.Span(x.Interval.Truncate(time.Second))
	}
	if n := x.Result; n != nil {
		out.Counts = append(out.Counts, counts{"Extensions", pbxsync.SyncCounts{Added: n.Added, Changed: n.Changed, Same: n.Same, Gone: n.Gone, Removed: n.Removed}})
		if n.Devices != nil {
			out.Counts = append(out.Counts, counts{"Phones", *n.Devices})
		}
		if n.Profiles != nil {
			out.Counts = append(out.Counts, counts{"Profiles", *n.Profiles})
		}
	}
	return out
}

// test reads a PBX. Nothing changes, so the result is shown at once.
func (s screen) test(r *page.Request) error {
	name := r.PathValue("name")
	got, err := s.API.TestPBX(r.Context(), name)
	out := &tested{Name: name, PBXTest: got}
	if p := unread(err); p != nil {
		out.Error = p.Detail
		return s.show(r, p.Status, out)
	}
	if err != nil {
		return err
	}
	return s.show(r, http.StatusOK, out)
}

// unread returns the problem of a PBX that can't be read, or of a sync that is refused; nil for others.
func unread(err error) *client.Problem {
	var p *client.Problem
	if errors.As(err, &p) && (p.Status == http.StatusBadGateway || p.Status == http.StatusConflict) {
		return p
	}
	return nil
}

// draftView is a sync before it is made.
type draftView struct {
	page.Base
	Name    string
	Form    *page.Form
	Preview *preview.Preview
	Refused string // why it is not possible in this way
}

// draft shows what a sync would do.
func (s screen) draft(r *page.Request) error {
	return s.showDraft(r, page.NewForm(r.URL.Query()), nil)
}

// showDraft shows the form of a sync with its dry run, or with why the sync was refused.
func (s screen) showDraft(r *page.Request, form *page.Form, refused *client.Problem) error {
	name := r.PathValue("name")
	v := &draftView{Base: page.Base{Title: "Sync " + name}, Name: name, Form: form}
	status := http.StatusOK
	if refused == nil {
		_, err := s.API.Writing(client.Write{DryRun: true}).SyncPBX(r.Context(), name, options(form))
		v.Preview, err = preview.Tried(err, nil)
		if refused = unread(err); refused == nil && err != nil {
			return err
		}
		if refused == nil && v.Preview == nil {
			v.Preview = &preview.Preview{} // nothing differs
		}
	}
	if refused != nil {
		v.Refused, status = refused.Detail, refused.Status
	}
	return s.RenderStatus(r, status, "sync", v)
}

func options(f *page.Form) client.PBXSync {
	return client.PBXSync{Prune: f.Get("prune") != "", Force: f.Get("force") != ""}
}

func (s screen) sync(r *page.Request) error {
	form, err := r.Form()
	if err != nil {
		return err
	}
	change, err := s.run(r.Context(), r.PathValue("name"), form)
	if p := unread(err); p != nil {
		return s.showDraft(r, form, p)
	}
	if err != nil {
		return err
	}
	if change == 0 {
		r.Note("ok", r.PathValue("name")+": nothing differs from the PBX.")
		return r.Redirect("/pbx")
	}
	return r.Redirect("/pbx?" + url.Values{"synced": {r.PathValue("name")}, "change": {strconv.FormatUint(change, 10)}}.Encode())
}

// run makes a sync, and returns the number of its change; 0 when nothing differed.
func (s screen) run(ctx context.Context, name string, form *page.Form) (change uint64, err error) {
	api := s.API.Writing(client.Write{Message: form.Get("message")}).OnChange(func(id uint64) { change = id })
	_, err = api.SyncPBX(ctx, name, options(form))
	return change, err
}
