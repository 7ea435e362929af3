package resolve

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/provision/pack"
	"plugtone/provision/phonefile"
)

// placeholderURL is used as the provisioning URL where a device's network has none yet. It has no influence on whether the
// other values can be rendered.
const placeholderURL = "http://192.0.2.1/"

// ValidateRendering renders the files of devices as the view has them: a value that a phone's format can't carry is refused when
// it is saved, not when the phone requests the file. One device of each model is rendered, so that a change to thousands stays
// quick. subnetOf returns the subnet that a device's files are rendered for. Problems are a ValidationError that names device, file
// and parameter.
func ValidateRendering(view fleet.View, packs *pack.Set, site *fleet.Site, subnetOf func(*fleet.Device) fleet.Subnet, macs []dhcp.MAC, now time.Time) error {
	checked := make(map[[2]string]bool)
	var bad fleet.ValidationError
	for _, mac := range macs {
		d, err := view.Device(mac)
		if errors.Is(err, fleet.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		model := [2]string{d.Vendor, d.Model}
		if d.Vendor == "" || !d.Enabled || checked[model] {
			continue
		}
		checked[model] = true
		if p := renderingProblem(view, packs, site, subnetOf(d).Prefix, d, now); p != nil {
			bad = append(bad, *p)
		}
	}
	return bad.Err()
}

// renderingProblem renders all files that are a device's own, and returns what is wrong with the first that fails.
func renderingProblem(view fleet.View, packs *pack.Set, site *fleet.Site, subnet netip.Prefix, d *fleet.Device, now time.Time) *fleet.FieldError {
	vendor, ok := packs.Vendor(d.Vendor)
	if !ok {
		return nil // its pack was removed; CheckDevice reports that when the record itself is saved
	}
	p, _, err := Phone(view, packs, site, subnet, d, now)
	if err != nil {
		return nil // a missing line or profile is reported by the checks of records
	}
	if _, err := AddPhonebook(view, vendor, d, &p); err != nil {
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
		if phonefile.IsRefusal(err) {
			return &fleet.FieldError{Field: "model", Value: d.Model, Message: err.Error()}
		}
		if err != nil && !errors.Is(err, phonefile.ErrNoContent) {
			return &fleet.FieldError{Field: "files", Value: name.Name, Message: fmt.Sprintf("can't be rendered: %v", err)}
		}
	}
	return nil
}
