package fleet

import (
	"time"

	"plugtone/dhcp"
)

// SubnetFinder finds the subnet of a phone.
type SubnetFinder struct {
	Leases interface {
		LeasesOf(mac dhcp.MAC) []dhcp.Lease
	}
	Fetches func(dhcp.MAC) ([]Fetch, error)
	Now     func() time.Time
}

// Find returns the subnet that a phone's files are rendered for when the request doesn't show it, and why that one: of its
// lease, of its reservation, of its last fetch, or the first that provisions.
func (s SubnetFinder) Find(site *Site, mac dhcp.MAC, d *Device) (Subnet, string) {
	for _, m := range MACsOf(mac, d) {
		for _, l := range s.Leases.LeasesOf(m) {
			if n, ok := site.SubnetOf(l.Addr); ok && l.State == dhcp.LeaseActive && l.Expires.After(s.Now()) {
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
		fetches, err := s.Fetches(d.MAC)
		if last, ok := LastFetch(fetches); ok && err == nil { // an error of the store only costs the hint
			if n, ok := site.SubnetOf(last.From); ok {
				return n, "last fetch"
			}
		}
	}
	if n, ok := site.FirstProvisioning(); ok {
		return n, "first provisioning subnet"
	}
	return Subnet{}, "no subnet"
}
