// Package overrides reads what a phone's user changed on the phone itself: in its menu or on its web page. Phones upload it as files, whose
// format the vendor's pack states.
//
// It stores nothing and changes nothing: what a phone keeps for itself wins over its configuration until someone removes it on the phone.
package overrides

import (
	"errors"
	"io"
	"path"
	"slices"
	"strings"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/provision/pack"
	"plugtone/provision/phonefile"
	"plugtone/provision/uploads"
)

// Bounds of what is shown of one phone.
const (
	maxParameters = 200
	maxName       = 128 // bytes
	maxValue      = 256
	maxFile       = 1 << 20
)

// Override is a parameter that a phone has of its own.
type Override struct {
	Parameter string `json:"parameter" doc:"the vendor's name of the parameter" example:"phone_setting.ring_type"`
	Value     string `json:"value" doc:"its value on the phone; *** for a secret" example:"Ring3.wav"`
	File      string `json:"file" doc:"the file in which the phone uploaded it" example:"001565123456-local.cfg"`
}

// Reader reads the overrides of phones.
type Reader struct {
	Uploads *uploads.Store // nil: there are none
	Packs   func() *pack.Set
	// Secrets returns the secrets that the device's files have. Values that are one of them are masked.
	Secrets func(*fleet.Device) []string
}

// Of returns the overrides of a device, in the order of its files, 200 at most. A file that can't be read to its end counts as far as it can
// be read.
func (r Reader) Of(d *fleet.Device) []Override {
	if r.Uploads == nil {
		return nil
	}
	v, ok := r.Packs().Vendor(d.Vendor)
	if !ok || !slices.ContainsFunc(v.Declared(), func(f *phonefile.File) bool { return f.Overrides != nil }) {
		return nil
	}
	var out []Override
	for _, f := range v.Files(phonefile.Phone{MAC: d.MAC, Vendor: d.Vendor, Model: d.Model, Enabled: true, Assigned: true}) {
		if f.File.Overrides == nil {
			continue
		}
		if text, err := r.read(d.MAC, f.Name); err == nil { // most phones have uploaded none
			out = append(out, list(f, text)...)
		}
	}
	out = out[:min(len(out), maxParameters)]
	if len(out) > 0 {
		mask(out, r.Secrets(d))
	}
	return out
}

func (r Reader) read(mac dhcp.MAC, name string) ([]byte, error) {
	f, _, err := r.Uploads.Open(mac, name)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(f, maxFile))
	return text, errors.Join(err, f.Close())
}

// list returns the overrides in one file, without the values that the pack names secret.
func list(f phonefile.FileName, text []byte) []Override {
	var out []Override
	for p := range parameters(f.File.Overrides.Format, text) {
		o := Override{Parameter: dhcp.Printable(p.name, maxName), Value: dhcp.Printable(p.value, maxValue), File: f.Name}
		if isSecret(f.File.Overrides.Secret, p.name) && p.value != "" {
			o.Value = masked
		}
		if out = append(out, o); len(out) == maxParameters {
			break
		}
	}
	return out
}

const masked = "***"

// isSecret reports whether one of the patterns matches the name of a parameter, in any case, or the name looks like that of a secret.
func isSecret(patterns []string, name string) bool {
	if fleet.LooksSecret(name) {
		return true
	}
	name = strings.ReplaceAll(strings.ToLower(name), "/", ".")
	return slices.ContainsFunc(patterns, func(p string) bool {
		ok, _ := path.Match(p, name) // the pack's patterns were checked when it was loaded
		return ok
	})
}

// mask masks the values that have a known secret in them: a phone may have it under a name that is not in the pack.
func mask(all []Override, secrets []string) {
	for i := range all {
		if slices.ContainsFunc(secrets, func(s string) bool { return s != "" && strings.Contains(all[i].Value, s) }) {
			all[i].Value = masked
		}
	}
}
