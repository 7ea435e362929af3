package changing

import (
	"context"
	"net/url"
	"slices"
	"strings"

	"plugtone/admin/client"
	"plugtone/admin/web/page"
	"plugtone/admin/web/preview"
	"plugtone/dhcp"
	"plugtone/provision/setting"
)

// action is one thing that a draft does with phones.
type action struct {
	ID     string
	Does   string   // before the phones: "Profile of" 12 phones
	Fields []string // of the form, with what the phones get; nil: there is nothing to choose
	Needs  []string // fields without which there is no preview
	Kind   kind
	Verb   string // of the button: "Delete" 12 phones
	Danger bool
	Fetch  bool // whether phones have something to fetch afterwards
}

// kind is how an action is made.
type kind string

const (
	records kind = "records" // a change of records, with a dry run
	resync  kind = "resync"  // a job
	enroll  kind = "enroll"  // windows in which phones need no proof
	export  kind = "export"  // a download
)

func actions() []action {
	return []action{
		{ID: "adopt", Does: "Adopt", Fields: []string{"extensions", "named", "profile", "model"}, Kind: records, Verb: "Adopt", Fetch: true},
		{ID: "profile", Does: "Profile of", Fields: []string{"profile"}, Kind: records, Verb: "Change", Fetch: true},
		{ID: "settings", Does: "Settings of", Fields: []string{"setting", "value"}, Kind: records, Verb: "Change", Fetch: true},
		{ID: "lines", Does: "Lines of", Fields: []string{"extensions", "position"}, Needs: []string{"extensions", "position"}, Kind: records, Verb: "Change", Fetch: true},
		{ID: "tags", Does: "Tags of", Fields: []string{"add", "remove"}, Kind: records, Verb: "Change"},
		{ID: "firmware", Does: "Firmware of", Fields: []string{"firmware"}, Kind: records, Verb: "Change", Fetch: true},
		{ID: "keys", Does: "Keys of", Fields: []string{"keys", "area", "from", "type", "sort", "skip_own", "overwrite"}, Needs: []string{"keys", "from"}, Kind: records, Verb: "Change", Fetch: true},
		{ID: "enable", Does: "Enable", Kind: records, Verb: "Enable", Fetch: true},
		{ID: "disable", Does: "Disable", Kind: records, Verb: "Disable", Danger: true},
		{ID: "delete", Does: "Delete", Kind: records, Verb: "Delete", Danger: true},
		{ID: "resync", Does: "Resync", Fields: []string{"reboot"}, Kind: resync, Verb: "Resync"},
		{ID: "enroll", Does: "Enroll", Fields: []string{"for", "from_network"}, Kind: enroll, Verb: "Enroll"},
		{ID: "export", Does: "Export", Fields: []string{"format", "reveal"}, Kind: export, Verb: "Download"},
	}
}

func actionOf(id string) (action, error) {
	for _, a := range actions() {
		if a.ID == id {
			return a, nil
		}
	}
	return action{}, &client.Problem{Status: 422, Detail: "there is no action " + strings.TrimSpace("“"+client.Shorten(id)+"”")}
}

// defaults are the values of a form that is shown first.
func (a action) defaults(f url.Values) {
	for _, d := range [][3]string{{"keys", "area", "line"}, {"keys", "type", "blf"}, {"lines", "position", "1"}, {"enroll", "for", "30m"}, {"export", "format", "csv"}} {
		if d[0] == a.ID && f.Get(d[1]) == "" {
			f.Set(d[1], d[2])
		}
	}
	for _, d := range [][2]string{{"keys", "skip_own"}, {"adopt", "named"}} {
		if d[0] == a.ID && f.Get("step") == "" {
			f.Set(d[1], "on")
		}
	}
	for _, name := range a.Fields { // so that errors find their fields
		if f[name] == nil {
			f[name] = []string{""}
		}
	}
}

// write is a change of records. Its Client decides whether it is a dry run.
type write func(context.Context, *client.Client) (change uint64, err error)

// dryRun makes the change without storing it. models has the models of phones, as far as they are known.
func (w write) dryRun(ctx context.Context, api *client.Client, models map[dhcp.MAC]string) (*preview.Preview, error) {
	return preview.DryRun(ctx, api, func(ctx context.Context, c *client.Client) error { _, err := w(ctx, c); return err }, models)
}

