// Package phones is the screen with the list of phones: filters with counts, search, sorting, columns, pages, and the selection that actions
// begin with.
package phones

import (
	"context"
	"embed"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"plugtone/admin/client"
	"plugtone/admin/web/page"
	"plugtone/admin/web/session"
)

//go:embed templates
var files embed.FS

type screen struct{ page.Screen }

// Register adds the screen to a frame.
func Register(f *page.Frame) error {
	p, err := f.Screen(files)
	s := screen{p}
	f.Handle("GET /phones", s.list)
	return err
}

// How long an answer waits for states that are computed. The list is shown soon, and completes itself by requests that wait longer.
const (
	shortWait = "40ms"
	longWait  = "2s"
)

// view is what the template shows.
type view struct {
	page.Base
	query
	words

	Columns  []column
	Rows     []row
	Total    int
	Pending  int
	Any      bool   // whether there are phones at all
	Problem  string // the filter, as the API refuses it
	Self     string // address of what is shown
	Clear    string // address without filters
	NextURL  string
	PrevURL  string
	FirstURL string
	Limits   []choice
	Actions  []action
	Hidden   [][2]string // what the search form keeps of the address
	Kept     [][2]string // what the form of the columns keeps
	CanAdd   bool
	CanNew   bool
}

// row is one phone.
type row struct {
	client.Device
	Lines []line
	More  int // lines that are not shown
}

// AtPBX returns the state of the phone's lines at the PBX, the worst of them, and what the PBX answered; nil when nothing is known.
func (r row) AtPBX() *page.State {
	if r.Status == nil || r.Status.Registered == "" {
		return nil
	}
	st := page.State{ID: r.Status.Registered, Name: r.Status.Registered, Tone: "bad"}
	switch st.ID {
	case "registered":
		st.Name, st.Tone = "Registered", "ok"
	case "elsewhere":
		st.Name, st.Tone = "Elsewhere", "warn"
	case "refused":
		st.Name = "Rejected"
	case "not_registered":
		st.Name = "Not registered"
	}
	for _, l := range r.Status.Registration {
		if l.State == r.Status.Registered && l.Reason != "" {
			st.Reason = l.Extension + ": " + l.Reason
		}
	}
	return &st
}

// line is one line of a phone with the name of its extension.
type line struct {
	Number, Name string
	Off          bool
}

// action is one thing that can be done with the selected phones.
type action struct {
	ID, Text string
	Danger   bool
}

func actions() []action {
	return []action{
		{"resync", "Resync", false}, {"profile", "Profile", false}, {"settings", "Settings", false}, {"keys", "Keys", false}, {"lines", "Lines", false},
		{"tags", "Tags", false}, {"firmware", "Firmware", false}, {"enroll", "Enroll", false}, {"enable", "Enable", false}, {"disable", "Disable", false},
		{"export", "Export", false}, {"delete", "Delete", true},
	}
}

func (s screen) list(r *page.Request) error {
	q := readQuery(r.Request)
	if len(q.Cols) > 0 {
		remember(r.Writer(), r.Request, q.Cols)
	}
	v := &view{Base: page.Base{Title: "Phones", Wide: true}, query: q, Self: q.URL(), FirstURL: q.first().URL(),
		Hidden: q.hidden("where", "sort", "limit", "col"), Kept: q.hidden("q", "where", "sort", "limit"), CanAdd: s.Has("/phones/new"), CanNew: s.Has("/discovered")}
	cols, own := chosen(q, r.Request)
	v.Columns = cols
	v.Clear = query{Sort: q.Sort, Limit: q.Limit, Cols: q.Cols}.URL()
	if s.Has("/change/new") {
		v.Actions = actions()
	}
	for _, n := range []int{50, 100, 200} {
		with := q.first()
		with.Limit = n
		v.Limits = append(v.Limits, choice{Text: strconv.Itoa(n), URL: with.URL(), Here: q.Limit == n})
	}
	if r.Fragment() == "phones" {
		r.Writer().Header().Set("HX-Replace-Url", v.Self) // shorter than what the form makes
	}
	status := http.StatusOK
	var p *client.Problem
	switch err := s.load(r.Context(), v, waitOf(r)); {
	case errors.As(err, &p) && (p.Status == http.StatusUnprocessableEntity || p.Status == http.StatusBadRequest):
		status, v.Problem, v.Any = p.Status, reason(p), true
	case err != nil:
		return err
	}
	for i := range v.Columns {
		if c := &v.Columns[i]; c.Known != nil && !own {
			c.Shown = slices.ContainsFunc(v.Rows, func(x row) bool { return x.Status != nil && c.Known(x.Status) != "" })
		}
	}
	return s.RenderStatus(r, status, "list", v)
}

func waitOf(r *page.Request) string {
	if r.Header.Get(session.BackgroundHeader) != "" {
		return longWait
	}
	return shortWait
}

// reason returns what is wrong with the address.
func reason(p *client.Problem) string {
	if len(p.Errors) == 0 {
		return p.Detail
	}
	texts := make([]string, len(p.Errors))
	for i, d := range p.Errors {
		texts[i] = d.String()
	}
	return strings.Join(texts, "\n")
}

// load reads the page of the list, and the counts.
func (s screen) load(ctx context.Context, v *view, wait string) error {
	f := v.filters()
	f.Set("wait", wait)
	f.Set("limit", strconv.Itoa(v.Limit))
	page.Set(f, "sort", v.Sort)
	page.Set(f, "cursor", v.Cursor)
	p, err := s.API.DevicePage(ctx, f)
	if err != nil {
		return err
	}
	c := &counter{api: s.API, q: v.query, wait: wait}
	counts, err := c.all(ctx)
	if err != nil {
		return err
	}
	v.words = describe(v.query, counts)
	v.Total, v.Pending = p.Total, max(p.Pending, c.pending)
	v.Any = p.Total > 0 || v.Q != "" || len(v.Where) > 0
	names := s.names(ctx, p.Items)
	for _, d := range p.Items {
		v.Rows = append(v.Rows, rowOf(d, names))
	}
	if p.NextCursor != "" {
		v.NextURL = v.at(v.Next(p.NextCursor, len(p.Items))).URL()
	}
	if prev, ok := v.Previous(v.Limit); ok {
		v.PrevURL = v.at(prev).URL()
	}
	return nil
}

// shownLines is how many lines of a phone the list shows.
const shownLines = 2

func rowOf(d client.Device, names map[string]string) row {
	r := row{Device: d}
	for i, l := range d.Lines {
		if i == shownLines {
			r.More = len(d.Lines) - i
			break
		}
		name := l.Label
		if name == "" {
			name = names[l.String()]
		}
		if name == d.Label {
			name = "" // the label has it already
		}
		r.Lines = append(r.Lines, line{l.Extension, name, !l.On()})
	}
	return r
}

// names returns the display names of the extensions on the first lines of devices. One that can't be read has no name here.
func (s screen) names(ctx context.Context, list []client.Device) map[string]string {
	out := map[string]string{}
	for _, d := range list {
		for _, l := range d.Lines[:min(len(d.Lines), shownLines)] {
			id := l.String()
			if _, ok := out[id]; ok || l.Label != "" {
				continue
			}
			x, _, err := s.API.Extensions().Get(ctx, id, false)
			if err != nil {
				out[id] = ""
				continue
			}
			out[id] = x.DisplayName
		}
	}
	return out
}

// WhereText returns the conditions as the API takes them.
func (v *view) WhereText() string { return v.where() }

// Last returns the number of the last row of the page.
func (v *view) Last() int { return v.From + len(v.Rows) - 1 }
