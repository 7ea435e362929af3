package changing

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"plugtone/admin/access"
	"plugtone/admin/client"
	"plugtone/admin/web/page"
	"plugtone/admin/web/preview"
)

// resync starts a job for the phones of a draft.
func (s screen) resync(r *page.Request, v *draftView) error {
	in := client.ResyncRequest{MACs: v.texts(), ResyncOptions: preview.Options(v.Form)}
	if len(v.Form.Problems) == 0 {
		out, err := s.API.Resync(r.Context(), in)
		if err == nil && out.Job != nil {
			return r.Redirect(fmt.Sprintf("/jobs/%d", out.Job.ID))
		}
		if err != nil && !v.Form.Fail(err, nil) {
			return err
		}
	}
	if err := s.plan(r.Context(), v); err != nil {
		return err
	}
	return s.show(r, v)
}

// enroll opens a window for each phone of a draft.
func (s screen) enroll(r *page.Request, v *draftView) error {
	for _, d := range v.Phones {
		_, err := s.API.Enroll(r.Context(), d.MAC.String(), v.Form.Get("for"), v.Form.Get("from_network"))
		if err == nil {
			continue
		}
		var p *client.Problem
		switch {
		case v.Form.Fail(err, map[string]string{"from": "from_network"}):
		case errors.As(err, &p) && client.IsDenied(err) && r.Caller().Role >= access.Operator && v.Form.Get("from_network") == "": // operators name a network
			v.Form.Problems["from_network"], v.Form.Status = p.Detail, p.Status
		default:
			return err
		}
		v.CanDo = true
		return s.show(r, v)
	}
	r.Note("ok", fmt.Sprintf("For %s, %s may fetch without a proof.", v.Form.Get("for"), v.Name()))
	if len(v.Phones) == 1 {
		return r.Redirect("/phones/" + v.Phones[0].MAC.String())
	}
	return r.Redirect("/phones")
}

// export sends the phones of a draft as a file.
func (s screen) export(r *page.Request, v *draftView) error {
	q := url.Values{"format": {v.Form.Get("format")}}
	switch {
	case v.All && v.Q == "":
		where := v.Where
		if where == "" {
			where = "mac=*"
		}
		q.Set("where", where)
	default:
		q["mac"] = v.texts()
	}
	if v.Form.Get("reveal") != "" {
		q.Set("reveal", "true")
	}
	var out bytes.Buffer // an error is shown as a page
	if err := s.API.Export(r.Context(), &out, q); err != nil {
		if !v.Form.Fail(err, nil) {
			return err
		}
		return s.show(r, v)
	}
	kind, name := "text/csv; charset=utf-8", "phones.csv"
	if v.Form.Get("format") == "json" {
		kind, name = "application/json", "phones.json"
	}
	w := r.Writer()
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Content-Disposition", `attachment; filename="`+name+`"`)
	w.WriteHeader(http.StatusOK)
	if _, err := out.WriteTo(w); err != nil {
		s.Log.Debug("export not sent", "err", err)
	}
	return nil
}
