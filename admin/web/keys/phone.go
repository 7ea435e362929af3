package keys

import (
	"net/url"
	"strings"

	"plugtone/admin/client"
	"plugtone/admin/web/page"
	"plugtone/admin/web/record"
	"plugtone/provision/fleet"
	"plugtone/provision/pack"
)

type phoneView struct {
	record.View
	editor
}

func (s screen) phone(r *page.Request) error {
	v, below, err := s.load(r)
	if err != nil {
		return err
	}
	v.Form = page.NewForm(url.Values{"etag": {v.ETag}})
	v.Draft = draft{Keys: v.Saved, At: parsePlace(r.URL.Query().Get("at"))}
	return s.show(r, v, below)
}

func (s screen) load(r *page.Request) (*phoneView, []layer, error) {
	ctx := r.Context()
	h, _, err := record.LoadHead(ctx, s.API, r.PathValue("mac"), "keys", 1)
	if err != nil {
		return nil, nil, err
	}
	v := &phoneView{View: record.View{Head: h}}
	v.Title = "Keys · " + h.Name()
	at := "/phones/" + h.Device.MAC.String() + "/keys"
	v.editor = editor{Saved: h.Device.Keys, Action: at, FillURL: at + "/fill", Whose: "this phone", MayEdit: r.MayChange()}
	var d pack.Description
	if h.Device.Vendor != "" {
		if d, err = s.API.Vendor(ctx, h.Device.Vendor); err != nil && !client.IsNotFound(err) {
			return nil, nil, err
		}
	}
	v.Model = modelOf(d, h.Device.Model)
	below, err := s.layers(ctx, h.Device.Profile)
	return v, below, err
}

func (s screen) show(r *page.Request, v *phoneView, below []layer) error {
	s.paint(r.Context(), &v.editor, below, v.LeftOut(), func(p place) bool { return v.OwnedBySource(fleet.KeyMember(p.Area, p.Slot)) })
	return s.RenderStatus(r, v.Form.Status, "phone", v)
}

// editPhone applies one step of the editor to the keys of the form, and saves them if that is the step.
func (s screen) editPhone(r *page.Request) error {
	v, below, err := s.load(r)
	if err != nil {
		return err
	}
	if v.Form, err = r.Form(); err != nil {
		return err
	}
	v.Draft = readDraft(v.Form, v.Saved)
	step := v.Draft.apply(v.Form)
	if step == "discard" {
		return r.Redirect(v.Action)
	}
	if step == "" && v.Dirty() > 0 {
		step = "check"
	}
	if step != "" {
		saved, err := v.send(step, func(w client.Write, set map[string]any, tag string) error {
			_, err := s.API.Writing(w).Devices().Patch(r.Context(), v.Device.MAC.String(), set, tag)
			if client.IsPrecondition(err) && step == "save" {
				v.conflict(v.Device.Keys, v.ETag)
			}
			return err
		})
		if err != nil {
			return err
		}
		if saved {
			r.Note("ok", "The keys were saved. "+record.Later)
			return r.Redirect(v.Action)
		}
	}
	if step == "check" {
		v.Form.Status, v.Form.Message = 200, ""
	}
	return s.show(r, v, below)
}

// conflict shows the keys of the form beside those that another user has stored.
func (e *editor) conflict(stored []fleet.Key, tag string) {
	mine, theirs := url.Values{}, url.Values{}
	var members []string
	add := func(to url.Values, keys []fleet.Key) {
		for _, k := range keys {
			p := place{k.Area, k.Slot}.String()
			_, text, _ := strings.Cut(k.String(), "=")
			to.Set(p, text)
			if !mine.Has(p) || !theirs.Has(p) {
				members = append(members, p+"="+p)
			}
		}
	}
	add(mine, e.Draft.Keys)
	add(theirs, stored)
	seen := map[string]bool{}
	var once []string
	for _, m := range members {
		if !seen[m] {
			seen[m] = true
			once = append(once, m)
		}
	}
	e.Form.Conflict = page.Compare("", mine, theirs, once...)
	e.Form.Values.Set("etag", tag)
}
