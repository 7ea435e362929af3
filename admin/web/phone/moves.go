package phone

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"plugtone/admin/client"
	"plugtone/admin/web/page"
	"plugtone/admin/web/record"
	"plugtone/provision/fleet"
)

func resync() action {
	return action{Title: "Resync", Certain: true, Notify: true, Verb: "Resync now",
		Lead: "The phone is notified by SIP that its files are to be fetched again. Whether it fetches them is shown live.",
		fields: func(_ screen, _ *page.Request, _ client.Device, f *page.Form) ([]page.Field, error) {
			return []page.Field{f.Check("reboot", "Restart the phone", "Ends calls on it. Most phones apply new files without.")}, nil
		},
		run: func(_ screen, r *page.Request, api *client.Client, d client.Device, f *page.Form) (string, string, error) {
			x, err := api.ResyncDevice(r.Context(), d.MAC.String(), client.ResyncOptions{Reboot: f.Get("reboot") != ""})
			if err != nil {
				return "", "", err
			}
			if x.Job == nil {
				return home(d), "No phone was notified.", nil
			}
			return home(d) + "?job=" + strconv.FormatUint(x.Job.ID, 10), "The resync has started.", nil
		}}
}

func enroll() action {
	return action{Title: "Enroll", Certain: true, Verb: "Open the window",
		Lead: "For a limited time the phone is given its files without proof that it is this phone. Use it for a phone that can't prove itself yet, such as one behind another network.",
		fields: func(_ screen, r *page.Request, d client.Device, f *page.Form) ([]page.Field, error) {
			if r.Method == http.MethodGet && d.Status != nil && d.Status.IP.IsValid() {
				f.Values.Set("from", d.Status.IP.String()+"/32")
			}
			return []page.Field{
				f.Select("for", "For", []page.Option{{Value: "30m", Text: "30 minutes"}, {Value: "1h", Text: "1 hour"}, {Value: "4h", Text: "4 hours"}, {Value: "24h", Text: "24 hours"}, {Value: "0s", Text: "Close the window"}}),
				f.Text("from", "Only from this network", "Such as 198.51.100.0/24. Empty: from anywhere, for which the role admin is needed."),
			}, nil
		},
		run: func(_ screen, r *page.Request, api *client.Client, d client.Device, f *page.Form) (string, string, error) {
			w, err := api.Enroll(r.Context(), d.MAC.String(), f.Get("for"), f.Get("from"))
			if f.Get("for") == "0s" {
				return home(d), "The enrollment window is closed.", err
			}
			return home(d), "The phone is given its files without proof until " + w.Until.UTC().Format("2006-01-02 15:04:05") + " UTC.", err
		}}
}

func able(enabled bool) action {
	a := action{Title: "Disable", Verb: "Disable the phone", Lead: "The phone loses its accounts at the next fetch and keeps its address. Its record stays as it is."}
	note := "The phone is disabled."
	if enabled {
		a.Title, a.Verb, a.Lead, note = "Enable", "Enable the phone", "The phone gets its accounts back at the next fetch.", "The phone is enabled."
	}
	a.run = func(_ screen, r *page.Request, api *client.Client, d client.Device, _ *page.Form) (string, string, error) {
		_, err := api.Devices().Patch(r.Context(), d.MAC.String(), map[string]any{"enabled": enabled}, "")
		return home(d), note, err
	}
	return a
}

func remove() action {
	return action{Title: "Delete", Verb: "Delete the phone", Danger: true,
		Lead: "The record is deleted. The phone keeps its address and is given no files; plugged in, it appears under New phones. The change can be undone.",
		run: func(_ screen, r *page.Request, api *client.Client, d client.Device, _ *page.Form) (string, string, error) {
			return "/phones", "The phone " + record.NameOf(d) + " was deleted.", api.Devices().Delete(r.Context(), d.MAC.String(), false)
		}}
}

// plugged suggests phones without a record.
func plugged(s screen, r *page.Request) ([]page.Option, error) {
	p, _, err := s.API.Discovered(r.Context(), "")
	if err != nil {
		return nil, err
	}
	var out []page.Option
	for _, d := range p[:min(len(p), 50)] {
		out = append(out, page.Option{Value: d.MAC.String(), Text: d.Vendor + " " + d.Model})
	}
	return out, nil
}

const macHint = "MAC address from the label of the phone. Phones that are plugged in and have no record are suggested."

func copyTo() action {
	return action{Title: "Copy", Verb: "Create the copy", Lead: "A new phone is recorded with the same model, profile, keys and settings.",
		fields: func(s screen, r *page.Request, _ client.Device, f *page.Form) ([]page.Field, error) {
			near, err := plugged(s, r)
			return []page.Field{f.Text("to", "New phone", macHint).Suggest(near).Must(), f.Text("label", "Label"),
				f.Text("extension", "Extension", "The new phone registers it. Empty: no line.")}, err
		},
		run: func(_ screen, r *page.Request, api *client.Client, d client.Device, f *page.Form) (string, string, error) {
			q := client.CopyRequest{To: f.Get("to"), Label: f.Get("label")}
			if x := f.Get("extension"); x != "" {
				number, registrar := fleet.ParseExtension(x)
				q.Lines = []fleet.Line{{Position: 1, Extension: number, Registrar: registrar}}
			}
			out, err := api.CopyDevice(r.Context(), d.MAC.String(), q)
			if err != nil {
				return "", "", err
			}
			return home(out.Devices[0]), "The phone is recorded as a copy of " + record.NameOf(d) + ".", nil
		}}
}

