package phones

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"plugtone/admin/web/page"
	"plugtone/provision/selector"
)

// query is what the list shows, as in the address of the page.
type query struct {
	Q     string
	Where []condition
	Sort  string // field of the API, with a minus before it to begin with the last
	Limit int
	Cols  []string // ids of columns in the address; empty: the browser's own choice
	page.Paging
}

// condition is one condition of the API's where.
type condition = selector.Term

// Limits of a page.
const (
	rows     = 50
	maxRows  = 500
	maxCells = 40 // columns in an address

	usualSort = "label"
)

// readQuery reads the address of a request. What it does not understand is the API's to refuse.
func readQuery(r *http.Request) query {
	f := r.URL.Query()
	q := query{Q: strings.TrimSpace(f.Get("q")), Where: selector.Split(f.Get("where")), Sort: f.Get("sort"), Cols: f["col"], Paging: page.ReadPaging(f)}
	if state := f.Get("state"); state != "" { // short form, for links from other pages
		q.Where = append(q.Where, condition{Field: "state", Op: "=", Value: selector.Quote(state)})
	}
	if q.Sort == "" {
		q.Sort = usualSort
	}
	q.Limit = page.Number(f.Get("limit"), rows, 1, maxRows)
	q.Cols = q.Cols[:min(len(q.Cols), maxCells)]
	return q
}

// where returns the conditions as the API takes them.
func (q query) where() string {
	texts := make([]string, len(q.Where))
	for i, c := range q.Where {
		texts[i] = c.String()
	}
	return strings.Join(texts, ",")
}

// filters returns the parameters of the API that select phones.
func (q query) filters() url.Values {
	v := url.Values{}
	page.Set(v, "q", q.Q)
	page.Set(v, "where", q.where())
	return v
}

// URL returns the address of the list.
func (q query) URL() string {
	v := q.filters()
	if q.Sort != usualSort {
		page.Set(v, "sort", q.Sort)
	}
	q.Fill(v)
	if q.Limit != rows {
		v.Set("limit", strconv.Itoa(q.Limit))
	}
	if len(q.Cols) > 0 {
		v["col"] = q.Cols
	}
	if len(v) == 0 {
		return "/phones"
	}
	return "/phones?" + v.Encode()
}

// first returns the query of the first page.
func (q query) first() query { return q.at(page.Paging{From: 1}) }

// at returns the query of another page.
func (q query) at(p page.Paging) query {
	q.Paging = p
	return q
}

// sorted returns the query sorted by a field: upwards, or downwards when it is so already.
func (q query) sorted(field string) query {
	q = q.first()
	if q.Sort == field {
		field = "-" + field
	}
	q.Sort = field
	return q
}

// only returns the query with one condition on a field in place of all others on it; without op it has none. value is as in an expression.
func (q query) only(field, op, value string) query {
	q = q.first()
	q.Where = slices.DeleteFunc(slices.Clone(q.Where), func(c condition) bool { return c.Field == field })
	if op != "" {
		q.Where = append(q.Where, condition{Field: field, Op: op, Value: value})
	}
	return q
}

// without returns the query without condition i.
func (q query) without(i int) query {
	q = q.first()
	q.Where = slices.Delete(slices.Clone(q.Where), i, i+1)
	return q
}

// on returns the condition on a field, if there is exactly one.
func (q query) on(field string) (c condition, ok bool) {
	n := 0
	for _, x := range q.Where {
		if x.Field == field {
			c, n = x, n+1
		}
	}
	return c, n == 1
}
