package daemon

import (
	"context"
	"fmt"
	"slices"
	"time"

	"plugtone/daemon/encrypt"
	"plugtone/daemon/phonelog"
	"plugtone/daemon/states"
	"plugtone/dhcp"
)

// stages lists the tasks. The storage that others write through starts first and stops last.
func (d *Daemon) stages() []stage {
	c, s, m := d.first.cfg, servers{d}, &d.manager
	second := []task{
		{"admin", s.admin},
		{"snapshots", s.snapshots},
		{"credentials", d.credentials.run},
		{"watch", hostWatcher{d}.run},
		{"watchdog", func(ctx context.Context, ready func()) error {
			return m.watchdog(ctx, ready, respond(d.table, d.store))
		}},
		{"stopping", m.stopping},
		{"prepare", s.prepare},
		{"states", states.Config{Index: d.index, LastPhone: d.observe.LastPhone, Now: d.opts.Now, Log: d.log}.Run},
		{"usage", d.usage.Run},
		{"pbx", s.runPBX},
		{"upstream", d.upstreams.Run},
		{"encrypt", encrypt.Config{Folders: []encrypt.Folder{{Name: "uploads", Seal: d.uploads.Seal}, {Name: "upstream", Seal: d.upstreams.Seal}}, Log: d.log}.Run},
		{"registrations", func(ctx context.Context, ready func()) error { ready(); d.registrations.Run(ctx); return nil }},
		{"resync", func(ctx context.Context, ready func()) error { ready(); d.jobs.Run(ctx); return nil }},
	}
	add := func(on bool, t task) {
		if on {
			second = append(second, t)
		}
	}
	add(d.dhcp != nil, task{"dhcp", s.dhcp})
	add(c.TFTP.Enabled, task{"tftp", s.tftp})
	add(c.HTTP.Enabled, task{"http", func(ctx context.Context, ready func()) error { return s.files(ctx, ready, "http", c.HTTP.Listen, nil) }})
	add(c.HTTPS.Enabled, task{"https", func(ctx context.Context, ready func()) error {
		return s.files(ctx, ready, "https", c.HTTPS.Listen, d.certs.files())
	}})
	add(c.Provisioning.PnP.Enabled, task{"pnp", s.pnp})
	add(c.Syslog.Enabled, task{"syslog", phonelog.Config{Listen: c.Syslog.Listen, Listening: d.listeners.add, LeaseAt: d.table.LeaseAt, Records: d.store, Secrets: d.service.Secrets, Observer: d.observe, Now: d.opts.Now, Log: d.log}.Run})
	add(len(c.Metrics.Listen) > 0, task{"metrics", s.metrics})
	storage := []task{
		{"store", d.store.Run},
		{"leases", func(ctx context.Context, ready func()) error { ready(); return d.table.Run(ctx) }},
	}
	if d.cluster != nil {
		storage = append(storage, task{"cluster", d.cluster.Run})
	}
	for _, t := range append(slices.Clone(storage), second...) {
		d.tasks = append(d.tasks, t.name)
	}
	return []stage{{tasks: storage}, {tasks: second, grace: transferGrace + 3*time.Second}}
}

// lookForOthers refuses to start without a configuration file when the network has another DHCP server: a user who only tries plugtone must
// not break the network. With a file the server itself looks from time to time, and warns.
func (d *Daemon) lookForOthers(ctx context.Context) error {
	if d.opts.Config != "" || d.dhcp == nil || d.first.cfg.DHCP.Mode != dhcp.ModeServe {
		return nil
	}
	for _, name := range d.first.interfaces() {
		offers, err := d.opts.Discover(ctx, name)
		if err != nil {
			return err
		}
		if len(offers) > 0 {
			o := offers[0]
			return fmt.Errorf("another DHCP server answers on %s: %s (hardware address %s) offered %s\n"+
				"hint: two servers hand out the same addresses twice; switch the other one off, or write a configuration file with dhcp.mode: inform or off and set its option 66 to this host, or one with dhcp.mode: serve to be only warned",
				name, o.Server, o.MAC, o.Addr)
		}
	}
	return nil
}
