package health

import (
	"errors"
	"fmt"
	"sync"
	"weak"

	"plugtone/daemon/observe"
	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/provision/pack"
)

// Missing is a vendor that devices name and that has no pack.
type Missing struct {
	Vendor  string
	Devices []string // the first few: MAC, with the label
	Count   int      // of all devices
}

// String names the devices.
func (m Missing) String() string {
	if m.Count == 1 {
		return "device " + some(m.Devices, m.Count)
	}
	return fmt.Sprintf("%d devices, %s", m.Count, some(m.Devices, m.Count))
}

// MissingIn returns the vendors of devices that have no pack in packs, in the order of their first device.
func MissingIn(f fleet.View, packs *pack.Set) ([]Missing, error) {
	var out []Missing
	index := map[string]int{}
	for d, err := range f.Devices(dhcp.MAC{}) {
		if err != nil {
			return nil, err
		}
		if d.Vendor == "" {
			continue
		}
		if _, ok := packs.Vendor(d.Vendor); ok {
			continue
		}
		i, ok := index[d.Vendor]
		if !ok {
			i = len(out)
			index[d.Vendor] = i
			out = append(out, Missing{Vendor: d.Vendor})
		}
		if out[i].Count++; out[i].Count <= named {
			name := d.MAC.String()
			if d.Label != "" {
				name += " (" + d.Label + ")"
			}
			out[i].Devices = append(out[i].Devices, name)
		}
	}
	return out, nil
}

// PackUse finds devices without a pack, and reads the records again only when they or the packs have changed.
type PackUse struct {
	Records fleet.Records

	mu       sync.Mutex
	packs    weak.Pointer[pack.Set]
	revision uint64
	missing  []Missing
}

// Missing is MissingIn for the records of now; nil when they can't be read, which the status reports.
func (u *PackUse) Missing(packs *pack.Set) []Missing {
	u.mu.Lock()
	defer u.mu.Unlock()
	err := u.Records.View(func(f fleet.View) (err error) {
		if u.packs == weak.Make(packs) && u.revision == f.Revision() {
			return nil
		}
		if u.missing, err = MissingIn(f, packs); err == nil {
			u.packs, u.revision = weak.Make(packs), f.Revision()
		}
		return err
	})
	if err != nil {
		return nil
	}
	return u.missing
}

// Contradicting returns those contradictions whose record still names another vendor than the phone, with its vendor of now.
func Contradicting(records fleet.Records, seen []observe.Contradiction) []observe.Contradiction {
	if len(seen) == 0 {
		return nil
	}
	var out []observe.Contradiction
	err := records.View(func(f fleet.View) error {
		for _, c := range seen {
			d, err := f.DeviceByAny(c.MAC)
			switch {
			case errors.Is(err, fleet.ErrNotFound):
				continue
			case err != nil:
				return err
			case d.Vendor != "" && d.Vendor != c.Recognised:
				c.Vendor = d.Vendor
				out = append(out, c)
			}
		}
		return nil
	})
	if err != nil {
		return nil
	}
	return out
}
