package network

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"plugtone/admin/web/page"
)

// query is which leases are shown, as in the address of the page.
type query struct {
	Q, Subnet, State string
	Cursor           string
	Prev             []string // cursors of the pages before
	From             int      // number of the first row, from 1
}

// Limits of a page.
const (
	rows    = 100
	maxPrev = 20 // pages that "Previous" goes back through
)

func readQuery(r *http.Request) query {
	f := r.URL.Query()
	q := query{Q: strings.TrimSpace(f.Get("q")), Subnet: f.Get("subnet"), State: f.Get("state"), Cursor: f.Get("cursor")}
	if prev := f.Get("prev"); prev != "" {
		q.Prev = strings.Split(prev, ".")
	}
	q.From, _ = strconv.Atoi(f.Get("from")) // it only numbers the rows
	q.From = max(1, q.From)
	return q
}

// filters returns the parameters of the API.
func (q query) filters() url.Values {
	v := url.Values{"limit": {strconv.Itoa(rows)}}
	q.fill(v)
	return v
}

func (q query) fill(v url.Values) {
	for name, value := range map[string]string{"q": q.Q, "subnet": q.Subnet, "state": q.State, "cursor": q.Cursor} {
		if value != "" {
			v.Set(name, value)
		}
	}
}

// URL returns the address of the page.
func (q query) URL() string {
	v := url.Values{}
	q.fill(v)
	if len(q.Prev) > 0 {
		v.Set("prev", strings.Join(q.Prev, "."))
	}
	if q.From > 1 {
		v.Set("from", strconv.Itoa(q.From))
	}
	if len(v) == 0 {
		return "/network"
	}
	return "/network?" + v.Encode()
}

// first returns the query of the first page.
func (q query) first() query {
	q.Cursor, q.Prev, q.From = "", nil, 1
	return q
}

// next returns the query of the page after this one, which has n rows.
func (q query) next(cursor string, n int) query {
	q.Prev = append(slices.Clone(q.Prev), q.Cursor)
	q.Prev = q.Prev[max(0, len(q.Prev)-maxPrev):]
	q.Cursor, q.From = cursor, q.From+n
	return q
}

// previous returns the query of the page before; ok is false on the first page.
func (q query) previous() (_ query, ok bool) {
	if len(q.Prev) == 0 {
		return q, false
	}
	last := len(q.Prev) - 1
	q.Cursor, q.Prev, q.From = q.Prev[last], q.Prev[:last], max(1, q.From-rows)
	return q, true
}

// backTo returns the address of this screen that a form came from.
func backTo(path string) string {
	if path = page.LocalPath(path); strings.HasPrefix(path, "/network?") {
		return path
	}
	return "/network"
}
