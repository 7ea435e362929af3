package fleet

import (
	"errors"
	"maps"
	"slices"

	"plugtone/dhcp"
)

// RemoveExtension deletes an extension. While devices have lines on it, it is refused with them unless force is set,
// which takes those lines away.
func RemoveExtension(e Edit, number, registrar string, force bool) error {
	if _, err := e.Extension(number, registrar); err != nil {
		return err
	}
	users, err := e.DevicesWith(number, registrar)
	if err != nil {
		return err
	}
	if len(users) > 0 && !force {
		return &InUse{"extension " + number + "@" + registrar, deviceNames(users)}
	}
	for _, mac := range users {
		d, err := e.Device(mac)
		if err != nil {
			return err
		}
		d.Lines = slices.DeleteFunc(d.Lines, func(l Line) bool { return l.Extension == number && l.Registrar == registrar })
		if err := e.PutDevice(d); err != nil {
			return err
		}
	}
	return e.DeleteExtension(number, registrar)
}

// MoveExtension puts an extension onto another registrar, and the lines that are bound to it along with it.
func MoveExtension(e Edit, number, from, to string) error {
	x, err := e.Extension(number, from)
	if err != nil || from == to {
		return err
	}
	if to != "" {
		if _, err := e.Registrar(to); err != nil {
			return err
		}
	}
	if _, err := e.Extension(number, to); err == nil {
		return ValidationError{{Field: "registrar", Value: to, Message: "has extension " + number + " already"}}
	} else if !errors.Is(err, ErrNotFound) {
		return err
	}
	users, err := e.DevicesWith(number, from)
	if err != nil {
		return err
	}
	x.Registrar = to
	if err := e.PutExtension(x); err != nil {
		return err
	}
	for _, mac := range users {
		d, err := e.Device(mac)
		if err != nil {
			return err
		}
		for i := range d.Lines {
			if l := &d.Lines[i]; l.Extension == number && l.Registrar == from {
				l.Registrar = to
			}
		}
		if err := e.PutDevice(d); err != nil {
			return err
		}
	}
	return e.DeleteExtension(number, from)
}

// RemoveRegistrar deletes a registrar. While extensions are on it, it is refused with them unless force is set, which
// leaves them, and the lines on them, without a registrar: phones then get no account for them until MoveExtension.
func RemoveRegistrar(e Edit, name string, force bool) error {
	if _, err := e.Registrar(name); err != nil {
		return err
	}
	var on []string
	for x, err := range e.Extensions() {
		if err != nil {
			return err
		}
		if x.Registrar == name {
			on = append(on, x.Number)
		}
	}
	if len(on) > 0 && !force {
		users := make([]string, len(on))
		for i, number := range on {
			users[i] = "extension " + number
		}
		return &InUse{"registrar " + name, users}
	}
	for _, number := range on {
		if err := MoveExtension(e, number, name, ""); err != nil {
			return err
		}
	}
	return e.DeleteRegistrar(name)
}

// RemoveProfile deletes a profile. While devices or profiles name it, it is refused with them unless force is set, which
// leaves them without it.
func RemoveProfile(e Edit, name string, force bool) error {
	if _, err := e.Profile(name); err != nil {
		return err
	}
	devices, err := e.DevicesWithProfile(name)
	if err != nil {
		return err
	}
	children := map[string]*Profile{}
	for p, err := range e.Profiles() {
		if err != nil {
			return err
		}
		if p.Parent == name {
			children[p.Name] = p
		}
	}
	users := deviceNames(devices)
	for _, child := range slices.Sorted(maps.Keys(children)) {
		users = append(users, "profile "+child)
	}
	if len(users) > 0 && !force {
		return &InUse{"profile " + name, users}
	}
	for _, mac := range devices {
		d, err := e.Device(mac)
		if err != nil {
			return err
		}
		d.Profile = ""
		if err := e.PutDevice(d); err != nil {
			return err
		}
	}
	for _, child := range slices.Sorted(maps.Keys(children)) {
		children[child].Parent = ""
		if err := e.PutProfile(children[child]); err != nil {
			return err
		}
	}
	return e.DeleteProfile(name)
}

func deviceNames(macs []dhcp.MAC) []string {
	out := make([]string, len(macs))
	for i, m := range macs {
		out[i] = "device " + m.String()
	}
	return out
}

// DevicesOn names the devices with lines on registrars.
func DevicesOn(f View, registrars map[string]bool) ([]dhcp.MAC, error) {
	if len(registrars) == 0 {
		return nil, nil
	}
	var out []dhcp.MAC
	for x, err := range f.Extensions() {
		if err != nil {
			return nil, err
		}
		if registrars[x.Registrar] {
			macs, err := f.DevicesWith(x.Number, x.Registrar)
			if err != nil {
				return nil, err
			}
			out = append(out, macs...)
		}
	}
	return out, nil
}

// DevicesUsing names the devices whose files a profile has a part in: those that name it, or a profile below it.
func DevicesUsing(f View, profile string) ([]dhcp.MAC, error) {
	below := map[string]bool{profile: true}
	for again := true; again; {
		again = false
		for p, err := range f.Profiles() {
			if err != nil {
				return nil, err
			}
			if below[p.Parent] && !below[p.Name] {
				below[p.Name], again = true, true
			}
		}
	}
	var out []dhcp.MAC
	for name := range below {
		macs, err := f.DevicesWithProfile(name)
		if err != nil {
			return nil, err
		}
		out = append(out, macs...)
	}
	return out, nil
}
