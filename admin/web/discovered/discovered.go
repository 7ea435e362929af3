// Package discovered is the screen of new phones: those that were seen and have no record, those that were scanned, and beside them those that
// are recorded and were never seen.
package discovered

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"plugtone/admin/client"
	"plugtone/admin/web/page"
	"plugtone/dhcp"
	"plugtone/provision/fleet"
)

//go:embed templates
var files embed.FS

type screen struct{ page.Screen }

// Register adds the screen to a frame.
func Register(f *page.Frame) error {
	p, err := f.Screen(files)
	s := screen{p}
	f.Handle("GET /discovered", s.list)
	f.Handle("POST /discovered/{mac}/forget", s.forget)
	return err
}

// Limits of what is shown.
const (
	maxRows  = 500
	maxNever = "30"
	maxScans = 200
)

// view is what the template shows.
type view struct {
	page.Base
	Q       string
	Rows    []row
	More    int                 // new phones that are not shown
	Missing []client.Unanswered // members of the cluster whose phones are missing
	Any     bool
	Sorts   []sorting
	Sort    string
	Never   []client.Device // recorded and never seen
	Total   int             // of those
	Scanned []scan
	Macs    []string // what was scanned before, for the form
	Problem string   // what is wrong with the last scan
	CanDo   bool     // whether phones can be adopted
}

// row is a new phone.
type row struct {
	fleet.Discovered
	Evidence  string
	Contrary  []string // what contradicts it
	Port      string   // of the switch
	Scanned   bool
	ModelName string
}

// sorting is an order of the list.
type sorting struct {
	ID, Title string
	URL       string
	Here      bool
}

// scan is a MAC that was scanned, and what is known of it.
type scan struct {
	MAC   string
	Row   *row           // a new phone
	Known *client.Device // a recorded one
}

func (s screen) list(r *page.Request) error {
	q := r.URL.Query()
	v := &view{Base: page.Base{Title: "New phones", Wide: true}, Q: strings.TrimSpace(q.Get("q")), Sort: q.Get("sort"), CanDo: s.Has("/change/new")}
	if v.Sort == "" {
		v.Sort = "seen"
	}
	v.scans(q)
	if err := s.load(r.Context(), v); err != nil {
		return err
	}
	for _, o := range []sorting{{ID: "seen", Title: "Last seen"}, {ID: "port", Title: "Switch port"}, {ID: "mac", Title: "MAC"}, {ID: "model", Title: "Model"}} {
		to := url.Values{"sort": {o.ID}}
		if v.Q != "" {
			to.Set("q", v.Q)
		}
		if len(v.Macs) > 0 {
			to["mac"] = v.Macs
		}
		o.URL, o.Here = "/discovered?"+to.Encode(), o.ID == v.Sort
		v.Sorts = append(v.Sorts, o)
	}
	status := http.StatusOK
	if v.Problem != "" {
		status = http.StatusUnprocessableEntity
	}
	return s.RenderStatus(r, status, "list", v)
}

// scans reads what was scanned: before, and now. A scanner ends each MAC with the Enter key, which sends the form.
func (v *view) scans(q url.Values) {
	for _, text := range slices.Concat(q["mac"], strings.Fields(q.Get("scan"))) {
		mac, err := dhcp.ParseMAC(text)
		switch {
		case err != nil:
			v.Problem = client.Shorten(text) + " is not a MAC address"
		case len(v.Macs) == maxScans:
			v.Problem = "adopt these phones first: the box takes 200"
		case !slices.Contains(v.Macs, mac.String()):
			v.Macs = append(v.Macs, mac.String())
		}
	}
}

func (s screen) load(ctx context.Context, v *view) error {
	found, missing, err := s.API.Discovered(ctx, v.Q)
	if err != nil {
		return err
	}
	v.Missing = missing
	v.Any = len(found) > 0 || v.Q != ""
	for _, d := range found {
		x := rowOf(d)
		x.Scanned = slices.Contains(v.Macs, d.MAC.String())
		v.Rows = append(v.Rows, x)
	}
	slices.SortStableFunc(v.Rows, order(v.Sort))
	if len(v.Rows) > maxRows {
		v.More = len(v.Rows) - maxRows
		v.Rows = v.Rows[:maxRows]
	}
	for i := range v.Macs {
		x, err := s.match(ctx, v.Macs[len(v.Macs)-1-i])
		if err != nil {
			return err
		}
		v.Scanned = append(v.Scanned, x)
	}
	p, err := s.API.DevicePage(ctx, url.Values{"where": {"state=never_seen"}, "limit": {maxNever}, "sort": {"label"}, "wait": {"80ms"}})
	v.Never, v.Total = p.Items, p.Total
	return err
}

// match finds a scanned MAC among the new and the recorded phones.
func (s screen) match(ctx context.Context, mac string) (x scan, err error) {
	x.MAC = mac
	d, _, err := s.API.Devices().Get(ctx, mac, false)
	if err == nil {
		x.Known = &d
		return x, nil
	}
	if !client.IsNotFound(err) {
		return x, err
	}
	f, err := s.API.DiscoveredPhone(ctx, mac)
	if err == nil {
		one := rowOf(f)
		x.Row = &one
		return x, nil
	}
	if client.IsNotFound(err) {
		err = nil
	}
	return x, err
}

func rowOf(d fleet.Discovered) row {
	x := row{Discovered: d, ModelName: strings.TrimSpace(d.Vendor + " " + d.Model), Port: strings.TrimSpace(d.RemoteID + " " + d.CircuitID)}
	for i, part := range strings.Split(d.Reason, "; ") {
		if contrary, ok := strings.CutPrefix(part, "but "); ok {
			x.Contrary = append(x.Contrary, contrary)
		} else if i == 0 {
			x.Evidence = part
		} else {
			x.Evidence += "; " + part
		}
	}
	return x
}

// order compares rows by a field; rows without a value are last.
func order(by string) func(a, b row) int {
	text := func(f func(row) string) func(a, b row) int {
		return func(a, b row) int {
			x, y := f(a), f(b)
			if (x == "") != (y == "") {
				return len(y) - len(x)
			}
			if len(x) != len(y) && by == "port" { // port 9 is before port 10
				return len(x) - len(y)
			}
			return strings.Compare(x, y)
		}
	}
	switch by {
	case "port":
		return text(func(r row) string { return r.Port })
	case "model":
		return text(func(r row) string { return r.ModelName })
	case "mac":
		return func(a, b row) int { return bytes.Compare(a.MAC[:], b.MAC[:]) }
	}
	return func(a, b row) int { return b.LastSeen.Compare(a.LastSeen) }
}

// forget takes a phone off the list. When it is seen again it is back.
func (s screen) forget(r *page.Request) error {
	mac := r.PathValue("mac")
	err := s.API.Forget(r.Context(), mac)
	var p *client.Problem
	if errors.As(err, &p) && p.Status == http.StatusNotFound {
		err = nil // it is off the list already
	}
	if err != nil {
		return err
	}
	r.Note("ok", mac+" is off the list. It comes back when it is seen again.")
	return r.Redirect("/discovered")
}
