package provision

import (
	"context"

	"plugtone/dhcp"
	"plugtone/provision/devicestatus"
	"plugtone/provision/fleet"
	"plugtone/provision/overrides"
	"plugtone/provision/resolve"
)

// States returns what computes the states of devices.
func (s *Service) States() devicestatus.Reader {
	return devicestatus.Reader{
		Records: s.c.Records, Leases: s.c.Leases, Packs: s.c.Packs, Site: s.c.Site, Fetches: s.c.Fetches, Timeline: s.c.Timeline, Registration: s.c.Registration, Now: s.c.Now,
		Places:    func() *resolve.Places { return &s.current().places },
		Overrides: overrides.Reader{Uploads: s.producer.uploads, Packs: s.c.Packs, Secrets: s.Secrets}.Of,
		File: func(ctx context.Context, mac dhcp.MAC, f fleet.Fetch) devicestatus.File {
			if out, ok := s.c.Elsewhere.File(ctx, mac, f); ok {
				return out
			}
			a := s.preview(ctx, Request{Name: f.File, As: mac, Uncached: true}).Answer
			a.discard()
			return devicestatus.File{Served: a.Outcome == Served, Digest: a.Digest, Upstream: a.Upstream}
		},
	}
}

// Secrets returns the secrets that the files of a device have now; none when they can't be rendered.
func (s *Service) Secrets(d *fleet.Device) []string {
	subnet, _ := s.subnets.Find(s.c.Site(), d.MAC, d)
	return resolve.SecretsOf(s.c.Records, s.c.Packs(), s.c.Site(), subnet.Prefix, d, s.c.Now())
}

// Status compares what the device fetched last with what it would get now.
func (s *Service) Status(ctx context.Context, mac dhcp.MAC) (devicestatus.Status, error) {
	var d *fleet.Device
	err := s.c.Records.View(func(f fleet.View) (err error) {
		d, err = f.DeviceByAny(mac)
		return err
	})
	if err != nil {
		return devicestatus.Status{}, err
	}
	return s.StatusOf(ctx, d)
}

// StatusOf is Status for a record that was read already.
func (s *Service) StatusOf(ctx context.Context, d *fleet.Device) (devicestatus.Status, error) {
	c, err := s.States().Of(ctx, d, devicestatus.Known{})
	return c.Status, err
}

// Rendering returns what the files of devices are rendered with now. Its Validate renders them before a change is stored.
func (s *Service) Rendering() resolve.Rendering {
	g := s.current()
	return resolve.Rendering{Packs: g.packs, Site: g.site, Before: s.c.Records.View, Places: &g.places, Now: s.c.Now(), SubnetOf: func(d *fleet.Device) fleet.Subnet {
		subnet, _ := s.subnets.Find(g.site, d.MAC, d)
		return subnet
	}}
}
