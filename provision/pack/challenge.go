package pack

import "plugtone/provision/phonefile"

// Challenge returns the HTTP challenge that phones of a model answer for their own files: digest, digest-sha256, basic or
// none.
func (v *Vendor) Challenge(model string) string {
	m := v.ModelOrGeneric(model)
	for _, f := range v.Declared() {
		if f.Kind == phonefile.KindDevice && f.Template != "" && (m == v.Generic() || m.IsAny(f.For)) {
			return f.Challenge
		}
	}
	return "none"
}
