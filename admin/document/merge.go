package document

import (
	"fmt"
	"maps"
	"net/netip"

	"plugtone/admin/problem"
	"plugtone/dhcp"
	"plugtone/provision/setting"
)

// Merge applies a JSON merge patch (RFC 7396, 2).
func Merge(target, patch Object) Object {
	out := maps.Clone(target)
	if out == nil {
		out = Object{}
	}
	for name, v := range patch {
		switch v := v.(type) {
		case nil:
			delete(out, name)
		case map[string]any:
			was, _ := out[name].(map[string]any)
			out[name] = map[string]any(Merge(was, v))
		default:
			out[name] = v
		}
	}
	return out
}

// WithoutNulls returns a copy without members that are null, which mean the same as absent ones. So does an empty reserved_ip.
func WithoutNulls(doc Object) Object {
	out := Object{}
	for name, v := range doc {
		switch v := v.(type) {
		case nil:
		case map[string]any:
			out[name] = map[string]any(WithoutNulls(v))
		default:
			if name != "reserved_ip" || v != "" {
				out[name] = v
			}
		}
	}
	return out
}

// KeepSecrets adds secrets that the body leaves out: a client that could not read them must not lose them by writing back. A
// secret that is null is cleared.
func KeepSecrets(doc, was Object) {
	if old, ok := was["password"]; ok {
		if _, said := doc["password"]; !said {
			doc["password"] = old
		}
	}
	old, _ := was["settings"].(map[string]any)
	given, said := doc["settings"]
	if said && given == nil {
		return
	}
	settings, _ := given.(map[string]any)
	settings = maps.Clone(settings)
	for name, v := range old {
		if d, ok := setting.Lookup(name); !ok || !d.IsSecret() {
			continue
		}
		if settings == nil {
			settings = map[string]any{}
		}
		if _, said := settings[name]; !said {
			settings[name] = v
		}
	}
	if settings != nil {
		doc["settings"] = settings
	}
}

// ParseFields checks the members whose text is parsed when the record is read, so that the problem has a name. It removes invalid ones.
func ParseFields(doc Object, bad *problem.List) {
	if s, ok := doc["register_expires"].(string); ok {
		if _, err := setting.ParseDuration(s); err != nil {
			bad.Add("register_expires", s, "must be a duration such as 90s, 15m, 1h30m or 8d")
			delete(doc, "register_expires")
		}
	}
	if s, ok := doc["reserved_ip"].(string); ok && s != "" {
		if a, err := netip.ParseAddr(s); err != nil || !a.Is4() {
			bad.Add("reserved_ip", s, problem.IPForm)
			delete(doc, "reserved_ip")
		}
	}
	macs, _ := doc["other_macs"].([]any)
	for i, m := range macs {
		if text, ok := m.(string); ok {
			if _, err := dhcp.ParseMAC(text); err != nil {
				bad.Add(fmt.Sprintf("other_macs[%d]", i), text, problem.MACForms)
				macs[i] = nil
			}
		}
	}
}
