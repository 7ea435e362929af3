package pack

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"plugtone/provision/render"
)

// ErrNoContent is wrapped by Render's error about a file that isn't rendered.
var ErrNoContent = errors.New("nothing is rendered for this file")

// Render gives the bytes of one file for a phone; file is File.Name or a name as the phone asks for it. Equal phones
// get equal bytes. A file without a template (none, static, firmware, upload) is an error that wraps ErrNoContent,
// as is a phonebook of a phone without one.
func (v *Vendor) Render(file string, p Phone) ([]byte, error) {
	out, _, err := v.render(file, p)
	return out, err
}

// RenderVerified renders one file like Render and reads it back in its format. Tests and checks call it.
func (v *Vendor) RenderVerified(file string, p Phone) ([]byte, error) {
	m := v.model(p.Model)
	f, err := v.file(file, m)
	if err != nil {
		return nil, err
	}
	out, params, err := v.render(file, p)
	if err == nil {
		err = f.verify(out, params)
	}
	return out, err
}

// render also gives the parameters that the bytes were written from, for reading back.
func (v *Vendor) render(file string, p Phone) ([]byte, []render.Param, error) {
	m := v.model(p.Model)
	f, err := v.file(file, m)
	if err != nil {
		return nil, nil, err
	}
	out, params, err := v.renderFile(f, m, p)
	if err != nil {
		return nil, nil, fmt.Errorf("%s %s: %s: %w", v.ID, phoneName(p, m), f.Name, err)
	}
	return out, params, nil
}

// IsRefusal reports whether a template refused the phone itself: no record like this can have the file, whatever we mend.
func IsRefusal(err error) bool {
	var r *render.Refusal
	return errors.As(err, &r)
}

func phoneName(p Phone, m *Model) string {
	if p.MAC.IsZero() {
		return m.Name
	}
	return strings.TrimSpace(m.Name + " " + p.MAC.String())
}

func (v *Vendor) renderFile(f *File, m *Model, p Phone) ([]byte, []render.Param, error) {
	if f.Of != "" {
		return v.renderChecksum(f, m, p)
	}
	if f.compiled == nil {
		return nil, nil, ErrNoContent
	}
	view, err := v.newView(p, m, f.Kind == KindCommon)
	if err != nil {
		return nil, nil, err
	}
	if f.MaxNumbers > 0 && view.Phonebook == "" {
		return nil, nil, ErrNoContent
	}
	view.setContacts(f, p)
	desk, err := f.pool.get(v, f.compiled)
	if err != nil {
		return nil, nil, err
	}
	defer f.pool.put(desk)
	t := desk.bind(view)
	format := f.compiled.Format
	if !format.HasParams() {
		out, err := t.Document(view)
		return out, nil, err
	}
	params, err := t.Params(view)
	if err != nil {
		return nil, nil, err
	}
	var settings []render.Param
	var extra map[string]string
	if f.Kind == KindDevice {
		extra = p.Extra
	}
	if f.Settings {
		if settings, err = view.settingParams(format); err != nil {
			return nil, nil, err
		}
	}
	if params, err = format.Merge(params, settings, extra, f.Settings); err != nil {
		return nil, nil, err
	}
	out, err := format.Write(params)
	return out, params, err
}

func (v *view) settingOr(name string, otherwise any) any {
	if x, ok := v.settings[name]; ok && x != nil {
		return x
	}
	return otherwise
}

func (v *Vendor) mapValue(name string, key any) (string, error) {
	m, ok := v.doc.Maps[name]
	if !ok {
		return "", fmt.Errorf("the pack has no map %q", name)
	}
	x, ok := m[keyText(key)]
	if !ok {
		return "", fmt.Errorf("map %s has no entry for %.60q, it has %s", name, keyText(key), strings.Join(slices.Sorted(maps.Keys(m)), ", "))
	}
	return string(x), nil
}

func keyText(key any) string { return fmt.Sprint(key) }

