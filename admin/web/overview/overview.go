// Package overview is the first screen of the admin page: whether everything runs, how the phones are, and what needs attention.
package overview

import (
	"context"
	"embed"
	"net/url"
	"slices"
	"strings"
	"time"

	"plugtone/admin/client"
	"plugtone/admin/web/page"
	"plugtone/provision/fleet"
)

//go:embed templates
var files embed.FS

type screen struct{ page.Screen }

// Register adds the screen to a frame.
func Register(f *page.Frame) error {
	p, err := f.Screen(files)
	s := screen{p}
	f.Handle("GET /{$}", s.show)
	return err
}

// What the screen shows at most.
const (
	recentChanges = 6
	wait          = "100ms" // for states that are computed
)

type view struct {
	page.Base
	Status  client.DaemonStatus
	Total   int
	Pending int
	States  []figure
	New     int // phones without a record
	Subnets []subnet
	Sources []source
	Changes []change
	Boots   page.Chart
	Booted  int // in the last hour

	HasNew, HasNetwork, HasChanges, HasPBX bool
}

// figure is how many phones have a state.
type figure struct {
	page.State
	Count int
	Share int // of 1000
	X     int // where its part of the bar begins, of 1000
}

// subnet is how full a subnet is.
type subnet struct {
	client.Subnet
	Used     int // percent of its addresses
	Tone     string
	Forecast *forecast // nil: it is not full within the time that a forecast reaches
}

// change is a change with the name of who made it.
type change struct {
	fleet.Change
	Who string
}

// forecast is when a subnet will be full, in words.
type forecast struct{ Text, Tone string }

// source is a PBX that can't be read, or was not yet.
type source struct{ Name, Problem string }

func (s screen) show(r *page.Request) error {
	v := &view{Base: page.Base{Title: "Overview"}, HasNew: s.Has("/discovered"), HasNetwork: s.Has("/network"), HasChanges: s.Has("/changes/{id}"), HasPBX: s.Has("/pbx")}
	if err := s.load(r.Context(), v); err != nil {
		return err
	}
	return s.Render(r, "overview", v)
}

// load reads everything. What the caller's role may not read is left out.
func (s screen) load(ctx context.Context, v *view) (err error) {
	if v.Status, err = s.API.Status(ctx); err != nil {
		return err
	}
	counts, err := s.API.DeviceCounts(ctx, url.Values{"by": {"state"}, "wait": {wait}})
	if err != nil {
		return err
	}
	v.Total, v.Pending, v.States = counts.Total, counts.Pending, figures(counts)
	found, _, err := s.API.Discovered(ctx, "")
	if err != nil {
		return err
	}
	v.New = len(found)
	subnets, err := s.API.Subnets(ctx)
	if err != nil {
		return err
	}
	for _, n := range subnets {
		v.Subnets = append(v.Subnets, fill(n))
	}
	boots, err := s.API.Boots(ctx)
	if err != nil {
		return err
	}
	v.Boots, v.Booted = bootChart(boots)
	sources, err := s.API.PBXs(ctx)
	if err != nil && !page.IsForbidden(err) {
		return err
	}
	for _, x := range sources {
		if x.Error != "" {
			v.Sources = append(v.Sources, source{x.Name, x.Error})
		}
	}
	for c, err := range s.API.Changes(ctx, "") {
		if err != nil {
			return ignoreForbidden(err)
		}
		_, who, _ := strings.Cut(c.Actor, ":")
		if v.Changes = append(v.Changes, change{c, who}); len(v.Changes) == recentChanges {
			break
		}
	}
	return nil
}

// bootChart returns the boots of the last hour as a chart, and their number.
func bootChart(list []client.BootMinute) (c page.Chart, total int) {
	values := make([]int, len(list))
	most := 0
	for i, m := range list {
		values[i] = m.Boots
		total += m.Boots
		most = max(most, m.Boots)
	}
	ago := func(i int) string {
		if i == len(list)-1 {
			return "this minute"
		}
		return page.Span(time.Duration(len(list)-1-i)*time.Minute) + " ago"
	}
	text := "Phones that booted in each minute of the last hour: " + page.Count(total)
	if total > 0 {
		i := slices.Index(values, most)
		text += ", most of them " + ago(i) + ": " + page.Count(most)
	}
	return page.NewChart(values, 4, text, func(i int) string { return ago(i) + ": " + page.Count(values[i]) }), total
}

func ignoreForbidden(err error) error {
	if page.IsForbidden(err) {
		return nil
	}
	return err
}

// figures returns the states that phones have, those that need attention first.
func figures(c client.DeviceCounts) (out []figure) {
	at := 0
	for _, st := range page.States() {
		for _, x := range c.State {
			if x.Value != st.ID || x.Count == 0 {
				continue
			}
			share := max(4, x.Count*1000/max(1, c.Total)) // a single phone of many is seen too
			out = append(out, figure{st, x.Count, share, at})
			at += share
		}
	}
	return out
}

// Limits of how full a subnet may be before it is marked, in percent.
const (
	nearlyFull = 80
	full       = 95
	soon       = 14 // days until it is full
)

func fill(n client.Subnet) subnet {
	s := subnet{Subnet: n}
	if n.Addresses > 0 {
		s.Used = (n.Addresses - n.Free) * 100 / n.Addresses
	}
	if d := n.DaysUntilFull; d != nil {
		s.Forecast = &forecast{Text: "full in " + page.Plural(*d, "day", "days")}
		if *d <= soon {
			s.Forecast.Tone = "minus"
		}
	}
	switch {
	case s.Used >= full:
		s.Tone = "bad"
	case s.Used >= nearlyFull:
		s.Tone = "warn"
	}
	return s
}