func swap() action {
	return action{Title: "Swap", Verb: "Swap the phones", Lead: "Both phones exchange what they are for: label, lines, keys, settings, profile and reserved address. The hardware stays where it is.",
		fields: func(s screen, r *page.Request, d client.Device, f *page.Form) ([]page.Field, error) {
			p, err := s.API.DevicePage(r.Context(), url.Values{"limit": {"200"}, "sort": {"label"}})
			var near []page.Option
			for _, x := range p.Items {
				if x.MAC != d.MAC {
					near = append(near, page.Option{Value: x.MAC.String(), Text: x.Label + " " + x.Model})
				}
			}
			return []page.Field{f.Text("with", "Other phone", "MAC address; type a label to find it.").Suggest(near).Must()}, err
		},
		run: func(_ screen, r *page.Request, api *client.Client, d client.Device, f *page.Form) (string, string, error) {
			_, err := api.SwapDevices(r.Context(), d.MAC.String(), f.Get("with"), true) // what is lost was shown
			return home(d), "The phones were swapped. " + record.Later, err
		}}
}

func replace() action {
	return action{Title: "Replace", Verb: "Replace the phone", Lead: "The new phone takes lines, keys, settings, profile and reserved address. The old one is disabled. What the new model can't have is listed before anything changes.",
		fields: func(s screen, r *page.Request, _ client.Device, f *page.Form) ([]page.Field, error) {
			near, err := plugged(s, r)
			return []page.Field{f.Text("by", "New phone", macHint).Suggest(near).Must(),
				f.Text("model", "Model of the new phone", "As VENDOR/MODEL. Empty: as it was recognised, else the old phone's.")}, err
		},
		run: func(_ screen, r *page.Request, api *client.Client, d client.Device, f *page.Form) (string, string, error) {
			out, err := api.ReplaceDevice(r.Context(), d.MAC.String(), client.ReplaceRequest{By: f.Get("by"), Model: f.Get("model")}, true) // what is lost was shown
			if err != nil {
				return "", "", err
			}
			return home(out.Devices[0]), "The phone replaces " + d.MAC.String() + ", which is disabled.", nil
		}}
}

func reassign() action {
	return action{Title: "Reassign", Verb: "Reassign the phone", Lead: "The first line of the phone gets another extension, for a desk that changes hands. Further lines, keys and settings stay.",
		fields: func(s screen, r *page.Request, _ client.Device, f *page.Form) ([]page.Field, error) {
			p, err := s.API.Extensions().Page(r.Context(), url.Values{"limit": {"200"}})
			var near []page.Option
			for _, x := range p.Items {
				near = append(near, page.Option{Value: x.Number, Text: x.DisplayName})
			}
			if _, ok := f.Values["extension"]; !ok {
				f.Values.Set("relabel", "on")
			}
			return []page.Field{f.Text("extension", "Extension", "Its number; type a name to find it.").Suggest(near).Must(),
				f.Check("relabel", "Label the phone with the name of the extension")}, err
		},
		run: runReassign}
}

func runReassign(_ screen, r *page.Request, api *client.Client, d client.Device, f *page.Form) (string, string, error) {
	x, _, err := api.Extensions().Get(r.Context(), cmp.Or(f.Get("extension"), " "), false)
	if err != nil {
		if client.IsNotFound(err) {
			err = &client.Problem{Status: 422, Detail: "nothing was changed", Errors: []client.Detail{{Location: "body.extension", Message: "there is no extension " + f.Get("extension")}}}
		}
		return "", "", err
	}
	lines := append([]fleet.Line{}, d.Lines...)
	first := fleet.Line{Position: 1, Extension: x.Number, Registrar: x.Registrar}
	if len(lines) == 0 {
		lines = append(lines, first)
	} else {
		first.Position = lines[0].Position
		lines[0] = first
	}
	set := map[string]any{"lines": lines}
	if f.Get("relabel") != "" && x.DisplayName != "" {
		set["label"] = x.DisplayName
	}
	_, err = api.Devices().Patch(r.Context(), d.MAC.String(), set, "")
	return home(d), fmt.Sprintf("The phone registers %s now. %s", x.Number, record.Later), err
}

func undo() action {
	return action{Title: "Undo", Verb: "Undo the change", Lead: "Everything that the change did is set back, on all phones and records that it touched.",
		run: func(_ screen, r *page.Request, api *client.Client, d client.Device, f *page.Form) (string, string, error) {
			id, err := jobNumber(f.Get("change"))
			if err == nil {
				_, err = api.Undo(r.Context(), id, false)
			}
			return home(d) + "/history", "The change was undone. " + record.Later, err
		}}
}

func restore() action {
	return action{Title: "Go back", Verb: "Go back to this version", Lead: "The record of this phone becomes what it was after that change. Other records stay.",
		run: func(_ screen, r *page.Request, api *client.Client, d client.Device, f *page.Form) (string, string, error) {
			rev, err := jobNumber(f.Get("revision"))
			if err == nil {
				_, err = api.Rollback(r.Context(), d.MAC.String(), rev)
			}
			return home(d) + "/history", "The phone is what it was. " + record.Later, err
		}}
}