// byLanguage finds de-AT, else de.
func byLanguage(m map[string]value, lang string) (string, bool) {
	for k, x := range m {
		if strings.EqualFold(k, lang) {
			return string(x), true
		}
	}
	if short, _, ok := strings.Cut(lang, "-"); ok {
		return byLanguage(m, short)
	}
	return "", false
}

// settingParams gives the parameters of the settings map, in the order of the settings' names.
func (v *view) settingParams(f *render.Format) ([]render.Param, error) {
	var out []render.Param
	for _, name := range slices.Sorted(maps.Keys(v.vendor.doc.Settings)) {
		val, ok := v.settings[name]
		if !ok || val == nil {
			continue
		}
		docs := v.vendor.doc.Settings[name]
		for i := range docs {
			if !v.model.isAny(docs[i].For) {
				continue
			}
			params, err := v.settingParam(name, val, &docs[i], f)
			if err != nil {
				return nil, fmt.Errorf("setting %s: %w", name, err)
			}
			out = append(out, params...)
		}
	}
	return out, nil
}

func (v *view) settingParam(name string, val any, d *settingDoc, f *render.Format) ([]render.Param, error) {
	var out []render.Param
	if len(d.Params) > 0 && d.Text == "" {
		items, ok := val.([]string)
		if !ok {
			items = []string{fmt.Sprint(val)}
		}
		for i, param := range d.Params {
			text := ""
			if i < len(items) {
				var err error
				if text, err = v.vendor.settingValue(name, items[i], d); err != nil {
					return nil, err
				}
			}
			out = append(out, v.perLine(param, text)...)
		}
	} else {
		text, err := v.vendor.settingText(v, name, val, d, f.Words())
		if err != nil {
			return nil, err
		}
		for _, param := range append(slices.Clone(d.Params), d.Param) {
			if param != "" {
				out = append(out, v.perLine(param, text)...)
			}
		}
	}
	for _, param := range slices.Sorted(maps.Keys(d.Also)) {
		out = append(out, v.perLine(param, string(d.Also[param]))...)
	}
	return out, nil
}

// perLine gives one parameter, or with {n} in its name one for each bound line.
func (v *view) perLine(param, text string) []render.Param {
	if !strings.Contains(param, "{n}") {
		return []render.Param{{Name: param, Value: text}}
	}
	var out []render.Param
	for _, l := range v.Lines {
		out = append(out, render.Param{Name: strings.ReplaceAll(param, "{n}", fmt.Sprint(l.N)), Value: text})
	}
	return out
}

// settingText gives a setting's value as the phone writes it.
func (v *Vendor) settingText(w *view, name string, val any, d *settingDoc, words [2]string) (string, error) {
	if d.Text != "" {
		return w.expand(v.settingSnippets[d], val)
	}
	if items, ok := val.([]string); ok {
		mapped := make([]string, len(items))
		for i, item := range items {
			x, err := v.settingValue(name, item, d)
			if err != nil {
				return "", err
			}
			mapped[i] = x
		}
		return strings.Join(mapped, d.Join), nil
	}
	if dur, ok := val.(time.Duration); ok {
		unit, ok := map[string]time.Duration{"s": time.Second, "m": time.Minute, "h": time.Hour}[d.Unit]
		if !ok {
			return "", fmt.Errorf("%s is a duration: the pack must say its unit s, m or h", name)
		}
		n, err := render.Whole(dur, unit)
		return fmt.Sprint(n), err
	}
	if d.Values.Name != "" || d.Values.Map != nil {
		return v.settingValue(name, fmt.Sprint(val), d)
	}
	text, _, err := render.Plain(val, words)
	return text, err
}

// settingValue translates one word.
func (v *Vendor) settingValue(name, word string, d *settingDoc) (string, error) {
	m := d.Values.Map
	if d.Values.Name != "" {
		m = v.doc.Maps[d.Values.Name]
	}
	if m == nil {
		return word, nil
	}
	if x, ok := m[word]; ok {
		return string(x), nil
	}
	if name == "language" {
		if x, ok := byLanguage(m, word); ok {
			return x, nil
		}
	}
	return "", fmt.Errorf("%s has no %s %.60q, it has %s", v.Name, name, word, strings.Join(slices.Sorted(maps.Keys(m)), ", "))
}

