// Package recent has what happened on the network lately: how many phones booted in each minute of the last hour, and what was wrong on the
// links in the last day. It is in memory only, and bounded.
package recent

import (
	"cmp"
	"net/netip"
	"slices"
	"sync"
	"time"

	"plugtone/admin/client"
	"plugtone/dhcp"
)

const (
	minutes      = 60               // of boots that are kept
	sameBoot     = 2 * time.Minute  // a phone that looks for an address again within this time is still booting
	maxBooting   = 32_768           // phones that are remembered for that
	maxIncidents = 200              // at most; those that were seen last are kept
	keepIncident = 24 * time.Hour   // after it was seen last
	underWay     = 15 * time.Minute // after it was seen last
)

// Recent is what happened lately. Its methods may be called from any goroutine, and never wait for a disk. The zero Recent is ready.
type Recent struct {
	mu        sync.Mutex
	boots     [minutes]int
	newest    int64 // minute of the last boot, since 1970
	booting   map[dhcp.MAC]time.Time
	incidents map[incidentKey]*client.Incident
}

type incidentKey struct {
	kind string
	addr netip.Addr
	mac  dhcp.MAC // zero where there is an address
}

// Boot counts a phone that looks for an address.
func (r *Recent) Boot(mac dhcp.MAC, at time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	before, ok := r.booting[mac]
	if r.booting == nil || len(r.booting) >= maxBooting {
		r.booting = map[dhcp.MAC]time.Time{}
	}
	r.booting[mac] = at
	if ok && at.Sub(before) < sameBoot {
		return
	}
	r.forward(at)
	if age := r.newest - minuteOf(at); age < minutes {
		r.boots[minuteOf(at)%minutes]++
	}
}

func minuteOf(t time.Time) int64 { return t.Unix() / 60 }

// forward empties the minutes that have begun since the last call. The caller holds mu.
func (r *Recent) forward(now time.Time) {
	m := minuteOf(now)
	for i := max(r.newest+1, m-minutes+1); i <= m; i++ {
		r.boots[i%minutes] = 0
	}
	r.newest = max(r.newest, m)
}

// Boots returns how many phones booted in each minute of the last hour, the oldest first.
func (r *Recent) Boots(now time.Time) []client.BootMinute {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.forward(now)
	out := make([]client.BootMinute, minutes)
	for i := range out {
		m := r.newest - minutes + 1 + int64(i)
		out[i] = client.BootMinute{Time: time.Unix(m*60, 0).UTC(), Boots: r.boots[m%minutes]}
	}
	return out
}

// Incident notes that something is wrong. The same kind at the same address, or without one about the same MAC, is one incident.
func (r *Recent) Incident(x client.Incident) {
	k := incidentKey{kind: x.Kind, addr: x.IP}
	if !x.IP.IsValid() {
		k.mac = x.MAC
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	x.FirstSeen, x.Count = x.LastSeen, 1
	if old := r.incidents[k]; old != nil {
		x.FirstSeen, x.Count = old.FirstSeen, old.Count+1
		if x.MAC.IsZero() {
			x.MAC = old.MAC
		}
	} else if len(r.incidents) >= maxIncidents {
		r.makeRoom()
	}
	if r.incidents == nil {
		r.incidents = map[incidentKey]*client.Incident{}
	}
	r.incidents[k] = &x
}

// makeRoom removes the incident that was seen least recently. The caller holds mu.
func (r *Recent) makeRoom() {
	var oldest incidentKey
	for k, x := range r.incidents {
		if old := r.incidents[oldest]; old == nil || x.LastSeen.Before(old.LastSeen) {
			oldest = k
		}
	}
	delete(r.incidents, oldest)
}

// Incidents returns what was wrong in the last day, what was seen last first.
func (r *Recent) Incidents(now time.Time) []client.Incident {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := []client.Incident{}
	for k, x := range r.incidents {
		if now.Sub(x.LastSeen) > keepIncident {
			delete(r.incidents, k)
			continue
		}
		one := *x
		one.UnderWay = now.Sub(x.LastSeen) <= underWay
		out = append(out, one)
	}
	slices.SortFunc(out, func(a, b client.Incident) int {
		return cmp.Or(b.LastSeen.Compare(a.LastSeen), cmp.Compare(a.Kind, b.Kind), a.IP.Compare(b.IP))
	})
	return out
}
