package impact

import (
	"errors"
	"slices"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
)

// affected collects the devices whose files depend on changed records, within one view.
type affected struct {
	fleet.View
	site      *fleet.Site
	followers Followers
	found     map[dhcp.MAC]bool
}

// Followers returns the devices for which ShowsNames is true, or all of them. Those that a change touches may be missing.
type Followers func(all bool) ([]dhcp.MAC, error)

// ShowsNames reports whether a device's own settings or keys may show the names of extensions that are not on its lines.
func ShowsNames(d *fleet.Device) bool {
	return d.Settings["phonebook"] != nil || slices.ContainsFunc(d.Keys, func(k fleet.Key) bool { return k.LabelSource == fleet.LabelExtension })
}

func (a affected) add(macs []dhcp.MAC, err error) error {
	for _, mac := range macs {
		a.found[mac] = true
	}
	return err
}

// all collects the devices for all records of a change.
func (a affected) all(c fleet.Change) error {
	registrars := map[string]bool{}
	numbers := map[string]bool{} // of extensions whose names others may show
	for _, r := range c.Records {
		var err error
		for _, side := range []*fleet.Record{r.Before, r.After} {
			switch {
			case err != nil || side == nil:
			case side.Profile != nil:
				err = a.add(fleet.DevicesUsing(a, side.Profile.Name))
			case side.Registrar != nil:
				registrars[side.Registrar.Name] = true
			case side.Extension != nil:
				numbers[side.Extension.Number] = true
				err = a.add(a.DevicesWith(side.Extension.Number, side.Extension.Registrar))
			case side.Device != nil:
				// A line that becomes shared, or no longer is, changes the other phones on it.
				for _, l := range side.Device.Lines {
					err = errors.Join(err, a.add(a.DevicesWith(l.Extension, l.Registrar)))
				}
			}
		}
		if err != nil {
			return err
		}
	}
	if err := a.add(fleet.DevicesOn(a, registrars)); err != nil {
		return err
	}
	if len(numbers) > 0 {
		return a.showing(numbers)
	}
	return nil
}

// showing adds the devices that may show the name of an extension that is not theirs: by a label that follows it, or by a
// phonebook.
func (a affected) showing(numbers map[string]bool) error {
	for p, err := range a.Profiles() {
		if err != nil {
			return err
		}
		if p.Settings["phonebook"] != nil || followsAny(p.Keys, numbers) {
			if err := a.add(fleet.DevicesUsing(a, p.Name)); err != nil {
				return err
			}
		}
	}
	everywhere := a.phonebookEverywhere()
	list := a.Devices(dhcp.MAC{})
	if a.followers != nil {
		macs, err := a.followers(everywhere)
		if err != nil || everywhere {
			return a.add(macs, err)
		}
		list = fleet.DevicesOf(a, macs)
	}
	for d, err := range list {
		if err != nil {
			return err
		}
		if everywhere || d.Settings["phonebook"] != nil || followsAny(d.Keys, numbers) {
			a.found[d.MAC] = true
		}
	}
	return nil
}

// phonebookEverywhere reports whether settings that are not of a device or profile turn phonebooks on.
func (a affected) phonebookEverywhere() bool {
	if a.site.Settings["phonebook"] != nil || slices.ContainsFunc(a.site.Subnets, func(n fleet.Subnet) bool { return n.Settings["phonebook"] != nil }) {
		return true
	}
	for r, err := range a.Registrars() {
		if err == nil && r.Settings["phonebook"] != nil {
			return true
		}
	}
	return false
}

// followsAny reports whether the label of a key follows one of the extensions.
func followsAny(keys []fleet.Key, numbers map[string]bool) bool {
	return slices.ContainsFunc(keys, func(k fleet.Key) bool {
		number, _ := fleet.ParseExtension(k.Value)
		return k.LabelSource == fleet.LabelExtension && (number == "" || numbers[number])
	})
}
