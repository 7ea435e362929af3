package provision

import (
	"fmt"
	"time"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
)

// requestSubnet returns the subnet that the file is rendered for: the requester's, else the phone's own.
func (s producer) requestSubnet(q fileRequest, anonymous bool) (fleet.Subnet, error) {
	site := q.generation.site
	if q.Subnet.IsValid() {
		n, ok := site.SubnetByPrefix(q.Subnet)
		if !ok {
			return n, fmt.Errorf("%s is not one of the subnets", q.Subnet)
		}
		return n, nil
	}
	if n, ok := site.SubnetOf(q.who.source.Addr); ok {
		return n, nil
	}
	device := q.auth.device
	if anonymous && q.Transport != fleet.Preview {
		device = nil
	}
	n, _ := s.subnets.find(site, q.As, device)
	return n, nil
}

// subnetFinder finds the subnet of a phone.
type subnetFinder struct {
	leases  Leases
	fetches func(dhcp.MAC) ([]fleet.Fetch, error)
	now     func() time.Time
}

// find returns the subnet that a phone's files are rendered for when the request doesn't show it, and why that one: of its
// lease, of its reservation, of its last fetch, or the first that provisions.
func (s subnetFinder) find(site *fleet.Site, mac dhcp.MAC, d *fleet.Device) (fleet.Subnet, string) {
	for _, m := range fleet.MACsOf(mac, d) {
		for _, l := range s.leases.LeasesOf(m) {
			if n, ok := site.SubnetOf(l.Addr); ok && isActive(l, s.now()) {
				return n, "lease"
			}
		}
	}
	if d != nil && d.ReservedIP.IsValid() {
		if n, ok := site.SubnetOf(d.ReservedIP); ok {
			return n, "reservation"
		}
	}
	if d != nil {
		fetches, err := s.fetches(d.MAC)
		if last, ok := fleet.LastFetch(fetches); ok && err == nil { // an error of the store only costs the hint
			if n, ok := site.SubnetOf(last.From); ok {
				return n, "last fetch"
			}
		}
	}
	if n, ok := site.FirstProvisioning(); ok {
		return n, "first provisioning subnet"
	}
	return fleet.Subnet{}, "no subnet"
}
