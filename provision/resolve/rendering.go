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

// maxRenderingProblems is how many problems Validate names.
const maxRenderingProblems = 100

// Rendering is what the files of devices are rendered with.
type Rendering struct {
	Packs    *pack.Set
	Site     *fleet.Site
	SubnetOf func(*fleet.Device) fleet.Subnet   // that a device's files are rendered for
	Before   func(func(fleet.View) error) error // reads the records as they were
	Places   *Places
	Now      time.Time
	Own      dhcp.MAC // the device whose record is written: problems do not name it
}

// rendering is one Validate.
type rendering struct {
	Rendering
	view     fleet.View
	byShape  map[uint64]rendered
	lacks    []lacking
	seen     map[dhcp.MAC]bool
	upstream map[string]bool // by profile: whether a PBX renders the files
}

// rendered is what is known of the phones of one shape.
type rendered struct {
	tried, fails bool
	left         []string // what their files have no place for, when known
	known        bool
}

// Validate renders the files of devices as the view has them: a value that a phone's format can't carry is refused when
// it is saved, not when the phone requests the file. Of devices that differ in letters and digits of texts alone one is rendered, so that a
// change to thousands stays quick. Problems are a ValidationError that names device, file and parameter:
// RenderedDevice reads the device. Without problems it returns what the devices do not get that they did not lack before.
func (r Rendering) Validate(view fleet.View, macs []dhcp.MAC) ([]LeftOutCount, error) {
	c := r.begin(view)
	var bad fleet.ValidationError
	for _, mac := range macs {
		if c.seen[mac] {
			continue
		}
		c.seen[mac] = true
		x, err := c.device(mac)
		if err != nil {
			return nil, err
		}
		if x == nil {
			continue
		}
		if mac != r.Own {
			x.Field = devicePrefix + mac.String() + " " + x.Field
		}
		if bad = append(bad, *x); len(bad) == maxRenderingProblems {
			break
		}
	}
	if len(bad) > 0 {
		return nil, bad.Err()
	}
	return c.leftOut()
}

// LeftOut is Validate without the problems: of a device whose files can't be rendered it returns what the record alone shows.
func (r Rendering) LeftOut(view fleet.View, macs []dhcp.MAC) ([]LeftOutCount, error) {
	c := r.begin(view)
	for _, mac := range macs {
		if c.seen[mac] {
			continue
		}
		c.seen[mac] = true
		left, d, err := c.lacking(view, mac)
		if err == nil && d != nil {
			err = c.note(d, left)
		}
		if err != nil {
			return nil, err
		}
	}
	return c.leftOut()
}

func (r Rendering) begin(view fleet.View) *rendering {
	return &rendering{Rendering: r, view: view, byShape: map[uint64]rendered{}, seen: map[dhcp.MAC]bool{}, upstream: map[string]bool{}}
}

// prepared is a device as the phone that its files are rendered for.
type prepared struct {
	device *fleet.Device
	vendor *pack.Vendor
	phone  phonefile.Phone
	shape  uint64
	left   []string // what the phone does not get, apart from what its files have no place for
}

// prepare returns nil for a device without files: there is no record, it is disabled, its pack was removed (CheckDevice reports that when the
// record itself is saved), or a line or profile is missing (the checks of records report that).
func (c *rendering) prepare(view fleet.View, mac dhcp.MAC) (*prepared, error) {
	d, err := view.Device(mac)
	if errors.Is(err, fleet.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	vendor, ok := c.Packs.Vendor(d.Vendor)
	if !ok || !d.Enabled {
		return nil, nil
	}
	p, left, err := Phone(view, c.Packs, c.Site, c.SubnetOf(d).Prefix, d, c.Now)
	if err != nil {
		return nil, nil
	}
	return &prepared{d, vendor, p, shape(p), left}, nil
}

// device renders the files of a device, unless those of a phone of its shape are rendered already, and returns what is wrong with them.
func (c *rendering) device(mac dhcp.MAC) (*fleet.FieldError, error) {
	d, err := c.prepare(c.view, mac)
	if d == nil {
		return nil, err
	}
	x := c.byShape[d.shape]
	if !x.tried || x.fails {
		bad := renderingProblem(c.view, d.vendor, d.phone, d.device)
		x.tried, x.fails = true, bad != nil
		if bad == nil {
			x.left, x.known = c.Places.unplaced(c.Packs, d.vendor, d.phone), true
		}
		c.byShape[d.shape] = x
		if bad != nil {
			return bad, nil
		}
	}
	return nil, c.note(d.device, append(d.left, x.left...))
}

const devicePrefix = "device "

// RenderedDevice returns the device that a problem of Validate is about, and the field without it. ok is false when it names none.
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