// prepare returns the change that the form describes, nil when the form has nothing yet, or has a problem.
func (a action) prepare(x selection, f *page.Form) write {
	for _, name := range a.Needs {
		if f.Values.Has("step") && f.Get(name) == "" {
			f.Problems[name] = "is missing"
		}
	}
	switch a.ID {
	case "adopt":
		return adopt(x, f)
	case "profile":
		if !f.Values.Has("step") {
			return nil
		}
		return set(x, "profile", f.Get("profile"))
	case "settings":
		return settings(x, f)
	case "firmware":
		return firmware(x, f)
	case "lines":
		return lines(x, f)
	case "tags":
		return tags(x, f)
	case "keys":
		return keys(x, f)
	case "enable":
		return set(x, "enabled", true)
	case "disable":
		return set(x, "enabled", false)
	case "delete":
		return many(client.ManyDevices{MACs: x.MACs(), Delete: true})
	}
	return nil
}

func many(in client.ManyDevices) write {
	return func(ctx context.Context, c *client.Client) (uint64, error) {
		out, err := c.ChangeDevices(ctx, in)
		return out.Change, err
	}
}

func set(x selection, member string, value any) write {
	return many(client.ManyDevices{MACs: x.MACs(), Set: map[string]any{member: value}})
}

// settings sets one or several settings; an empty value removes one.
func settings(x selection, f *page.Form) write {
	names, values := f.Values["setting"], f.Values["value"]
	patch := map[string]any{}
	for i, name := range names {
		if name = strings.TrimSpace(name); name == "" || i >= len(values) {
			continue
		}
		_, value, err := setting.ParseAssignment(name + "=" + strings.TrimSpace(values[i]))
		if err != nil {
			f.Problems["settings"] = err.Error()
			return nil
		}
		if secret, ok := value.(setting.Secret); ok {
			value = secret.Reveal()
		}
		patch[name] = value
	}
	if len(patch) == 0 {
		return nil
	}
	return set(x, "settings", patch)
}

func firmware(x selection, f *page.Form) write {
	if !f.Values.Has("step") {
		return nil
	}
	var value any
	if names := words(f.Get("firmware")); len(names) > 0 {
		value = names
	}
	return set(x, "settings", map[string]any{"firmware": value})
}

// words splits a text at commas and spaces.
func words(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ';' || r == ' ' || r == '\n' || r == '\t' || r == '\r' })
}

// document is a change of devices that gives each something else.
func document(list []map[string]any) write {
	return func(ctx context.Context, c *client.Client) (uint64, error) {
		body, err := asJSON(map[string]any{"devices": list})
		if err != nil {
			return 0, err
		}
		out, err := c.Apply(ctx, body, client.ApplyOptions{})
		return out.Change, err
	}
}

// tags adds and removes tags, and keeps the others.
func tags(x selection, f *page.Form) write {
	add, remove := words(f.Get("add")), words(f.Get("remove"))
	if len(add)+len(remove) == 0 {
		return nil
	}
	var list []map[string]any
	for _, d := range x.Phones {
		out := slices.DeleteFunc(slices.Clone(d.Tags), func(t string) bool { return slices.Contains(remove, t) })
		for _, t := range add {
			if !slices.Contains(out, t) {
				out = append(out, t)
			}
		}
		if out == nil {
			out = []string{}
		}
		list = append(list, map[string]any{"mac": d.MAC, "tags": out})
	}
	return document(list)
}

func keys(x selection, f *page.Form) write {
	from := page.ReadNumber(f, "from", 1, 999)
	extensions := words(f.Get("keys"))
	if len(extensions) == 0 || from == 0 {
		return nil
	}
	return func(ctx context.Context, c *client.Client) (uint64, error) {
		out, err := c.FillKeys(ctx, client.FillRequest{Devices: x.texts(), Area: f.Get("area"), From: from, Type: f.Get("type"), Extensions: extensions, Sort: f.Get("sort"),
			SkipOwn: f.Get("skip_own") != "", Overwrite: f.Get("overwrite") != ""})
		return out.Change.ID, err
	}
}
