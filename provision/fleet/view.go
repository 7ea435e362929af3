// Package fleet has the records that operators enter (devices, lines, keys, profiles, extensions, registrars), the part of the
// configuration that decides about them (Site), the interfaces by which they are read and edited, and the checks that need no
// vendor pack. It stores nothing (store does), and every package above dhcp, setting and trust can use its types.
package fleet

import (
	"errors"
	"iter"
	"net/netip"

	"plugtone/dhcp"
)

// View reads what operators entered, as of one revision. Values that it returns are the caller's own.
// A record that isn't there is an error that wraps ErrNotFound and names it.
type View interface {
	ChangeView
	Revision() uint64
	Device(mac dhcp.MAC) (*Device, error)       // by its own MAC
	DeviceByAny(mac dhcp.MAC) (*Device, error)  // by its own MAC or one of its other_macs
	DeviceByIP(ip netip.Addr) (dhcp.MAC, error) // the device that has ip reserved
	Extension(number, registrar string) (*Extension, error)
	ExtensionsNumbered(number string) ([]*Extension, error) // on every registrar
	Registrar(name string) (*Registrar, error)
	Profile(name string) (*Profile, error)
	Devices(after dhcp.MAC) iter.Seq2[*Device, error] // in MAC order, those greater than after
	Extensions() iter.Seq2[*Extension, error]
	Registrars() iter.Seq2[*Registrar, error]
	Profiles() iter.Seq2[*Profile, error]
	DevicesWith(number, registrar string) ([]dhcp.MAC, error) // devices that have a line bound to the extension
	DevicesWithProfile(name string) ([]dhcp.MAC, error)       // devices that name the profile, in MAC order
}

// Edit is a View that can be changed. All changes of one Edit are stored together or not at all.
// Put sets Revision, CreatedAt and UpdatedAt of the record it is given.
type Edit interface {
	View
	PutDevice(d *Device) error
	DeleteDevice(mac dhcp.MAC) error
	PutExtension(e *Extension) error
	DeleteExtension(number, registrar string) error
	PutRegistrar(r *Registrar) error
	DeleteRegistrar(name string) error
	PutProfile(p *Profile) error
	DeleteProfile(name string) error
}

// Records gives access to the fleet. store implements it.
type Records interface {
	Revision() uint64 // of the last Edit; never waits for a View or Edit
	View(f func(View) error) error
	// Edit runs f in one transaction with one revision and one audit entry in the name of actor. An error of f undoes all. f may run several
	// times, when another member of a cluster makes a change meanwhile: only what the last time leaves counts. A View within f has the
	// records as they were; f may write nothing while it is open.
	Edit(actor, action string, f func(Edit) error) error
	// Write is Edit with a description of the change. It returns the change, whose ID is 0 when nothing changed.
	Write(w Write, f func(Edit) error) (Change, error)
}

// DeviceOrNext returns the record of the device with mac as its own, or else the next one, after the last the first: a
// lookup takes as long for a MAC without a record as for one with it. It returns nil when there are no records.
func DeviceOrNext(f View, mac dhcp.MAC) (*Device, error) {
	for _, after := range []dhcp.MAC{before(mac), {}} {
		for d, err := range f.Devices(after) {
			return d, err
		}
	}
	return nil, nil
}

// DevicesOf yields the devices with these MACs as their own that there are.
func DevicesOf(f View, macs []dhcp.MAC) iter.Seq2[*Device, error] {
	return func(yield func(*Device, error) bool) {
		for _, mac := range macs {
			d, err := f.Device(mac)
			if errors.Is(err, ErrNotFound) {
				continue
			}
			if !yield(d, err) {
				return
			}
		}
	}
}

// before returns the MAC that comes before mac.
func before(mac dhcp.MAC) dhcp.MAC {
	for i := len(mac) - 1; i >= 0; i-- {
		mac[i]--
		if mac[i] != 0xff {
			break
		}
	}
	return mac
}

// MACOf returns the first of MACsOf.
func MACOf(mac dhcp.MAC, d *Device) dhcp.MAC {
	if d == nil {
		return mac
	}
	return d.MAC
}

// MACsOf returns the device's MACs, its own first; without a record the one.
func MACsOf(mac dhcp.MAC, d *Device) []dhcp.MAC {
	if d == nil {
		return []dhcp.MAC{mac}
	}
	return append([]dhcp.MAC{d.MAC}, d.OtherMACs...)
}

// MACsReserving returns the MACs of the device that has an address reserved; none without one.
func MACsReserving(f View, addr netip.Addr) ([]dhcp.MAC, error) {
	mac, err := f.DeviceByIP(addr)
	if errors.Is(err, ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	d, err := f.Device(mac)
	if err != nil {
		return nil, err
	}
	return MACsOf(mac, d), nil
}
