package provision

import (
	"fmt"
	"net/netip"
	"net/url"
	"time"

	"plugtone/provision/fleet"
	"plugtone/provision/pack"
	"plugtone/provision/setting"
)

// Phone builds what templates print for a device in a subnet of the site, and says what the phone does not get, with
// the reason: keys that its model can't have, lines without a registrar. now gives the year for time zone rules.
func Phone(f fleet.View, packs *pack.Set, site *fleet.Site, subnet netip.Prefix, d *fleet.Device, now time.Time) (pack.Phone, []string, error) {
	vendor, ok := packs.Vendor(d.Vendor)
	if !ok {
		return pack.Phone{}, nil, fmt.Errorf("%w: device %s: there is no vendor pack %q", fleet.ErrInternal, d.MAC, d.Vendor)
	}
	net, _ := site.SubnetByPrefix(subnet)
	r, err := resolve(f, packs, site, net, d)
	if err != nil {
		return pack.Phone{}, nil, fmt.Errorf("device %s: %w", d.MAC, err)
	}
	p := sitePhone(site, net, now)
	p.MAC, p.Vendor, p.Model, p.Label = d.MAC, vendor.ID, d.Model, d.Label
	p.Enabled, p.Assigned = d.Enabled, true
	settings, unfit := fitSettings(vendor, d.Model, r.layers)
	p.Settings, r.leftOut = settings, append(r.leftOut, unfit...)
	p.Extra = r.extra(vendor.ID)
	if d.Enabled {
		p.Lines = r.fitLines(vendor)
		p.Keys = r.effectiveKeys(vendor)
	}
	return p, r.leftOut, nil
}

// fitLines leaves out lines that the model doesn't have, as after a change of model by a newer pack.
func (r *resolved) fitLines(vendor *pack.Vendor) []pack.Account {
	var out []pack.Account
	for _, l := range r.lines {
		if err := vendor.CheckLine(r.device.Model, l.Position); err != nil {
			r.leftOut = append(r.leftOut, fmt.Sprintf("line %d: %s", l.Position, err))
			continue
		}
		out = append(out, l)
	}
	return out
}

// sitePhone is what every phone in the subnet gets, with or without a record.
func sitePhone(site *fleet.Site, subnet fleet.Subnet, now time.Time) pack.Phone {
	p := pack.Phone{
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

// withoutSecrets is the phone as files may show it that everybody can fetch. A pack refuses to render secrets there by
// itself; what isn't in the phone can't be rendered at all.
func withoutSecrets(p pack.Phone) pack.Phone {
	settings := make(map[string]any, len(p.Settings))
	for name, v := range p.Settings {
		if _, secret := v.(setting.Secret); !secret {
			settings[name] = v
		}
	}
	p.Settings = settings
	p.Extra = map[string]string{}
	p.Lines, p.Keys = nil, nil
	return p
}

// masked is the phone with *** in place of every secret. Parameters of vendor_settings are masked when their name says
// that they are one.
func masked(p pack.Phone) pack.Phone {
	const mask = "***"
	lines := make([]pack.Account, len(p.Lines))
	for i, l := range p.Lines {
		if l.Password != "" {
			l.Password = mask
		}
		lines[i] = l
	}
	p.Lines = lines
	settings := make(map[string]any, len(p.Settings))
	for name, v := range p.Settings {
		if s, secret := v.(setting.Secret); secret && s != "" {
			v = setting.Secret(mask)
		}
		settings[name] = v
	}
	p.Settings = settings
	extra := make(map[string]string, len(p.Extra))
	for name, v := range p.Extra {
		// Which of a vendor's own parameters are secret nobody can tell: P34 is one vendor's password.
		if v != "" {
			v = mask
		}
		extra[name] = v
	}
	p.Extra = extra
	return p
}
