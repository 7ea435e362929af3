package provision

import (
	"errors"
	"fmt"
	"net/netip"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/provision/pack"
)

// placeholderURL stands for the provisioning server where a device's network has none yet: what it is decides nothing
// about whether the other values can be written.
const placeholderURL = "http://192.0.2.1/"

// Renders tries whether the files of devices can be written, as the fleet f has them: a value that a phone's format can't
// carry is refused when it is saved, not when the phone asks. One device of each model is tried, so that a change that
// concerns thousands stays quick. What can't be written is ValidationError and names device, file and parameter.
func (s *Service) Renders(f fleet.View, macs []dhcp.MAC) error {
	packs, site := s.c.Packs(), s.c.Site()
	tried := make(map[[2]string]bool)
	var bad fleet.ValidationError
	for _, mac := range macs {
		d, err := f.Device(mac)
		if errors.Is(err, fleet.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		model := [2]string{d.Vendor, d.Model}
		if d.Vendor == "" || !d.Enabled || tried[model] {
			continue
		}
		tried[model] = true
		if fault := s.rendersOne(f, packs, site, d); fault != nil {
			bad = append(bad, *fault)
		}
	}
	if len(bad) > 0 {
		return bad
	}
	return nil
}

// rendersOne renders all files of one device that are its own, and returns what is wrong with the first that fails.
func (s *Service) rendersOne(f fleet.View, packs *pack.Set, site *fleet.Site, d *fleet.Device) *fleet.FieldError {
	vendor, ok := packs.Vendor(d.Vendor)
	if !ok {
		return nil // its pack was taken away; CheckDevice says so when the record itself is saved
	}
	subnet, _ := s.subnetFor(site, d.MAC, d)
	p, _, err := Phone(f, packs, site, subnet.Prefix, d, s.c.Now())
	if err != nil {
		return nil // a line or profile that isn't there is told by the checks of records
	}
	if _, err := addBook(f, vendor, d, &p); err != nil {
		return nil
	}
	if p.ServerURL == "" {
		p.ServerURL = placeholderURL
		p.Server = netip.MustParseAddr("192.0.2.1").String()
	}
	for _, name := range vendor.Files(p) {
		if name.File.Template == "" {
			continue
		}
		_, err := vendor.Render(name.Name, p)
		if pack.IsRefusal(err) {
			return &fleet.FieldError{Field: "model", Value: d.Model, Message: err.Error()}
		}
		if err != nil && !errors.Is(err, pack.ErrNoContent) {
			return &fleet.FieldError{Field: "files", Value: name.Name, Message: fmt.Sprintf("can't be written: %v", err)}
		}
	}
	return nil
}
