package daemon

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/vishvananda/netlink"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/provision/setting"
	"plugtone/provision/trust"
)

// ourselves is who the audit log says did what nobody asked for.
const ourselves = "plugtone"

// leaseWriter writes leases, and lets trust know of each new one before its ACK leaves: who is bound and asks for a file
// at once is counted already.
type leaseWriter struct{ d *Daemon }

// WriteLeases implements dhcp.Writer.
func (w leaseWriter) WriteLeases(changes []dhcp.Change) error {
	if err := w.d.store.WriteLeases(changes); err != nil {
		return err
	}
	for i := range changes {
		if !changes[i].Delete && !changes[i].ClockShifted {
			w.d.service.Bound(changes[i].Lease)
		}
	}
	return nil
}

// addressProber asks by ARP or ICMP whether a lease's client still answers.
type addressProber struct{ d *Daemon }

// Probe implements trust.Prober.
func (p addressProber) Probe(l dhcp.Lease, done func(answered bool, err error)) {
	if p.d.dhcp == nil {
		done(false, errors.New("the DHCP server is off"))
		return
	}
	p.d.dhcp.ProbeAddress(l.Addr, done)
}

// buildTrust lets a restart neither end a freeze nor hide how trust stands.
func (d *Daemon) buildTrust() error {
	d.service.Replay(slices.DeleteFunc(d.table.All(), func(l dhcp.Lease) bool { return l.State != dhcp.LeaseActive }))
	gauge := func(name, help string, f func() int) error {
		return d.metrics.Registry.Register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 { return float64(f()) }))
	}
	if err := gauge("plugtone_new_phones_waiting", "New phones whose leases are no proof yet, because more came than provisioning.new_phones allows.",
		func() int { return d.service.Freeze().Waiting }); err != nil {
		return err
	}
	return gauge("plugtone_open_places", "Subnets and networks where files need no proof (trust: open).", func() int { return openPlaces(d.site()) })
}

// openPlaces counts the places where nobody has to prove anything.
func openPlaces(s *fleet.Site) (n int) {
	isOpen := func(proofs []trust.Proof) bool { return slices.Contains(proofs, trust.ProofOpen) }
	for _, sub := range s.Subnets {
		if s.TrustAt(sub.Prefix.Addr()).Accepts(trust.ProofOpen) {
			n++
		}
	}
	for _, net := range s.Networks {
		if isOpen(net.Trust) {
			n++
		}
	}
	if isOpen(s.Trust) {
		n++ // everywhere else
	}
	return n
}

// usedPasswords collects the new passwords that phones have used.
type usedPasswords struct {
	mu   sync.Mutex
	last map[dhcp.MAC]setting.Secret
}

func (u *usedPasswords) add(mac dhcp.MAC, password setting.Secret) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.last == nil {
		u.last = map[dhcp.MAC]setting.Secret{}
	}
	u.last[mac] = password
}

func (u *usedPasswords) drain() map[dhcp.MAC]setting.Secret {
	u.mu.Lock()
	defer u.mu.Unlock()
	out := u.last
	u.last = nil
	return out
}

// retireEvery is how often old passwords are retired, all in one edit.
const retireEvery = 10 * time.Second

// runCredentials makes the credentials that are missing, and retires old passwords when the new ones have been used.
func (d *Daemon) runCredentials(ctx context.Context, ready func()) error {
	ready()
	d.fillCredentials()
	tick := time.NewTicker(retireEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			d.retire()
			return nil
		case <-d.reloaded:
			d.fillCredentials()
		case <-tick.C:
			d.retire()
		}
	}
}

// fillCredentials makes the credentials of records from before there was a URL to use them at.
func (d *Daemon) fillCredentials() {
	if n, err := fleet.FillCredentials(d.store, ourselves); err != nil {
		d.log.Error("credentials of phones that have none", "err", err)
	} else if n > 0 {
		d.log.Info("credentials made", "phones", n)
	}
}

func (d *Daemon) retire() {
	used := d.used.drain()
	if len(used) == 0 {
		return
	}
	if err := fleet.RetirePasswords(d.store, ourselves, used); err != nil {
		d.log.Error("retire old passwords", "err", err)
		for mac, password := range used {
			d.used.add(mac, password) // one that is used meanwhile is the same, or is used again
		}
	}
}

// How old the copy of the neighbour table may be: a phone that has just spoken to us must be in it.
const (
	neighborsAge  = time.Second
	neighborsMiss = 100 * time.Millisecond
)

// neighbors is the kernel's neighbour table, read at most so often.
type neighbors struct {
	now  func() time.Time
	read func() (map[netip.Addr]dhcp.MAC, error)

	mu    sync.Mutex
	table map[netip.Addr]dhcp.MAC
	at    time.Time
}

// of finds who is at addr. A table that can't be read proves nothing.
func (n *neighbors) of(addr netip.Addr) (dhcp.MAC, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	now := n.now()
	mac, ok := n.table[addr]
	age := now.Sub(n.at)
	if n.at.IsZero() || age < 0 || age >= neighborsAge || !ok && age >= neighborsMiss {
		table, err := n.read()
		if err != nil {
			table = nil
		}
		n.table, n.at = table, now
		mac, ok = n.table[addr]
	}
	return mac, ok
}

// readNeighbors asks the kernel. Only what it has seen an answer from counts.
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

func newNeighbors(now func() time.Time) *neighbors { return &neighbors{now: now, read: readNeighbors} }
