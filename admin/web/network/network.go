// Package network is the screen with subnets and leases: how full each subnet is, who has which address, and what is wrong on the network.
package network

import (
	"context"
	"embed"
	"errors"
	"net/http"
	"net/netip"

	"plugtone/admin/client"
	"plugtone/admin/web/page"
)

//go:embed templates
var files embed.FS

type screen struct{ page.Screen }

// Register adds the screen to a frame.
func Register(f *page.Frame) error {
	p, err := f.Screen(files)
	s := screen{p}
	f.Handle("GET /network", s.show)
	f.Handle("GET /network/leases/{ip}/end", s.confirm)
	f.Handle("POST /network/leases/{ip}/end", s.end)
	return err
}

type view struct {
	page.Base
	query
	Incidents        []incident
	Subnets          []subnet
	States           []choice
	Nets             []choice
	Leases           []client.Lease
	Problem          string // the filter, as the API refuses it
	Self             string
	NextURL, PrevURL string
	FirstURL, Clear  string
}

// subnet is one subnet in words.
type subnet struct {
	client.Subnet
	Given    string // what phones get there
	Tone     string // of the bar
	LeaseURL string
	Unusable string // address of the list of declined addresses
	Full     string // when it is full
	FullTone string
	Peaks    *page.Chart // nil before there is one
}

// choice is one value of a filter.
type choice struct {
	Text, URL string
	Here      bool
}

func (s screen) show(r *page.Request) error {
	q := readQuery(r.Request)
	v := &view{Base: page.Base{Title: "Network", Wide: true}, query: q, Self: q.URL(), FirstURL: q.first().URL(), Clear: query{}.URL()}
	if r.Fragment() == "leases" {
		r.Writer().Header().Set("HX-Replace-Url", v.Self)
	}
	status := http.StatusOK
	var p *client.Problem
	switch err := s.load(r.Context(), v); {
	case errors.As(err, &p) && client.IsInvalid(err):
		status, v.Problem = p.Status, p.Error()
	case err != nil:
		return err
	}
	return s.RenderStatus(r, status, "network", v)
}

// load reads the subnets, what is wrong, and a page of leases.
func (s screen) load(ctx context.Context, v *view) error {
	wrong, err := s.API.Incidents(ctx)
	if err != nil {
		return err
	}
	v.Incidents = inWords(wrong)
	subnets, err := s.API.Subnets(ctx)
	if err != nil {
		return err
	}
	for _, n := range subnets {
		v.Subnets = append(v.Subnets, describe(n))
	}
	v.choices()
	leases, err := s.API.LeasePage(ctx, v.filters())
	if err != nil {
		return err
	}
	v.Leases = leases.Items
	if leases.NextCursor != "" {
		v.NextURL = v.at(v.Next(leases.NextCursor, len(leases.Items))).URL()
	}
	if prev, ok := v.Previous(rows); ok {
		v.PrevURL = v.at(prev).URL()
	}
	return nil
}

func describe(n client.Subnet) subnet {
	out := subnet{Subnet: n}
	switch n.Phones {
	case "provision":
		out.Given = "Address and files"
	case "move":
		out.Given = "Voice VLAN only"
	case "none":
		out.Given = "Ordinary network"
	default:
		out.Given = n.Phones
	}
	if n.Addresses > 0 && n.Free == 0 {
		out.Tone = "bad"
	}
	out.Full, out.FullTone = forecast(n)
	out.Peaks = peaks(n)
	name := n.Subnet.String()
	out.LeaseURL = query{Subnet: name}.URL()
	out.Unusable = query{Subnet: name, State: "declined"}.URL()
	return out
}

// choices fills the filters.
func (v *view) choices() {
	for _, s := range []struct{ id, text string }{{"", "All"}, {"active", "Active"}, {"released", "Released"}, {"expired", "Expired"}, {"declined", "Declined"}} {
		with := v.first()
		with.State = s.id
		v.States = append(v.States, choice{s.text, with.URL(), v.State == s.id})
	}
	if len(v.Subnets) < 2 {
		return
	}
	for _, n := range v.Subnets {
		with := v.first()
		name := n.Subnet.Subnet.String()
		with.Subnet = name
		here := v.query.Subnet == name
		if here {
			with.Subnet = ""
		}
		v.Nets = append(v.Nets, choice{name, with.URL(), here})
	}
}

// Last returns the number of the last row of the page.
func (v *view) Last() int { return v.From + len(v.Leases) - 1 }

// Filtered reports whether leases are left out.
func (v *view) Filtered() bool { return v.Q != "" || v.State != "" || v.query.Subnet != "" }

// endView is what is shown before a lease is ended.
type endView struct {
	page.Base
	Lease client.Lease
	Back  string
}

func (s screen) confirm(r *page.Request) error {
	l, err := s.lease(r)
	if err != nil {
		return err
	}
	return s.Render(r, "end", &endView{Base: page.Base{Title: "End a lease"}, Lease: l, Back: backTo(r.FormValue("back"))})
}

// lease returns the lease in the path.
func (s screen) lease(r *page.Request) (client.Lease, error) {
	none := &client.Problem{Status: http.StatusNotFound, Detail: "There is no lease of " + r.PathValue("ip") + " any more."}
	ip, err := netip.ParseAddr(r.PathValue("ip"))
	if err != nil {
		return client.Lease{}, none
	}
	// The search finds addresses that contain this one.
	for l, err := range s.API.EachLease(r.Context(), query{Q: ip.String()}.filters()) {
		if err != nil {
			return l, err
		}
		if l.IP == ip {
			return l, nil
		}
	}
	return client.Lease{}, none
}

func (s screen) end(r *page.Request) error {
	if err := s.API.DeleteLease(r.Context(), r.PathValue("ip")); err != nil {
		return err
	}
	r.Note("ok", "The lease of "+r.PathValue("ip")+" was ended.")
	return r.Redirect(backTo(r.FormValue("back")))
}
