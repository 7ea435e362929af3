package network

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"plugtone/admin/web/page"
)

// query is which leases are shown, as in the address of the page.
type query struct {
	Q, Subnet, State string
	page.Paging
}

// rows is how many leases a page has.
const rows = 100

func readQuery(r *http.Request) query {
	f := r.URL.Query()
	return query{strings.TrimSpace(f.Get("q")), f.Get("subnet"), f.Get("state"), page.ReadPaging(f)}
}

// filters returns the parameters of the API.
func (q query) filters() url.Values {
	v := url.Values{"limit": {strconv.Itoa(rows)}}
	q.fill(v)
	page.Set(v, "cursor", q.Cursor)
	return v
}

func (q query) fill(v url.Values) {
	page.Set(v, "q", q.Q)
	page.Set(v, "subnet", q.Subnet)
	page.Set(v, "state", q.State)
}

// URL returns the address of the page.
func (q query) URL() string {
	v := url.Values{}
	q.fill(v)
	q.Fill(v)
	if len(v) == 0 {
		return "/network"
	}
	return "/network?" + v.Encode()
}

// first returns the query of the first page.
func (q query) first() query { return q.at(page.Paging{From: 1}) }

// at returns the query of another page.
func (q query) at(p page.Paging) query {
	q.Paging = p
	return q
}

// backTo returns the address of this screen that a form came from.
func backTo(path string) string {
	if path = page.LocalPath(path); strings.HasPrefix(path, "/network?") {
		return path
	}
	return "/network"
}
