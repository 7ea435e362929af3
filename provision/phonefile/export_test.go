package phonefile

import "slices"

// Parameters returns the names of the parameters in all device files of a phone, in the files' order: what an operator's
// own parameters replace.
func (r *Renderer) Parameters(p Phone) []string {
	var out []string
	for _, n := range r.Files(p) {
		if n.File.Kind != KindDevice || !n.File.Settings {
			continue
		}
		if _, params, err := r.render(n.Name, p); err == nil {
			for _, param := range params {
				out = append(out, param.Name)
			}
		}
	}
	return out
}

// Repeats reports whether a parameter may occur more than once in a file.
func (r *Renderer) Repeats(name string) bool {
	for _, f := range r.doc.Formats {
		if slices.Contains(f.Repeat, name) {
			return true
		}
	}
	return false
}
