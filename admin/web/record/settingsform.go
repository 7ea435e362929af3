package record

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"plugtone/admin/client"
	"plugtone/admin/web/page"
	"plugtone/admin/web/preview"
	"plugtone/provision/setting"
)

// SettingsForm is the settings of a record with the form of one of them. A view embeds it; the template "settings" shows it.
type SettingsForm struct {
	Action   string // address of the form
	Whose    string // "this phone"
	Settings []Setting
	Add      []page.Option // settings that can be added
	Form     *page.Form
	Field    page.Field // of the setting that is edited
	Edit     string     // its name
	Listed   bool       // it is in the table
	Effect   *preview.Preview
	Source   string   // the PBX source of the record
	Owned    []string // members that the source owns
}

// FromSource reports whether a setting comes from a PBX source and is changed there only.
func (s *SettingsForm) FromSource(name string) bool {
	return slices.Contains(s.Owned, "settings."+name)
}

// Begin shows the form of a setting with the record's own value, else the one that is inherited.
func (s *SettingsForm) Begin(name, etag string, own any) {
	f := page.NewForm(url.Values{"name": {name}, "etag": {etag}, "value": {SettingText(own)}})
	for _, x := range s.Settings {
		if x.Name == name && own == nil {
			f.Values.Set("value", x.Plain)
		}
	}
	s.show(name, f)
}

func (s *SettingsForm) show(name string, f *page.Form) {
	s.Form = f
	def, ok := setting.Lookup(name)
	if !ok {
		f.Message = setting.Unknown(name).Error()
		return
	}
	s.Edit, s.Field = name, SettingField(f, def)
	for i := range s.Settings {
		if s.Settings[i].Name == name {
			s.Settings[i].Editing, s.Listed = true, true
		}
	}
}

// Save does what the form was sent for: it sets, tries or removes one setting by patch. It returns what was done; "" when the form is to be shown
// again, with its Status.
func (s *SettingsForm) Save(f *page.Form, etag string, own setting.Values, patch func(w client.Write, set map[string]any, etag string) error) (done string, err error) {
	name, step := f.Get("name"), f.Get("step")
	var value any
	if step != "reset" {
		if value, err = setting.Parse(name, f.Get("value")); err != nil {
			f.Status, f.Problems["value"] = http.StatusUnprocessableEntity, err.Error()
			s.show(name, f)
			return "", nil
		}
	}
	err = patch(client.Write{DryRun: step == "preview"}, map[string]any{"settings": map[string]any{name: Plain(value)}}, f.Get("etag"))
	if s.Effect, err = preview.Tried(err, nil); err == nil && s.Effect == nil {
		if step == "reset" {
			return "The own value of " + name + " was removed.", nil
		}
		return "The setting " + name + " was saved.", nil
	}
	err = f.FailWrite(err, map[string]string{"settings." + name: "value"}, etag, func() *page.Conflict {
		return page.Compare("", url.Values{"v": {f.Get("value")}}, url.Values{"v": {SettingText(own[name])}}, "v="+name)
	})
	if err != nil {
		return "", err
	}
	s.show(name, f)
	return "", nil
}

// Later is when a change arrives on phones, as the end of a message.
const Later = "The phone fetches it at the next resync or restart."

// Revisions is the history of a record, for the template "revisions".
type Revisions struct {
	Items   []client.Revision
	Changes bool   // there is a screen for changes
	At      string // address of the actions on a phone; "" when there are none
}

// Who returns the name of an actor without what kind of name it is.
func (Revisions) Who(actor string) string {
	if _, name, ok := strings.Cut(actor, ":"); ok {
		return name
	}
	return actor
}
