package phones

import (
	"cmp"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"plugtone/provision/selector"
)

// query is what the list shows, as in the address of the page.
type query struct {
	Q      string
	Where  []condition
	Sort   string // field of the API, with a minus before it to begin with the last
	Limit  int
	Cursor string
	Prev   []string // cursors of the pages before, as far as they are known
	From   int      // number of the first row, from 1
	Cols   []string // ids of columns in the address; empty: the browser's own choice
}

// condition is one condition of the API's where.
type condition = selector.Term

// Limits of a page.
const (
	rows     = 50
	maxRows  = 500
	maxPrev  = 20 // pages that "Previous" goes back through
	maxCells = 40 // columns in an address

	usualSort = "label"
	firstPage = "-" // the first page among the cursors of the pages before
)

// readQuery reads the address of a request. What it does not understand is the API's to refuse.
func readQuery(r *http.Request) query {
	f := r.URL.Query()
	q := query{Q: strings.TrimSpace(f.Get("q")), Where: selector.Split(f.Get("where")), Sort: f.Get("sort"), Cursor: f.Get("cursor"), Cols: f["col"]}
	if state := f.Get("state"); state != "" { // short form, for links from other pages
		q.Where = append(q.Where, condition{Field: "state", Op: "=", Value: selector.Quote(state)})
	}
	if q.Sort == "" {
		q.Sort = usualSort
	}
	q.Limit = number(f.Get("limit"), rows, 1, maxRows)
	q.From = number(f.Get("from"), 1, 1, math.MaxInt32)
	if prev := f.Get("prev"); prev != "" {
		q.Prev = strings.Split(prev, ".")
	}
	q.Cols = q.Cols[:min(len(q.Cols), maxCells)]
	return q
}

func number(text string, otherwise, least, most int) int {
	n, err := strconv.Atoi(text)
	if err != nil || n < least || n > most {
		return otherwise
	}
	return n
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
	set(v, "q", q.Q)
	set(v, "where", q.where())
	return v
}

func set(v url.Values, name, value string) {
	if value != "" {
		v.Set(name, value)
	}
}

// URL returns the address of the list.
func (q query) URL() string {
	v := q.filters()
	if q.Sort != usualSort {
		set(v, "sort", q.Sort)
	}
	set(v, "cursor", q.Cursor)
	set(v, "prev", strings.Join(q.Prev, "."))
	if q.From > 1 {
		v.Set("from", strconv.Itoa(q.From))
	}
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
func (q query) first() query {
	q.Cursor, q.Prev, q.From = "", nil, 1
	return q
}

// next returns the query of the page after this one, which has n rows.
func (q query) next(cursor string, n int) query {
	q.Prev = append(slices.Clone(q.Prev), cmp.Or(q.Cursor, firstPage))
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
	q.Cursor, q.Prev, q.From = q.Prev[last], q.Prev[:last], max(1, q.From-q.Limit)
	if q.Cursor == firstPage {
		q.Cursor = ""
	}
	return q, true
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
