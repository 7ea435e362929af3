package provision

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"unicode/utf8"

	"plugtone/provision/pack"
	"plugtone/provision/setting"
)

// Lengths, in characters, of what operators enter. What a phone can show is less; what it can store rarely is.
const (
	maxName    = 64 // names of registrars and profiles, authentication users
	maxNumber  = 64
	maxDisplay = 128
	maxSecret  = 128
	maxNotes   = 4096
	maxHost    = 255
	maxOther   = 8   // other_macs
	maxLines   = 255 // lines of one device
	maxKeys    = 512 // keys of one device or profile
	maxExtra   = 512 // vendor_settings of one record

	maxContacts = 1000 // contacts of one device or profile
)

// faults collects what is wrong with a record.
type faults struct{ list Invalid }

func (f *faults) add(field, value, format string, args ...any) {
	f.list = append(f.list, FieldError{Field: field, Value: value, Message: fmt.Sprintf(format, args...)})
}

// unknown reports a vendor or model that no pack knows. The fault says the name already.
func (f *faults) unknown(field, value string, err error) {
	message := err.Error()
	var u *pack.Unknown
	if errors.As(err, &u) && u.Name == value {
		message = u.Message
	}
	f.add(field, value, "%s", message)
}

// within adds the faults of a part of the record under its path.
func (f *faults) within(path string, part []FieldError) {
	for _, e := range part {
		e.Field = path + "." + e.Field
		f.list = append(f.list, e)
	}
}

// err is the Invalid, or nil when there is none.
func (f *faults) err() error {
	if len(f.list) == 0 {
		return nil
	}
	return f.list
}

// text reports text that is too long or doesn't stand on one line.
func (f *faults) text(field, value string, most int) {
	f.list = append(f.list, textFault(field, value, most)...)
}

func textFault(field, value string, most int) []FieldError {
	if n := utf8.RuneCountInString(value); n > most {
		return []FieldError{{field, value, fmt.Sprintf("has %d characters; allowed are %d", n, most)}}
	}
	if err := setting.OneLine(value); err != nil {
		return []FieldError{{field, value, err.Error()}}
	}
	return nil
}

// name reports what can't be the name of a record: names stand in paths, flags and messages.
func (f *faults) name(field, value string) {
	switch {
	case value == "":
		f.add(field, "", "is needed")
	case len(value) > maxName:
		f.add(field, value, "has %d characters; allowed are %d", len(value), maxName)
	case !isName(value):
		f.add(field, value, "allowed are letters, digits, and . _ - after the first character")
	}
}

func isName(s string) bool {
	for i, r := range s {
		ok := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || i > 0 && (r == '.' || r == '_' || r == '-')
		if !ok {
			return false
		}
	}
	return s != ""
}

// number reports what can't be an extension's number. SIP user names with letters are allowed; what would split
// NUMBER@REGISTRAR, a SIP URI or a key specification is not.
func (f *faults) number(field, value string) {
	if value == "" {
		f.add(field, "", "is needed")
		return
	}
	for _, r := range value {
		ok := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '_' || r == '-' || r == '+' || r == '*' || r == '#'
		if !ok {
			f.add(field, value, "allowed are letters, digits and . _ - + * #")
			return
		}
	}
	if len(value) > maxNumber {
		f.add(field, value, "has %d characters; allowed are %d", len(value), maxNumber)
	}
}

// keys brings keys into canonical form and reports those that no model could have.
func (f *faults) keys(keys []Key) {
	if len(keys) > maxKeys {
		f.add("keys", "", "there are %d; allowed are %d", len(keys), maxKeys)
		return
	}
	seen := map[[2]string]int{}
	for i := range keys {
		k := &keys[i]
		if k.Area == "" {
			k.Area = "line"
		}
		path := fmt.Sprintf("keys[%d]", i)
		f.within(path, k.faults(true))
		at := [2]string{k.Area, strconv.Itoa(k.Slot)}
		if first, twice := seen[at]; twice {
			f.add(path+".slot", at[1], "area %s has this slot already in keys[%d]", k.Area, first)
		} else {
			seen[at] = i
		}
	}
}

