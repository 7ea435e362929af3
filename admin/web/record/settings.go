package record

import (
	"fmt"
	"slices"
	"strings"

	"plugtone/admin/web/page"
	"plugtone/provision/resolve"
	"plugtone/provision/setting"
)

// Setting is one setting of a record: what holds, and where it comes from.
type Setting struct {
	Name, Help string
	Value      string // as people read it; "" for secrets
	Plain      string // as setting.Parse reads it; "" for secrets
	Secret     bool
	From       string // default, site, subnet PREFIX, registrar NAME, profile NAME or device
	Own        bool   // the record has it itself
	Editing    bool
	LeftOut    string // why the phone does not get it
}

// Kind returns what the setting comes from without its name, for the tone of its badge.
func (s Setting) Kind() string {
	kind, _, _ := strings.Cut(s.From, " ")
	return kind
}

// Settings returns the settings of origins by name. own are the record's, and left what its phone does not get.
func Settings(origins []resolve.Origin, own setting.Values, left []string) []Setting {
	out := make([]Setting, 0, len(origins))
	for _, o := range origins {
		d, _ := setting.Lookup(o.Name)
		_, mine := own[o.Name]
		s := Setting{Name: o.Name, Help: sentence(d.Help), Value: show(o.Value), Secret: o.Secret, From: o.From, Own: mine || o.From == "device"}
		if v, err := d.Canonical(o.Value); err == nil && !o.Secret {
			s.Plain = SettingText(v)
		}
		for _, text := range left {
			if rest, ok := strings.CutPrefix(text, "setting "+o.Name+" of "); ok {
				_, s.LeftOut, _ = strings.Cut(rest, ": ")
			}
		}
		out = append(out, s)
	}
	return out
}

// Plain returns a canonical value as the API takes it: a secret in clear.
func Plain(v any) any {
	if s, ok := v.(setting.Secret); ok {
		return s.Reveal()
	}
	return v
}

// show returns a value as people read it.
func show(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case bool:
		if v {
			return "on"
		}
		return "off"
	case []any:
		texts := make([]string, len(v))
		for i := range v {
			texts[i] = fmt.Sprint(v[i])
		}
		return strings.Join(texts, ", ")
	case []string:
		return strings.Join(v, ", ")
	case float64:
		if v == float64(int64(v)) {
			return fmt.Sprint(int64(v))
		}
	case map[string]any:
		return fmt.Sprint(len(v)) + " values"
	}
	return fmt.Sprint(v)
}

// SettingField returns the field in which the value of a setting is typed. It is named value. text is its value as setting.Parse reads it.
func SettingField(f *page.Form, d setting.Def) page.Field {
	hint := sentence(d.Help)
	if a := d.Allowed(); a != "" && d.Type != setting.Bool && d.Type != setting.Choice {
		hint += " Allowed: " + a + "."
	}
	const label = "Value"
	switch d.Type {
	case setting.Bool:
		return f.Select("value", label, []page.Option{{Value: "true", Text: "On"}, {Value: "false", Text: "Off"}}, hint)
	case setting.Choice:
		options := make([]page.Option, len(d.Choices))
		for i, c := range d.Choices {
			options[i] = page.Option{Value: c, Text: c}
		}
		return f.Select("value", label, options, hint)
	case setting.Int:
		return f.Number("value", label, hint)
	case setting.Hidden:
		return f.Password("value", label, hint)
	case setting.List, setting.Choices:
		return f.Text("value", label, hint, "Separated by commas.")
	}
	return f.Text("value", label, hint)
}

// sentence returns a help text as a sentence.
func sentence(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:] + "."
}

// SettingText returns the value of a setting as SettingField shows it.
func SettingText(v any) string {
	if v == nil {
		return ""
	}
	if _, secret := v.(setting.Secret); secret {
		return ""
	}
	return setting.Print(v)
}

// Addable returns the settings of names that are not in used, as options of a choice.
func Addable(names []string, used []Setting) []page.Option {
	out := []page.Option{{Text: "Choose a setting …"}}
	for _, n := range slices.Sorted(slices.Values(names)) {
		if !slices.ContainsFunc(used, func(s Setting) bool { return s.Name == n }) {
			out = append(out, page.Option{Value: n, Text: n})
		}
	}
	return out
}
