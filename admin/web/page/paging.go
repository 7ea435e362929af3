package page

import (
	"cmp"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Paging is which page of a long list a screen shows, as in its address.
type Paging struct {
	Cursor string
	Prev   []string // cursors of the pages before, as far as they are known
	From   int      // number of the first row, from 1
}

const (
	maxPrev   = 20  // pages that "Previous" goes back through
	firstPage = "-" // the first page among the cursors of the pages before
)

// ReadPaging reads the parameters of an address. What can't be read is that of the first page.
func ReadPaging(f url.Values) Paging {
	p := Paging{Cursor: f.Get("cursor"), From: Number(f.Get("from"), 1, 1, math.MaxInt32)}
	if prev := f.Get("prev"); prev != "" {
		p.Prev = strings.Split(prev, ".")
	}
	return p
}

// Fill sets the parameters of an address.
func (p Paging) Fill(v url.Values) {
	Set(v, "cursor", p.Cursor)
	Set(v, "prev", strings.Join(p.Prev, "."))
	if p.From > 1 {
		v.Set("from", strconv.Itoa(p.From))
	}
}

// Next returns the page after this one, which has n rows.
func (p Paging) Next(cursor string, n int) Paging {
	prev := append(slices.Clone(p.Prev), cmp.Or(p.Cursor, firstPage))
	return Paging{cursor, prev[max(0, len(prev)-maxPrev):], p.From + n}
}

// Previous returns the page before, of that many rows; ok is false on the first page.
func (p Paging) Previous(rows int) (_ Paging, ok bool) {
	last := len(p.Prev) - 1
	if last < 0 {
		return p, false
	}
	before := Paging{p.Prev[last], p.Prev[:last], max(1, p.From-rows)}
	if before.Cursor == firstPage {
		before.Cursor = ""
	}
	return before, true
}

// Set sets a parameter unless its value is empty.
func Set(v url.Values, name, value string) {
	if value != "" {
		v.Set(name, value)
	}
}

// Number reads a number between two others; otherwise is returned for anything else.
func Number(text string, otherwise, least, most int) int {
	n, err := strconv.Atoi(text)
	if err != nil || n < least || n > most {
		return otherwise
	}
	return n
}
