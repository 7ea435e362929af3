package phonefile

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"plugtone/provision/packdoc"
	"plugtone/provision/render"
)

func (v *view) settingOr(name string, otherwise any) any {
	if x, ok := v.settings[name]; ok && x != nil {
		return x
	}
	return otherwise
}

// byLanguage finds de-AT, else de.
func byLanguage(m map[string]packdoc.Value, lang string) (string, bool) {
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
	for _, name := range slices.Sorted(maps.Keys(v.renderer.doc.Settings)) {
		val, ok := v.settings[name]
		if !ok || val == nil {
			continue
		}
		docs := v.renderer.doc.Settings[name]
		for i := range docs {
			if !v.model.IsAny(docs[i].For) {
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

func (v *view) settingParam(name string, val any, d *packdoc.Setting, f *render.Format) ([]render.Param, error) {
	if d.Each != "" {
		items, ok := val.([]string)
		if !ok {
			items = []string{fmt.Sprint(val)}
		}
		return v.itemParams(name, items, d)
	}
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
				if text, err = v.renderer.settingValue(name, items[i], d); err != nil {
					return nil, err
				}
			}
			out = append(out, v.perLine(param, text)...)
		}
	} else {
		text, err := v.renderer.settingText(v, name, val, d, f.Words())
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

// itemParams gives one parameter for each item of a list. In its name {i} is the item's place, from 1, and {key} what precedes the
// item's =. Of several parameters each item takes the next; those left over are printed empty.
func (v *view) itemParams(name string, items []string, d *packdoc.Setting) ([]render.Param, error) {
	if most := len(d.Params); most > 0 && len(items) > most {
		return nil, fmt.Errorf("%s takes %d of %s at most, not %d", v.renderer.vendorName(), most, name, len(items))
	}
	var out []render.Param
	for i, item := range items {
		param := d.Param
		if len(d.Params) > 0 {
			param = d.Params[i]
		}
		key, value, _ := strings.Cut(item, "=")
		if strings.Contains(param, "{key}") {
			word, err := v.renderer.word(name, key, d.Keys)
			if err != nil {
				return nil, err
			}
			param = strings.ReplaceAll(param, "{key}", word)
		}
		if d.Join != "" {
			value = strings.Join(strings.Fields(value), d.Join)
		}
		part := map[string]string{"item": item, "key": key, "value": value}[d.Each]
		text, err := v.renderer.settingValue(name, part, d)
		if d.Text != "" {
			text, err = v.expand(v.renderer.settingSnippets[d], part)
		}
		if err != nil {
			return nil, err
		}
		out = append(out, v.perLine(strings.ReplaceAll(param, "{i}", fmt.Sprint(i+1)), text)...)
	}
	if len(d.Params) > 0 {
		for _, param := range d.Params[len(items):] {
			out = append(out, v.perLine(param, "")...)
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
func (r *Renderer) settingText(w *view, name string, val any, d *packdoc.Setting, words [2]string) (string, error) {
	if d.Text != "" {
		return w.expand(r.settingSnippets[d], val)
	}
	if items, ok := val.([]string); ok {
		mapped := make([]string, len(items))
		for i, item := range items {
			x, err := r.settingValue(name, item, d)
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
			return "", fmt.Errorf("%s is a duration: the pack must state its unit s, m or h", name)
		}
		n, err := render.Whole(dur, unit)
		return fmt.Sprint(n), err
	}
	if d.Values.Name != "" || d.Values.Map != nil {
		return r.settingValue(name, fmt.Sprint(val), d)
	}
	text, _, err := render.Plain(val, words)
	return text, err
}

// settingValue translates one word of a setting's value.
func (r *Renderer) settingValue(name, word string, d *packdoc.Setting) (string, error) {
	return r.word(name, word, d.Values)
}

// word translates one word by a map of the pack; without a map it stays as it is.
func (r *Renderer) word(name, word string, values packdoc.Values) (string, error) {
	m := values.Map
	if values.Name != "" {
		m = r.doc.Maps[values.Name]
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
	return "", fmt.Errorf("%s has no %s %.60q, it has %s", r.vendorName(), name, word, strings.Join(slices.Sorted(maps.Keys(m)), ", "))
}

// Supports reports whether the vendor's files carry a setting for this model.
func (r *Renderer) Supports(model, setting string) bool {
	_, lacks := r.ModelOrGeneric(model).SettingLack(setting)
	return !lacks && r.Names(model, setting)
}

// Names reports whether the pack names a setting for this model, in its settings map or in a template: one that it does not
// name can make no difference in the model's files.
func (r *Renderer) Names(model, setting string) bool {
	m := r.ModelOrGeneric(model)
	if setting == "phonebook" {
		_, ok := r.HasPhonebook(model)
		return ok
	}
	for _, d := range r.doc.Settings[setting] {
		if m == r.Generic() || m.IsAny(d.For) {
			return true
		}
	}
	for _, f := range r.Declared() {
		if f.template != nil && (m == r.Generic() || m.IsAny(f.For)) && slices.Contains(f.settings, setting) {
			return true
		}
	}
	return false
}

// CheckSupport returns why the vendor's files don't carry a setting for this model; nil when they do.
func (r *Renderer) CheckSupport(model, setting string) error {
	if r.Supports(model, setting) {
		return nil
	}
	m := r.ModelOrGeneric(model)
	if why, lacks := m.SettingLack(setting); lacks {
		return fmt.Errorf("%s has no place for it%s", m.title(), because(why))
	}
	return fmt.Errorf("no way is known to set it on %s; vendor_settings may have one", m.title())
}

// CheckSetting returns why a vendor can't have this value of a setting; nil when it can, or when its files don't carry the
// setting.
func (r *Renderer) CheckSetting(model, name string, val any) error {
	m := r.ModelOrGeneric(model)
	val = canonical(val)
	if name == "language" {
		if langs := r.doc.Maps["languages"]; langs != nil {
			if _, ok := byLanguage(langs, fmt.Sprint(val)); !ok {
				return fmt.Errorf("%s has no language %.20q, it has %s", r.vendorName(), fmt.Sprint(val), strings.Join(slices.Sorted(maps.Keys(langs)), ", "))
			}
		}
	}
	w := &view{renderer: r, model: m, settings: map[string]any{name: val}}
	format := r.settingsFormat(m)
	docs := r.doc.Settings[name]
	for i := range docs {
		if m != r.Generic() && !m.IsAny(docs[i].For) || format == nil {
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

// CheckExtra returns why a vendor's files can't carry this parameter of vendor_settings.
func (r *Renderer) CheckExtra(model, name, val string) error {
	format := r.settingsFormat(r.ModelOrGeneric(model))
	if format == nil {
		return fmt.Errorf("%s takes no vendor_settings", r.vendorName())
	}
	if err := format.CheckName(name); err != nil {
		return err
	}
	if err := format.CheckValue(val); err != nil {
		return fmt.Errorf("parameter %s: its value %w", name, err)
	}
	return nil
}

// Words returns the words that the pack's values for a setting translate.
func (r *Renderer) Words(name string) []any {
	var out []any
	for _, d := range r.doc.Settings[name] {
		words := d.Values.Map
		if d.Values.Name != "" {
			words = r.doc.Maps[d.Values.Name]
		}
		for _, word := range slices.Sorted(maps.Keys(words)) {
			out = append(out, word)
		}
	}
	return out
}

// settingsFormat is the format of the file that takes a model's settings.
func (r *Renderer) settingsFormat(m *Model) *render.Format {
	for _, f := range r.Declared() {
		if f.Settings && (m == r.Generic() || m.IsAny(f.For)) {
			return f.format()
		}
	}
	return nil
}
