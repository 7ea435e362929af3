package provision

import (
	"context"
	"errors"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/provision/timeline"
)

// Facts gathers what timeline.Diagnose needs of a phone, with a record or without.
func (s *Service) Facts(ctx context.Context, mac dhcp.MAC) (timeline.Facts, error) {
	f := timeline.Facts{Now: s.c.Now(), MAC: mac}
	var d *fleet.Device
	err := s.c.Records.View(func(fleet fleet.View) error {
		var err error
		d, err = s.current().device(fleet, mac)
		return err
	})
	if err != nil {
		return f, err
	}
	for _, m := range fleet.MACsOf(mac, d) {
		for _, l := range s.c.Leases.LeasesOf(m) {
			if isActive(l, f.Now) {
				f.Addr, f.Expires = l.Addr, l.Expires
			}
		}
	}
	if d == nil {
		return f, nil
	}
	f.MAC, f.Recorded, f.Enabled, f.Vendor, f.Model = d.MAC, true, d.Enabled, d.Vendor, d.Model
	packs := s.c.Packs()
	f.Models = func(file string) []string {
		for _, m := range packs.Resolve(file) {
			if m.Vendor == d.Vendor {
				return m.Models
			}
		}
		return nil
	}
	st, err := s.StatusOf(ctx, d)
	if err != nil && !errors.Is(err, fleet.ErrInternal) {
		return f, err
	}
	f.State = st.State
	return f, nil
}
