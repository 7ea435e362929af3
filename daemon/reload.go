package daemon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	systemd "github.com/coreos/go-systemd/v22/daemon"

	"plugtone/daemon/config"
	"plugtone/daemon/health"
	"plugtone/dhcp"
	"plugtone/dhcp/engine"
	"plugtone/provision/fleet"
)

// Reload reads the configuration and the vendor packs again. When they have problems the running configuration stays and the
// error lists the problems. Without force it also stays when the new one would strand phones: see refusal. Changes that need
// a restart are logged and keep their value.
func (d *Daemon) Reload(_ context.Context, force bool) error {
	d.manager.notify(systemd.SdNotifyReloading + "\n" + monotonic())
	defer d.manager.notify(systemd.SdNotifyReady)
	d.reload.Lock() // not while notifying: the service manager may be slow
	defer d.reload.Unlock()
	err := d.apply(force)
	d.metrics.Reloaded(err == nil, d.opts.Now())
	d.failedReload.Store(nil)
	if err != nil {
		d.failedReload.Store(&reloadFailure{err, d.opts.Now()})
		d.log.Error("configuration not reloaded; the running one stays", "err", err)
		return err
	}
	d.log.Info("configuration reloaded", "forced", force)
	select {
	case d.credentials.reloaded <- struct{}{}:
	default:
	}
	return nil
}

// reloadFailure is why a reload was refused, and when.
type reloadFailure struct {
	err  error
	time time.Time
}

// apply puts a new configuration into force, or nothing of it.
func (d *Daemon) apply(force bool) error {
	p, err := loadRuntimeConfig(d.opts)
	if err != nil {
		return err
	}
	keepShared(&p.dhcp, d.first.cfg)
	if err := d.refusal(p); err != nil && !force {
		return err
	}
	certs, err := loadCertificates(p.cfg, ownNames(p, readHost()))
	if err != nil {
		return err
	}
	p.site.CACert = certs.authority()
	if d.dhcp != nil && p.cfg.DHCP.Mode != dhcp.ModeOff {
		engine, err := engine.New(p.dhcp, d.store, d.service)
		if err != nil {
			return err
		}
		d.table.Configure(p.dhcp)
		d.current.Store(p)
		d.dhcp.Use(engine, p.interfaces())
	}
	d.current.Store(p)
	d.cluster.SetSubnets(p.dhcp.Subnets)
	d.installCertificates(certs, p)
	d.store.SetHistory(p.cfg.History.Keep, p.cfg.History.Max)
	d.level.Set(levelOf(p.cfg))
	for _, w := range p.warnings {
		d.log.Warn("configuration", "warning", w.String())
	}
	if keys := d.first.needsRestart(p); len(keys) > 0 {
		d.log.Warn("some of the new configuration counts only after a restart", "keys", keys)
	}
	return nil
}

// refusal returns why next needs force: it serves no subnet any more, it leaves out a subnet in which phones hold leases or a pack of
// devices, it serves what another member of the cluster serves, or it names an interface that this host does not have. At boot an interface may come later; during a reload it is a typing error.
func (d *Daemon) refusal(next *runtimeConfig) error {
	running := d.current.Load()
	problems := strandedLeases(d.table.All(), running.cfg.DHCP.Subnets, next.cfg.DHCP.Subnets)
	problems = append(problems, packsGone(d.store, running, next)...)
	problems = append(problems, d.cluster.NewConflicts(next.dhcp.Subnets)...)
	if next.cfg.DHCP.Mode != dhcp.ModeOff {
		problems = append(problems, missingInterfaces(running, next)...)
	}
	if len(problems) == 0 {
		return nil
	}
	return errors.New(strings.Join(problems, "\n") + "\nhint: \"plugtone reload --force\" applies it all the same")
}

// packsGone lists the packs that next leaves out although devices have their vendor. Those of before that are missing already are no reason.
func packsGone(records fleet.Records, running, next *runtimeConfig) []string {
	var missing []health.Missing
	err := records.View(func(f fleet.View) (err error) {
		missing, err = health.MissingIn(f, next.packs)
		return err
	})
	if err != nil {
		return []string{"it is not known which devices need their packs: " + err.Error()}
	}
	var out []string
	for _, m := range missing {
		if _, had := running.packs.Vendor(m.Vendor); had {
			out = append(out, fmt.Sprintf("vendor pack %q is gone, but %s would be without files", m.Vendor, m))
		}
	}
	return out
}

// missingInterfaces lists the interfaces that next adds and this host lacks.
func missingInterfaces(running, next *runtimeConfig) []string {
	var out []string
	for i, s := range next.cfg.DHCP.Subnets {
		if s.Interface == "" || slices.Contains(running.interfaces(), s.Interface) {
			continue
		}
		if _, err := net.InterfaceByName(s.Interface); err != nil {
			at := fmt.Sprintf("dhcp.subnets[%d].interface", i)
			out = append(out, next.cfg.ProblemAt(at, "this host has no such interface; it has "+config.InterfaceNames()).Error())
		}
	}
	return out
}

// strandedLeases returns the subnets that next leaves out, with their active leases. A subnet without leases may go, unless it was the last.
func strandedLeases(leases []dhcp.Lease, running, next []fleet.Subnet) []string {
	contains := func(in []fleet.Subnet, a netip.Addr) bool {
		return slices.ContainsFunc(in, func(s fleet.Subnet) bool { return s.Prefix.Contains(a) })
	}
	last := len(running) > 0 && len(next) == 0
	var out []string
	for _, s := range running {
		n := 0
		for _, l := range leases {
			if l.State == dhcp.LeaseActive && s.Prefix.Contains(l.Addr) && !contains(next, l.Addr) {
				n++
			}
		}
		gone := !slices.ContainsFunc(next, func(o fleet.Subnet) bool { return o.Prefix.Overlaps(s.Prefix) })
		switch {
		case n > 0:
			out = append(out, fmt.Sprintf("dhcp.subnets: %s is no longer served, but has %s", s.Prefix, activeLeases(n)))
		case gone && last:
			out = append(out, fmt.Sprintf("dhcp.subnets: %s is no longer served, and no other subnet is", s.Prefix))
		}
	}
	return out
}

func activeLeases(n int) string {
	if n == 1 {
		return "1 active lease"
	}
	return fmt.Sprintf("%d active leases", n)
}
