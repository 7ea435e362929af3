package records

import (
	"context"
	"net/url"
	"slices"

	"plugtone/admin/client"
	"plugtone/admin/web/page"
	"plugtone/admin/web/record"
	"plugtone/provision/fleet"
	"plugtone/provision/resolve"
	"plugtone/provision/setting"
)

type settingsView struct {
	page.Base
	record.ProfileHead
	record.SettingsForm
}

func (s screen) settings(r *page.Request) error {
	v, err := s.loadSettings(r)
	if err != nil {
		return err
	}
	if name := r.URL.Query().Get("edit"); name != "" && r.MayChange() {
		v.Begin(name, v.ETag, v.Profile.Settings[name])
	}
	return r.Render(s.templates, "settings", v)
}

func (s screen) loadSettings(r *page.Request) (*settingsView, error) {
	ctx := r.Context()
	h, err := record.LoadProfile(ctx, s.API, r.PathValue("name"), "settings")
	if err != nil {
		return nil, err
	}
	v := &settingsView{ProfileHead: h}
	v.Title = "Settings · " + h.Profile.Name
	origins, err := s.origins(ctx, h.Profile)
	if err != nil {
		return nil, err
	}
	v.SettingsForm = record.SettingsForm{Action: "/profiles/" + url.PathEscape(h.Profile.Name) + "/settings", Whose: "this profile",
		Settings: record.Settings(origins, h.Profile.Settings, nil), Source: h.Profile.Source, Owned: h.Profile.SourceMembers}
	if r.MayChange() {
		var names []string
		for _, d := range setting.All() {
			names = append(names, d.Name)
		}
		v.Add = record.Addable(names, v.Settings)
	}
	return v, nil
}

// origins returns the settings of a profile and its parents; the nearest one's hold. Secrets that are set are not known here.
func (s screen) origins(ctx context.Context, p fleet.Profile) ([]resolve.Origin, error) {
	var out []resolve.Origin
	for range 32 { // the API refuses circles
		for name, v := range p.Settings {
			if !slices.ContainsFunc(out, func(o resolve.Origin) bool { return o.Name == name }) {
				out = append(out, resolve.Origin{Name: name, Value: v, From: "profile " + p.Name})
			}
		}
		if p.Parent == "" {
			break
		}
		next, _, err := s.API.Profiles().Get(ctx, p.Parent, false)
		if err != nil && !client.IsNotFound(err) {
			return nil, err
		}
		p = next
	}
	slices.SortFunc(out, func(a, b resolve.Origin) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	return out, nil
}

func (s screen) saveSetting(r *page.Request) error {
	f, err := r.Form()
	if err != nil {
		return err
	}
	v, err := s.loadSettings(r)
	if err != nil {
		return err
	}
	done, err := v.Save(f, v.ETag, v.Profile.Settings, func(w client.Write, set map[string]any, tag string) error {
		_, err := s.API.Writing(w).Profiles().Patch(r.Context(), v.Profile.Name, set, tag)
		return err
	})
	if err != nil {
		return err
	}
	if done != "" {
		r.Note("ok", done+" Phones fetch it at the next resync or restart.")
		return r.Redirect(v.Action)
	}
	return r.RenderStatus(f.Status, s.templates, "settings", v)
}

type historyView struct {
	page.Base
	record.ProfileHead
	record.Revisions
}

func (s screen) profileHistory(r *page.Request) error {
	h, err := record.LoadProfile(r.Context(), s.API, r.PathValue("name"), "history")
	if err != nil {
		return err
	}
	all, err := s.API.Profiles().History(r.Context(), h.Profile.Name)
	if err != nil {
		return err
	}
	v := &historyView{ProfileHead: h, Revisions: record.Revisions{Items: all.Items, Changes: s.Has("/changes/{id}")}}
	v.Title = "History · " + h.Profile.Name
	return r.Render(s.templates, "history", v)
}
