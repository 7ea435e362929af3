package impact

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"iter"
	"maps"
	"net/netip"
	"slices"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
)

// Records returns the records as they would be after a change that was computed by a dry run. They can't be edited.
func Records(base fleet.Records, c fleet.Change) fleet.Records {
	o := overlay(c)
	o.base = base
	return o
}

func overlay(c fleet.Change) overlaid {
	o := overlaid{
		devices: map[dhcp.MAC]*fleet.Device{}, extensions: map[extensionKey]*fleet.Extension{},
		registrars: map[string]*fleet.Registrar{}, profiles: map[string]*fleet.Profile{},
		owners: map[dhcp.MAC]dhcp.MAC{}, addrs: map[netip.Addr]dhcp.MAC{},
		onLine: map[extensionKey][]dhcp.MAC{}, withProfile: map[string][]dhcp.MAC{},
	}
	for _, r := range c.Records {
		o.put(r)
	}
	return o
}

type extensionKey struct{ number, registrar string }

// overlaid is records with some that are replaced; nil is one that is deleted.
type overlaid struct {
	base       fleet.Records
	devices    map[dhcp.MAC]*fleet.Device
	extensions map[extensionKey]*fleet.Extension
	registrars map[string]*fleet.Registrar
	profiles   map[string]*fleet.Profile
	owners     map[dhcp.MAC]dhcp.MAC // other MACs of changed devices
	addrs      map[netip.Addr]dhcp.MAC

	onLine      map[extensionKey][]dhcp.MAC // changed devices by the extensions of their lines
	withProfile map[string][]dhcp.MAC       // and by their profile
}

func (o overlaid) put(r fleet.ChangedRecord) {
	before, after := fleet.Record{}, fleet.Record{}
	if r.Before != nil {
		before = *r.Before
	}
	if r.After != nil {
		after = *r.After
	}
	switch r.Kind {
	case fleet.KindDevice:
		d := cmp.Or(after.Device, before.Device)
		o.devices[d.MAC] = after.Device
		if after.Device == nil {
			return
		}
		for _, mac := range d.OtherMACs {
			o.owners[mac] = d.MAC
		}
		if d.ReservedIP.IsValid() {
			o.addrs[d.ReservedIP] = d.MAC
		}
		for _, l := range d.Lines {
			k := extensionKey{l.Extension, l.Registrar}
			o.onLine[k] = append(o.onLine[k], d.MAC)
		}
		if d.Profile != "" {
			o.withProfile[d.Profile] = append(o.withProfile[d.Profile], d.MAC)
		}
	case fleet.KindExtension:
		x := cmp.Or(after.Extension, before.Extension)
		o.extensions[extensionKey{x.Number, x.Registrar}] = after.Extension
	case fleet.KindRegistrar:
		o.registrars[cmp.Or(after.Registrar, before.Registrar).Name] = after.Registrar
	case fleet.KindProfile:
		o.profiles[cmp.Or(after.Profile, before.Profile).Name] = after.Profile
	}
}

// Revision implements fleet.Records: that of the records below.
func (o overlaid) Revision() uint64 { return o.base.Revision() }

// View implements fleet.Records.
func (o overlaid) View(f func(fleet.View) error) error {
	return o.base.View(func(base fleet.View) error { return f(view{base, o}) })
}

var errReadOnly = fmt.Errorf("%w: the records of a dry run can't be edited", fleet.ErrInternal)

// Edit implements fleet.Records: it always fails.
func (o overlaid) Edit(string, string, func(fleet.Edit) error) error { return errReadOnly }

// Write implements fleet.Records: it always fails.
func (o overlaid) Write(fleet.Write, func(fleet.Edit) error) (fleet.Change, error) {
	return fleet.Change{}, errReadOnly
}

// view is one view of the records below with those that are replaced. Change and ChangeRecords are those of the records below.
type view struct {
	fleet.View
	o overlaid
}

// own returns the replaced record, or what read returns. Values are the caller's own.
func own[K comparable, T any](m map[K]*T, k K, name string, read func() (*T, error)) (*T, error) {
	v, replaced := m[k]
	switch {
	case !replaced:
		return read()
	case v == nil:
		return nil, fmt.Errorf("%s: %w", name, fleet.ErrNotFound)
	}
	c := *v
	return &c, nil
}

func (f view) Device(mac dhcp.MAC) (*fleet.Device, error) {
	return own(f.o.devices, mac, "device "+mac.String(), func() (*fleet.Device, error) { return f.View.Device(mac) })
}

func (f view) DeviceByAny(mac dhcp.MAC) (*fleet.Device, error) {
	d, err := f.Device(mac)
	if err == nil || !errors.Is(err, fleet.ErrNotFound) {
		return d, err
	}
	if owner, ok := f.o.owners[mac]; ok {
		return f.Device(owner)
	}
	if d, err = f.View.DeviceByAny(mac); err != nil {
		return nil, err
	}
	if _, replaced := f.o.devices[d.MAC]; replaced { // it gave this MAC up, or it is deleted
		return nil, fmt.Errorf("device %s: %w", mac, fleet.ErrNotFound)
	}
	return d, nil
}

