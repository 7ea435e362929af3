package pbxsync

import (
	"cmp"
	"errors"
	"slices"
	"strings"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/provision/pack"
	"plugtone/provision/pbx"
	"plugtone/provision/pbxdevice"
	"plugtone/provision/resolve"
)

// deviceSync is the part of a sync that writes devices.
type deviceSync struct {
	*syncRun
	seen       map[dhcp.MAC]bool
	hardware   map[dhcp.MAC]pbxdevice.Hardware
	changed    []dhcp.MAC
	registrars map[string]*fleet.Registrar // by domain; nil: none is known
}

// findHardware finds the packs and models of all devices: by their names, else by the user agent with which they fetched last from the PBX.
func (s *deviceSync) findHardware(list []pbx.SourceDevice) {
	s.hardware = map[dhcp.MAC]pbxdevice.Hardware{}
	if s.Packs == nil {
		return
	}
	for _, x := range list {
		if _, twice := s.hardware[x.MAC]; twice {
			continue
		}
		h := pbxdevice.Find(s.Packs, pbxdevice.Names{Vendor: x.Vendor, Model: x.Model, Template: x.Template})
		if h.Model == nil && x.Agent != "" {
			id := s.Packs.Identify(pack.Evidence{UserAgent: x.Agent})
			if v, ok := s.Packs.Vendor(id.Vendor); ok && (h.Vendor == nil || h.Vendor == v) {
				if m, ok := v.Model(id.Model); ok && id.Model != "" {
					h = pbxdevice.Hardware{Vendor: v, Model: m}
				}
			}
		}
		s.hardware[x.MAC] = h
	}
}

// allDevices writes the devices, and marks those that the PBX has no more.
func (s *deviceSync) allDevices(list []pbx.SourceDevice) error {
	s.out.Devices, s.seen = &SyncCounts{}, map[dhcp.MAC]bool{}
	for _, x := range list {
		if err := s.device(x); err != nil {
			return err
		}
	}
	return s.vanishedDevices()
}

// device writes one device, unless it is as it should be.
func (s *deviceSync) device(x pbx.SourceDevice) error {
	if s.seen[x.MAC] {
		s.problem(x, "is there twice; the first one counts")
		return nil
	}
	s.seen[x.MAC] = true
	old, err := s.Device(x.MAC)
	if err != nil && !errors.Is(err, fleet.ErrNotFound) {
		return err
	}
	if err != nil {
		old = nil
	}
	if old != nil && old.Source != "" && old.Source != s.Source {
		s.problem(x, "belongs to the source %s", old.Source)
		return nil
	}
	d, err := s.draft(x, old)
	if err != nil {
		return err
	}
	if faulty, err := s.fitDevice(x, d); err != nil || faulty {
		return err
	}
	if old != nil && same(old, d.rec) {
		s.out.Devices.Same++
		return nil
	}
	if err := s.PutDevice(d.rec); err != nil {
		return err
	}
	if kept, err := s.rendered(x, old); err != nil || !kept {
		return err
	}
	s.wrote = true
	s.changed = append(s.changed, x.MAC)
	if old == nil {
		s.out.Devices.Added++
		s.out.created = append(s.out.created, x.MAC)
	} else {
		s.out.Devices.Changed++
	}
	return nil
}

// rendered tries to render the files of a device. One whose files can't be rendered is put back as it was.
func (s *deviceSync) rendered(x pbx.SourceDevice, old *fleet.Device) (kept bool, err error) {
	if s.Render == nil {
		return true, nil
	}
	err = s.Render(s, x.MAC)
	if err == nil {
		return true, nil
	}
	if errors.Is(err, fleet.ErrInternal) {
		return false, err
	}
	s.problem(x, "is left as it was: %s", oneLine(err))
	if old == nil {
		return false, s.DeleteDevice(x.MAC)
	}
	return false, s.PutDevice(old)
}

func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }

// deviceDraft is a device as the sync would write it.
type deviceDraft struct {
	ownership
	rec *fleet.Device
	old fleet.Device // as it was; nothing for a new one
}

// draft returns the record of a device: what the PBX has of it, and of the old record what the PBX does not have.
func (s *deviceSync) draft(x pbx.SourceDevice, old *fleet.Device) (*deviceDraft, error) {
	d := &deviceDraft{rec: &fleet.Device{MAC: x.MAC, Enabled: true}}
	if old != nil {
		copied := *old
		d.rec, d.old = &copied, *old
		d.ownership = ownership{was: old.SourceMembers, keys: old.Keys, settings: old.Settings}
	}
	d.rec.Source, d.rec.Gone = s.Source, false
	s.setHardware(x, d)
	d.text("label", &d.rec.Label, x.Label)
	d.text("location", &d.rec.Location, x.Location)
	d.text("serial", &d.rec.Serial, x.Serial)
	d.text("notes", &d.rec.Notes, x.Notes)
	d.rec.Enabled = x.Enabled
	d.own("enabled")
	if s.Take.Profiles {
		d.text("profile", &d.rec.Profile, s.profiles.profileOf(x))
	}
	if err := s.setLines(x, d); err != nil {
		return nil, err
	}
	vendor, _ := s.Packs.Vendor(d.rec.Vendor)
	phone := pbxdevice.Phone{Vendor: vendor, Model: d.rec.Model, Vars: variables(x)}
	d.rec.Keys = s.setKeys(&d.ownership, x.String(), x.Keys, func(pbx.SourceKey) pbxdevice.Phone { return phone })
	d.rec.Settings = s.setSettings(&d.ownership, x.String(), x.Settings)
	return d, nil
}

