// Package overview is the first screen of the admin page: whether everything runs, how the phones are, and what needs attention.
package overview

import (
	"context"
	"embed"
	"net/url"

	"plugtone/admin/client"
	"plugtone/admin/web/page"
	"plugtone/provision/fleet"
)

//go:embed templates
var files embed.FS

type screen struct {
	*page.Frame
	templates *page.Templates
}

// Register adds the screen to a frame.
func Register(f *page.Frame) error {
	t, err := f.Templates(files)
	if err != nil {
		return err
	}
	s := screen{f, t}
	f.Handle("GET /{$}", s.show)
	return nil
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
	Changes []fleet.Change

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
	Used int // percent of its addresses
	Tone string
}

// source is a PBX that can't be read, or was not yet.
type source struct{ Name, Problem string }

func (s screen) show(r *page.Request) error {
	v := &view{Base: page.Base{Title: "Overview"}, HasNew: s.Has("/discovered"), HasNetwork: s.Has("/network"), HasChanges: s.Has("/changes/{id}"), HasPBX: s.Has("/pbx")}
	if err := s.load(r.Context(), v); err != nil {
		return err
	}
	return r.Render(s.templates, "overview", v)
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
	found, err := s.API.Discovered(ctx, nil)
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
		if v.Changes = append(v.Changes, c); len(v.Changes) == recentChanges {
			break
		}
	}
	return nil
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
)

func fill(n client.Subnet) subnet {
	s := subnet{Subnet: n}
	if n.Addresses > 0 {
		s.Used = (n.Addresses - n.Free) * 100 / n.Addresses
	}
	switch {
	case s.Used >= full:
		s.Tone = "bad"
	case s.Used >= nearlyFull:
		s.Tone = "warn"
	}
	return s
}
