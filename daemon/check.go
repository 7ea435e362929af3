package daemon

import (
	"net/netip"

	"plugtone/dhcp"
)

// Report is what plugtone check says of a configuration that has no faults.
type Report struct {
	Config   string         `json:"config"`
	Warnings []string       `json:"warnings"`
	Vendors  []string       `json:"vendors"`
	Subnets  []SubnetReport `json:"subnets"`
}

// SubnetReport says what phones in a subnet will be told.
type SubnetReport struct {
	Subnet          netip.Prefix `json:"subnet"`
	Interface       string       `json:"interface,omitempty"` // "" when only relays reach it
	Phones          string       `json:"phones"`
	Addresses       int          `json:"addresses"`
	NextServer      netip.Addr   `json:"next_server,omitzero"` // zero when it shows only once a packet comes
	ProvisioningURL string       `json:"provisioning_url,omitempty"`
}

// Check reads configuration and packs as Run would, and opens nothing. Its error holds every fault of both.
func Check(o Options) (*Report, error) {
	p, err := makePlan(o)
	if err != nil {
		return nil, err
	}
	r := &Report{Config: p.cfg.Path, Warnings: []string{}, Vendors: vendorIDs(p.packs), Subnets: []SubnetReport{}}
	for _, w := range p.warnings {
		r.Warnings = append(r.Warnings, w.String())
	}
	for i, s := range p.cfg.DHCP.Subnets {
		n := SubnetReport{Subnet: s.Prefix, Interface: s.Interface, Phones: s.Phones, NextServer: p.site.Subnets[i].NextServer}
		for _, pool := range s.Pools {
			n.Addresses += pool.Size()
		}
		if s.Phones == dhcp.PhonesProvision {
			n.ProvisioningURL = told(p.site.Subnets[i])
		}
		r.Subnets = append(r.Subnets, n)
	}
	return r, nil
}