// variables are those of the PBX whose values are those of a device.
func variables(x pbx.SourceDevice) map[string]string {
	out := map[string]string{"domain_name": x.Domain}
	if len(x.Lines) > 0 {
		out["user_id"], out["auth_id"], out["server_address"] = x.Lines[0].Number, x.Lines[0].Number, x.Lines[0].Domain
	}
	return out
}

// setHardware sets vendor and model. Those that can't be found from the PBX's names stay as they are, and may be set by hand.
func (s *deviceSync) setHardware(x pbx.SourceDevice, d *deviceDraft) {
	h := s.hardware[x.MAC]
	if h.Vendor != nil {
		if d.rec.Vendor != h.Vendor.ID {
			d.rec.Vendor, d.rec.Model = h.Vendor.ID, ""
		}
		d.own("vendor")
	}
	if h.Model != nil {
		d.rec.Model = h.Model.Name
		d.own("model")
	}
	tried := "tried were " + strings.Join(h.Tried, ", ")
	if len(h.Tried) == 0 {
		tried = "the PBX names none"
	}
	switch {
	case d.rec.Vendor == "":
		s.problem(x, "its vendor and model are not known: %s; it gets an address and no files until the model is set here", tried)
	case d.rec.Model == "":
		s.problem(x, "its model is not known: %s; it gets the files of any %s until the model is set here", tried, d.rec.Vendor)
	}
}

// fitDevice checks the record, and takes away what of the PBX's can't be, with a problem for each. faulty is true for a device that must stay as it is.
func (s *deviceSync) fitDevice(x pbx.SourceDevice, d *deviceDraft) (faulty bool, err error) {
	for {
		fleet.SortKeys(d.rec.Keys)
		slices.SortStableFunc(d.rec.Lines, func(a, b fleet.Line) int { return cmp.Compare(a.Position, b.Position) })
		d.rec.SourceMembers = d.members
		err := resolve.CheckDevice(s, s.Packs, d.rec)
		var bad fleet.ValidationError
		if err == nil || !errors.As(err, &bad) {
			return false, err
		}
		if !s.dropFrom(d, x, bad) {
			s.problem(x, "is left as it was: %s", oneLine(bad))
			return true, nil
		}
	}
}

// dropFrom takes the members at fault away. It is false when one is not the PBX's.
func (s *deviceSync) dropFrom(d *deviceDraft, x pbx.SourceDevice, bad fleet.ValidationError) bool {
	faults := map[string]string{}
	for _, f := range bad {
		name, what := d.memberAt(f.Field)
		if !d.owns(name) {
			return false
		}
		if faults[name] == "" {
			faults[name] = what + ": " + f.Problem()
		}
	}
	for _, name := range d.members {
		if why, ok := faults[name]; ok {
			s.problem(x, "%s", why)
		}
	}
	d.disown(faults)
	at := func(l fleet.Line) string { return fleet.LineMember(l.Position) }
	d.rec.Lines = slices.DeleteFunc(slices.Clone(d.rec.Lines), func(l fleet.Line) bool { return faults[at(l)] != "" })
	for _, l := range d.old.Lines {
		if faults[at(l)] != "" && !d.had(at(l)) {
			d.rec.Lines = append(d.rec.Lines, l)
		}
	}
	d.rec.Keys, d.rec.Settings = d.without(d.rec.Keys, d.rec.Settings, faults)
	for name, m := range map[string][2]*string{"vendor": {&d.rec.Vendor, &d.old.Vendor}, "model": {&d.rec.Model, &d.old.Model}, "label": {&d.rec.Label, &d.old.Label},
		"location": {&d.rec.Location, &d.old.Location}, "serial": {&d.rec.Serial, &d.old.Serial}, "notes": {&d.rec.Notes, &d.old.Notes}, "profile": {&d.rec.Profile, &d.old.Profile}} {
		if faults[name] == "" {
			continue
		}
		if *m[0] = ""; !d.had(name) {
			*m[0] = *m[1]
		}
	}
	return true
}

// memberAt returns the member that a field of an error is in, as source_members names it, and as people read it.
func (d *deviceDraft) memberAt(field string) (name, what string) {
	var i int
	switch {
	case indexIn(field, "lines", &i) && i < len(d.rec.Lines):
		l := d.rec.Lines[i]
		return fleet.LineMember(l.Position), "line " + strings.TrimPrefix(fleet.LineMember(l.Position), "lines.")
	case indexIn(field, "keys", &i) && i < len(d.rec.Keys):
		return keyAt(d.rec.Keys[i])
	}
	return field, field
}

// vanishedDevices marks the devices of the source that the snapshot has not, or removes them.
func (s *deviceSync) vanishedDevices() error {
	var lost []*fleet.Device
	all, fresh := 0, 0
	for d, err := range s.Devices(dhcp.MAC{}) {
		if err != nil {
			return err
		}
		if d.Source != s.Source {
			continue
		}
		if all++; s.seen[d.MAC] {
			continue
		}
		lost = append(lost, d)
		if !d.Gone {
			fresh++
		}
	}
	if before := all - s.out.Devices.Added; fresh*10 > before && !s.Force {
		return &TooManyGone{fleet.KindDevice, fresh, before}
	}
	for _, d := range lost {
		if s.Prune {
			s.out.Devices.Removed++
			s.wrote = true
			if err := s.DeleteDevice(d.MAC); err != nil {
				return err
			}
			continue
		}
		if s.out.Devices.Gone++; d.Gone {
			continue
		}
		d.Gone, s.wrote = true, true // its files do not change
		if err := s.PutDevice(d); err != nil {
			return err
		}
	}
	return nil
}
