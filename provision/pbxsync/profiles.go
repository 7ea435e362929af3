package pbxsync

import (
	"cmp"
	"errors"
	"maps"
	"slices"
	"strings"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/provision/pbx"
	"plugtone/provision/pbxdevice"
	"plugtone/provision/resolve"
)

// profileSync is the part of a sync that writes profiles.
type profileSync struct {
	*syncRun
	byID    map[string]pbx.SourceProfile
	uses    map[string]*profileUse // by the ids of the profiles
	seen    map[string]bool        // names
	changed []string               // names
}

// profileUse is one profile of the PBX, or several that devices have together, and who has it. Where it has keys of several vendors, each vendor's
// phones have a record of their own: a record's keys are for phones of all vendors.
type profileUse struct {
	list    []pbx.SourceProfile
	devices []pbx.SourceDevice
	vendors []string // the PBX's words, lower case; none when one record is enough
	name    string
}

func idsOf(ids []string) string { return strings.Join(ids, "\x00") }

// vendorOf returns the PBX's word for a device's vendor.
func vendorOf(x pbx.SourceDevice) string {
	template, _, _ := strings.Cut(x.Template, "/")
	return strings.ToLower(cmp.Or(x.Vendor, template))
}

// allProfiles writes the profiles, each alone and in the combinations that devices have.
func (s *profileSync) allProfiles(snapshot pbx.Snapshot) error {
	s.out.Profiles = &SyncCounts{}
	s.byID, s.uses, s.seen = map[string]pbx.SourceProfile{}, map[string]*profileUse{}, map[string]bool{}
	for _, p := range snapshot.Profiles {
		s.byID[p.ID] = p
		s.uses[p.ID] = &profileUse{list: []pbx.SourceProfile{p}}
	}
	for _, x := range snapshot.Devices {
		list := s.profilesOf(x)
		if len(list) == 0 {
			continue
		}
		ids := idsOf(list)
		if s.uses[ids] == nil {
			s.uses[ids] = &profileUse{}
			for _, id := range list {
				s.uses[ids].list = append(s.uses[ids].list, s.byID[id])
			}
		}
		s.uses[ids].devices = append(s.uses[ids].devices, x)
	}
	s.nameProfiles()
	for _, ids := range slices.Sorted(maps.Keys(s.uses)) {
		u := s.uses[ids]
		for _, vendor := range append([]string{""}, u.vendors...) {
			if err := s.profile(u, vendor); err != nil {
				return err
			}
		}
	}
	return nil
}

// profilesOf returns the ids of a device's profiles that are there.
func (s *profileSync) profilesOf(x pbx.SourceDevice) []string {
	return slices.DeleteFunc(slices.Clone(x.Profiles), func(id string) bool { _, ok := s.byID[id]; return !ok })
}

// profileOf returns the name of the record of a device's profile.
func (s *profileSync) profileOf(x pbx.SourceDevice) string {
	u := s.uses[idsOf(s.profilesOf(x))]
	if u == nil {
		return ""
	}
	if v := vendorOf(x); slices.Contains(u.vendors, v) {
		return u.nameFor(v)
	}
	return u.nameFor("")
}

func (u *profileUse) nameFor(vendor string) string {
	if vendor == "" {
		return u.name
	}
	return u.name + "." + recordName(vendor)
}

// recordName makes a text the name of a record, or a part of it.
func recordName(text string) string {
	out := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '_' || r == '-' {
			return r
		}
		return '-'
	}, strings.TrimSpace(text))
	return strings.TrimLeft(out[:min(len(out), 30)], "._-")
}

// nameProfiles gives each use a name of its own: that of the profile, with its domain where others are called so, and with its id where that is not
// enough.
func (s *profileSync) nameProfiles() {
	named := map[string]int{}
	for step := range 3 {
		for _, u := range s.uses {
			if step > 0 && named[u.name] == 1 {
				continue
			}
			first := u.list[0]
			switch step {
			case 0:
				var parts []string
				for _, p := range u.list {
					parts = append(parts, cmp.Or(recordName(p.Name), "profile"))
				}
				u.name = strings.Join(parts, "-")
				u.name = u.name[:min(len(u.name), 40)]
				u.vendors = u.severalVendors()
			case 1:
				u.name += "." + recordName(first.Domain)
			case 2:
				id := recordName(u.list[len(u.list)-1].ID)
				u.name = u.name[:min(len(u.name), 40)] + "." + id[:min(8, len(id))]
			}
		}
		clear(named)
		for _, u := range s.uses {
			named[u.name]++
		}
	}
}

// severalVendors returns the vendors whose phones need a record of their own.
func (u *profileUse) severalVendors() (out []string) {
	var all []string
	for _, p := range u.list {
		for _, k := range p.Keys {
			if k.Vendor != "" {
				all = append(all, k.Vendor)
			}
		}
	}
	slices.Sort(all)
	keys := slices.Compact(all)
	foreign := slices.ContainsFunc(u.devices, func(x pbx.SourceDevice) bool { return !slices.Contains(keys, vendorOf(x)) })
	if len(keys) > 1 || len(keys) == 1 && foreign {
		return keys
	}
	return nil
}

// keysFor returns the keys of a use for the phones of a vendor; "" where one record is enough: all, else those for all vendors. Of two keys at the
// same place that of the later profile counts.
func (u *profileUse) keysFor(vendor string) (out []pbx.SourceKey) {
	for _, p := range u.list {
		keys := slices.DeleteFunc(slices.Clone(p.Keys), func(k pbx.SourceKey) bool { return len(u.vendors) > 0 && k.Vendor != "" && k.Vendor != vendor })
		out = slices.DeleteFunc(out, func(o pbx.SourceKey) bool {
			return slices.ContainsFunc(keys, func(k pbx.SourceKey) bool { return k.Area == o.Area && k.Slot == o.Slot })
		})
		out = append(out, keys...)
	}
	return out
}

