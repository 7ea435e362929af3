// Package reassign moves what phones have from one to the other within one edit: a copy, two phones that trade places, a phone that
// replaces another, and keys for a whole range of extensions. It decides nothing about files; the edit's caller has them rendered.
package reassign

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/provision/pack"
	"plugtone/provision/resolve"
)

// Office is what the operations work on.
type Office struct {
	fleet.Edit
	Packs *pack.Set
	Site  *fleet.Site
	Now   time.Time
}

// Result has the devices that were changed, the one that the operation is about first, and what phones of other models lose.
type Result struct {
	Devices []*fleet.Device
	Lost    []string
	Using   []dhcp.MAC // devices whose profile was changed
}

// MACs returns the MACs of the devices that the operation concerns.
func (r Result) MACs() []dhcp.MAC {
	out := slices.Clone(r.Using)
	for _, d := range r.Devices {
		out = append(out, d.MAC)
	}
	return out
}

// Conflict is the error of an operation that the records as they are do not allow.
type Conflict struct{ message string }

func (e *Conflict) Error() string { return e.message }

func conflictf(format string, args ...any) error { return &Conflict{fmt.Sprintf(format, args...)} }

// owned returns an error for a device that a PBX source owns.
func owned(devices ...*fleet.Device) error {
	for _, d := range devices {
		if d.Source != "" {
			return conflictf("device %s comes from the PBX source %s: change it there", d.MAC, d.Source)
		}
	}
	return nil
}

// Copy creates a device like another, with lines of its own. What only one phone can have is not copied: the label, the lines,
// serial number, notes, further MACs and the reserved address. A line takes the registrar override of the original's line at its position.
func (o Office) Copy(from, to dhcp.MAC, label string, lines []fleet.Line) (r Result, err error) {
	d, err := o.Device(from)
	if err != nil {
		return r, err
	}
	other, err := o.DeviceByAny(to)
	switch {
	case err == nil && other.MAC == to:
		return r, conflictf("device %s exists already", to)
	case err == nil:
		return r, conflictf("%s is a further MAC of device %s", to, other.MAC)
	case !errors.Is(err, fleet.ErrNotFound):
		return r, err
	}
	lines = slices.Clone(lines)
	for i := range lines {
		lines[i].Position = cmp.Or(lines[i].Position, i+1)
		if at := lineAt(d.Lines, lines[i].Position); at != nil {
			lines[i].Override = at.Override
		}
	}
	c := *d
	c.MAC, c.Label, c.Lines, c.Enabled = to, label, lines, true
	c.Serial, c.Notes, c.OtherMACs, c.ReservedIP, c.Credentials = "", "", nil, netip.Addr{}, nil
	c.Source, c.SourceMembers, c.Gone = "", nil, false
	c.Revision, c.CreatedAt, c.UpdatedAt = 0, time.Time{}, time.Time{}
	return Result{Devices: []*fleet.Device{&c}}, o.put(&c)
}

func lineAt(lines []fleet.Line, position int) *fleet.Line {
	for i := range lines {
		if lines[i].Position == position {
			return &lines[i]
		}
	}
	return nil
}

// Swap exchanges what two phones are for: everything but the hardware, which is MACs, vendor, model, serial number and the phone's
// own credentials.
func (o Office) Swap(a, b dhcp.MAC) (r Result, err error) {
	if a == b {
		return r, conflictf("%s can't be swapped with itself", a)
	}
	da, err := o.Device(a)
	if err != nil {
		return r, err
	}
	db, err := o.Device(b)
	if err != nil {
		return r, err
	}
	if err := owned(da, db); err != nil {
		return r, err
	}
	for _, d := range []*fleet.Device{da, db} {
		if !d.Enabled {
			return r, conflictf("device %s is disabled: enable it first", d.MAC)
		}
	}
	na, nb := taking(da, db), taking(db, da)
	for _, x := range []struct{ was, now *fleet.Device }{{da, nb}, {db, na}} {
		lost, err := o.fit(x.was, x.now)
		if err != nil {
			return r, err
		}
		r.Lost = append(r.Lost, lost...)
	}
	if err := o.release(db); err != nil {
		return r, err
	}
	r.Devices = []*fleet.Device{na, nb}
	return r, errors.Join(o.put(na), o.put(nb))
}

