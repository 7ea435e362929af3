package keys

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"plugtone/admin/client"
	"plugtone/admin/web/page"
	"plugtone/admin/web/record"
)

func fillFields(f *page.Form, m model) []page.Field {
	var areas []page.Option
	for _, a := range paint(m, nil) {
		areas = append(areas, page.Option{Value: a.ID, Text: a.Title})
	}
	return []page.Field{
		f.Text("extensions", "Extensions", "Numbers and ranges, such as 1001-1040, 1100. Of a range, those that exist.").Must(),
		f.Select("type", "Type", []page.Option{{Value: "blf", Text: typeName("blf")}, {Value: "speed_dial", Text: typeName("speed_dial")}, {Value: "intercom", Text: typeName("intercom")}}),
		f.Select("area", "Area", areas),
		f.Number("from", "First slot").Must(),
		f.Select("sort", "Order", []page.Option{{Value: "", Text: "As named"}, {Value: "number", Text: "By number"}, {Value: "label", Text: "By name"}}),
		f.Check("skip_own", "Leave out the phone's own lines"),
		f.Check("overwrite", "Replace keys of other types in these slots"),
	}
}

// fillForm shows the form, the effect of what was entered, or does it.
func (s screen) fillForm(r *page.Request, f *page.Form) error {
	if !r.MayChange() {
		return &client.Problem{Status: http.StatusForbidden, Detail: "changing phones needs the role operator"}
	}
	p, _, err := s.load(r)
	if err != nil {
		return err
	}
	v := &fillView{View: p.View, Form: f, Of: entered(f)}
	v.Title = "Fill keys · " + p.Name()
	if step := f.Get("step"); step != "" {
		do := step == "do" && f.Get("of") == v.Of
		_, err := s.API.Writing(client.Write{DryRun: !do}).FillKeys(r.Context(), fillRequest(f, p.Device.MAC.String()))
		if v.Effect, err = record.EffectOf(err); err == nil && v.Effect == nil {
			r.Note("ok", "The keys were filled. "+record.Later)
			return r.Redirect(p.Action)
		}
		if err != nil && !f.Fail(err, map[string]string{"extensions[0]": "extensions"}) {
			return err
		}
	}
	v.Fields = fillFields(f, p.Model)
	return r.RenderStatus(f.Status, s.templates, "fill", v)
}

func fillRequest(f *page.Form, mac string) client.FillRequest {
	from, _ := strconv.Atoi(f.Get("from")) // the API names what is wrong with 0
	return client.FillRequest{Devices: []string{mac}, Area: f.Get("area"), From: from, Type: f.Get("type"), Sort: f.Get("sort"),
		Extensions: strings.FieldsFunc(f.Get("extensions"), func(r rune) bool { return r == ',' || r == ' ' }),
		SkipOwn:    f.Get("skip_own") != "", Overwrite: f.Get("overwrite") != ""}
}

// entered returns what was entered, in one text: what is confirmed must be that whose effect was shown.
func entered(f *page.Form) string {
	v := url.Values{}
	for _, name := range []string{"extensions", "type", "area", "from", "sort", "skip_own", "overwrite"} {
		v.Set(name, f.Get(name))
	}
	return v.Encode()
}
