package keys

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"plugtone/admin/client"
	"plugtone/admin/web/page"
	"plugtone/admin/web/preview"
	"plugtone/admin/web/record"
)

// filled is whose keys are filled: a phone's or a profile's.
type filled struct {
	Name    string
	Of      string // "phone" or "profile"
	At      string // address of its keys
	Crumbs  [][2]string
	Model   model
	request client.FillRequest
}

type fillView struct {
	page.Base
	filled
	Form   *page.Form
	Fields []page.Field
	Effect *preview.Preview
	Shown  string // the fields of which Effect is the effect
}

// filling returns whose keys an address fills.
func (s screen) filling(r *page.Request) (filled, error) {
	if name := r.PathValue("name"); name != "" {
		v, _, err := s.loadProfile(r, "")
		if err != nil {
			return filled{}, err
		}
		return filled{Name: name, Of: "profile", At: v.Action, Crumbs: [][2]string{{"/profiles", "Profiles"}, {v.Action, name}}, Model: v.Model, request: client.FillRequest{Profile: name}}, nil
	}
	p, _, err := s.load(r)
	if err != nil {
		return filled{}, err
	}
	return filled{Name: p.Name(), Of: "phone", At: p.Action, Crumbs: [][2]string{{"/phones", "Phones"}, {"/phones/" + p.Device.MAC.String(), p.Name()}, {p.Action, "Keys"}},
		Model: p.Model, request: client.FillRequest{Devices: []string{p.Device.MAC.String()}}}, nil
}

func (s screen) fill(r *page.Request) error {
	return s.fillForm(r, page.NewForm(url.Values{"area": {"line"}, "type": {"blf"}, "from": {r.URL.Query().Get("from")}, "skip_own": {"on"}}))
}

func (s screen) doFill(r *page.Request) error {
	f, err := r.Form()
	if err != nil {
		return err
	}
	return s.fillForm(r, f)
}

func (x filled) fields(f *page.Form) []page.Field {
	var areas []page.Option
	for _, a := range paint(x.Model, nil) {
		areas = append(areas, page.Option{Value: a.ID, Text: a.Title})
	}
	out := []page.Field{
		f.Text("extensions", "Extensions", "Numbers and ranges, such as 1001-1040, 1100. Of a range, those that exist.").Must(),
		f.Select("type", "Type", []page.Option{{Value: "blf", Text: typeName("blf")}, {Value: "speed_dial", Text: typeName("speed_dial")}, {Value: "intercom", Text: typeName("intercom")}}),
		f.Select("area", "Area", areas),
		f.Number("from", "First slot").Must(),
		f.Select("sort", "Order", []page.Option{{Value: "", Text: "As named"}, {Value: "number", Text: "By number"}, {Value: "label", Text: "By name"}}),
		f.Check("overwrite", "Replace keys of other types in these slots"),
	}
	if x.Of == "phone" {
		out = append(out, f.Check("skip_own", "Leave out the phone's own lines"))
	}
	return out
}

// fillForm shows the form, the effect of what was entered, or does it.
func (s screen) fillForm(r *page.Request, f *page.Form) error {
	if !r.MayChange() {
		return &client.Problem{Status: http.StatusForbidden, Detail: "changing phones needs the role operator"}
	}
	x, err := s.filling(r)
	if err != nil {
		return err
	}
	v := &fillView{filled: x, Form: f, Shown: entered(f)}
	v.Title = "Fill keys · " + x.Name
	if step := f.Get("step"); step != "" {
		do := step == "do" && f.Get("of") == v.Shown
		_, err := s.API.Writing(client.Write{DryRun: !do}).FillKeys(r.Context(), x.read(f))
		if v.Effect, err = preview.Tried(err, nil); err == nil && v.Effect == nil {
			r.Note("ok", "The keys were filled. "+record.Later)
			return r.Redirect(x.At)
		}
		if err != nil && !f.Fail(err, map[string]string{"extensions[0]": "extensions"}) {
			return err
		}
	}
	v.Fields = x.fields(f)
	return s.RenderStatus(r, f.Status, "fill", v)
}

// read returns the request that the form describes.
func (x filled) read(f *page.Form) client.FillRequest {
	out := x.request
	out.From, _ = strconv.Atoi(f.Get("from")) // the API names what is wrong with 0
	out.Area, out.Type, out.Sort = f.Get("area"), f.Get("type"), f.Get("sort")
	out.Extensions = strings.FieldsFunc(f.Get("extensions"), func(r rune) bool { return r == ',' || r == ' ' })
	out.SkipOwn, out.Overwrite = x.Of == "phone" && f.Get("skip_own") != "", f.Get("overwrite") != ""
	return out
}

// entered returns what was entered, in one text: what is confirmed must be that whose effect was shown.
func entered(f *page.Form) string {
	v := url.Values{}
	for _, name := range []string{"extensions", "type", "area", "from", "sort", "skip_own", "overwrite"} {
		v.Set(name, f.Get(name))
	}
	return v.Encode()
}
