// Package advice finds mistakes in records that no rule of the records themselves shows: what contradicts the leases, the MAC's prefix,
// what a phone was recognised as, or the folder of files.
package advice

import (
	"fmt"
	"net/netip"
	"slices"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/provision/pack"
	"plugtone/provision/timeline"
)

// Reservation returns what is wrong with a new reservation of a device: the address is the server's own or a router's, or another
// client has it leased. It returns "" when nothing is. had is the address reserved before.
func Reservation(site *fleet.Site, leaseAt func(netip.Addr) (dhcp.Lease, bool), d *fleet.Device, had netip.Addr) string {
	ip := d.ReservedIP
	if !ip.IsValid() || ip == had {
		return ""
	}
	for _, n := range site.Subnets {
		switch {
		case n.NextServer == ip:
			return "is this server's own address in subnet " + n.Prefix.String()
		case slices.Contains(n.Routers, ip):
			return "is a router of subnet " + n.Prefix.String()
		case n.Prefix.Contains(ip) && n.Prefix.Bits() < 31 && (ip == n.Prefix.Addr() || ip == dhcp.LastAddr(n.Prefix)):
			return "is the network or broadcast address of subnet " + n.Prefix.String()
		}
	}
	if l, ok := leaseAt(ip); ok && l.State == dhcp.LeaseActive && !slices.Contains(fleet.MACsOf(d.MAC, d), l.MAC) {
		return fmt.Sprintf("is leased to %s until %s; choose another, or wait for the end of the lease", l.MAC, l.Expires.UTC().Format("2006-01-02 15:04 UTC"))
	}
	return ""
}

// Vendor returns what contradicts the vendor of a device: the vendor that owns the prefix of its MAC, or the one that the phone's own
// messages named last. Neither is certain, so that they are warnings: vendors sell phones that others make.
func Vendor(packs *pack.Set, d *fleet.Device, entries []timeline.Entry) (warnings []string) {
	if d.Vendor == "" {
		return nil
	}
	for _, e := range slices.Backward(entries) {
		if e.Recognised != "" {
			if e.Recognised != d.Vendor {
				return []string{fmt.Sprintf("the phone's own messages name %s, but its record has %s", e.Recognised, d.Vendor)}
			}
			break
		}
	}
	id := packs.Identify(pack.Evidence{MAC: d.MAC})
	if id.Vendor == "" || slices.ContainsFunc(id.Clues, func(c pack.Clue) bool { return c.Vendor == d.Vendor }) {
		return nil
	}
	return []string{fmt.Sprintf("the prefix of its MAC belongs to %s, but its record has %s", id.Vendor, d.Vendor)}
}

// Recognised returns the vendor that a phone without a record was recognised as, and the model if the pack has it; "" for what is not certain.
func Recognised(packs *pack.Set, d fleet.Discovered) (vendor, model string) {
	v, ok := packs.Vendor(d.Vendor)
	if !ok {
		return "", ""
	}
	if m, known := v.Model(d.Model); known {
		model = m.Name
	}
	return d.Vendor, model
}