func (u *profileUse) settings() (out []pbx.SourceSetting) {
	for _, p := range u.list {
		out = slices.DeleteFunc(out, func(o pbx.SourceSetting) bool {
			return slices.ContainsFunc(p.Settings, func(x pbx.SourceSetting) bool { return x.Name == o.Name })
		})
		out = append(out, p.Settings...)
	}
	return out
}

// profile writes one record, unless it is as it should be.
func (s *profileSync) profile(u *profileUse, vendor string) error {
	name := u.nameFor(vendor)
	old, err := s.Profile(name)
	if err != nil && !errors.Is(err, fleet.ErrNotFound) {
		return err
	}
	rec, o := &fleet.Profile{Name: name}, &ownership{}
	if err == nil {
		copied := *old
		rec, o = &copied, &ownership{was: old.SourceMembers, keys: old.Keys, settings: old.Settings}
	} else {
		old = nil
	}
	s.seen[name] = true
	if old != nil && old.Source != "" && old.Source != s.Source {
		s.report("profile "+name, "belongs to the source %s", old.Source)
		return nil
	}
	what := "profile " + name
	rec.Source, rec.Gone = s.Source, false
	rec.Keys = s.setKeys(o, what, u.keysFor(vendor), func(k pbx.SourceKey) pbxdevice.Phone { return s.phoneOf(u, cmp.Or(k.Vendor, vendor)) })
	rec.Settings = s.setSettings(o, what, u.settings())
	if faulty, err := s.fitProfile(rec, o); err != nil || faulty {
		return err
	}
	if old != nil && same(old, rec) {
		s.out.Profiles.Same++
		return nil
	}
	if old == nil {
		s.out.Profiles.Added++
	} else {
		s.out.Profiles.Changed++
	}
	s.wrote = true
	s.changed = append(s.changed, name)
	return s.PutProfile(rec)
}

// phoneOf returns for which phone a key of a profile is read: a device that has the profile, else any of the vendor's.
func (s *profileSync) phoneOf(u *profileUse, vendor string) (p pbxdevice.Phone) {
	for _, x := range u.devices {
		if h := s.devices.hardware[x.MAC]; h.Vendor != nil && (vendor == "" || vendorOf(x) == vendor) {
			p.Vendor = h.Vendor
			if h.Model != nil {
				p.Model = h.Model.Name
			}
			return p
		}
	}
	p.Vendor, _ = s.Packs.Vendor(vendor)
	return p
}

// fitProfile is fitDevice for a profile.
func (s *profileSync) fitProfile(rec *fleet.Profile, o *ownership) (faulty bool, err error) {
	for {
		fleet.SortKeys(rec.Keys)
		rec.SourceMembers = o.members
		err := resolve.CheckProfile(s, s.Packs, rec)
		var bad fleet.ValidationError
		if err == nil || !errors.As(err, &bad) {
			return false, err
		}
		faults := map[string]string{}
		for _, f := range bad {
			name, what := f.Field, f.Field
			if i := 0; indexIn(f.Field, "keys", &i) && i < len(rec.Keys) {
				name, what = keyAt(rec.Keys[i])
			}
			if !o.owns(name) {
				s.report("profile "+rec.Name, "is left as it was: %s", oneLine(bad))
				return true, nil
			}
			if faults[name] == "" {
				faults[name] = what + ": " + f.Problem()
			}
		}
		for _, name := range slices.Sorted(maps.Keys(faults)) {
			s.report("profile "+rec.Name, "%s", faults[name])
		}
		o.disown(faults)
		rec.Keys, rec.Settings = o.without(rec.Keys, rec.Settings, faults)
	}
}

// vanishedProfiles marks the profiles of the source that the snapshot has not, or removes them. One that no phone has is no loss.
func (s *profileSync) vanishedProfiles() error {
	var lost []*fleet.Profile
	users := map[string][]dhcp.MAC{}
	all, fresh := 0, 0
	for p, err := range s.Profiles() {
		if err != nil {
			return err
		}
		if p.Source != s.Source {
			continue
		}
		if all++; s.seen[p.Name] {
			continue
		}
		lost = append(lost, p)
		macs, err := fleet.DevicesUsing(s, p.Name)
		if err != nil {
			return err
		}
		if users[p.Name] = macs; !p.Gone && len(macs) > 0 {
			fresh++
		}
	}
	if before := all - s.out.Profiles.Added; fresh*10 > before && !s.Force {
		return &TooManyGone{fleet.KindProfile, fresh, before}
	}
	for _, p := range lost {
		if err := s.loseProfile(p, len(users[p.Name])); err != nil {
			return err
		}
	}
	return nil
}

func (s *profileSync) loseProfile(p *fleet.Profile, phones int) error {
	if s.Prune {
		err := fleet.RemoveProfile(s, p.Name, false)
		var used *fleet.InUse
		if err == nil {
			s.out.Profiles.Removed++
			s.wrote = true
		}
		if !errors.As(err, &used) {
			return err
		}
		s.report("profile "+p.Name, "is not in the PBX any more, and %d phones have it: it stays", phones)
	}
	if s.out.Profiles.Gone++; p.Gone {
		return nil
	}
	p.Gone, s.wrote = true, true
	return s.PutProfile(p)
}
