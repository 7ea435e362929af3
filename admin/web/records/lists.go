package records

import (
	"net/url"

	"plugtone/admin/web/page"
	"plugtone/provision/fleet"
)

type profilesView struct {
	page.Base
	Items []fleet.Profile
	Used  map[string]int // phones by profile
	Lack  map[string]int // of these, how many don't get all of it
}

func (s screen) profiles(r *page.Request) error {
	v := &profilesView{Base: page.Base{Title: "Profiles"}, Used: map[string]int{}, Lack: map[string]int{}}
	var err error
	if v.Items, err = s.API.Profiles().All(r.Context(), nil); err != nil {
		return err
	}
	for where, to := range map[string]map[string]int{"": v.Used, "left_out=*": v.Lack} {
		q := url.Values{"by": {"profile"}}
		if where != "" {
			q.Set("where", where)
		}
		counts, err := s.API.DeviceCounts(r.Context(), q)
		if err != nil {
			return err
		}
		for _, c := range counts.Profile {
			to[c.Value] = c.Count
		}
	}
	return s.Render(r, "profiles", v)
}

type extensionsView struct {
	page.Base
	Items   []fleet.Extension
	Q       string
	NextURL string
	Any     bool
}

func (s screen) extensions(r *page.Request) error {
	q := r.URL.Query()
	v := &extensionsView{Base: page.Base{Title: "Extensions"}, Q: q.Get("q")}
	ask := url.Values{"limit": {"100"}}
	for _, name := range []string{"q", "cursor"} {
		if x := q.Get(name); x != "" {
			ask.Set(name, x)
		}
	}
	p, err := s.API.Extensions().Page(r.Context(), ask)
	if err != nil {
		return err
	}
	v.Items, v.Any = p.Items, len(p.Items) > 0 || len(ask) > 1
	if p.NextCursor != "" {
		ask.Set("cursor", p.NextCursor)
		ask.Del("limit")
		v.NextURL = "/extensions?" + ask.Encode()
	}
	return s.Render(r, "extensions", v)
}

// ID returns the address of an extension below /extensions.
func (v *extensionsView) ID(x fleet.Extension) string {
	return url.PathEscape((&fleet.Line{Extension: x.Number, Registrar: x.Registrar}).String())
}

type registrarsView struct {
	page.Base
	Items []fleet.Registrar
}

func (s screen) registrars(r *page.Request) error {
	v := &registrarsView{Base: page.Base{Title: "Registrars"}}
	var err error
	if v.Items, err = s.API.Registrars().All(r.Context(), nil); err != nil {
		return err
	}
	return s.Render(r, "registrars", v)
}
