package daemon

import (
	"context"
	"net/netip"
	"sync"

	"plugtone/daemon/push"
	"plugtone/provision/pbxroute"
)

// buildPush makes the resync jobs and the PBX sources that start them.
func buildPush(d *Daemon) (err error) {
	if d.jobs, err = push.NewJobs(pushConfig(d)); err != nil {
		return err
	}
	return buildPBX(d)
}

// pushConfig returns what of the daemon is needed to make phones fetch.
func pushConfig(d *Daemon) push.Config {
	return push.Config{Records: d.store, Leases: d.table, Packs: d.packs, Site: d.site, Fetches: d.store.Fetches, Observer: d.observe, Store: d.store,
		Registrars: func() []pbxroute.Config { return d.current.Load().cfg.Registrars }, Registerer: d.metrics.Registry, Version: d.opts.Version, Now: d.opts.Now, Log: d.log}
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
	listening := sync.OnceFunc(func() { s.d.listeners.add("pnp", "224.0.1.75:5060") })
	state := func(err error) {
		if s.d.pnpFault.Store(&err); err == nil {
			listening()
		}
	}
	return push.NewResponder(pushConfig(s.d), interfaces, other, state).Run(ctx, ready)
}
