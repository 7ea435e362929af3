package fleet

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// OwnedMembers lists the members, besides those that name it, that an extension has from its PBX source.
func OwnedMembers() []string { return []string{"display_name", "auth_user", "password"} }

// CheckOwned refuses a change by hand of what an extension has from its PBX source: the next sync would set it back.
func CheckOwned(before, after *Extension) error {
	if before == nil || before.Source == "" {
		return nil
	}
	for _, m := range []struct {
		name string
		same bool
	}{
		{"registrar", before.Registrar == after.Registrar}, {"display_name", before.DisplayName == after.DisplayName},
		{"auth_user", before.AuthUser == after.AuthUser}, {"password", before.Password == after.Password},
	} {
		if !m.same {
			return ownedError("extension "+before.Number+"@"+before.Registrar, m.name, before.Source)
		}
	}
	return nil
}

func ownedError(record, member, source string) error {
	return fmt.Errorf("%s: %s %w: change it in the PBX of the source %s", record, member, ErrOwned, source)
}

// LineMember returns how source_members names the line at a position.
func LineMember(position int) string { return "lines." + strconv.Itoa(position) }

// KeyMember returns how source_members names the key at a place.
func KeyMember(area string, slot int) string { return "keys." + area + ":" + strconv.Itoa(slot) }

// SettingMember returns how source_members names a setting.
func SettingMember(name string) string { return "settings." + name }

// CheckOwnedDevice refuses a change by hand of what a device has from its PBX source. What the PBX does not have is free.
func CheckOwnedDevice(before, after *Device) error {
	if before == nil || before.Source == "" {
		return nil
	}
	was, is := before.member, after.member
	return checkMembers("device "+before.MAC.String(), before.Source, before.SourceMembers, was, is)
}

// CheckOwnedProfile is CheckOwnedDevice for a profile.
func CheckOwnedProfile(before, after *Profile) error {
	if before == nil || before.Source == "" {
		return nil
	}
	was, is := before.member, after.member
	return checkMembers("profile "+before.Name, before.Source, before.SourceMembers, was, is)
}

func checkMembers(record, source string, members []string, was, is func(name string) any) error {
	for _, m := range members {
		if !reflect.DeepEqual(was(m), is(m)) {
			return ownedError(record, m, source)
		}
	}
	return nil
}

// member returns a member of the device by its name in source_members.
func (d *Device) member(name string) any {
	switch name {
	case "vendor":
		return d.Vendor
	case "model":
		return d.Model
	case "label":
		return d.Label
	case "profile":
		return d.Profile
	case "enabled":
		return d.Enabled
	case "location":
		return d.Location
	case "serial":
		return d.Serial
	case "notes":
		return d.Notes
	}
	if i := slices.IndexFunc(d.Lines, func(l Line) bool { return LineMember(l.Position) == name }); i >= 0 {
		return d.Lines[i]
	}
	if text, ok := strings.CutPrefix(name, "settings."); ok {
		return d.Settings[text]
	}
	return keyMember(d.Keys, name)
}

// member returns a member of the profile by its name in source_members.
func (p *Profile) member(name string) any {
	if text, ok := strings.CutPrefix(name, "settings."); ok {
		return p.Settings[text]
	}
	return keyMember(p.Keys, name)
}

func keyMember(keys []Key, name string) any {
	if i := slices.IndexFunc(keys, func(k Key) bool { return KeyMember(k.Area, k.Slot) == name }); i >= 0 {
		return keys[i]
	}
	return nil
}
