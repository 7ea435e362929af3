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
	return (*Places)(nil).LeftOut(f, packs, site, subnet, d, now)
}

// LeftOut is the function LeftOut with what is remembered.
func (m *Places) LeftOut(f fleet.View, packs *pack.Set, site *fleet.Site, subnet netip.Prefix, d *fleet.Device, now time.Time) (left, beyond []string, err error) {
	p, left, err := Phone(f, packs, site, subnet, d, now)
	if err != nil || !d.Enabled {
		return left, nil, err
	}
	vendor, ok := packs.Vendor(d.Vendor)
	if !ok {
		return left, nil, nil
	}
	return append(left, m.unplaced(packs, vendor, p)...), Beyond(vendor, p), nil
}

// optional is a member of keys, or a line or key beyond the model, that not every vendor's files have a place for. clear removes it
// from a phone.
type optional struct {
	what  string
	clear func(p *phonefile.Phone)
}

// optionals lists what a phone has of that kind: of labels and lines of keys those that the files of its model have no place for.
func (m *Places) optionals(packs *pack.Set, vendor *pack.Vendor, p phonefile.Phone) []optional {
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
		if k.Type == "none" {
			continue
		}
		if k.Label != "" && k.Label != ownLabel(p, k) && m.lacksLabel(packs, vendor, p.Model, k) {
			add(at+"label", func(p *phonefile.Phone) { p.Keys[i].Label = "" })
		}
		if k.Line > 1 && hasLine(p, k.Line) && m.lacksLine(packs, vendor, p.Model, k) {
			add(at+"line", func(p *phonefile.Phone) { p.Keys[i].Line = 1 })
		}
	}
	return out
}

// ownLabel is what a phone shows on a key of a line by itself; "" for other keys.
func ownLabel(p phonefile.Phone, k fleet.Key) string {
	i := slices.IndexFunc(p.Lines, func(l phonefile.Account) bool { return l.Position == max(k.Line, 1) })
	if i < 0 || k.Type != "line" && k.Type != "shared_line" {
		return ""
	}
	return p.Lines[i].Label
}

func hasLine(p phonefile.Phone, position int) bool {
	return slices.ContainsFunc(p.Lines, func(l phonefile.Account) bool { return l.Position == position })
}

// unrendered returns the optional members without which the phone's files are the same.
func (m *Places) unrendered(packs *pack.Set, vendor *pack.Vendor, p phonefile.Phone) (left []string) {
	all := m.optionals(packs, vendor, p)
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
