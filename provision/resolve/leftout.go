package resolve

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"plugtone/provision/fleet"
	"plugtone/provision/pack"
	"plugtone/provision/phonefile"
)

// LeftOut returns what a device does not get, with the reason: what Phone leaves out, and its time zone and the members of its
// keys that its files have no place for. Those are found by rendering the files with and without them. It also returns the
// lines and keys beyond the model that it does get.
func LeftOut(f fleet.View, packs *pack.Set, site *fleet.Site, subnet netip.Prefix, d *fleet.Device, now time.Time) (left, beyond []string, err error) {
	return (*ZoneMemo)(nil).LeftOut(f, packs, site, subnet, d, now)
}

// LeftOut is the function LeftOut with what is remembered of time zones; nil remembers nothing.
func (m *ZoneMemo) LeftOut(f fleet.View, packs *pack.Set, site *fleet.Site, subnet netip.Prefix, d *fleet.Device, now time.Time) (left, beyond []string, err error) {
	p, left, err := Phone(f, packs, site, subnet, d, now)
	if err != nil || !d.Enabled {
		return left, nil, err
	}
	vendor, ok := packs.Vendor(d.Vendor)
	if !ok {
		return left, nil, nil
	}
	left = append(left, m.leftOut(packs, vendor, p)...)
	return append(left, unrendered(vendor, p)...), Beyond(vendor, p), nil
}

// optional is a member of keys, or a line or key beyond the model, that not every vendor's files have a place for. clear removes it
// from a phone.
type optional struct {
	what  string
	clear func(p *phonefile.Phone)
}

// optionals lists what a phone has of that kind.
func optionals(vendor *pack.Vendor, p phonefile.Phone) []optional {
	var out []optional
	add := func(what string, clear func(*phonefile.Phone)) {
		out = append(out, optional{what, clear})
	}
	for i, l := range p.Lines {
		if vendor.CheckLine(p.Model, l.Position) != nil {
			add(fmt.Sprintf("line %d, beyond the model", l.Position), func(p *phonefile.Phone) { p.Lines = slices.Delete(p.Lines, i, i+1) })
		}
	}
	for i, k := range p.Keys {
		at := fmt.Sprintf("key %s:%d: ", k.Area, k.Slot)
		if vendor.CheckKey(p.Model, k) != nil {
			add(at+"beyond the model", func(p *phonefile.Phone) { p.Keys = slices.Delete(p.Keys, i, i+1) })
		}
		if k.PickupCode != "" {
			add(at+"pickup_code", func(p *phonefile.Phone) { p.Keys[i].PickupCode = "" })
		}
		if k.Locked && !vendor.Document().KeysLocked {
			add(at+"locked", func(p *phonefile.Phone) { p.Keys[i].Locked = false })
		}
	}
	return out
}

// unrendered returns the optional members without which the phone's files are the same.
func unrendered(vendor *pack.Vendor, p phonefile.Phone) (left []string) {
	all := optionals(vendor, p)
	if len(all) == 0 {
		return nil
	}
	p = withServer(p)
	full := filesOf(vendor, p, phonefile.KindDevice)
	if full == nil {
		return nil // the reason why there is none is reported where the files are
	}
	for _, o := range all {
		without := p
		without.Lines, without.Keys = slices.Clone(p.Lines), slices.Clone(p.Keys)
		o.clear(&without)
		if bytes.Equal(filesOf(vendor, without, phonefile.KindDevice), full) {
			left = append(left, o.what+": has no place in the files of "+vendor.Name)
		}
	}
	return left
}

// withServer gives a phone whose subnet is unknown a server, for some files can't be rendered without one.
func withServer(p phonefile.Phone) phonefile.Phone {
	if p.ServerURL == "" {
		p.ServerURL, p.Server = placeholderURL, "192.0.2.1"
	}
	return p
}

// filesOf returns a phone's rendered files of some kinds in one text, nil when one can't be rendered.
func filesOf(vendor *pack.Vendor, p phonefile.Phone, kinds ...phonefile.Kind) []byte {
	var all []byte
	for _, name := range vendor.Files(p) {
		if !slices.Contains(kinds, name.File.Kind) || name.File.Template == "" || name.File.Of != "" {
			continue
		}
		b, err := vendor.Render(name.Name, p)
		if err != nil {
			return nil
		}
		all = append(all, b...)
	}
	return all
}
