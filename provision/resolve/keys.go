package resolve

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"plugtone/provision/fleet"
	"plugtone/provision/pack"
	"plugtone/provision/phonefile"
)

// effectiveKeys joins the keys of profiles and device. For each slot the device's key counts, then the nearest profile's. Keys
// that the model can't have are left out and named with the reason.
func (r *resolved) effectiveKeys(vendor *pack.Vendor) []fleet.Key {
	type slot struct {
		area string
		n    int
	}
	type entry struct {
		key  fleet.Key
		from string
	}
	by := map[slot]entry{}
	for _, p := range r.profiles {
		for _, k := range p.Keys {
			by[slot{k.Area, k.Slot}] = entry{k, p.Name}
		}
	}
	for _, k := range r.device.Keys {
		by[slot{k.Area, k.Slot}] = entry{k, ""}
	}
	var keys []fleet.Key
	from := map[slot]string{}
	for at, e := range by {
		keys = append(keys, e.key)
		from[at] = e.from
	}
	fleet.SortKeys(keys)
	var out []fleet.Key
	may := limitsOf(vendor, r.device)
	for _, k := range keys {
		whose := "the device"
		if name := from[slot{k.Area, k.Slot}]; name != "" {
			whose = "profile " + name
		}
		if err := may.key(k, whose == "the device"); err != nil {
			r.leftOut = append(r.leftOut, fmt.Sprintf("key %s of %s: %s", k, whose, err))
			continue
		}
		if k.Line > 0 && !slices.ContainsFunc(r.lines, func(l phonefile.Account) bool { return l.Position == k.Line }) {
			r.leftOut = append(r.leftOut, fmt.Sprintf("key %s of %s: the phone has it, but no account on line %d to use it with", k, whose, k.Line))
		}
		out = append(out, k)
	}
	return out
}

// followLabels sets the labels that follow an extension: the display name of the one that the key's value names, on the
// registrar of the key's line where it is there, else on the only registrar that has it. A key of a line has that line's label.
// Without an extension the key's own label stays.
func (r *resolved) followLabels(f fleet.View, keys []fleet.Key) error {
	for i := range keys {
		k := &keys[i]
		if k.LabelSource != fleet.LabelExtension {
			continue
		}
		line := phonefile.Account{}
		if at := slices.IndexFunc(r.lines, func(l phonefile.Account) bool { return l.Position == max(k.Line, 1) }); at >= 0 {
			line = r.lines[at]
		}
		if k.Value == "" {
			k.Label = cmp.Or(line.Label, k.Label)
			continue
		}
		number, registrar := fleet.ParseExtension(k.Value)
		all, err := f.ExtensionsNumbered(number)
		if err != nil {
			return err
		}
		for _, e := range all {
			if e.Registrar == registrar || registrar == "" && (len(all) == 1 || e.Registrar == line.Registrar.Name) {
				k.Label = cmp.Or(e.DisplayName, e.Number)
			}
		}
	}
	return nil
}

// extra joins the vendor's own parameters: profiles first, the device last.
func (r *resolved) extra(vendor string) map[string]string {
	out := map[string]string{}
	for _, p := range r.profiles {
		maps.Copy(out, p.VendorSettings[vendor])
	}
	maps.Copy(out, r.device.VendorSettings[vendor])
	return out
}
