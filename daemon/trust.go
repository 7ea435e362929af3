package daemon

import (
	"context"
	"errors"
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/provision/trust"
)

// leaseWriter writes leases, and passes each new one to trust before its ACK is sent: a client that is bound and requests a file
// at once is counted already.
type leaseWriter struct{ d *Daemon }

// WriteLeases implements leasetable.Writer.
func (w leaseWriter) WriteLeases(changes []dhcp.Change) error {
	if err := w.d.store.WriteLeases(changes); err != nil {
		return err
	}
	for i := range changes {
		if !changes[i].Delete && !changes[i].ClockShifted {
			w.d.service.Trust().Bound(changes[i].Lease)
		}
	}
	return nil
}

// addressProber probes by ARP or ICMP whether the client of a lease still answers.
type addressProber struct{ d *Daemon }

// Probe implements trust.Prober.
func (p addressProber) Probe(l dhcp.Lease, done func(answered bool, err error)) {
	if p.d.dhcp == nil {
		done(false, errors.New("the DHCP server is off"))
		return
	}
	p.d.dhcp.ProbeAddress(context.Background(), l.Addr, done)
}

// buildTrust restores the limit of new phones from the active leases after a restart, and registers the metrics of trust.
func (d *Daemon) buildTrust() error {
	d.service.Trust().Replay(slices.DeleteFunc(d.table.All(), func(l dhcp.Lease) bool { return l.State != dhcp.LeaseActive }))
	gauge := func(name, help string, f func() int) error {
		return d.metrics.Registry.Register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 { return float64(f()) }))
	}
	if err := gauge("plugtone_new_phones_waiting", "New phones whose leases are no proof yet, because more came than provisioning.new_phones allows.",
		func() int { return d.service.Trust().Freeze().Waiting }); err != nil {
		return err
	}
	return gauge("plugtone_open_places", "Subnets and networks where files need no proof (trust: open).", func() int { return openPlaces(d.site()) })
}

// openPlaces counts the subnets and networks where files need no proof.
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
