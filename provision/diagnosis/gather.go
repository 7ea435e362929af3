package diagnosis

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"time"

	"plugtone/dhcp"
	"plugtone/provision/devicestatus"
	"plugtone/provision/fleet"
	"plugtone/provision/pack"
	"plugtone/provision/phonefile"
	"plugtone/provision/timeline"
)

// Leases reads leases. *leasetable.Table implements it.
type Leases interface {
	LeaseAt(addr netip.Addr) (dhcp.Lease, bool)
	LeasesOf(mac dhcp.MAC) []dhcp.Lease
}

// Gatherer collects what is stored about a phone. All members are required.
type Gatherer struct {
	Records  fleet.Records
	Leases   Leases
	Packs    func() *pack.Set
	Site     func() *fleet.Site
	Timeline func(mac dhcp.MAC, limit int) ([]timeline.Entry, error) // the newest, oldest first
	Fetches  func(dhcp.MAC) ([]fleet.Fetch, error)
	Status   func(context.Context, dhcp.MAC) (devicestatus.Status, error)
	Off      func() []string // see Facts
	Now      func() time.Time
}

// allEntries is more entries than a timeline has: a part of one could lack the decision that counts.
const allEntries = 1 << 20

// Diagnose reads all that is stored about a phone, with a record or without, and concludes from it and from others, the entries that other
// servers have of it.
func (g Gatherer) Diagnose(ctx context.Context, mac dhcp.MAC, others []timeline.Entry) ([]Finding, error) {
	f, macs, err := g.facts(ctx, mac)
	if err != nil {
		return nil, err
	}
	entries := slices.Clone(others)
	for _, m := range macs {
		some, err := g.Timeline(m, allEntries)
		if err != nil {
			return nil, err
		}
		entries = append(entries, some...)
	}
	slices.SortStableFunc(entries, func(a, b timeline.Entry) int { return a.Time.Compare(b.Time) })
	return Diagnose(entries, f), nil
}

// facts returns the facts of the phone and all its MACs.
func (g Gatherer) facts(ctx context.Context, mac dhcp.MAC) (f Facts, macs []dhcp.MAC, err error) {
	f = Facts{Now: g.Now(), MAC: mac, Off: g.Off(), Holder: g.holder, Claims: g.claims,
		Phones: func(a netip.Addr) string {
			if s, ok := g.Site().SubnetOf(a); ok {
				return s.Phones
			}
			return ""
		}}
	var d *fleet.Device
	var up fleet.Upstream
	err = g.Records.View(func(v fleet.View) (err error) {
		d, err = v.DeviceByAny(mac)
		if errors.Is(err, fleet.ErrNotFound) {
			d, err = nil, nil
		}
		if d != nil {
			up, _ = fleet.UpstreamOf(v, d.Profile) // a profile that is missing shows in its files
		}
		return err
	})
	if err != nil {
		return f, nil, err
	}
	macs = fleet.MACsOf(mac, d)
	for _, m := range macs {
		f.Leases = append(f.Leases, g.Leases.LeasesOf(m)...)
	}
	if d == nil {
		return f, macs, nil
	}
	f.MAC, f.Recorded, f.Enabled, f.Vendor, f.Model, f.Upstream = d.MAC, true, d.Enabled, d.Vendor, d.Model, up.Hosts()
	_, known := g.Packs().Vendor(d.Vendor)
	f.NoPack = d.Vendor != "" && !known
	fetches, err := g.Fetches(d.MAC)
	if err != nil {
		return f, nil, err
	}
	for _, x := range fetches {
		if x.Kind == string(phonefile.KindDevice) && x.Time.After(f.Fetched.Time) {
			f.Fetched = x
		}
	}
	// Without the status the diagnosis is still useful.
	if st, err := g.Status(ctx, d.MAC); err == nil {
		f.State, f.Lines = st.State, st.Registration
	}
	return f, macs, nil
}

// holder returns the client with an active lease of an address; zero when there is none.
func (g Gatherer) holder(a netip.Addr) (mac dhcp.MAC) {
	if l, ok := g.Leases.LeaseAt(a); ok && l.State == dhcp.LeaseActive && l.Expires.After(g.Now()) {
		return l.MAC
	}
	return mac
}

// claims returns the packs whose phones request a file as their own or as one of many phones.
func (g Gatherer) claims(file string) []Claim {
	name, err := phonefile.CleanName(file)
	if err != nil {
		return nil
	}
	var out []Claim
	for _, m := range g.Packs().Resolve(name) {
		switch m.Kind {
		case phonefile.KindDevice, phonefile.KindPrivate, phonefile.KindCommon:
		default:
			continue
		}
		models := m.Models
		if models == nil && m.Model != "" {
			models = []string{m.Model}
		}
		out = append(out, Claim{Vendor: m.Vendor, Models: models})
	}
	return out
}
