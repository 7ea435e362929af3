package records

import (
	"iter"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
)

// What an edit reads is a sign that it goes on, as what it writes is: an edit that finds 100,000 records as they should be, or renders
// their files, writes nothing for many seconds, and does not hang.

func (e *edit) Device(mac dhcp.MAC) (*fleet.Device, error) {
	e.tx.Advance(0)
	return e.view.Device(mac)
}

func (e *edit) DeviceByAny(mac dhcp.MAC) (*fleet.Device, error) {
	e.tx.Advance(0)
	return e.view.DeviceByAny(mac)
}

func (e *edit) Extension(number, registrar string) (*fleet.Extension, error) {
	e.tx.Advance(0)
	return e.view.Extension(number, registrar)
}

func (e *edit) Profile(name string) (*fleet.Profile, error) {
	e.tx.Advance(0)
	return e.view.Profile(name)
}

func (e *edit) Devices(after dhcp.MAC) iter.Seq2[*fleet.Device, error] {
	return advancing(e, e.view.Devices(after))
}

func (e *edit) Extensions() iter.Seq2[*fleet.Extension, error] {
	return advancing(e, e.view.Extensions())
}

func advancing[T any](e *edit, list iter.Seq2[T, error]) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for v, err := range list {
			e.tx.Advance(0)
			if !yield(v, err) {
				return
			}
		}
	}
}