// Supports reports whether the vendor's files carry a setting for this model.
func (v *Vendor) Supports(model, setting string) bool {
	m := v.model(model)
	if setting == "phonebook" {
		_, ok := v.HasPhonebook(model)
		return ok
	}
	for _, d := range v.doc.Settings[setting] {
		if m == v.generic || m.isAny(d.For) {
			return true
		}
	}
	for _, f := range v.files {
		if f.compiled != nil && (m == v.generic || m.isAny(f.For)) && slices.Contains(f.settings, setting) {
			return true
		}
	}
	return false
}

// CheckSettingCached is CheckSetting for every phone that is served: what it found is remembered.
func (v *Vendor) CheckSettingCached(model, name string, val any) error {
	key := [3]string{model, name, keyText(reveal(canonical(val)))}
	if known, ok := v.settingResults.Load(key); ok {
		err, _ := known.(error)
		return err
	}
	err := v.CheckSetting(model, name, val)
	if v.settingResultCount.Add(1) <= maxSettingResults {
		if err == nil {
			v.settingResults.Store(key, false)
		} else {
			v.settingResults.Store(key, err)
		}
	}
	return err
}

// maxSettingResults bounds what is remembered of settings: a few values for each model.
const maxSettingResults = 1 << 15

// CheckSetting tells why a vendor can't have this value of a setting; nil when it can, or when it ignores the setting.
func (v *Vendor) CheckSetting(model, name string, val any) error {
	m := v.model(model)
	val = canonical(val)
	if name == "language" {
		if langs := v.doc.Maps["languages"]; langs != nil {
			if _, ok := byLanguage(langs, fmt.Sprint(val)); !ok {
				return fmt.Errorf("%s has no language %.20q, it has %s", v.Name, fmt.Sprint(val), strings.Join(slices.Sorted(maps.Keys(langs)), ", "))
			}
		}
	}
	w := &view{vendor: v, model: m, settings: map[string]any{name: val}}
	format := v.settingsFormat(m)
	docs := v.doc.Settings[name]
	for i := range docs {
		if m != v.generic && !m.isAny(docs[i].For) || format == nil {
			continue
		}
		params, err := w.settingParam(name, val, &docs[i], format)
		if err != nil {
			return err
		}
		for _, p := range params {
			if err := format.CheckValue(p.Value); err != nil {
				return fmt.Errorf("setting %s: its value %w", name, err)
			}
		}
	}
	return nil
}

// CheckExtra tells why a vendor's files can't carry this parameter of vendor_settings; nil when they can.
func (v *Vendor) CheckExtra(model, name, val string) error {
	format := v.settingsFormat(v.model(model))
	if format == nil {
		return fmt.Errorf("%s takes no parameters of its own", v.Name)
	}
	if err := format.CheckName(name); err != nil {
		return err
	}
	if err := format.CheckValue(val); err != nil {
		return fmt.Errorf("parameter %s: its value %w", name, err)
	}
	return nil
}

// settingsFormat is the format of the file that takes a model's settings.
func (v *Vendor) settingsFormat(m *Model) *render.Format {
	for _, f := range v.files {
		if f.Settings && (m == v.generic || m.isAny(f.For)) {
			return f.compiled.Format
		}
	}
	return nil
}

// Parameters lists the names of the parameters in all device files of a phone, in the files' order: what an operator's own
// parameters replace.
func (v *Vendor) Parameters(p Phone) []string {
	var out []string
	for _, n := range v.Files(p) {
		if n.File.Kind != KindDevice || !n.File.Settings {
			continue
		}
		if _, params, err := v.render(n.Name, p); err == nil {
			for _, param := range params {
				out = append(out, param.Name)
			}
		}
	}
	return out
}

// Repeats tells of a parameter that may stand more than once in a file.
func (v *Vendor) Repeats(name string) bool {
	for _, f := range v.doc.Formats {
		if slices.Contains(f.Repeat, name) {
			return true
		}
	}
	return false
}
