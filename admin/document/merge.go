package document

import (
	"fmt"
	"maps"
	"net/netip"
	"strconv"

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

// WithoutNulls returns a copy without members that are null, which means absent. An empty reserved_ip means absent too.
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

// KeepSecrets adds the stored secrets that the body lacks, so that a client that can't read them does not delete them when it writes the
// record back. A secret that is null stays null and is cleared.
func KeepSecrets(doc, was Object) {
	for _, name := range []string{"password", "upstream_password"} {
		old, ok := was[name]
		if name == "upstream_password" {
			_, user := doc["upstream_user"]
			ok = ok && user // with the user its password goes
		}
		if _, given := doc[name]; ok && !given {
			doc[name] = old
		}
	}
	old, _ := was["settings"].(map[string]any)
	value, given := doc["settings"]
	if given && value == nil {
		return
	}
	settings, _ := value.(map[string]any)
	settings = maps.Clone(settings)
	for name, v := range old {
		if d, ok := setting.Lookup(name); !ok || !d.IsSecret() {
			continue
		}
		if settings == nil {
			settings = map[string]any{}
		}
		if _, given := settings[name]; !given {
			settings[name] = v
		}
	}
	if settings != nil {
		doc["settings"] = settings
	}
}

// ParseFields checks members that decoding would parse and reject without their name. It removes invalid ones.
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
	if s, ok := doc["upstream"].(string); ok { // one URL
		doc["upstream"] = []any{}
		if s != "" {
			doc["upstream"] = []any{s}
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

// Mask replaces a value that is not shown. Written back, it means the stored value.
const Mask = "***"

// Unmask replaces masks in the vendor_settings of doc by the values of was, so that what was read can be written back. A mask without a
// stored value is a problem. vendorID returns the id of a vendor's name.
func Unmask(doc, was Object, vendorID func(string) string, bad *problem.List) {
	given, _ := doc["vendor_settings"].(map[string]any)
	stored, _ := was["vendor_settings"].(map[string]any)
	for vendor, params := range given {
		old, _ := stored[vendorID(vendor)].(map[string]any)
		params, _ := params.(map[string]any)
		for name, value := range params {
			if value != Mask {
				continue
			}
			if was, ok := old[name]; ok {
				params[name] = was
				continue
			}
			bad.Add(fmt.Sprintf("vendor_settings.%s[%s]", vendor, strconv.Quote(name)), "", Mask+" means the stored value, and there is none")
			delete(params, name)
		}
	}
}
