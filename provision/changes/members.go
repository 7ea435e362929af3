// Package changes shows what a change of the records did, member by member, and undoes it. It stores nothing: the store keeps
// the changes.
package changes

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"plugtone/provision/fleet"
	"plugtone/provision/setting"
)

// Mask replaces a secret.
const Mask = "***"

// Member is one member of a record with its values before and after a change, as text; "" is absent.
type Member struct {
	Member string `json:"member" doc:"member of the record: label, lines.1, keys.line:2, settings.language, vendor_settings.yealink.features.dnd.enable" example:"settings.language"`
	From   string `json:"from,omitempty" doc:"value before; absent when there was none; *** for secrets" example:"en"`
	To     string `json:"to,omitempty" doc:"value after; absent when there is none; *** for secrets" example:"de"`
}

// Members lists the members that differ, sorted by name. Secrets are masked; hideVendor masks all vendor settings, of which it
// is not known for certain which are secrets.
func Members(before, after *fleet.Record, hideVendor bool) ([]Member, error) {
	was, err := flatten(before)
	if err != nil {
		return nil, err
	}
	is, err := flatten(after)
	if err != nil {
		return nil, err
	}
	names := maps.Clone(was)
	maps.Copy(names, is)
	var out []Member
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if was[name] == is[name] {
			continue
		}
		m := Member{name, was[name], is[name]}
		if isSecret(name, hideVendor) {
			m.From, m.To = masked(m.From), masked(m.To)
		}
		out = append(out, m)
	}
	return out, nil
}

func masked(s string) string {
	if s == "" {
		return ""
	}
	return Mask
}

// isSecret reports whether a member's value must not be shown.
func isSecret(name string, hideVendor bool) bool {
	head, rest, _ := strings.Cut(name, ".")
	switch head {
	case "password", "upstream_password", "credentials":
		return true
	case "settings":
		d, ok := setting.Lookup(rest)
		return !ok || d.IsSecret()
	case "vendor_settings":
		_, param, _ := strings.Cut(rest, ".")
		return hideVendor || fleet.LooksSecret(param)
	}
	return false
}

// unshown are members that follow from every change.
var unshown = []string{"revision", "created_at", "updated_at"}

// flatten returns the members of a record by name, as text. Absent ones are left out.
func flatten(r *fleet.Record) (map[string]string, error) {
	out := map[string]string{}
	if r == nil {
		return out, nil
	}
	b, err := json.Marshal(r.Any())
	if err != nil {
		return nil, fmt.Errorf("%w: record can't be encoded: %w", fleet.ErrInternal, err)
	}
	var doc map[string]any
	if err := json.Unmarshal(b, &doc); err != nil {
		return nil, fmt.Errorf("%w: record can't be read back: %w", fleet.ErrInternal, err)
	}
	for name, v := range doc {
		if !slices.Contains(unshown, name) && name != "lines" && name != "keys" {
			add(out, name, v)
		}
	}
	switch {
	case r.Device != nil:
		for _, l := range r.Device.Lines {
			out["lines."+strconv.Itoa(l.Position)] = LineText(l)
		}
		addKeys(out, r.Device.Keys)
	case r.Profile != nil:
		addKeys(out, r.Profile.Keys)
	}
	return out, nil
}

// LineText is a line in one text, as histories and device show print it.
func LineText(l fleet.Line) string {
	text := l.String()
	if l.Label != "" {
		text += ", label=" + l.Label
	}
	if !l.On() {
		text += ", off"
	}
	if l.Shared {
		text += ", shared"
	}
	if o := l.Override; o != nil {
		for _, m := range [][2]string{{"host", o.Host}, {"port", numberText(o.Port)}, {"transport", o.Transport}, {"outbound_proxy", o.OutboundProxy}} {
			if m[1] != "" {
				text += ", " + m[0] + "=" + m[1]
			}
		}
		if o.RegisterExpires != 0 {
			text += ", register_expires=" + o.RegisterExpires.String()
		}
	}
	return text
}

func numberText(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

func addKeys(out map[string]string, keys []fleet.Key) {
	for _, k := range keys {
		_, what, _ := strings.Cut(k.String(), "=")
		out["keys."+k.Area+":"+strconv.Itoa(k.Slot)] = what
	}
}

// add adds a value, an object by its members.
func add(out map[string]string, name string, v any) {
	switch v := v.(type) {
	case nil:
	case map[string]any:
		for member, inner := range v {
			add(out, name+"."+member, inner)
		}
	case string:
		if v != "" {
			out[name] = v
		}
	case []any:
		if len(v) > 0 {
			out[name] = listText(v)
		}
	default:
		out[name] = fmt.Sprint(v)
	}
}

// listText joins a list of texts, and writes any other list as JSON.
func listText(list []any) string {
	texts := make([]string, 0, len(list))
	for _, v := range list {
		s, ok := v.(string)
		if !ok {
			b, err := json.Marshal(list)
			if err != nil {
				return fmt.Sprint(list)
			}
			return string(b)
		}
		texts = append(texts, s)
	}
	return strings.Join(texts, ", ")
}
