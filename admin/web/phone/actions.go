package phone

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"plugtone/admin/client"
	"plugtone/admin/web/page"
	"plugtone/admin/web/preview"
	"plugtone/admin/web/record"
	"plugtone/provision/notify"
)

// action is one thing that can be done with a phone: a form, its effect, and the button that does it.
type action struct {
	Title, Lead, Verb string
	Danger            bool
	Certain           bool // it has no dry run: the form has its button at once
	Notify            bool // what would be sent to the phone is shown
	fields            func(s screen, r *page.Request, d client.Device, f *page.Form) ([]page.Field, error)
	// run does it, with an API that may be one of dry runs. It returns where to go afterwards, and a message.
	run func(s screen, r *page.Request, api *client.Client, d client.Device, f *page.Form) (next, note string, err error)
}

// actions are the things that can be done, by the last part of their address.
func actions() map[string]action {
	return map[string]action{
		"resync": resync(), "enroll": enroll(), "enable": able(true), "disable": able(false), "delete": remove(), "copy": copyTo(),
		"swap": swap(), "replace": replace(), "reassign": reassign(), "undo": undo(), "restore": restore(), "edit": edit(),
	}
}

type actionView struct {
	record.View
	Act     action
	Form    *page.Form
	Fields  []page.Field
	Effect  *preview.Preview
	Planned []notify.Planned
	Of      string // the fields of which Effect is the effect
	Hidden  url.Values
}

var errViewer = &client.Problem{Status: http.StatusForbidden, Detail: "changing phones needs the role operator"}

// ask shows the form of an action; where nothing needs to be entered, with its effect.
func (s screen) ask(r *page.Request) error {
	return s.form(r, page.NewForm(r.URL.Query()), "ask")
}

// act shows the effect of an action, or does it.
func (s screen) act(r *page.Request) error {
	f, err := r.Form()
	if err != nil {
		return err
	}
	return s.form(r, f, f.Get("step"))
}

func (s screen) form(r *page.Request, f *page.Form, step string) error {
	a, ok := actions()[r.PathValue("action")]
	switch {
	case !ok:
		return &client.Problem{Status: http.StatusNotFound, Detail: "there is no such action"}
	case !r.MayChange():
		return errViewer
	}
	h, _, err := record.LoadHead(r.Context(), s.API, r.PathValue("mac"), "", 1)
	if err != nil {
		return err
	}
	v := &actionView{View: titled(h, a.Title), Act: a, Form: f}
	if a.fields != nil {
		if v.Fields, err = a.fields(s, r, h.Device, f); err != nil {
			return err
		}
	}
	v.Of = entered(f)
	if step == "do" && (a.Certain || f.Get("of") == v.Of) {
		next, note, err := a.run(s, r, s.API.Writing(client.Write{Message: f.Get("message")}), h.Device, f)
		if err == nil {
			r.Note("ok", note)
			return r.Redirect(next)
		}
		return s.again(r, v, err)
	}
	switch {
	case a.Notify:
		err = s.plan(r, v)
	case a.Certain, step == "ask" && len(v.Fields) > 0:
	default:
		_, _, err = a.run(s, r, s.API.Writing(client.Write{DryRun: true}), h.Device, f)
		if v.Effect, err = preview.Tried(err, nil); err == nil && v.Effect == nil {
			v.Effect = &preview.Preview{} // nothing to change
		}
	}
	if err != nil {
		return s.again(r, v, err)
	}
	return s.Render(r, "action", v)
}

// again shows the form with what is wrong.
func (s screen) again(r *page.Request, v *actionView, err error) error {
	for i := range v.Fields {
		if _, ok := v.Form.Values[v.Fields[i].Name]; !ok {
			v.Form.Values.Set(v.Fields[i].Name, "")
		}
	}
	if !v.Form.Fail(err, nil) {
		return err
	}
	v.Effect = nil
	for i := range v.Fields {
		v.Fields[i].Problem = v.Form.Problems[v.Fields[i].Name]
	}
	return s.RenderStatus(r, v.Form.Status, "action", v)
}

// entered returns what was entered, in one text: what is confirmed must be that whose effect was shown.
func entered(f *page.Form) string {
	v := url.Values{}
	for name, list := range f.Values {
		if !slices.Contains([]string{"csrf", "step", "of", "message"}, name) && f.Values.Get(name) != "" {
			v[name] = list
		}
	}
	return v.Encode()
}

// HiddenFields returns what the form keeps from the address: the values that no field has.
func (v *actionView) HiddenFields() [][2]string {
	var out [][2]string
	for _, name := range []string{"change", "revision", "etag"} {
		if x := v.Form.Values.Get(name); x != "" && !slices.ContainsFunc(v.Fields, func(f page.Field) bool { return f.Name == name }) {
			out = append(out, [2]string{name, x})
		}
	}
	return out
}

// Ready reports whether the button that does it is shown.
func (v *actionView) Ready() bool { return v.Act.Certain || v.Effect != nil }

// Changes reports whether it would do anything.
func (v *actionView) Changes() bool {
	return v.Act.Certain || v.Effect != nil && v.Effect.Records() > 0
}

// plan finds out what a resync would send.
func (s screen) plan(r *page.Request, v *actionView) error {
	x, err := s.API.ResyncDevice(r.Context(), v.Device.MAC.String(), client.ResyncOptions{Print: true, Reboot: v.Form.Get("reboot") != ""})
	v.Planned = x.Planned
	return err
}

func home(d client.Device) string { return "/phones/" + d.MAC.String() }

func jobNumber(text string) (uint64, error) {
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, &client.Problem{Status: http.StatusNotFound, Detail: "there is no such job"}
	}
	return n, nil
}
