package provisiontest

import (
	"net/netip"
	"sync"
	"time"

	"plugtone/dhcp"
)

// Leases is a lease table in memory. The zero value is empty and ready.
type Leases struct {
	mu     sync.RWMutex
	byAddr map[netip.Addr]dhcp.Lease
}

// Put adds or replaces a lease.
func (l *Leases) Put(lease dhcp.Lease) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.byAddr == nil {
		l.byAddr = map[netip.Addr]dhcp.Lease{}
	}
	l.byAddr[lease.Addr] = lease
}

// Lease adds an active lease of a day from now on.
func (l *Leases) Lease(addr string, mac dhcp.MAC, subnet string, now time.Time) dhcp.Lease {
	lease := dhcp.Lease{
		Addr: netip.MustParseAddr(addr), MAC: mac, Subnet: netip.MustParsePrefix(subnet), State: dhcp.LeaseActive,
		FirstSeen: now, Starts: now, Expires: now.Add(24 * time.Hour),
	}
	l.Put(lease)
	return lease
}

// LeaseAt implements provision.Leases.
func (l *Leases) LeaseAt(addr netip.Addr) (dhcp.Lease, bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	lease, ok := l.byAddr[addr]
	return lease, ok
}

// LeasesOf implements provision.Leases.
func (l *Leases) LeasesOf(mac dhcp.MAC) []dhcp.Lease {
	l.mu.RLock()
	defer l.mu.RUnlock()
	var out []dhcp.Lease
	for _, lease := range l.byAddr {
		if lease.MAC == mac {
			out = append(out, lease)
		}
	}
	return out
}