func (f view) DeviceByIP(ip netip.Addr) (dhcp.MAC, error) {
	if mac, ok := f.o.addrs[ip.Unmap()]; ok {
		return mac, nil
	}
	mac, err := f.View.DeviceByIP(ip)
	if _, replaced := f.o.devices[mac]; err == nil && replaced {
		return dhcp.MAC{}, fmt.Errorf("device with reserved_ip %s: %w", ip, fleet.ErrNotFound)
	}
	return mac, err
}

func (f view) Extension(number, registrar string) (*fleet.Extension, error) {
	return own(f.o.extensions, extensionKey{number, registrar}, "extension "+number+"@"+registrar,
		func() (*fleet.Extension, error) { return f.View.Extension(number, registrar) })
}

func (f view) ExtensionsNumbered(number string) ([]*fleet.Extension, error) {
	list, err := f.View.ExtensionsNumbered(number)
	if err != nil && !errors.Is(err, fleet.ErrNotFound) {
		return nil, err
	}
	out := slices.DeleteFunc(list, func(x *fleet.Extension) bool {
		_, replaced := f.o.extensions[extensionKey{x.Number, x.Registrar}]
		return replaced
	})
	for k, x := range f.o.extensions {
		if k.number == number && x != nil {
			c := *x
			out = append(out, &c)
		}
	}
	slices.SortFunc(out, compareExtensions)
	return out, nil
}

func compareExtensions(a, b *fleet.Extension) int {
	return cmp.Or(cmp.Compare(a.Number, b.Number), cmp.Compare(a.Registrar, b.Registrar))
}

func (f view) Registrar(name string) (*fleet.Registrar, error) {
	return own(f.o.registrars, name, "registrar "+name, func() (*fleet.Registrar, error) { return f.View.Registrar(name) })
}

func (f view) Profile(name string) (*fleet.Profile, error) {
	return own(f.o.profiles, name, "profile "+name, func() (*fleet.Profile, error) { return f.View.Profile(name) })
}

// merge yields the records below that are not replaced, with those that replace them, in order.
func merge[K comparable, T any](base iter.Seq2[*T, error], m map[K]*T, key func(*T) K, order func(a, b *T) int) iter.Seq2[*T, error] {
	return func(yield func(*T, error) bool) {
		var own []*T
		for _, v := range m {
			if v != nil {
				own = append(own, v)
			}
		}
		slices.SortFunc(own, order)
		give := func(v *T) bool { c := *v; return yield(&c, nil) }
		for v, err := range base {
			if err != nil {
				yield(nil, err)
				return
			}
			if _, replaced := m[key(v)]; replaced {
				continue
			}
			for len(own) > 0 && order(own[0], v) < 0 {
				if !give(own[0]) {
					return
				}
				own = own[1:]
			}
			if !yield(v, nil) {
				return
			}
		}
		for _, v := range own {
			if !give(v) {
				return
			}
		}
	}
}

func byMAC(a, b *fleet.Device) int { return bytes.Compare(a.MAC[:], b.MAC[:]) }

func (f view) Devices(after dhcp.MAC) iter.Seq2[*fleet.Device, error] {
	later := maps.Clone(f.o.devices)
	maps.DeleteFunc(later, func(mac dhcp.MAC, d *fleet.Device) bool { return d != nil && bytes.Compare(mac[:], after[:]) <= 0 })
	return merge(f.View.Devices(after), later, func(d *fleet.Device) dhcp.MAC { return d.MAC }, byMAC)
}

func (f view) Extensions() iter.Seq2[*fleet.Extension, error] {
	return merge(f.View.Extensions(), f.o.extensions, func(x *fleet.Extension) extensionKey { return extensionKey{x.Number, x.Registrar} }, compareExtensions)
}

func (f view) Registrars() iter.Seq2[*fleet.Registrar, error] {
	return merge(f.View.Registrars(), f.o.registrars, func(r *fleet.Registrar) string { return r.Name },
		func(a, b *fleet.Registrar) int { return cmp.Compare(a.Name, b.Name) })
}

func (f view) Profiles() iter.Seq2[*fleet.Profile, error] {
	return merge(f.View.Profiles(), f.o.profiles, func(p *fleet.Profile) string { return p.Name },
		func(a, b *fleet.Profile) int { return cmp.Compare(a.Name, b.Name) })
}

func (f view) DevicesWith(number, registrar string) ([]dhcp.MAC, error) {
	list, err := f.View.DevicesWith(number, registrar)
	return f.using(list, f.o.onLine[extensionKey{number, registrar}], err)
}

func (f view) DevicesWithProfile(name string) ([]dhcp.MAC, error) {
	list, err := f.View.DevicesWithProfile(name)
	return f.using(list, f.o.withProfile[name], err)
}

// using returns the devices below that are not replaced, with those that replace them.
func (f view) using(base, own []dhcp.MAC, err error) ([]dhcp.MAC, error) {
	if err != nil {
		return nil, err
	}
	out := slices.DeleteFunc(base, func(mac dhcp.MAC) bool { _, replaced := f.o.devices[mac]; return replaced })
	out = append(out, own...)
	slices.SortFunc(out, func(a, b dhcp.MAC) int { return bytes.Compare(a[:], b[:]) })
	return slices.Compact(out), nil
}
