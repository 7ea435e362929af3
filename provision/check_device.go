package provision

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"plugtone/provision/pack"
)

// CheckDevice fills in defaults, brings the record into its canonical form and reports every fault at once as Invalid.
// Any other error is the fleet's.
func CheckDevice(fleet Fleet, packs *pack.Set, d *Device) error {
	var f faults
	d.Label = strings.Trim(d.Label, " ")
	trimKeys(d.Keys)
	f.text("label", d.Label, maxLabel)
	if len([]rune(d.Notes)) > maxNotes {
		f.add("notes", "", "has %d characters; allowed are %d", len([]rune(d.Notes)), maxNotes)
	}
	if err := f.macs(fleet, d); err != nil {
		return err
	}
	vendor := f.model(packs, d)
	if err := f.credentials(fleet, d); err != nil {
		return err
	}
	if err := f.reserved(fleet, d); err != nil {
		return err
	}
	if d.Profile != "" {
		if _, err := fleet.Profile(d.Profile); errors.Is(err, ErrNotFound) {
			f.add("profile", d.Profile, "%s", f.noProfile(fleet, d.Profile))
		} else if err != nil {
			return err
		}
	}
	if err := f.lines(fleet, vendor, d); err != nil {
		return err
	}
	f.keys(d.Keys)
	f.contacts(d.Contacts)
	if vendor != nil && len(d.Keys) <= maxKeys {
		for i, k := range d.Keys {
			if k.faults(true) != nil {
				continue
			}
			if err := vendor.CheckKey(d.Model, packKey(k)); err != nil {
				f.add(fmt.Sprintf("keys[%d]", i), k.String(), "%s", err)
			}
		}
	}
	d.Settings = f.settings(d.Settings, vendor, d.Model)
	d.VendorSettings = f.extras(d.VendorSettings, packs, d.Vendor, d.Model)
	SortKeys(d.Keys)
	slices.SortStableFunc(d.Lines, func(a, b Line) int { return cmp.Compare(a.Position, b.Position) })
	return f.err()
}

func packKey(k Key) pack.Key { return pack.Key(k) }

// trimKeys takes spaces off the ends of texts: nobody sees them, and some phones' files can't hold them.
func trimKeys(keys []Key) {
	for i := range keys {
		keys[i].Value, keys[i].Label = strings.Trim(keys[i].Value, " "), strings.Trim(keys[i].Label, " ")
	}
}

// macs reports a MAC that is none, or that another device has.
func (f *faults) macs(fleet Fleet, d *Device) error {
	if d.MAC.IsZero() || d.MAC[0]&1 != 0 {
		f.add("mac", d.MAC.String(), "belongs to no device (zero or multicast)")
	}
	if len(d.OtherMACs) > maxOther {
		f.add("other_macs", "", "there are %d; allowed are %d", len(d.OtherMACs), maxOther)
		return nil
	}
	taken := func(path string, mac MAC) error {
		other, err := fleet.DeviceByAny(mac)
		if errors.Is(err, ErrNotFound) {
			return nil
		}
		if err == nil && other.MAC != d.MAC {
			f.add(path, mac.String(), "belongs to device %s already", other.MAC)
		}
		return err
	}
	if err := taken("mac", d.MAC); err != nil {
		return err
	}
	seen := map[MAC]bool{d.MAC: true}
	for i, mac := range d.OtherMACs {
		path := fmt.Sprintf("other_macs[%d]", i)
		switch {
		case mac.IsZero() || mac[0]&1 != 0:
			f.add(path, mac.String(), "belongs to no device (zero or multicast)")
			continue
		case seen[mac]:
			f.add(path, mac.String(), "is named twice")
			continue
		}
		seen[mac] = true
		if err := taken(path, mac); err != nil {
			return err
		}
	}
	return nil
}

// model brings vendor and model into the spelling of their pack, and reports those that no pack knows.
func (f *faults) model(packs *pack.Set, d *Device) *pack.Vendor {
	if vendor, model, found := strings.Cut(d.Model, "/"); found {
		if d.Vendor != "" && !sameVendor(packs, d.Vendor, vendor) {
			f.add("model", d.Model, "contradicts vendor %q", d.Vendor)
			return nil
		}
		d.Vendor, d.Model = vendor, model
	}
	switch {
	case d.Vendor == "" && d.Model == "":
		return nil
	case d.Model == "":
		v, err := packs.FindVendor(d.Vendor)
		if err != nil {
			f.unknown("vendor", d.Vendor, err)
			return nil
		}
		d.Vendor = v.ID
		return v
	}
	if d.Vendor != "" {
		if _, err := packs.FindVendor(d.Vendor); err != nil {
			f.unknown("vendor", d.Vendor, err)
			return nil
		}
	}
	v, m, err := packs.FindModel(d.Vendor, d.Model)
	if err != nil {
		f.unknown("model", d.Model, err)
		return nil
	}
	d.Vendor, d.Model = v.ID, m.Name
	return v
}

func sameVendor(packs *pack.Set, a, b string) bool {
	va, ok := packs.Vendor(a)
	vb, okb := packs.Vendor(b)
	return ok && okb && va == vb
}

// reserved reports an address that can't be reserved or that another device has.
func (f *faults) reserved(fleet Fleet, d *Device) error {
	ip := d.ReservedIP
	if !ip.IsValid() {
		return nil
	}
	if !ip.Is4() || ip.IsUnspecified() || ip.IsLoopback() || ip.IsMulticast() || ip.As4()[0] >= 240 {
		f.add("reserved_ip", ip.String(), "is not the IPv4 address of a host")
		return nil
	}
	holder, err := fleet.DeviceByIP(ip)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err == nil && holder != d.MAC {
		f.add("reserved_ip", ip.String(), "is reserved for device %s already", holder)
	}
	return err
}

// lines fills in positions and registrars and reports lines that can't be.
func (f *faults) lines(fleet Fleet, vendor *pack.Vendor, d *Device) error {
	if len(d.Lines) > maxLines {
		f.add("lines", "", "there are %d; allowed are %d", len(d.Lines), maxLines)
		return nil
	}
	at := map[int]int{}
	for i := range d.Lines {
		l := &d.Lines[i]
		path := fmt.Sprintf("lines[%d]", i)
		if l.Position == 0 {
			l.Position = i + 1
		}
		first, twice := at[l.Position]
		switch {
		case l.Position < 1 || l.Position > maxLines:
			f.add(path+".position", fmt.Sprint(l.Position), "allowed is 1 to %d", maxLines)
		case twice:
			f.add(path+".position", fmt.Sprint(l.Position), "lines[%d] has this position already", first)
		case vendor != nil:
			if err := vendor.CheckLine(d.Model, l.Position); err != nil {
				f.add(path+".position", fmt.Sprint(l.Position), "%s", err)
			}
		}
		if !twice {
			at[l.Position] = i
		}
		if err := f.bind(fleet, path+".extension", l); err != nil {
			return err
		}
	}
	return nil
}

// bind finds the line's extension and fills in its registrar.
func (f *faults) bind(fleet Fleet, path string, l *Line) error {
	ref := l.Extension
	if l.Registrar != "" && !strings.Contains(ref, "@") {
		ref += "@" + l.Registrar
	}
	e, err := FindExtension(fleet, ref)
	if err != nil {
		if errors.Is(err, ErrNotFound) || errors.Is(err, errAmbiguous) {
			f.add(path, ref, "%s", extensionMessage(err))
			return nil
		}
		return err
	}
	l.Extension, l.Registrar = e.Number, e.Registrar
	return nil
}
