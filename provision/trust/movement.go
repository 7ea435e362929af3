package trust

import (
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"plugtone/dhcp"
)

// Prober finds out whether a client still answers at its address. Probe does not wait: it calls done once when the result
// is known. answered reports whether anything at the address replied; an error means that it could not be probed.
type Prober interface {
	Probe(l dhcp.Lease, done func(answered bool, err error))
}

// movedTogether is the time within which DHCP frees the old lease of a client that has moved.
const movedTogether = 2 * time.Second

// probeEvery is the least time between two probes of the same address.
const probeEvery = 30 * time.Second

// maxMovements bounds the phones that are remembered to have leases in two subnets.
const maxMovements = 8192

// movements are the phones that have leases in two subnets at once. While it is unknown which of them is the phone's,
// neither is proof: the phone may have moved, or another host has borrowed its MAC.
type movements struct {
	probe Prober // nil: a lease counts again when the other one has ended
	n     atomic.Int64
	mu    sync.Mutex
	all   map[dhcp.MAC]*movement
}

// movement is one phone with two leases.
type movement struct {
	old, latest dhcp.Lease
	began       time.Time
	probed      time.Time // when the last probe of old began
	probing     bool
	silent      time.Time // when old was found silent; zero: it was not
}

// begin notes that a phone with a lease has taken another one in another subnet, and has the old one probed.
func (m *movements) begin(old, latest dhcp.Lease, now time.Time) {
	x := &movement{old: old, latest: latest, began: now}
	m.mu.Lock()
	if m.all == nil {
		m.all = map[dhcp.MAC]*movement{}
	}
	if _, again := m.all[latest.MAC]; !again && len(m.all) >= maxMovements {
		for mac := range m.all {
			delete(m.all, mac) // any of them: that lease is then as good a proof as it was without this check
			break
		}
	}
	m.all[latest.MAC] = x
	m.n.Store(int64(len(m.all)))
	due := m.probeDue(x, now)
	m.mu.Unlock()
	if due {
		m.startProbe(x, old)
	}
}

// unsettled returns the other lease of a phone that makes l no proof, or false. of lists the phone's leases.
func (m *movements) unsettled(l dhcp.Lease, of func(dhcp.MAC) []dhcp.Lease, now time.Time) (other dhcp.Lease, yes bool) {
	if m.n.Load() == 0 {
		return dhcp.Lease{}, false
	}
	m.mu.Lock()
	x, ok := m.all[l.MAC]
	m.mu.Unlock()
	if !ok {
		return dhcp.Lease{}, false
	}
	leases := of(l.MAC) // outside mu: it waits for the lease table
	old, renewed := liveAt(leases, x.old.Addr, now)
	if !renewed {
		old = x.old // DHCP frees it when the new lease is acknowledged, which does not show that its client is gone
	}
	latest, latestLives := liveAt(leases, x.latest.Addr, now)
	m.mu.Lock()
	if !old.Expires.After(now) || !latestLives {
		if m.all[l.MAC] == x {
			delete(m.all, l.MAC)
			m.n.Store(int64(len(m.all)))
		}
		m.mu.Unlock()
		return dhcp.Lease{}, false
	}
	// A client that renews the old lease after the probe is there after all.
	silent := !x.silent.IsZero() && !old.Starts.After(x.silent)
	due := !silent && m.probeDue(x, now)
	m.mu.Unlock()
	if due {
		m.startProbe(x, old)
	}
	switch {
	case l.Addr != latest.Addr:
		return latest, true
	case silent:
		return dhcp.Lease{}, false
	}
	return old, true
}

// probeDue reports whether the old lease is to be probed now, and notes that it is. The caller holds mu.
func (m *movements) probeDue(x *movement, now time.Time) bool {
	if m.probe == nil || x.probing || within(x.probed, now, probeEvery) {
		return false
	}
	x.probing, x.probed, x.silent = true, now, time.Time{}
	return true
}

// ended notes that a lease is not active any more. That DHCP frees the old one together with the new binding ends nothing.
func (m *movements) ended(l dhcp.Lease, now time.Time) {
	if m.n.Load() == 0 {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if x, ok := m.all[l.MAC]; ok && x.old.Addr == l.Addr && now.Sub(x.began) >= movedTogether {
		delete(m.all, l.MAC)
		m.n.Store(int64(len(m.all)))
	}
}

// startProbe has the old lease's address probed.
func (m *movements) startProbe(x *movement, old dhcp.Lease) {
	m.probe.Probe(old, func(answered bool, err error) {
		m.mu.Lock()
		defer m.mu.Unlock()
		x.probing = false
		if err == nil && !answered {
			x.silent = x.probed
		}
	})
}

func liveAt(leases []dhcp.Lease, addr netip.Addr, now time.Time) (dhcp.Lease, bool) {
	for _, l := range leases {
		if l.Addr == addr && l.State == dhcp.LeaseActive && l.Expires.After(now) {
			return l, true
		}
	}
	return dhcp.Lease{}, false
}

// movementReason returns why a lease is no proof.
func movementReason(l, other dhcp.Lease) string {
	return fmt.Sprintf("%s is leased to %s, but so is %s in %s: neither is proof until the older lease has ended or nothing answers at its address",
		l.Addr, l.MAC, other.Addr, other.Subnet)
}
