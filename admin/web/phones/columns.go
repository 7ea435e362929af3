package phones

import (
	"net/http"
	"slices"
	"strings"

	"plugtone/provision/devicestatus"
)

// column is one column of the table.
type column struct {
	ID, Title string
	Sort      string                            // field of the API
	Class     string                            // of its cells
	Usual     bool                              // shown unless others are chosen
	Known     func(*devicestatus.Status) string // set: usual where a phone of the page has it
	Shown     bool
	URL       string // of the list sorted by it
	Order     string // ascending or descending when the list is sorted by it
}

// columns lists all columns in their order.
func columns() []column {
	return []column{
		{ID: "state", Title: "State", Sort: "state", Class: "tight", Usual: true},
		{ID: "registered", Title: "Registered", Sort: "registered", Class: "fold tight", Known: func(s *devicestatus.Status) string { return s.Registered }},
		{ID: "label", Title: "Label", Sort: "label", Usual: true},
		{ID: "lines", Title: "Lines", Sort: "extension", Class: "fold", Usual: true},
		{ID: "mac", Title: "MAC", Sort: "mac", Class: "fold tight", Usual: true},
		{ID: "model", Title: "Model", Sort: "model", Class: "fold", Usual: true},
		{ID: "vendor", Title: "Vendor", Sort: "vendor", Class: "fold"},
		{ID: "profile", Title: "Profile", Sort: "profile", Class: "fold", Usual: true},
		{ID: "location", Title: "Location", Sort: "location", Class: "fold", Usual: true},
		{ID: "tags", Title: "Tags", Sort: "tags", Class: "fold"},
		{ID: "ip", Title: "Address", Sort: "ip", Class: "fold tight", Usual: true},
		{ID: "port", Title: "Switch port", Sort: "switch_port", Class: "fold tight", Known: func(s *devicestatus.Status) string { return s.SwitchPort }},
		{ID: "firmware", Title: "Firmware", Sort: "firmware", Class: "fold tight", Usual: true},
		{ID: "fetched", Title: "Last fetch", Sort: "last_fetch", Class: "fold num", Usual: true},
		{ID: "seen", Title: "Last seen", Sort: "last_seen", Class: "fold num"},
		{ID: "serial", Title: "Serial number", Sort: "serial", Class: "fold"},
		{ID: "source", Title: "Source", Sort: "source", Class: "fold"},
		{ID: "notes", Title: "Notes", Sort: "notes", Class: "fold"},
	}
}

// columnCookie keeps the columns that a user of this browser has chosen.
const columnCookie = "columns"

// chosen returns the columns with those of the address, else those of the cookie, else the usual ones as shown. own is true when they were chosen.
func chosen(q query, r *http.Request) (all []column, own bool) {
	ids := q.Cols
	if len(ids) == 0 {
		if c, err := r.Cookie(columnCookie); err == nil {
			ids = strings.Split(c.Value, ".")
		}
	}
	all = columns()
	own = slices.ContainsFunc(all, func(c column) bool { return slices.Contains(ids, c.ID) })
	field, descending := strings.CutPrefix(q.Sort, "-")
	for i := range all {
		c := &all[i]
		c.Shown = own && slices.Contains(ids, c.ID) || !own && c.Usual
		c.URL = q.sorted(c.Sort).URL()
		switch {
		case c.Sort != field:
		case descending:
			c.Order = "descending"
		default:
			c.Order = "ascending"
		}
	}
	return all, own
}

// remember keeps the chosen columns in the browser.
func remember(w http.ResponseWriter, r *http.Request, cols []string) {
	http.SetCookie(w, &http.Cookie{Name: columnCookie, Value: strings.Join(cols, "."), Path: "/phones", MaxAge: 365 * 24 * 3600,
		HttpOnly: true, Secure: r.TLS != nil, SameSite: http.SameSiteStrictMode})
}
