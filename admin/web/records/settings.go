package records

import (
	"context"
	"maps"
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
	return s.Render(r, "settings", v)
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
	addable(r, &v.SettingsForm)
	return v, nil
}

// addable fills in the settings that the user may add.
func addable(r *page.Request, f *record.SettingsForm) {
	if !r.MayChange() {
		return
	}
	var names []string
	for _, d := range setting.All() {
		names = append(names, d.Name)
	}
	f.Add = record.Addable(names, f.Settings)
}

type registrarSettingsView struct {
	page.Base
	Registrar fleet.Registrar
	ETag      string
	record.SettingsForm
}

func (s screen) loadRegistrar(r *page.Request) (*registrarSettingsView, error) {
	x, tag, err := s.API.Registrars().Get(r.Context(), r.PathValue("name"), false)
	if err != nil {
		return nil, err
	}
	v := &registrarSettingsView{Base: page.Base{Title: "Settings · " + x.Name}, Registrar: x, ETag: tag}
	var origins []resolve.Origin
	for _, name := range slices.Sorted(maps.Keys(x.Settings)) {
		origins = append(origins, resolve.Origin{Name: name, Value: x.Settings[name], From: "registrar " + x.Name})
	}
	v.SettingsForm = record.SettingsForm{Action: "/registrars/" + url.PathEscape(x.Name) + "/settings", Whose: "this registrar", Settings: record.Settings(origins, x.Settings, nil)}
	addable(r, &v.SettingsForm)
	return v, nil
}

func (s screen) registrarSettings(r *page.Request) error {
	v, err := s.loadRegistrar(r)
	if err != nil {
		return err
	}
	if name := r.URL.Query().Get("edit"); name != "" && r.MayChange() {
		v.Begin(name, v.ETag, v.Registrar.Settings[name])
	}
	return s.Render(r, "registrar-settings", v)
}

func (s screen) saveRegistrarSetting(r *page.Request) error {
	v, err := s.loadRegistrar(r)
	if err != nil {
		return err
	}
	return s.saveOne(r, &v.SettingsForm, v.ETag, v.Registrar.Settings, func(w client.Write, set map[string]any, tag string) error {
		_, err := s.API.Writing(w).Registrars().Patch(r.Context(), v.Registrar.Name, set, tag)
		return err
	}, func(status int) error { return s.RenderStatus(r, status, "registrar-settings", v) })
}

// saveOne saves the setting that a form has, or shows the form again.
func (s screen) saveOne(r *page.Request, v *record.SettingsForm, tag string, own setting.Values, patch func(client.Write, map[string]any, string) error, again func(status int) error) error {
	f, err := r.Form()
	if err != nil {
		return err
	}
	done, err := v.Save(f, tag, own, patch)
	if err != nil {
		return err
	}
	if done == "" {
		return again(f.Status)
	}
	r.Note("ok", done+" Phones fetch it at the next resync or restart.")
	return r.Redirect(v.Action)
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
	v, err := s.loadSettings(r)
	if err != nil {
		return err
	}
	return s.saveOne(r, &v.SettingsForm, v.ETag, v.Profile.Settings, func(w client.Write, set map[string]any, tag string) error {
		_, err := s.API.Writing(w).Profiles().Patch(r.Context(), v.Profile.Name, set, tag)
		return err
	}, func(status int) error { return s.RenderStatus(r, status, "settings", v) })
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
	return s.Render(r, "history", v)
}
