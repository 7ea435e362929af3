// Package clientpolicy decides what a DHCP client is and which options its vendor's phones need. It is pure: package provision
// reads the record and passes it in.
package clientpolicy

import (
	"fmt"
	"slices"
	"strings"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/provision/pack"
)

// For returns the policy for a client of a site. d is its record, nil without one; recordErr is why that is unknown. The record's
// vendor overrides the one that the packet was recognised as.
func For(packs *pack.Set, c dhcp.Client, site dhcp.Site, d *fleet.Device, recordErr error) dhcp.Policy {
	id := packs.Identify(evidenceOf(c))
	p := dhcp.Policy{Vendor: id.Vendor, Model: id.Model, Phone: id.Vendor != "", Reason: id.Reason}
	if p.Reason == "" {
		p.Reason = "not recognised as a phone"
	}
	switch {
	case recordErr != nil:
		// An address and what can be recognised are worth more than silence.
		p.Reason += "; its record could not be read: " + recordErr.Error()
	case d != nil:
		p = fromRecord(p, d, id)
	}
	if text := conflicts(id); text != "" {
		p.Reason += "; " + text
	}
	if p.Vendor == "" || site.Phones == dhcp.PhonesNone {
		return p
	}
	vendor, ok := packs.Vendor(p.Vendor)
	if !ok {
		p.Reason += fmt.Sprintf("; there is no vendor pack %q", p.Vendor)
		return p
	}
	opts, err := vendorOptions(vendor, p.Model, c.MAC, site)
	if err != nil {
		p.Reason += "; no options: " + err.Error()
		return p
	}
	p.Options = opts.List
	p.NULTerminate, p.NoClientIDEcho = opts.Quirks.NULTerminate, opts.Quirks.NoClientIDEcho
	return p
}

// evidenceOf returns the evidence in the client's packet.
func evidenceOf(c dhcp.Client) pack.Evidence {
	return pack.Evidence{
		MAC: c.MAC, VendorClass: c.VendorClass, UserClass: c.UserClass, Hostname: c.Hostname,
		VIVC: c.VIVC, VendorInfo: c.VendorInfo, VIVSO: c.VIVSO, Params: c.Params,
	}
}

// fromRecord lets the record override what was recognised, and names the differences.
func fromRecord(a dhcp.Policy, d *fleet.Device, id pack.Identity) dhcp.Policy {
	a.Recorded, a.Phone = true, true
	a.Vendor = d.Vendor
	what := strings.TrimSpace(d.Vendor + " " + d.Model)
	switch {
	case d.Vendor == "":
		a.Model = ""
		a.Reason = "recorded without a vendor: only its address is kept"
		return a
	case id.Vendor == "":
		a.Reason = "recorded as " + what
	case id.Vendor != d.Vendor:
		a.Recognised = id.Contradicts(d.Vendor)
		a.Reason = fmt.Sprintf("recorded as %s, but %s", what, id.Reason)
	case d.Model != "" && id.Model != "" && id.Model != d.Model:
		a.Reason = fmt.Sprintf("recorded as %s, but it identifies itself as %s; %s", what, id.Model, id.Reason)
	default:
		a.Reason = fmt.Sprintf("recorded as %s; %s", what, id.Reason)
	}
	if d.Model != "" || id.Vendor != d.Vendor {
		a.Model = d.Model
	}
	return a
}

// conflicts returns in words which evidence contradicts the identity.
func conflicts(id pack.Identity) string {
	parts := make([]string, 0, len(id.Conflicts))
	for _, c := range id.Conflicts {
		parts = append(parts, fmt.Sprintf("%s %q means %s", c.Kind, c.Value, strings.TrimSpace(c.Vendor+" "+c.Model)))
	}
	if len(parts) == 0 {
		return ""
	}
	return "but " + strings.Join(parts, ", ")
}

// vendorOptions are the vendor's options for the site. Where phones are only to be moved to their voice VLAN, they are
// those that carry the VLAN: the ones that would not be there without it.
func vendorOptions(v *pack.Vendor, model string, mac dhcp.MAC, site dhcp.Site) (pack.Options, error) {
	opts, err := v.Options(model, mac, site)
	if err != nil || site.Phones != dhcp.PhonesMove {
		return opts, err
	}
	site.VoiceVLAN = 0
	without, err := v.Options(model, mac, site)
	if err != nil {
		return pack.Options{}, err
	}
	opts.List = slices.DeleteFunc(slices.Clone(opts.List), func(o dhcp.Option) bool {
		return slices.ContainsFunc(without.List, func(w dhcp.Option) bool { return w.Code == o.Code && slices.Equal(w.Data, o.Data) })
	})
	return opts, nil
}
