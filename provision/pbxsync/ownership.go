package pbxsync

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"plugtone/provision/fleet"
	"plugtone/provision/pbx"
	"plugtone/provision/pbxdevice"
	"plugtone/provision/setting"
)

// ownership is which members of a record the source had before, and has now, and what the record had.
type ownership struct {
	was, members []string
	keys         []fleet.Key
	settings     setting.Values
}

func (o *ownership) own(name string) { o.members = append(o.members, name) }

func (o *ownership) owns(name string) bool { return slices.Contains(o.members, name) }

func (o *ownership) had(name string) bool { return slices.Contains(o.was, name) }

// disown forgets members.
func (o *ownership) disown(names map[string]string) {
	o.members = slices.DeleteFunc(slices.Clone(o.members), func(name string) bool { return names[name] != "" })
}

// text sets a member to what the PBX has. One that the PBX does not have is not its own; it is cleared when it was.
func (o *ownership) text(name string, dst *string, value string) {
	switch value = strings.TrimSpace(value); {
	case value != "":
		*dst = value
		o.own(name)
	case o.had(name):
		*dst = ""
	}
}

// setKeys returns the keys of a record: those of the PBX, and those that were set by hand elsewhere.
func (s *syncRun) setKeys(o *ownership, record string, list []pbx.SourceKey, phone func(pbx.SourceKey) pbxdevice.Phone) []fleet.Key {
	var keys []fleet.Key
	for _, x := range list {
		k, ok, problem := s.keys.Key(phone(x), x)
		if problem != "" {
			s.report(record, "%s: %s", x, problem)
		}
		name := fleet.KeyMember(k.Area, k.Slot)
		switch {
		case !ok:
		case o.owns(name):
			s.report(record, "%s: its place has a key already; the first one counts", x)
		default:
			keys = append(keys, k)
			o.own(name)
		}
	}
	for _, k := range o.keys {
		if name := fleet.KeyMember(k.Area, k.Slot); !o.had(name) && !o.owns(name) {
			keys = append(keys, k)
		}
	}
	return keys
}

// setSettings returns the settings of a record: those of the PBX, and those that were set by hand.
func (s *syncRun) setSettings(o *ownership, record string, list []pbx.SourceSetting) setting.Values {
	out := maps.Clone(o.settings)
	for name := range o.settings {
		if o.had(fleet.SettingMember(name)) {
			delete(out, name)
		}
	}
	for _, x := range list {
		d, known := setting.Lookup(x.Name)
		if !known {
			s.report(record, "setting %.60s has no counterpart: set what it does by settings or vendor_settings", x.Name)
			continue
		}
		value, err := setting.Parse(x.Name, x.Value.Reveal())
		if err != nil {
			s.report(record, "setting %s: its value can't be used; allowed is %s", x.Name, d.Allowed())
			continue
		}
		if out == nil {
			out = setting.Values{}
		}
		out[x.Name] = value
		o.own(fleet.SettingMember(x.Name))
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

// without returns keys and settings without those at fault. What was set by hand in their place is there again.
func (o *ownership) without(keys []fleet.Key, settings setting.Values, faults map[string]string) ([]fleet.Key, setting.Values) {
	at := func(k fleet.Key) string { return fleet.KeyMember(k.Area, k.Slot) }
	keys = slices.DeleteFunc(slices.Clone(keys), func(k fleet.Key) bool { return faults[at(k)] != "" })
	for _, k := range o.keys {
		if faults[at(k)] != "" && !o.had(at(k)) {
			keys = append(keys, k)
		}
	}
	settings = maps.Clone(settings)
	maps.DeleteFunc(settings, func(name string, _ any) bool { return faults[fleet.SettingMember(name)] != "" })
	for name, value := range o.settings {
		if member := fleet.SettingMember(name); faults[member] != "" && !o.had(member) {
			settings[name] = value
		}
	}
	return keys, settings
}

// keyAt returns how source_members names a key, and how people read it.
func keyAt(k fleet.Key) (name, what string) {
	return fleet.KeyMember(k.Area, k.Slot), "key " + k.String()
}

// indexIn reads the index of a field in a list: keys[3].slot.
func indexIn(field, list string, i *int) bool {
	rest, ok := strings.CutPrefix(field, list+"[")
	if !ok {
		return false
	}
	_, err := fmt.Sscanf(rest, "%d]", i)
	return err == nil
}
