package daemon

import (
	"cmp"
	"fmt"
	"os"
	"time"

	"plugtone/daemon/cluster"
	"plugtone/daemon/config"
	"plugtone/dhcp"
	"plugtone/dhcp/leasetable"
	"plugtone/store"
	"plugtone/store/seal"
)

// storeConfig returns the configuration of the store.
func (d *Daemon) storeConfig(c *config.Config) store.Config {
	return store.Config{
		Dir: c.DataDir, Configuration: c.Path, KeyFile: cmp.Or(d.opts.KeyFile, keyFile(c.DataDir)), Now: d.opts.Now, Log: d.log, Registerer: d.metrics.Registry, CheckCommand: d.opts.CheckCommand,
		TimelineEntries: c.Timeline.PerPhone, TimelineStrangers: c.Timeline.Strangers, TimelineMaxSize: c.Timeline.MaxSize,
	}
}

// openLeases makes the lease table. In a cluster it binds the leases of shared subnets in etcd.
func openLeases(d *Daemon, p *runtimeConfig) (err error) {
	d.table = leasetable.NewTable(p.dhcp, leaseWriter{d}, d.opts.Now)
	if p.cfg.Cluster.Enabled() {
		windows := func() {
			if err := d.service.Trust().ReloadWindows(); err != nil {
				d.log.Error("windows of enrollment of another member", "err", err)
			}
		}
		d.cluster, err = cluster.Open(cluster.Config{
			Cluster: p.cfg.Cluster, DataDir: p.cfg.DataDir, Version: d.opts.Version, Records: d.store.Copy(), Leases: d.store, Windows: windows, Bound: func(l dhcp.Lease) { d.service.Trust().Bound(l) },
			Subnets: p.dhcp.Subnets, ServerID: serverID, Uploads: d.uploads, Fetches: d.store, Copied: func(mac dhcp.MAC) { d.service.Trust().Learned(mac); d.index.Touch(mac) }, Now: d.opts.Now, Log: d.log, Registerer: d.metrics.Registry,
		}, d.table)
		if err != nil {
			return err
		}
	}
	if err := d.table.Load(d.store.LoadLeases); err != nil {
		return fmt.Errorf("load leases: %w", err)
	}
	return nil
}

// keyFile returns where the key of the records in a data directory is.
func keyFile(dir string) string { return seal.Path(dir, os.Getenv("CREDENTIALS_DIRECTORY")) }

// distrustLeases distrusts the lease table for one lease time after damage that may have lost leases: an address that looks free
// may belong to a phone. The time is counted while plugtone runs: the clock may have been wrong when the damage was found.
func (d *Daemon) distrustLeases(c *config.Config) {
	for _, x := range d.store.Damage() {
		if left := longestLease(c) - x.Age; x.Leases && left > 0 {
			d.table.Distrust(d.opts.Now().Add(left), x.Text)
		}
	}
	if leasetable.ClockWrong(d.table) {
		d.log.Error("the clock differs from the time at which leases were written, or was never set: leases keep the time that was left, and certificates of phones count as not ended, until it is set", "clock", d.opts.Now())
	}
	if until, reason := d.table.DistrustedUntil(); !until.IsZero() {
		d.log.Error("leases may be missing: free addresses are probed before they are offered, those never leased first", "until", until, "reason", reason)
	}
}

// longestLease returns the longest time for which a phone may hold an address without renewing it.
func longestLease(c *config.Config) time.Duration {
	longest := config.DefaultLease
	for _, s := range c.DHCP.Subnets {
		longest = max(longest, s.LeaseTime, s.OtherLeaseTime)
	}
	return longest
}
