package phones

import (
	"context"
	"net/url"
	"slices"
	"strings"

	"plugtone/admin/client"
	"plugtone/admin/web/page"
	"plugtone/provision/selector"
)

// choice is one value that the list can be filtered by.
type choice struct {
	Text, Tone string
	Count      int
	URL        string
	Here       bool
}

// facet is a menu of values of one field.
type facet struct {
	Title   string
	Value   string // the value that is chosen, in words
	Choices []choice
	Clear   string // address without the condition; "" when there is none
	More    int    // values that are not listed
}

// most is how many values a menu lists.
const most = 40

// words describes the address in words.
type words struct {
	States []choice
	Facets []facet
	Others []choice // conditions that no menu has, each to be removed
}

// facetFields are the fields with a menu.
func facetFields() [][2]string {
	return [][2]string{{"vendor", "Vendor"}, {"model", "Model"}, {"profile", "Profile"}, {"subnet", "Subnet"}, {"tag", "Tag"}}
}

// counter counts phones, and calls the API once for the fields that have no condition and once for each other one: a menu counts what the list
// would have with another value of its field.
type counter struct {
	api     *client.Client
	q       query
	wait    string
	pending int
}

func (c *counter) count(ctx context.Context, q query, by ...string) (client.DeviceCounts, error) {
	v := q.filters()
	v.Set("wait", c.wait)
	v.Set("by", strings.Join(by, ","))
	out, err := c.api.DeviceCounts(ctx, v)
	c.pending = max(c.pending, out.Pending)
	return out, err
}

// all returns the counts of every field.
func (c *counter) all(ctx context.Context) (out client.DeviceCounts, err error) {
	var free []string
	for _, f := range []string{"state", "vendor", "model", "profile", "subnet", "tag", "left_out"} {
		if _, ok := c.q.on(f); !ok {
			free = append(free, f)
			continue
		}
		one, err := c.count(ctx, c.q.only(f, "", ""), f)
		if err != nil {
			return out, err
		}
		*values(&out, f) = *values(&one, f)
	}
	if len(free) == 0 {
		return out, nil
	}
	rest, err := c.count(ctx, c.q, free...)
	for _, f := range free {
		*values(&out, f) = *values(&rest, f)
	}
	return out, err
}

// values returns the counts of one field.
func values(c *client.DeviceCounts, field string) *[]client.ValueCount {
	switch field {
	case "state":
		return &c.State
	case "vendor":
		return &c.Vendor
	case "model":
		return &c.Model
	case "profile":
		return &c.Profile
	case "subnet":
		return &c.Subnet
	case "tag":
		return &c.Tag
	}
	return &c.LeftOut
}

// describe returns the filters as chips and menus.
func describe(q query, counts client.DeviceCounts) words {
	w := words{States: states(q, counts)}
	for _, f := range facetFields() {
		w.Facets = append(w.Facets, menu(q, f[0], f[1], *values(&counts, f[0])))
	}
	for i, c := range q.Where {
		_, single := q.on(c.Field)
		field := slices.ContainsFunc(facetFields(), func(f [2]string) bool { return f[0] == c.Field })
		if single && (c.Field == "state" || c.Field == "left_out" || field) && c.Op == "=" {
			continue
		}
		w.Others = append(w.Others, choice{Text: c.String(), URL: q.without(i).URL()})
	}
	return w
}

// states returns the chips of the states, those that no phone has left out, and the chip of phones that lack something.
func states(q query, counts client.DeviceCounts) []choice {
	here, filtered := q.on("state")
	filtered = filtered && here.Op == "="
	total := 0
	for _, v := range counts.State {
		total += v.Count
	}
	out := []choice{{Text: "All", Count: total, URL: q.only("state", "", "").URL(), Here: !filtered}}
	for _, s := range page.States() {
		n := countOf(counts.State, s.ID)
		if n == 0 && here.Text() != s.ID {
			continue
		}
		out = append(out, choice{Text: s.Name, Tone: s.Tone, Count: n, URL: q.only("state", "=", s.ID).URL(), Here: filtered && here.Text() == s.ID})
	}
	lacking := 0
	phones := 0
	for _, v := range counts.LeftOut {
		if v.Value == "" {
			phones = v.Count
		}
		lacking += v.Count
	}
	cond, on := q.on("left_out")
	if lacking -= phones; lacking > 0 || on {
		chip := choice{Text: "Keys left out", Tone: "warn", Count: lacking, URL: q.only("left_out", "=", "*").URL()}
		if on && cond.Op == "=" {
			chip.URL, chip.Here = q.only("left_out", "", "").URL(), true
		}
		out = append(out, chip)
	}
	return out
}

func countOf(list []client.ValueCount, value string) int {
	for _, v := range list {
		if v.Value == value {
			return v.Count
		}
	}
	return 0
}

func menu(q query, field, title string, list []client.ValueCount) facet {
	f := facet{Title: title}
	here, on := q.on(field)
	on = on && here.Op == "="
	if on {
		f.Value, f.Clear = nonEmpty(here.Text()), q.only(field, "", "").URL()
	}
	for _, v := range list {
		if len(f.Choices) == most {
			f.More++
			continue
		}
		f.Choices = append(f.Choices, choice{Text: nonEmpty(v.Value), Count: v.Count, URL: q.only(field, "=", selector.Quote(v.Value)).URL(), Here: on && strings.EqualFold(here.Text(), v.Value)})
	}
	return f
}

func nonEmpty(value string) string {
	if value == "" {
		return "none"
	}
	return value
}

// hidden are the parts of the address that a form keeps, as names and values.
func (q query) hidden(names ...string) [][2]string {
	u, err := url.Parse(q.first().URL())
	if err != nil { // it is one of ours
		return nil
	}
	var out [][2]string
	for name, list := range u.Query() {
		if !slices.Contains(names, name) {
			continue
		}
		for _, v := range list {
			out = append(out, [2]string{name, v})
		}
	}
	slices.SortFunc(out, func(a, b [2]string) int { return strings.Compare(a[0]+a[1], b[0]+b[1]) })
	return out
}
