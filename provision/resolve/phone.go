package resolve

import (
	"fmt"
	"net/netip"
	"net/url"
	"time"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/provision/pack"
	"plugtone/provision/phonefile"
	"plugtone/provision/setting"
)

// Phone builds what templates print for a device in a subnet of the site. It also returns what the phone does not get, with
// the reason: keys that its model can't have, lines without a registrar. now gives the year for time zone rules.
func Phone(f fleet.View, packs *pack.Set, site *fleet.Site, subnet netip.Prefix, d *fleet.Device, now time.Time) (phonefile.Phone, []string, error) {
	vendor, ok := packs.Vendor(d.Vendor)
	if !ok {
		return phonefile.Phone{}, nil, fmt.Errorf("%w: device %s: there is no vendor pack %q", fleet.ErrInternal, d.MAC, d.Vendor)
	}
	net, _ := site.SubnetByPrefix(subnet)
	r, err := resolveDevice(f, packs, site, net, d)
	if err != nil {
		return phonefile.Phone{}, nil, fmt.Errorf("device %s: %w", d.MAC, err)
	}
	p := SitePhone(site, net, now)
	p.MAC, p.Vendor, p.Model, p.Label = d.MAC, vendor.ID, d.Model, d.Label
	p.Enabled, p.Assigned, p.Beyond = d.Enabled, true, d.BeyondModel
	settings, unfit := fitSettings(vendor, d.Model, r.layers)
	p.Settings, r.leftOut = settings, append(r.leftOut, unfit...)
	p.Extra = r.extra(vendor.ID)
	if !d.Enabled {
		withhold(&p)
	}
	if d.Enabled {
		p.Lines = r.fitLines(vendor)
		p.Keys = r.effectiveKeys(vendor)
		if err := r.followLabels(f, p.Keys); err != nil {
			return phonefile.Phone{}, nil, fmt.Errorf("device %s: %w", d.MAC, err)
		}
		m := vendor.ModelOrGeneric(d.Model)
		r.leftOut = append(r.leftOut, m.LinesLeftOut(p.Lines)...)
		r.leftOut = append(r.leftOut, settingsOffLines(m, p)...)
	}
	return p, r.leftOut, nil
}

// withhold takes the secrets from a disabled phone, which may have been stolen or sold: it keeps what it has and gets no new one.
// Only its own credentials stay, with which it proves itself when it fetches the file that clears its accounts.
func withhold(p *phonefile.Phone) {
	for name := range p.Settings {
		if d, _ := setting.Lookup(name); d.IsSecret() && name != "provisioning_password" {
			delete(p.Settings, name)
		}
	}
	for name := range p.Extra {
		if fleet.LooksSecret(name) {
			delete(p.Extra, name)
		}
	}
}

// SitePhone is what every phone in the subnet gets, with or without a record.
func SitePhone(site *fleet.Site, subnet fleet.Subnet, now time.Time) phonefile.Phone {
	p := phonefile.Phone{
		Enabled:   true,
		Settings:  packSettings(siteLayers(site, subnet)),
		Extra:     map[string]string{},
		ServerURL: site.URLFor(subnet),
		Now:       time.Date(now.UTC().Year(), 1, 1, 0, 0, 0, 0, time.UTC),
	}
	if u, err := url.Parse(p.ServerURL); err == nil {
		p.Server = u.Hostname()
	}
	if site.CAFile != "" && p.ServerURL != "" {
		p.CAURL, p.CACert = p.ServerURL+site.CAFile, site.CACert
	}
	return p
}

// AnonymousPhone is SitePhone for a model of a vendor, with what it can have of the site's settings and nothing of any record.
func AnonymousPhone(site *fleet.Site, subnet fleet.Subnet, vendor *pack.Vendor, model string, mac dhcp.MAC, now time.Time) phonefile.Phone {
	p := SitePhone(site, subnet, now)
	p.Vendor, p.Model, p.MAC = vendor.ID, model, mac
	p.Settings, _ = fitSettings(vendor, model, siteLayers(site, subnet))
	return p
}
