package resolve

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/provision/pack"
)

// CheckDevice fills in defaults, brings the record into its canonical form and reports every problem at once as ValidationError.
// Any other error is the fleet's.
func CheckDevice(view fleet.View, packs *pack.Set, d *fleet.Device) error {
	var bad fleet.ValidationError
	d.Label = strings.Trim(d.Label, " ")
	fleet.TrimKeys(d.Keys)
	bad.Text("label", d.Label, fleet.MaxLabel)
	if len([]rune(d.Notes)) > fleet.MaxNotes {
		bad.Add("notes", "", "has %d characters; allowed are %d", len([]rune(d.Notes)), fleet.MaxNotes)
	}
	bad.Inventory(d)
	if err := checkMACs(view, &bad, d); err != nil {
		return err
	}
	vendor := checkModel(&bad, packs, d)
	if err := fleet.CheckCredentials(view, &bad, d); err != nil {
		return err
	}
	if err := checkReservedIP(view, &bad, d); err != nil {
		return err
	}
	if d.Profile != "" {
		if _, err := view.Profile(d.Profile); errors.Is(err, fleet.ErrNotFound) {
			bad.Add("profile", d.Profile, "%s", fleet.NoSuchProfile(view, d.Profile))
		} else if err != nil {
			return err
		}
	}
	if err := checkLines(view, &bad, vendor, d); err != nil {
		return err
	}
	bad.Keys(d.Keys)
	bad.Contacts(d.Contacts)
	if vendor != nil && len(d.Keys) <= fleet.MaxKeys {
		for i, k := range d.Keys {
			if k.Validate() != nil {
				continue
			}
			if err := limitsOf(vendor, d).key(k, true); err != nil {
				bad.Add(fmt.Sprintf("keys[%d]", i), k.String(), "%s", err)
			}
		}
	}
	d.Settings = checkSettings(&bad, d.Settings, vendor, d.Model)
	d.VendorSettings = checkVendorSettings(&bad, d.VendorSettings, packs, d.Vendor, d.Model)
	fleet.SortKeys(d.Keys)
	slices.SortStableFunc(d.Lines, func(a, b fleet.Line) int { return cmp.Compare(a.Position, b.Position) })
	return bad.Err()
}

// checkMACs reports a MAC that is none, or that another device has.
func checkMACs(view fleet.View, bad *fleet.ValidationError, d *fleet.Device) error {
	if d.MAC.IsZero() || d.MAC[0]&1 != 0 {
		bad.Add("mac", d.MAC.String(), "belongs to no device (zero or multicast)")
	}
	if len(d.OtherMACs) > fleet.MaxOtherMACs {
		bad.Add("other_macs", "", "there are %d; allowed are %d", len(d.OtherMACs), fleet.MaxOtherMACs)
		return nil
	}
	taken := func(path string, mac dhcp.MAC) error {
		other, err := view.DeviceByAny(mac)
		if errors.Is(err, fleet.ErrNotFound) {
			return nil
		}
		if err == nil && other.MAC != d.MAC {
			bad.Add(path, mac.String(), "belongs to device %s already", other.MAC)
		}
		return err
	}
	if err := taken("mac", d.MAC); err != nil {
		return err
	}
	seen := map[dhcp.MAC]bool{d.MAC: true}
	for i, mac := range d.OtherMACs {
		path := fmt.Sprintf("other_macs[%d]", i)
		switch {
		case mac.IsZero() || mac[0]&1 != 0:
			bad.Add(path, mac.String(), "belongs to no device (zero or multicast)")
			continue
		case seen[mac]:
			bad.Add(path, mac.String(), "is named twice")
			continue
		}
		seen[mac] = true
		if err := taken(path, mac); err != nil {
			return err
		}
	}
	return nil
}

// checkModel brings vendor and model into the spelling of their pack, and reports those that no pack has.
func checkModel(bad *fleet.ValidationError, packs *pack.Set, d *fleet.Device) *pack.Vendor {
	if vendor, model, found := strings.Cut(d.Model, "/"); found {
		if d.Vendor != "" && !sameVendor(packs, d.Vendor, vendor) {
			bad.Add("model", d.Model, "contradicts vendor %q", d.Vendor)
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
			unknown(bad, "vendor", d.Vendor, err)
			return nil
		}
		d.Vendor = v.ID
		return v
	}
	if d.Vendor != "" {
		if _, err := packs.FindVendor(d.Vendor); err != nil {
			unknown(bad, "vendor", d.Vendor, err)
			return nil
		}
	}
	v, m, err := packs.FindModel(d.Vendor, d.Model)
	if err != nil {
		unknown(bad, "model", d.Model, err)
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

// checkReservedIP reports an address that can't be reserved or that another device has.
func checkReservedIP(view fleet.View, bad *fleet.ValidationError, d *fleet.Device) error {
	ip := d.ReservedIP
	if !ip.IsValid() {
		return nil
	}
	if !ip.Is4() || ip.IsUnspecified() || ip.IsLoopback() || ip.IsMulticast() || ip.As4()[0] >= 240 {
		bad.Add("reserved_ip", ip.String(), "is not the IPv4 address of a host")
		return nil
	}
	holder, err := view.DeviceByIP(ip)
	if errors.Is(err, fleet.ErrNotFound) {
		return nil
	}
	if err == nil && holder != d.MAC {
		bad.Add("reserved_ip", ip.String(), "is reserved for device %s already", holder)
	}
	return err
}

// checkLines fills in positions and registrars and reports lines that can't be.
func checkLines(view fleet.View, bad *fleet.ValidationError, vendor *pack.Vendor, d *fleet.Device) error {
	if len(d.Lines) > fleet.MaxLines {
		bad.Add("lines", "", "there are %d; allowed are %d", len(d.Lines), fleet.MaxLines)
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
		case l.Position < 1 || l.Position > fleet.MaxLines:
			bad.Add(path+".position", fmt.Sprint(l.Position), "allowed is 1 to %d", fleet.MaxLines)
		case twice:
			bad.Add(path+".position", fmt.Sprint(l.Position), "lines[%d] has this position already", first)
		case vendor != nil:
			if err := limitsOf(vendor, d).line(l.Position); err != nil {
				bad.Add(path+".position", fmt.Sprint(l.Position), "%s", err)
			}
		}
		if !twice {
			at[l.Position] = i
		}
		bad.Line(path, l)
		if err := bindLine(view, bad, path+".extension", l); err != nil {
			return err
		}
	}
	return nil
}

// bindLine finds the line's extension and fills in its registrar.
func bindLine(view fleet.View, bad *fleet.ValidationError, path string, l *fleet.Line) error {
	ref := l.Extension
	if l.Registrar != "" && !strings.Contains(ref, "@") {
		ref += "@" + l.Registrar
	}
	e, err := fleet.FindExtension(view, ref)
	if err != nil {
		if errors.Is(err, fleet.ErrNotFound) || errors.Is(err, fleet.ErrAmbiguous) {
			bad.Add(path, ref, "%s", fleet.ExtensionMessage(err))
			return nil
		}
		return err
	}
	l.Extension, l.Registrar = e.Number, e.Registrar
	return nil
}
