package provision

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/provision/pack"
)

// PolicyFor tells DHCP what a client is and which options its vendor wants. What the record says of the vendor beats what
// the packet looks like. It implements dhcp.ClientPolicy: no I/O beyond a read of the record.
func (s *Service) PolicyFor(c dhcp.Client, site dhcp.Site) dhcp.Policy {
	packs := s.c.Packs()
	id := packs.Identify(evidenceOf(c))
	a := dhcp.Policy{Vendor: id.Vendor, Model: id.Model, Phone: id.Vendor != "", Reason: id.Reason}
	if a.Reason == "" {
		a.Reason = "not recognised as a phone"
	}
	d, err := s.knownDevice(c.MAC)
	switch {
	case err != nil:
		// The address and what can be recognised are worth more than silence.
		a.Reason += "; its record could not be read: " + err.Error()
	case d != nil:
		a = recordedAdvice(a, d, id)
	}
	if said := conflicts(id); said != "" {
		a.Reason += "; " + said
	}
	if a.Vendor == "" || site.Phones == dhcp.PhonesNone {
		return a
	}
	vendor, ok := packs.Vendor(a.Vendor)
	if !ok {
		a.Reason += fmt.Sprintf("; there is no vendor pack %q", a.Vendor)
		return a
	}
	opts, err := vendorOptions(vendor, a.Model, c.MAC, site)
	if err != nil {
		a.Reason += "; no options: " + err.Error()
		return a
	}
	a.Options = opts.List
	a.NULTerminate, a.NoClientIDEcho = opts.Quirks.NULTerminate, opts.Quirks.NoClientIDEcho
	return a
}

// knownDevice returns the device that has mac, nil without one. DHCP asks for every packet, mostly about a MAC that it asked
// about a moment ago: then the records aren't opened.
func (s *Service) knownDevice(mac dhcp.MAC) (*fleet.Device, error) {
	g := s.current()
	if d, _, ok := g.cachedDevice(s.c.Records, mac); ok {
		return d, nil
	}
	var d *fleet.Device
	err := s.c.Records.View(func(f fleet.View) (err error) {
		d, err = g.device(f, mac)
		return err
	})
	return d, err
}

// Recorded reports whether a device has mac as its own or another of its MACs; not when the records can't be read. It takes
// as long for a MAC that none has: what is recorded of a refusal may delay the requester's next answer.
func (s *Service) Recorded(mac dhcp.MAC) bool {
	g := s.current()
	if d, _, ok := g.cachedDevice(s.c.Records, mac); ok {
		return d != nil
	}
	var d *fleet.Device
	err := s.c.Records.View(func(f fleet.View) (err error) {
		d, err = g.deviceBy(f, mac, deviceInConstantWork)
		return err
	})
	return err == nil && d != nil
}

// deviceInConstantWork returns the record of mac, or nil; then it has read another one instead.
func deviceInConstantWork(f fleet.View, mac dhcp.MAC) (*fleet.Device, error) {
	d, err := f.DeviceByAny(mac)
	if !errors.Is(err, fleet.ErrNotFound) {
		return d, err
	}
	_, err = deviceOrNext(f, mac)
	return nil, err
}

// evidenceOf is what a DHCP client says of itself.
func evidenceOf(c dhcp.Client) pack.Evidence {
	return pack.Evidence{
		MAC: c.MAC, VendorClass: c.VendorClass, UserClass: c.UserClass, Hostname: c.Hostname,
		VIVC: c.VIVC, VendorInfo: c.VendorInfo, VIVSO: c.VIVSO, Params: c.Params,
	}
}

// recordedAdvice lets the record win over recognition, and says where they differ.
func recordedAdvice(a dhcp.Policy, d *fleet.Device, id pack.Identity) dhcp.Policy {
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
		a.Reason = fmt.Sprintf("recorded as %s, but %s", what, id.Reason)
	case d.Model != "" && id.Model != "" && id.Model != d.Model:
		a.Reason = fmt.Sprintf("recorded as %s, but it says it is a %s; %s", what, id.Model, id.Reason)
	default:
		a.Reason = fmt.Sprintf("recorded as %s; %s", what, id.Reason)
	}
	if d.Model != "" || id.Vendor != d.Vendor {
		a.Model = d.Model
	}
	return a
}

// conflicts says in words which evidence contradicts the identity.
func conflicts(id pack.Identity) string {
	parts := make([]string, 0, len(id.Conflicts))
	for _, c := range id.Conflicts {
		parts = append(parts, fmt.Sprintf("%s %q says %s", c.Kind, c.Value, strings.TrimSpace(c.Vendor+" "+c.Model)))
	}
	if len(parts) == 0 {
		return ""
	}
	return "but " + strings.Join(parts, ", ")
}

// vendorOptions are the vendor's options for the site. Where phones are only to be moved to their voice VLAN, they are
// those that tell the VLAN: the ones that would not be there without it.
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
