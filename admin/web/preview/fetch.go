package preview

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"plugtone/admin/client"
	"plugtone/admin/web/page"
)

// Defaults fills in the fields of the template "fetch-choice" that a form lacks.
func Defaults(f *page.Form) {
	for name, value := range map[string]string{"fetch": "later", "canary": "2", "pace": "50/m", "message": ""} {
		if f.Get(name) == "" {
			f.Values.Set(name, value)
		}
	}
}

// Options are the options of a resync as the form has them.
func Options(f *page.Form) client.ResyncOptions {
	o := client.ResyncOptions{Reboot: f.Get("reboot") != "", Message: f.Get("message"), Pace: "off", PerAddress: "off"}
	if f.Get("fetch") == "waves" {
		o.Pace, o.PerAddress, o.Canary = f.Get("pace"), "", page.ReadNumber(f, "canary", 0, 100_000)
	}
	return o
}

// Waves returns the job that makes the phones of a change fetch, nil when none is wanted. It is prepared before the change: the dry run names
// the phones.
func Waves(r *page.Request, api *client.Client, f *page.Form, try func() (*Preview, error)) (*client.ResyncRequest, error) {
	if f.Get("fetch") != "now" && f.Get("fetch") != "waves" {
		return nil, nil
	}
	in := client.ResyncRequest{ResyncOptions: Options(f)}
	if len(f.Problems) > 0 {
		return nil, invalid("the options of the resync")
	}
	p, err := try()
	if err != nil || p == nil {
		return nil, err
	}
	var all bool
	if in.MACs, all = p.changing(); !all {
		in.MACs, in.Stale = nil, true // too many to name: all that then have not what they should have
	}
	if !in.Stale && len(in.MACs) == 0 {
		return nil, nil
	}
	check := in
	check.Print = true // what is wrong with the options is known before the change is made
	if _, err = api.Resync(r.Context(), check); client.IsNotFound(err) {
		err = nil // phones that the change creates
	}
	return &in, err
}

func invalid(subject string) error {
	return &client.Problem{Status: http.StatusUnprocessableEntity, Detail: subject + " are not valid"}
}

// Start starts the job of a change, and shows the change.
func Start(r *page.Request, api *client.Client, id uint64, in *client.ResyncRequest) error {
	to := fmt.Sprintf("/changes/%d", id)
	if in == nil {
		r.Note("ok", fmt.Sprintf("Change %d was made.", id))
		return r.Redirect(to)
	}
	if in.Message == "" {
		in.Message = fmt.Sprintf("change %d", id)
	}
	out, err := api.Resync(r.Context(), *in)
	var p *client.Problem
	switch {
	case errors.As(err, &p):
		r.Note("warn", "The change was made, but the resync was not started: "+p.Error())
	case err != nil:
		return err
	case out.Job != nil:
		r.Note("ok", fmt.Sprintf("Change %d was made. The phones are fetching it.", id))
		to += "?" + url.Values{"job": {fmt.Sprint(out.Job.ID)}}.Encode()
	}
	return r.Redirect(to)
}
