package keys

import (
	"cmp"
	"context"
	"net/url"
	"slices"
	"strings"

	"plugtone/admin/client"
	"plugtone/admin/web/page"
	"plugtone/admin/web/record"
	"plugtone/provision/fleet"
	"plugtone/provision/pack"
)

// misfit is a key of a profile that phones of a model don't get.
type misfit struct {
	Place  place
	Why    string
	Model  string
	Phones int
	URL    string // the phones
}

type profileView struct {
	page.Base
	record.ProfileHead
	editor
}

func (s screen) profile(r *page.Request) error {
	v, below, err := s.loadProfile(r, r.URL.Query().Get("as"))
	if err != nil {
		return err
	}
	v.Form = page.NewForm(url.Values{"etag": {v.ETag}})
	v.Draft = draft{Keys: v.Saved}
	return s.showProfile(r, v, below)
}

// loadProfile reads a profile. as is the model that the picture is of; "" for the one that most of its phones are.
func (s screen) loadProfile(r *page.Request, as string) (*profileView, []layer, error) {
	ctx := r.Context()
	h, err := record.LoadProfile(ctx, s.API, r.PathValue("name"), "keys")
	if err != nil {
		return nil, nil, err
	}
	v := &profileView{ProfileHead: h}
	v.Title = "Profile " + h.Profile.Name
	v.editor = editor{Saved: h.Profile.Keys, Action: "/profiles/" + url.PathEscape(h.Profile.Name), FillURL: "/profiles/" + url.PathEscape(h.Profile.Name) + "/keys/fill", Whose: "this profile", MayEdit: r.MayChange()}
	if as == "" && len(h.ByModel) > 0 {
		as = h.ByModel[0].Value
	}
	for _, m := range h.ByModel {
		if m.Value != "" {
			v.Models = append(v.Models, page.Option{Value: m.Value, Text: m.Value + " (" + page.Plural(m.Count, "phone", "phones") + ")", Chosen: m.Value == as})
		}
	}
	vendor, name, _ := strings.Cut(as, "/")
	var d pack.Description
	if vendor != "" {
		if d, err = s.API.Vendor(ctx, vendor); err != nil && !client.IsNotFound(err) {
			return nil, nil, err
		}
	}
	v.Model = modelOf(d, name)
	if !v.Model.Known {
		for _, k := range h.Profile.Keys {
			v.Model.Areas[k.Area] = max(v.Model.Areas[k.Area], (k.Slot+9)/10*10)
		}
	}
	if v.Misfits, err = s.misfits(ctx, h.Profile.Name); err != nil {
		return nil, nil, err
	}
	below, err := s.layers(ctx, h.Profile.Parent)
	return v, below, err
}

// misfits returns the keys of a profile that its phones don't get, by model.
func (s screen) misfits(ctx context.Context, profile string) ([]misfit, error) {
	where := "left_out=*of profile " + profile + ":*"
	p, err := s.API.DevicePage(ctx, url.Values{"where": {where}, "limit": {"1000"}})
	if err != nil {
		return nil, err
	}
	var out []misfit
	for _, d := range p.Items {
		if d.Status == nil {
			continue
		}
		for _, text := range d.Status.LeftOut {
			at, why := leftOutAt(text)
			if at == (place{}) || !strings.Contains(text, " of profile "+profile+": ") {
				continue
			}
			m := misfit{Place: at, Why: why, Model: d.Vendor + "/" + d.Model, Phones: 1}
			if i := slices.IndexFunc(out, func(x misfit) bool { return x.Place == at && x.Model == m.Model && x.Why == why }); i >= 0 {
				out[i].Phones++
				continue
			}
			m.URL = "/phones?where=" + url.QueryEscape(where+",model="+m.Model)
			out = append(out, m)
		}
	}
	slices.SortFunc(out, func(a, b misfit) int {
		return cmp.Or(cmp.Compare(a.Model, b.Model), cmp.Compare(a.Place.Area, b.Place.Area), cmp.Compare(a.Place.Slot, b.Place.Slot))
	})
	return out, nil
}

func (s screen) showProfile(r *page.Request, v *profileView, below []layer) error {
	s.paint(r.Context(), &v.editor, below, nil, func(p place) bool {
		return slices.Contains(v.Profile.SourceMembers, fleet.KeyMember(p.Area, p.Slot))
	})
	v.markMisfits()
	return s.RenderStatus(r, v.Form.Status, "profile", v)
}

// markMisfits puts the reasons to the keys of the picture.
func (e *editor) markMisfits() {
	mark := func(slots []slot) {
		for i := range slots {
			x := &slots[i]
			for _, m := range e.Misfits {
				switch {
				case m.Place != x.place || !x.Own || x.Changed:
				case m.Model != e.Model.Vendor+"/"+e.Model.Name:
					x.Elsewhere = append(x.Elsewhere, m.Model)
				case x.Problem == "":
					x.Problem = m.Why
				}
			}
		}
	}
	for i := range e.Areas {
		mark(e.Areas[i].Extra)
		for j := range e.Areas[i].Blocks {
			mark(e.Areas[i].Blocks[j].Slots)
		}
	}
	if e.Chosen != nil {
		one := []slot{*e.Chosen}
		mark(one)
		e.Chosen = &one[0]
	}
}

func (s screen) editProfile(r *page.Request) error {
	f, err := r.Form()
	if err != nil {
		return err
	}
	v, below, err := s.loadProfile(r, f.Get("as"))
	if err != nil {
		return err
	}
	v.Form, v.Draft = f, readDraft(f, v.Saved)
	step := v.Draft.apply(f)
	if step == "discard" {
		return r.Redirect(v.Action)
	}
	if step != "" {
		saved, err := v.send(step, func(w client.Write, set map[string]any, tag string) error {
			_, err := s.API.Writing(w).Profiles().Patch(r.Context(), v.Profile.Name, set, tag)
			if client.IsPrecondition(err) {
				v.conflict(v.Profile.Keys, v.ETag)
			}
			return err
		})
		if err != nil {
			return err
		}
		if saved {
			r.Note("ok", "The keys were saved. Phones fetch them at the next resync or restart.")
			return r.Redirect(v.Action + "?" + url.Values{"as": {f.Get("as")}}.Encode())
		}
	}
	return s.showProfile(r, v, below)
}
