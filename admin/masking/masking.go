// Package masking removes secrets from records before callers see them.
package masking

import (
	"plugtone/admin/access"
	"plugtone/admin/document"
	"plugtone/provision/fleet"
	"plugtone/provision/trust"
)

// Device returns a device without secrets; see Extras. Its lists are never nil, which JSON would show as null.
func Device(d fleet.Device, c access.Caller) fleet.Device {
	d.Settings = d.Settings.Public()
	d.VendorSettings = Extras(d.VendorSettings, c)
	if d.Credentials != nil {
		d.Credentials = &trust.Credentials{User: d.Credentials.User, ChangedAt: d.Credentials.ChangedAt}
	}
	return WithLists(d)
}

// WithLists replaces nil lists, which JSON would show as null, by empty ones.
func WithLists(d fleet.Device) fleet.Device {
	if d.Lines == nil {
		d.Lines = []fleet.Line{}
	}
	if d.Keys == nil {
		d.Keys = []fleet.Key{}
	}
	return d
}

// Profile returns a profile without secrets; see Extras.
func Profile(p fleet.Profile, c access.Caller) fleet.Profile {
	p.Settings = p.Settings.Public()
	p.VendorSettings = Extras(p.VendorSettings, c)
	p.UpstreamPassword = ""
	if p.Keys == nil {
		p.Keys = []fleet.Key{}
	}
	return p
}

// Extension returns an extension without its password.
func Extension(e fleet.Extension) fleet.Extension {
	e.Password = ""
	return e
}

// Registrar returns a registrar without secrets.
func Registrar(r fleet.Registrar) fleet.Registrar {
	r.Settings = r.Settings.Public()
	return r
}

// Extras masks vendor settings. Which of them are secrets is not known for certain: those whose names look like it are masked
// for all callers. A viewer sees only which are set, so all are masked.
func Extras(in map[string]map[string]string, c access.Caller) map[string]map[string]string {
	if in == nil {
		return nil
	}
	out := make(map[string]map[string]string, len(in))
	for vendor, params := range in {
		out[vendor] = make(map[string]string, len(params))
		for name, value := range params {
			if c.Role < access.Operator || value != "" && fleet.LooksSecret(name) {
				value = document.Mask
			}
			out[vendor][name] = value
		}
	}
	return out
}
