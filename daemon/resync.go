package daemon

import (
	"context"
	"net/netip"

	"plugtone/daemon/push"
)

// pushConfig returns what makes phones fetch needs of the daemon.
func (d *Daemon) pushConfig() push.Config {
	return push.Config{Records: d.store, Leases: d.table, Packs: d.packs, Site: d.site, Fetches: d.store.Fetches, Observer: d.observe, Store: d.store,
		Registerer: d.metrics.Registry, Version: d.opts.Version, Now: d.opts.Now, Log: d.log}
}

// pnp answers phones that look for their server by SIP PnP.
func (s servers) pnp(ctx context.Context, ready func()) error {
	interfaces := func() []string {
		p := s.d.current.Load()
		if named := p.cfg.Provisioning.PnP.Interfaces; len(named) > 0 {
			return named
		}
		return p.interfaces()
	}
	other := func(ifname string, from netip.Addr) { s.d.observe.OtherResponder(ifname, from) }
	return push.NewResponder(s.d.pushConfig(), interfaces, other).Run(ctx, func() {
		s.d.listeners.add("pnp", "224.0.1.75:5060")
		ready()
	})
}
