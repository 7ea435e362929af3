package resolve

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/provision/pack"
	"plugtone/provision/phonefile"
)

// placeholderURL is used as the provisioning URL where a device's network has none yet. It has no influence on whether the
// other values can be rendered.
const placeholderURL = "http://192.0.2.1/"

// maxRenderingProblems is how many problems ValidateRendering names.
const maxRenderingProblems = 100

// ValidateRendering renders the files of devices as the view has them: a value that a phone's format can't carry is refused when
// it is saved, not when the phone requests the file. Of devices that differ in letters and digits of texts alone one is rendered, so that a
// change to thousands stays quick. subnetOf returns the subnet that a device's files are rendered for. Problems are a ValidationError that
// names file and parameter, and of several devices the device: RenderedDevice reads it.
func ValidateRendering(view fleet.View, packs *pack.Set, site *fleet.Site, subnetOf func(*fleet.Device) fleet.Subnet, macs []dhcp.MAC, now time.Time) error {
	fails := make(map[uint64]bool) // by shape
	var bad fleet.ValidationError
	for _, mac := range macs {
		d, err := view.Device(mac)
		if errors.Is(err, fleet.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		vendor, ok := packs.Vendor(d.Vendor)
		if !ok || !d.Enabled {
			continue // a pack that was removed is reported by CheckDevice when the record itself is saved
		}
		p, _, err := Phone(view, packs, site, subnetOf(d).Prefix, d, now)
		if err != nil {
			continue // a missing line or profile is reported by the checks of records
		}
		s := shape(p)
		if fail, known := fails[s]; known && !fail {
			continue
		}
		x := renderingProblem(view, vendor, p, d)
		fails[s] = x != nil
		if x == nil {
			continue
		}
		if len(macs) > 1 {
			x.Field = devicePrefix + d.MAC.String() + " " + x.Field
		}
		if bad = append(bad, *x); len(bad) == maxRenderingProblems {
			break
		}
	}
	return bad.Err()
}

const devicePrefix = "device "

// RenderedDevice returns the device that a problem of ValidateRendering is about, and the field without it. ok is false when it names none.
func RenderedDevice(field string) (mac dhcp.MAC, rest string, ok bool) {
	text, found := strings.CutPrefix(field, devicePrefix)
	text, rest, _ = strings.Cut(text, " ")
	mac, err := dhcp.ParseMAC(text)
	return mac, rest, found && err == nil
}

// renderingProblem renders all files that are a device's own, and returns what is wrong with the first that fails.
func renderingProblem(view fleet.View, vendor *pack.Vendor, p phonefile.Phone, d *fleet.Device) *fleet.FieldError {
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
