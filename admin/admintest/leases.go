package admintest

import (
	"net/netip"
	"time"

	"plugtone/dhcp"
	"plugtone/dhcp/leasetable"
)

// leaseTable returns a lease table that writes into the leases of h. Leases of PutLease are not in it.
func leaseTable(h *Fixture) *leasetable.Table {
	pool := dhcp.Range{First: netip.MustParseAddr("10.20.1.0"), Last: netip.MustParseAddr("10.20.3.250")}
	return leasetable.NewTable(dhcp.Config{Subnets: []dhcp.Subnet{{Prefix: netip.MustParsePrefix("10.20.0.0/22"), Pools: []dhcp.Range{pool}}}}, h, clock)
}

// WriteLeases implements leasetable.Writer.
func (h *Fixture) WriteLeases(changes []dhcp.Change) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.broken {
		return ErrBroken
	}
	for _, c := range changes {
		h.Config.API.Index.LeaseChanged(c.Lease.Addr, h.leases[c.Lease.Addr].MAC, c.Lease.MAC)
		if delete(h.leases, c.Lease.Addr); !c.Delete {
			h.leases[c.Lease.Addr] = c.Lease
		}
	}
	return nil
}

// PutLease adds an active lease of a day.
func (h *Fixture) PutLease(addr string, mac dhcp.MAC) {
	h.mu.Lock()
	defer h.mu.Unlock()
	a := netip.MustParseAddr(addr)
	h.leases[a] = dhcp.Lease{Addr: a, MAC: mac, Subnet: netip.MustParsePrefix("10.20.0.0/22"), State: dhcp.LeaseActive,
		Starts: Noon.Add(-time.Hour), Expires: Noon.Add(23 * time.Hour), Vendor: "acme", Hostname: "phone\x1b[2J", CircuitID: "\x00\x01"}
	h.Config.API.Index.LeaseChanged(a, dhcp.MAC{}, mac)
}
