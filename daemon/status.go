package daemon

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"plugtone/admin/client"
	"plugtone/daemon/health"
	"plugtone/dhcp"
	"plugtone/dhcp/leasetable"
	"plugtone/provision/diagnosis"
	"plugtone/provision/fleet"
	"plugtone/provision/timeline"
)

// reporter describes a running daemon to operators.
type reporter struct{ d *Daemon }

// diagnose returns the function that diagnoses a phone.
func (r reporter) diagnose() func(context.Context, dhcp.MAC, []timeline.Entry) ([]diagnosis.Finding, error) {
	d := r.d
	return diagnosis.Gatherer{
		Records: d.store, Leases: d.table, Packs: d.packs, Site: d.site, Timeline: d.observe.Timeline, Fetches: d.observe.Fetches,
		Status: d.service.Status, Off: r.off, Now: d.opts.Now,
	}.Diagnose
}

// off lists the transports of files that are switched off.
func (r reporter) off() (out []string) {
	c := r.d.first.cfg
	for _, t := range []struct {
		transport fleet.Transport
		on        bool
	}{{fleet.TFTP, c.TFTP.Enabled}, {fleet.HTTP, c.HTTP.Enabled}, {fleet.HTTPS, c.HTTPS.Enabled}} {
		if !t.on {
			out = append(out, string(t.transport))
		}
	}
	return out
}

// subnets for the API, in the order of the configuration.
func (r reporter) subnets() []client.Subnet {
	p := r.d.current.Load()
	stats := map[netip.Prefix]leasetable.Stats{}
	for _, s := range r.d.table.Stats() {
		stats[s.Subnet] = s
	}
	out := []client.Subnet{}
	for i, s := range p.cfg.DHCP.Subnets {
		pools := []string{}
		for _, r := range s.Pools {
			pools = append(pools, r.String())
		}
		n := stats[s.Prefix]
		one := client.Subnet{
			Subnet: s.Prefix, Interface: s.Interface, Phones: s.Phones, Pools: pools, Addresses: n.Pool, Active: n.Active,
			Declined: n.Declined, Free: n.Free, Peaks: r.d.usage.Peaks(s.Prefix), ProvisioningURL: provisioningURL(p.site.Subnets[i]),
		}
		if days, ok := r.d.usage.FullIn(n); ok {
			one.DaysUntilFull = &days
		}
		out = append(out, one)
	}
	return out
}

func (r reporter) status() client.DaemonStatus {
	p := r.d.current.Load()
	s := client.DaemonStatus{
		Version: r.d.opts.Version, StartedAt: r.d.started, Config: p.cfg.Path, DataDir: p.cfg.DataDir, Revision: r.d.store.Revision(),
		Ready: true, Warnings: r.warnings(), Tasks: r.d.tasks, Listening: r.d.Listening(), Sizes: r.d.store.Sizes(),
	}
	if err := r.d.Ready(); err != nil {
		s.Ready, s.Faults = false, []string{err.Error()}
	}
	return s
}

// warnings are what needs attention now, those of the configuration in force, and what the store found and repaired at start.
func (r reporter) warnings() []string {
	p := r.d.current.Load()
	out := health.Warnings(r.health(p))
	for _, w := range p.warnings {
		out = append(out, w.String())
	}
	if keys := r.d.first.needsRestart(p); len(keys) > 0 {
		out = append(out, fmt.Sprintf("restart to apply the changes of %v", keys))
	}
	if f := r.d.service.Trust().Freeze(); f.Frozen {
		out = append(out, f.String())
	}
	for _, w := range r.d.service.Windows() {
		out = append(out, w.String())
	}
	if fault := r.d.pnpFault.Load(); fault != nil && *fault != nil {
		out = append(out, fmt.Sprintf("phones that look for their server by SIP PnP are not answered: %s; it is tried again every 30 seconds", *fault))
	}
	for _, s := range r.d.pbx.List() {
		if s.Error != "" {
			out = append(out, fmt.Sprintf("the last sync of a PBX source failed: %s; plugtone pbx show %s has its state", s.Error, s.Name))
		}
	}
	out = append(out, r.d.upstreams.Warnings()...)
	out = append(out, r.d.cluster.Warnings()...)
	return append(out, r.damageWarnings()...)
}

// health returns the input of health.Warnings.
func (r reporter) health(p *runtimeConfig) health.State {
	now := r.d.opts.Now()
	s := health.State{
		Now: now, ClockWrong: leasetable.ClockWrong(r.d.table), Off: r.off(), Link: health.LinkFault, Subnets: p.site.Subnets, Missing: r.d.packUse.Missing(p.packs),
		Contradictions: health.Contradicting(r.d.store, r.d.observe.Contradictions()), OtherServer: r.d.observe.OtherServerSeen(),
		Relays: r.d.observe.UnknownRelays(health.Since(now)), Certificates: r.d.certs.list(p.cfg), Handshakes: r.d.observe.HandshakeFailures(health.Since(now)),
	}
	if f := r.d.failedReload.Load(); f != nil {
		s.FailedReload, s.FailedAt = f.err, f.time
	}
	if p.cfg.DHCP.Mode == dhcp.ModeServe {
		s.Pools, s.FullIn = r.d.table.Stats(), r.d.usage.FullIn
	}
	if r.d.dhcp != nil {
		s.Interfaces = p.interfaces()
	}
	return s
}

// damageWarnings returns what the store found damaged, and what to do.
func (r reporter) damageWarnings() []string {
	var out []string
	reported := map[string]bool{}
	until, _ := r.d.table.DistrustedUntil()
	for _, x := range r.d.store.Damage() {
		reported[x.Text] = true
		switch {
		case x.Time.Before(r.d.started.Add(-time.Second)) && until.IsZero():
			continue // of an earlier start, and the leases are known again
		case x.Leases && !until.IsZero():
			out = append(out, fmt.Sprintf("%s; until %s free addresses are probed before they are offered, and no phone has to do anything",
				x.Text, until.UTC().Format(time.RFC3339)))
		default:
			out = append(out, x.Text+"; "+health.DamageAdvice(x))
		}
	}
	for _, text := range r.d.store.Notices() {
		if !reported[text] {
			out = append(out, text)
		}
	}
	return out
}
