// Package neighbors reads the kernel's neighbour table: which hardware address is at an address of an attached link.
package neighbors

import (
	"net/netip"
	"sync"
	"time"

	"github.com/vishvananda/netlink"

	"plugtone/dhcp"
)

// How old the copy of the neighbour table may be: a phone that has just spoken to us must be in it.
const (
	maxAge  = time.Second
	missAge = 100 * time.Millisecond
)

// Table is the kernel's neighbour table, read at most so often.
type Table struct {
	now  func() time.Time
	read func() (map[netip.Addr]dhcp.MAC, error)

	mu    sync.Mutex
	table map[netip.Addr]dhcp.MAC
	at    time.Time
}

// Of finds who is at addr. A table that can't be read proves nothing.
func (n *Table) Of(addr netip.Addr) (dhcp.MAC, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	now := n.now()
	mac, ok := n.table[addr]
	age := now.Sub(n.at)
	if n.at.IsZero() || age < 0 || age >= maxAge || !ok && age >= missAge {
		table, err := n.read()
		if err != nil {
			table = nil
		}
		n.table, n.at = table, now
		mac, ok = n.table[addr]
	}
	return mac, ok
}

// readNeighbors queries the kernel. Only what it has seen an answer from counts.
func readNeighbors() (map[netip.Addr]dhcp.MAC, error) {
	list, err := netlink.NeighList(0, netlink.FAMILY_V4)
	if err != nil {
		return nil, err
	}
	const seen = netlink.NUD_REACHABLE | netlink.NUD_STALE | netlink.NUD_DELAY | netlink.NUD_PROBE | netlink.NUD_PERMANENT
	out := map[netip.Addr]dhcp.MAC{}
	for _, x := range list {
		addr, ok := netip.AddrFromSlice(x.IP.To4())
		if ok && x.State&seen != 0 && len(x.HardwareAddr) == len(dhcp.MAC{}) {
			out[addr] = dhcp.MAC(x.HardwareAddr)
		}
	}
	return out, nil
}

// New returns the table; now is the clock.
func New(now func() time.Time) *Table { return &Table{now: now, read: readNeighbors} }