// taking returns the hardware of a device with all else from another.
func taking(hardware, of *fleet.Device) *fleet.Device {
	d := *of
	d.MAC, d.OtherMACs, d.Vendor, d.Model, d.Serial = hardware.MAC, hardware.OtherMACs, hardware.Vendor, hardware.Model, hardware.Serial
	d.Credentials, d.Revision, d.CreatedAt, d.UpdatedAt = hardware.Credentials, hardware.Revision, hardware.CreatedAt, hardware.UpdatedAt
	d.Lines, d.Keys = slices.Clone(of.Lines), slices.Clone(of.Keys)
	return &d
}

// release takes the reserved address from a device for as long as the edit gives it to another.
func (o Office) release(d *fleet.Device) error {
	if !d.ReservedIP.IsValid() {
		return nil
	}
	without := *d
	without.ReservedIP = netip.Addr{}
	return o.PutDevice(&without)
}

func (o Office) put(d *fleet.Device) error {
	if err := resolve.CheckDevice(o, o.Packs, d); err != nil {
		return err
	}
	switch old, err := o.Device(d.MAC); {
	case err == nil:
		if err := fleet.CheckOwnedDevice(old, d); err != nil {
			return err
		}
	case !errors.Is(err, fleet.ErrNotFound):
		return err
	}
	return o.PutDevice(d)
}

// Hardware is what a phone is.
type Hardware struct{ Vendor, Model string }

// Replace gives everything of the old phone but its hardware to the new one, and disables the old one: its file clears its accounts
// and keys, and holds no secret. is the hardware of a new phone without a record; empty: that of the old one.
func (o Office) Replace(old, by dhcp.MAC, is Hardware) (r Result, err error) {
	if old == by {
		return r, conflictf("%s can't be replaced by itself", old)
	}
	was, err := o.Device(old)
	if err != nil {
		return r, err
	}
	next, err := o.replacement(was, by, is)
	if err != nil {
		return r, err
	}
	d := taking(next, was)
	d.Enabled, d.Notes = true, joined(was.Notes, next.Notes)
	if r.Lost, err = o.fit(was, d); err != nil {
		return r, err
	}
	retired := &fleet.Device{
		MAC: was.MAC, OtherMACs: was.OtherMACs, Vendor: was.Vendor, Model: was.Model, Serial: was.Serial, Credentials: was.Credentials,
		Revision: was.Revision, CreatedAt: was.CreatedAt, Notes: joined(strings.TrimSpace("replaced by "+by.String()+" "+bracketed(was.Label)), was.Notes),
	}
	r.Devices = []*fleet.Device{d, retired}
	return r, errors.Join(o.put(retired), o.put(d))
}

// replacement returns the record of the new phone, or a new one.
func (o Office) replacement(was *fleet.Device, by dhcp.MAC, is Hardware) (*fleet.Device, error) {
	next, err := o.DeviceByAny(by)
	switch {
	case errors.Is(err, fleet.ErrNotFound):
		next = &fleet.Device{MAC: by, Vendor: is.Vendor, Model: is.Model}
		if is == (Hardware{}) {
			next.Vendor, next.Model = was.Vendor, was.Model
		}
	case err != nil:
		return nil, err
	case next.MAC == was.MAC:
		return nil, conflictf("%s is a further MAC of device %s itself", by, was.MAC)
	case next.MAC != by:
		return nil, conflictf("%s is a further MAC of device %s", by, next.MAC)
	case len(next.Lines) > 0:
		return nil, conflictf("device %s has lines of its own; swap exchanges two phones", by)
	case is.Model != "" || is.Vendor != "":
		next.Vendor, next.Model = is.Vendor, is.Model
	}
	if err := owned(was, next); err != nil {
		return nil, err
	}
	return next, o.release(next)
}

func bracketed(text string) string {
	if text == "" {
		return ""
	}
	return "(" + text + ")"
}

// joined puts two notes below each other, as far as they fit.
func joined(a, b string) string {
	text := []rune(strings.Trim(a+"\n"+b, "\n"))
	return string(text[:min(len(text), fleet.MaxNotes)])
}
