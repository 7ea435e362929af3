package pbxdevice

import (
	"slices"
	"strings"

	"plugtone/provision/pack"
	"plugtone/provision/phonefile"
)

// Names are what a PBX calls the model of a device. Any may be empty.
type Names struct {
	Vendor, Model string
	Template      string // VENDOR/MODEL, where the PBX names its templates so
}

// Hardware is the model that names stand for.
type Hardware struct {
	Vendor *pack.Vendor     // nil when no pack is meant
	Model  *phonefile.Model // nil when no model of the vendor is meant
	Tried  []string         // names that stand for no model
}

// template returns vendor and model in the name of the template, which may stand in a folder of a domain.
func (n Names) template() (vendor, model string) {
	parts := strings.Split(strings.Trim(n.Template, "/"), "/")
	if len(parts) > 1 {
		vendor = parts[len(parts)-2]
	}
	return vendor, parts[len(parts)-1]
}

// makers returns the names of the vendor.
func (n Names) makers() (out []string) {
	vendor, _ := n.template()
	for _, name := range append(strings.Split(n.Vendor, "/"), vendor) {
		if name = strings.TrimSpace(name); name != "" && !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}

// tries returns the names to try, in their order, without repetition.
func (n Names) tries() (out [][2]string) {
	_, template := n.template()
	makers := n.makers()
	if makers == nil {
		makers = []string{""}
	}
	for _, vendor := range makers {
		for _, model := range []string{n.Model, template} {
			model = strings.TrimSpace(model)
			for _, try := range [][2]string{{vendor, model}, {vendor, withoutVendor(vendor, model)}} {
				if model != "" && !slices.Contains(out, try) {
					out = append(out, try)
				}
			}
		}
	}
	return out
}

// withoutVendor removes the vendor's name from the beginning of a model's.
func withoutVendor(vendor, model string) string {
	if rest, ok := strings.CutPrefix(strings.ToLower(model), strings.ToLower(vendor)); ok && vendor != "" && rest != "" {
		return strings.TrimLeft(model[len(vendor):], " -_/")
	}
	return model
}

// Find returns the pack and model that names stand for. A vendor that is known counts also when the model is not.
func Find(packs *pack.Set, n Names) Hardware {
	var out Hardware
	tries := n.tries()
	for _, try := range tries {
		if v, m, ok := find(packs, try[0], try[1]); ok {
			return Hardware{Vendor: v, Model: m}
		}
		if name := strings.TrimPrefix(try[0]+"/"+try[1], "/"); !slices.Contains(out.Tried, name) {
			out.Tried = append(out.Tried, name)
		}
	}
	for _, vendor := range n.makers() {
		if v, ok := packs.Vendor(vendor); ok {
			out.Vendor = v
			return out
		}
		if len(tries) == 0 && !slices.Contains(out.Tried, vendor) {
			out.Tried = append(out.Tried, vendor)
		}
	}
	return out
}

// find finds a model of a vendor. A maker with several packs has the models of all of them.
func find(packs *pack.Set, vendor, model string) (*pack.Vendor, *phonefile.Model, bool) {
	if vendor != "" {
		if v, ok := packs.Vendor(vendor); ok {
			if m, ok := v.Model(model); ok {
				return v, m, true
			}
		}
	}
	v, m, err := packs.FindModel("", model)
	if err != nil || vendor != "" && !isOf(v, vendor) {
		return nil, nil, false
	}
	return v, m, true
}

// isOf reports whether a pack is of a maker, by the beginning of one of its names.
func isOf(v *pack.Vendor, maker string) bool {
	return slices.ContainsFunc(append([]string{v.ID, v.Name}, v.Aliases...), func(name string) bool {
		return strings.HasPrefix(phonefile.Fold(name), phonefile.Fold(maker))
	})
}
