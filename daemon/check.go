package daemon

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"time"

	"plugtone/daemon/config"
	"plugtone/daemon/ownca"
	"plugtone/dhcp"
)

// Report is what plugtone check prints of a valid configuration.
type Report struct {
	Config   string         `json:"config"`
	Warnings []string       `json:"warnings"`
	Vendors  []string       `json:"vendors"`
	Subnets  []SubnetReport `json:"subnets"`
	HTTPS    string         `json:"https,omitempty"` // what it shows, with its SHA-256; "" when it is off
}

// SubnetReport is what phones in a subnet will receive.
type SubnetReport struct {
	Subnet          netip.Prefix `json:"subnet"`
	Interface       string       `json:"interface,omitempty"` // "" when only relays reach it
	Phones          string       `json:"phones"`
	Addresses       int          `json:"addresses"`
	NextServer      netip.Addr   `json:"next_server,omitzero"` // zero when it shows only once a packet comes
	ProvisioningURL string       `json:"provisioning_url,omitempty"`
}

// Check reads configuration and packs as Run would, and opens nothing. Its error joins every problem of both.
func Check(o Options) (*Report, error) {
	p, err := loadRuntimeConfig(o)
	if err != nil {
		return nil, err
	}
	r := &Report{Config: p.cfg.Path, Warnings: []string{}, Vendors: vendorIDs(p.packs), Subnets: []SubnetReport{}}
	for _, w := range p.warnings {
		r.Warnings = append(r.Warnings, w.String())
	}
	if r.HTTPS, err = checkHTTPS(p.cfg); err != nil {
		return nil, err
	}
	for i, s := range p.cfg.DHCP.Subnets {
		n := SubnetReport{Subnet: s.Prefix, Interface: s.Interface, Phones: s.Phones, NextServer: p.site.Subnets[i].NextServer}
		for _, pool := range s.Pools {
			n.Addresses += pool.Size()
		}
		if s.Phones == dhcp.PhonesProvision {
			n.ProvisioningURL = provisioningURL(p.site.Subnets[i])
		}
		r.Subnets = append(r.Subnets, n)
	}
	return r, nil
}

// checkHTTPS reads the certificates as serve would, and makes none.
func checkHTTPS(c *config.Config) (string, error) {
	if !c.HTTPS.Enabled {
		return "", nil
	}
	if c.HTTPS.CertFile != "" {
		certs, err := loadCertificates(c, nil)
		if err != nil {
			return "", err
		}
		what, cert := certs.describe()
		return fmt.Sprintf("%s %s, valid until %s, SHA-256 %s", what, c.HTTPS.CertFile, cert.NotAfter.UTC().Format(time.DateOnly), ownca.Fingerprint(cert)), nil
	}
	if err := new(certificates).readPhones(c); err != nil {
		return "", err
	}
	ca, _, err := ownca.ReadPair(ownDir(c), "ca")
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "an authority of its own, made at the first start", nil
	case err != nil:
		return "", fmt.Errorf("own certificate authority: %w", err)
	}
	return fmt.Sprintf("an authority of its own, served as /%s, SHA-256 %s", ownca.FileName, ownca.Fingerprint(ca)), nil
}
