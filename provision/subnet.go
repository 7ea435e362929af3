package provision

import (
	"fmt"

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
	n, _ := s.subnets.Find(site, q.As, device)
	return n, nil
}
