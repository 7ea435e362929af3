package phone

import (
	"net/url"
	"slices"
	"strings"

	"plugtone/admin/client"
	"plugtone/admin/web/page"
	"plugtone/admin/web/record"
	"plugtone/provision/fleet"
)

// members are the members of a device that its form has, as NAME=LABEL.
func members() []string {
	return []string{"label=Label", "model=Model", "profile=Profile", "location=Location", "serial=Serial number", "tags=Tags", "reserved_ip=Reserved address", "notes=Notes"}
}

func deviceValues(d client.Device) url.Values {
	v := url.Values{"label": {d.Label}, "model": {""}, "profile": {d.Profile}, "location": {d.Location}, "serial": {d.Serial},
		"tags": {strings.Join(d.Tags, ", ")}, "reserved_ip": {""}, "notes": {d.Notes}}
	if d.Vendor != "" {
		v.Set("model", strings.TrimSuffix(d.Vendor+"/"+d.Model, "/"))
	}
	if d.ReservedIP.IsValid() {
		v.Set("reserved_ip", d.ReservedIP.String())
	}
	return v
}

// readDevice returns the members of the form, as the API takes them.
func readDevice(f *page.Form) map[string]any {
	set := map[string]any{}
	for _, m := range members() {
		name, _, _ := strings.Cut(m, "=")
		set[name] = f.Get(name)
		if f.Get(name) == "" {
			set[name] = nil
		}
	}
	if text := f.Get("tags"); text != "" {
		tags := strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' })
		set["tags"] = tags
	}
	return set
}

// deviceFields returns the fields of the form. Those of owned members can't be edited.
func (s screen) deviceFields(r *page.Request, f *page.Form, owned []string) ([]page.Field, error) {
	all, err := s.API.Vendors(r.Context())
	if err != nil {
		return nil, err
	}
	var models []page.Option
	for _, v := range all {
		for _, m := range v.Models {
			models = append(models, page.Option{Value: v.Vendor + "/" + m.Model, Text: v.Name})
		}
	}
	list, err := s.API.Profiles().All(r.Context(), nil)
	if err != nil {
		return nil, err
	}
	profiles := []page.Option{{Text: "none"}}
	for _, p := range list {
		profiles = append(profiles, page.Option{Value: p.Name, Text: p.Name})
	}
	fields := []page.Field{
		f.Text("label", "Label", "Name for people."),
		f.Text("model", "Model", "As VENDOR/MODEL.").Suggest(models),
		f.Select("profile", "Profile", profiles),
		f.Text("location", "Location"),
		f.Text("serial", "Serial number"),
		f.Text("tags", "Tags", "Words by which phones are selected, separated by commas."),
		f.Text("reserved_ip", "Reserved address", "Only this phone is leased it."),
		f.Area("notes", "Notes"),
	}
	for i := range fields {
		if slices.Contains(owned, fields[i].Name) {
			fields[i].ReadOnly, fields[i].Hint = true, "Comes from the PBX and is changed there."
		}
	}
	return fields, nil
}

// edit changes the record itself. Two users who edit it see both versions.
func edit() action {
	return action{Title: "Edit", Verb: "Save", Certain: true,
		fields: func(s screen, r *page.Request, d client.Device, f *page.Form) ([]page.Field, error) {
			if r.Method == "GET" {
				f.Values = deviceValues(d)
				_, tag, err := s.API.Devices().Get(r.Context(), d.MAC.String(), false)
				if err != nil {
					return nil, err
				}
				f.Values.Set("etag", tag)
			}
			return s.deviceFields(r, f, d.SourceMembers)
		},
		run: func(s screen, r *page.Request, api *client.Client, d client.Device, f *page.Form) (string, string, error) {
			_, err := api.Devices().Patch(r.Context(), d.MAC.String(), readDevice(f), f.Get("etag"))
			if client.IsPrecondition(err) {
				now, tag, readErr := api.Devices().Get(r.Context(), d.MAC.String(), false)
				if readErr != nil {
					return "", "", readErr
				}
				f.Conflict = page.Compare(s.author(r, d), f.Values, deviceValues(now), members()...)
				f.Values.Set("etag", tag)
			}
			return home(d), "The phone was saved. " + record.Later, err
		}}
}

// author returns who changed the device last, as far as it is known.
func (s screen) author(r *page.Request, d client.Device) string {
	h, err := s.API.History(r.Context(), d.MAC.String())
	if err != nil || len(h.Items) == 0 {
		return ""
	}
	_, name, _ := strings.Cut(h.Items[0].Actor, ":")
	return name
}

type newView struct {
	page.Base
	Form   *page.Form
	Fields []page.Field
}

func (s screen) newPhone(r *page.Request) error {
	if !r.MayChange() {
		return errViewer
	}
	v := page.NewForm(url.Values{"mac": {r.URL.Query().Get("mac")}})
	return s.showNew(r, v)
}

func (s screen) showNew(r *page.Request, f *page.Form) error {
	near, err := plugged(s, r)
	if err != nil {
		return err
	}
	v := &newView{Base: page.Base{Title: "Add a phone"}, Form: f}
	rest, err := s.deviceFields(r, f, nil)
	if err != nil {
		return err
	}
	v.Fields = slices.Concat([]page.Field{f.Text("mac", "MAC address", "From the label of the phone, with or without colons. Phones that are plugged in are suggested.").Suggest(near).Must(),
		f.Text("line1", "Extension", "The phone registers it on its first line.")}, rest)
	return s.RenderStatus(r, f.Status, "new", v)
}

func (s screen) addPhone(r *page.Request) error {
	f, err := r.Form()
	if err != nil {
		return err
	}
	set := readDevice(f)
	for name, v := range set {
		if v == nil {
			delete(set, name)
		}
	}
	set["mac"] = f.Get("mac")
	if x := f.Get("line1"); x != "" {
		number, registrar := fleet.ParseExtension(x)
		set["lines"] = []fleet.Line{{Position: 1, Extension: number, Registrar: registrar}}
	}
	d, err := s.API.Devices().Create(r.Context(), set)
	if err != nil {
		if f.Fail(err, map[string]string{"lines[0].extension": "line1", "vendor": "model"}) {
			return s.showNew(r, f)
		}
		return err
	}
	r.Note("ok", "The phone is recorded. Plug it in: what it does is shown here.")
	return r.Redirect(home(d))
}
