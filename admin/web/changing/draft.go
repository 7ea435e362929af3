package changing

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"plugtone/admin/client"
	"plugtone/admin/web/page"
	"plugtone/admin/web/preview"
	"plugtone/provision/notify"
	"plugtone/provision/setting"
)

// draftView is a change that is not made yet.
type draftView struct {
	page.Base
	action
	selection
	Form    *page.Form
	Preview *preview.Preview
	Plan    *plan
	Stale   bool   // what is sent is not what was previewed
	Seen    string // what the preview is of
	CanDo   bool   // whether the button does something

	Profiles  []page.Option
	Settings  []setting.Def
	Rows      []settingRow
	MaxExport int
}

// settingRow is one setting of the form.
type settingRow struct{ Name, Value string }

// plan is what a resync would do.
type plan struct {
	Send    int
	Skipped []skipped
}

// skipped is a reason for which phones are not notified.
type skipped struct {
	Reason string
	Count  int
}

// maxExport is how many phones an export takes by name.
const maxExport = 1000

// draft shows the form of a change, and with its values the dry run.
func (s screen) draft(r *page.Request) error {
	f, err := r.Form()
	if err != nil {
		return err
	}
	f.Values = r.Request.Form // also what the address has
	v, err := s.newDraft(r, f)
	if err != nil {
		return err
	}
	if err := s.try(r.Context(), v); err != nil {
		return err
	}
	return s.show(r, v)
}

func (s screen) newDraft(r *page.Request, f *page.Form) (*draftView, error) {
	a, err := actionOf(f.Get("action"))
	if err != nil {
		return nil, err
	}
	x, err := s.selected(r.Context(), f.Values)
	if err != nil {
		return nil, err
	}
	a.defaults(f.Values)
	preview.Defaults(f)
	v := &draftView{Base: page.Base{Title: a.Does + " " + x.Name()}, action: a, selection: x, Form: f, MaxExport: maxExport}
	return v, s.choices(r.Context(), v)
}

// choices reads what the form offers.
func (s screen) choices(ctx context.Context, v *draftView) error {
	f := v.Form
	switch v.ID {
	case "profile", "adopt":
		list, err := s.API.Profiles().All(ctx, nil)
		if err != nil {
			return err
		}
		if !f.Values.Has("step") && !f.Values.Has("profile") { // begin with what they have
			f.Values.Set("profile", v.Phones[0].Profile)
		}
		v.Profiles = []page.Option{{Value: "", Text: "No profile"}}
		for _, p := range list {
			v.Profiles = append(v.Profiles, page.Option{Value: p.Name, Text: p.Name})
		}
	case "settings":
		v.Settings = setting.All()
		names, values := f.Values["setting"], f.Values["value"]
		for i, name := range names {
			if name != "" && i < len(values) {
				v.Rows = append(v.Rows, settingRow{name, values[i]})
			}
		}
		if len(v.Rows) == 0 || f.Get("step") == "more" {
			v.Rows = append(v.Rows, settingRow{})
		}
	}
	return nil
}

// try makes the dry run of a draft, if it is complete.
func (s screen) try(ctx context.Context, v *draftView) (err error) {
	v.Seen = v.digest(v.Form.Values, v.Fields)
	switch v.Kind {
	case export:
		v.CanDo = v.All && v.Q == "" || len(v.Phones) <= maxExport
		return nil
	case enroll:
		v.CanDo = true
		return nil
	case resync:
		return s.plan(ctx, v)
	}
	do := v.prepare(v.selection, v.Form)
	if do == nil || v.Form.Get("step") == "more" {
		return nil
	}
	v.Preview, err = do.dryRun(ctx, s.API, v.models())
	if err != nil && v.Form.Fail(err, map[string]string{"from": "from"}) {
		v.shorten()
		return nil
	}
	v.CanDo = err == nil && v.Preview != nil && v.Preview.Records() > 0
	return err
}

// shownProblems is how many lines of problems are shown.
const shownProblems = 8

// shorten keeps the first problems: many phones have the same.
func (v *draftView) shorten() {
	list := strings.Split(v.Form.Message, "\n")
	if len(list) > shownProblems+1 {
		v.Form.Message = strings.Join(list[:shownProblems], "\n") + fmt.Sprintf("\nand %d more", len(list)-shownProblems)
	}
}

// plan finds out what a resync would send.
func (s screen) plan(ctx context.Context, v *draftView) error {
	out, err := s.API.Resync(ctx, client.ResyncRequest{MACs: v.texts(), ResyncOptions: client.ResyncOptions{Print: true, Reboot: v.Form.Get("reboot") != ""}})
	if err != nil {
		return err
	}
	v.Plan = planOf(out.Planned)
	v.CanDo = v.Plan.Send > 0
	return nil
}

func planOf(list []notify.Planned) *plan {
	p := &plan{}
	at := map[string]int{}
	for _, x := range list {
		if x.Skipped == "" {
			p.Send++
			continue
		}
		i, ok := at[x.Skipped]
		if !ok {
			i = len(p.Skipped)
			at[x.Skipped] = i
			p.Skipped = append(p.Skipped, skipped{Reason: x.Skipped})
		}
		p.Skipped[i].Count++
	}
	return p
}

// show answers with a draft.
func (s screen) show(r *page.Request, v *draftView) error {
	status := http.StatusOK
	if v.Form.Message != "" || len(v.Form.Problems) > 0 {
		status = max(v.Form.Status, http.StatusUnprocessableEntity)
	}
	return s.RenderStatus(r, status, "draft", v)
}

// apply makes the change of a draft that was previewed.
func (s screen) apply(r *page.Request) error {
	f, err := r.Form()
	if err != nil {
		return err
	}
	f.Values.Set("step", "apply")
	v, err := s.newDraft(r, f)
	if err != nil {
		return err
	}
	switch v.Kind {
	case export:
		return s.export(r, v)
	case enroll:
		return s.enroll(r, v)
	case resync:
		return s.resync(r, v)
	}
	do := v.prepare(v.selection, f)
	if seen := v.digest(f.Values, v.Fields); do == nil || seen != f.Get("seen") {
		v.Stale = do != nil && f.Get("seen") != ""
		if err := s.try(r.Context(), v); err != nil {
			return err
		}
		return s.show(r, v)
	}
	return s.do(r, v, do)
}

// do makes the change, and has the phones fetch it.
func (s screen) do(r *page.Request, v *draftView, do write) error {
	f := v.Form
	waves, err := preview.Waves(r, s.API, f, func() (*preview.Preview, error) { return do.dryRun(r.Context(), s.API, nil) })
	if err != nil && !f.Fail(err, nil) {
		return err
	}
	var id uint64
	if err == nil {
		id, err = do(r.Context(), s.API.Writing(client.Write{Message: f.Get("message")}))
		if err != nil && !f.Fail(err, nil) {
			return err
		}
	}
	if err != nil {
		v.shorten()
		v.Seen = v.digest(f.Values, v.Fields)
		return s.show(r, v)
	}
	if id == 0 {
		r.Note("ok", "The phones had this already. Nothing was changed.")
		return r.Redirect("/phones")
	}
	return preview.Start(r, s.API, id, waves)
}

// From is where the draft was begun.
func (v *draftView) From() string {
	if v.ID == "adopt" {
		return "/discovered"
	}
	return "/phones"
}
