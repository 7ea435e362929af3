package provision

import (
	"plugtone/dhcp"
	"plugtone/provision/clientpolicy"
	"plugtone/provision/fleet"
)

// PolicyFor implements dhcp.ClientPolicy; see clientpolicy.For. It does no I/O beyond a read of the record.
func (s *Service) PolicyFor(c dhcp.Client, site dhcp.Site) dhcp.Policy {
	g := s.current()
	d, err := s.device(g, c.MAC, anyDevice)
	return clientpolicy.For(g.packs, c, site, d, err)
}

// Recorded reports whether a device has mac as its own or another of its MACs; not when the records can't be read. It takes
// as long for a MAC that none has: what is recorded of a refusal may delay the requester's next answer.
func (s *Service) Recorded(mac dhcp.MAC) bool {
	g := s.current()
	d, err := s.device(g, mac, deviceInConstantWork)
	return err == nil && d != nil
}

// device returns the device that has mac, nil without one. DHCP queries it for every packet, mostly for a MAC that it queried a
// moment ago: then the records aren't opened.
func (s *Service) device(g *generation, mac dhcp.MAC, read deviceReader) (*fleet.Device, error) {
	d, revision, ok := g.cachedDevice(s.c.Records, mac)
	if ok {
		return d, nil
	}
	err := s.c.Records.View(func(f fleet.View) (err error) {
		d, err = g.readDevice(f, deviceKey{mac, revision}, read)
		return err
	})
	return d, err
}

// deviceInConstantWork is anyDevice that reads another record when there is none for mac.
func deviceInConstantWork(f fleet.View, mac dhcp.MAC) (*fleet.Device, error) {
	d, err := anyDevice(f, mac)
	if d == nil && err == nil {
		_, err = fleet.DeviceOrNext(f, mac)
	}
	return d, err
}
