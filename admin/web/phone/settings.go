package phone

import (
	"slices"
	"strings"

	"plugtone/admin/client"
	"plugtone/admin/web/page"
	"plugtone/admin/web/record"
)

type settingsView struct {
	record.View
	record.SettingsForm
	Extra []part // the vendor's own parameters
}

func (s screen) settings(r *page.Request) error {
	v, err := s.loadSettings(r)
	if err != nil {
		return err
	}
	if name := r.URL.Query().Get("edit"); name != "" && r.MayChange() {
		v.Begin(name, v.ETag, v.Device.Settings[name])
	}
	return s.Render(r, "settings", v)
}

func (s screen) loadSettings(r *page.Request) (*settingsView, error) {
	h, _, err := record.LoadHead(r.Context(), s.API, r.PathValue("mac"), "settings", 1)
	if err != nil {
		return nil, err
	}
	v := &settingsView{View: titled(h, "Settings")}
	x, err := s.API.Explain(r.Context(), client.ExplainRequest{MAC: h.Device.MAC.String()})
	if err != nil {
		return nil, err
	}
	v.SettingsForm = record.SettingsForm{Action: home(h.Device) + "/settings", Whose: "this phone", Settings: record.Settings(x.Settings, h.Device.Settings, h.LeftOut()),
		Source: h.Device.Source, Owned: h.Device.SourceMembers}
	for vendor, params := range h.Device.VendorSettings {
		for name, value := range params {
			v.Extra = append(v.Extra, part{vendor + " " + name, value})
		}
	}
	slices.SortFunc(v.Extra, func(a, b part) int { return strings.Compare(a.Name, b.Name) })
	if h.Device.Vendor != "" && r.MayChange() {
		names, err := s.supported(r, h.Device)
		if err != nil {
			return nil, err
		}
		v.Add = record.Addable(names, v.Settings)
	}
	return v, nil
}

// supported returns the settings that a device's model has.
func (s screen) supported(r *page.Request, d client.Device) ([]string, error) {
	pack, err := s.API.Vendor(r.Context(), d.Vendor)
	if err != nil {
		return nil, err
	}
	names := slices.Clone(pack.Settings)
	for _, m := range pack.Models {
		if m.Model == d.Model {
			names = slices.DeleteFunc(names, func(n string) bool { return slices.Contains(m.LacksSettings, n) })
		}
	}
	return names, nil
}

// saveSetting sets one setting of the device, or removes it.
func (s screen) saveSetting(r *page.Request) error {
	f, err := r.Form()
	if err != nil {
		return err
	}
	v, err := s.loadSettings(r)
	if err != nil {
		return err
	}
	done, err := v.Save(f, v.ETag, v.Device.Settings, func(w client.Write, set map[string]any, tag string) error {
		_, err := s.API.Writing(w).Devices().Patch(r.Context(), v.Device.MAC.String(), set, tag)
		return err
	})
	if err != nil {
		return err
	}
	if done != "" {
		r.Note("ok", done+" "+record.Later)
		return r.Redirect(v.Action)
	}
	return s.RenderStatus(r, f.Status, "settings", v)
}