// settings brings settings into canonical form and reports those that can't be. vendor may be nil.
func (f *faults) settings(values setting.Values, vendor *pack.Vendor, model string) setting.Values {
	out, bad := values.Check()
	for _, b := range bad {
		f.add("settings."+b.Name, b.Value, "%s", b.Message)
	}
	if vendor == nil {
		return out
	}
	for _, name := range slices.Sorted(maps.Keys(out)) {
		if err := vendor.CheckSetting(model, name, packValue(out[name])); err != nil {
			value := setting.Print(out[name])
			if d, _ := setting.Lookup(name); d.IsSecret() {
				value = ""
			}
			f.add("settings."+name, value, "%s", err)
		}
	}
	return out
}

// extras brings vendor_settings into canonical form and reports what can't be. vendor and model are those of the device.
func (f *faults) extras(in map[string]map[string]string, packs *pack.Set, vendor, model string) map[string]map[string]string {
	out := map[string]map[string]string{}
	total := 0
	for _, name := range slices.Sorted(maps.Keys(in)) {
		path := "vendor_settings." + name
		v, err := packs.FindVendor(name)
		if err != nil {
			f.unknown(path, name, err)
			continue
		}
		if out[v.ID] == nil {
			out[v.ID] = map[string]string{}
		}
		of := ""
		if v.ID == vendor {
			of = model
		}
		for _, param := range slices.Sorted(maps.Keys(in[name])) {
			value := in[name][param]
			at := path + "[" + strconv.Quote(param) + "]"
			if total++; total > maxExtra {
				f.add("vendor_settings", "", "there are more than the %d allowed", maxExtra)
				return out
			}
			if param == "" || len(param) > 255 || setting.OneLine(param) != nil {
				f.add(at, "", "the parameter's name is not 1 to 255 printable characters")
				continue
			}
			if bad := textFault(at, value, 4096); bad != nil {
				f.list = append(f.list, bad...)
				continue
			}
			if err := v.CheckExtra(of, param, value); err != nil {
				f.add(at, value, "%s", err)
				continue
			}
			out[v.ID][param] = value
		}
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

// CheckProfile brings the profile into its canonical form and reports every fault as Invalid.
func CheckProfile(fleet Fleet, packs *pack.Set, p *Profile) error {
	var f faults
	f.name("name", p.Name)
	if p.Parent != "" {
		if err := f.parents(fleet, p); err != nil {
			return err
		}
	}
	trimKeys(p.Keys)
	f.keys(p.Keys)
	f.contacts(p.Contacts)
	p.Settings = f.settings(p.Settings, nil, "")
	p.VendorSettings = f.extras(p.VendorSettings, packs, "", "")
	SortKeys(p.Keys)
	return f.err()
}

// parents reports a parent that isn't there or leads back to p. A parent may have a parent in turn.
func (f *faults) parents(fleet Fleet, p *Profile) error {
	if p.Parent == p.Name {
		f.add("parent", p.Parent, "is the profile itself")
		return nil
	}
	chain := p.Name + " > " + p.Parent
	seen := map[string]bool{p.Name: true}
	for name := p.Parent; name != ""; {
		if seen[name] {
			f.add("parent", p.Parent, "leads back to the profile: %s", chain)
			return nil
		}
		seen[name] = true
		parent, err := fleet.Profile(name)
		if errors.Is(err, ErrNotFound) {
			f.add("parent", name, "%s", f.noProfile(fleet, name))
			return nil
		}
		if err != nil {
			return err
		}
		if name = parent.Parent; name != "" {
			chain += " > " + name
		}
	}
	if len(seen) > maxParents {
		f.add("parent", p.Parent, "the chain %s is longer than %d", chain, maxParents)
	}
	return nil
}

// maxParents bounds a chain of profiles, the first included.
const maxParents = 8

// noProfile says that a profile doesn't exist and which ones have a similar name.
func (f *faults) noProfile(fleet Fleet, name string) string {
	var names []string
	for p, err := range fleet.Profiles() {
		if err != nil {
			break
		}
		names = append(names, p.Name)
	}
	return "no such profile" + nearest(name, names)
}
