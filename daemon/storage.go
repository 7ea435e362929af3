package daemon

import (
	"cmp"
	"fmt"
	"os"
	"time"

	"plugtone/daemon/cluster"
	"plugtone/daemon/config"
	"plugtone/dhcp/leasetable"
	"plugtone/store"
	"plugtone/store/events"
	"plugtone/store/leases"
	"plugtone/store/records"
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
		d.cluster, err = cluster.Open(cluster.Config{
			Cluster: p.cfg.Cluster, Version: d.opts.Version, Subnets: p.dhcp.Subnets, ServerID: serverID, Now: d.opts.Now, Log: d.log, Registerer: d.metrics.Registry,
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

// distrustLeases makes the lease table cautious for one lease time after damage that may have lost leases: an address that looks free
// may belong to a phone. The time is counted while plugtone runs: the clock may have been wrong when the damage was found.
func (d *Daemon) distrustLeases(c *config.Config) {
	for _, x := range d.store.Damage() {
		if left := longestLease(c) - x.Age; x.Leases && left > 0 {
			d.table.Distrust(d.opts.Now().Add(left), x.Text)
		}
	}
	if until, reason := d.table.Distrusted(); !until.IsZero() {
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

// damageAdvice returns what the operator should do about damage.
func damageAdvice(x store.Damage) string {
	switch {
	case x.Kind == store.Restored:
		return "nothing has to be done"
	case x.Kind == store.NoKey:
		return "without it, restore a backup whose key you have, or enter the records again in an empty data directory"
	case x.File == records.FileName:
		return "compare the devices with what should be there, or stop plugtone and restore a backup with \"plugtone restore\""
	case x.File == events.FileName && x.Kind == store.Unreadable:
		return "check the disk and the file's permissions, then restart plugtone"
	case x.File == events.FileName:
		return "check the disk; nothing has to be entered again"
	case x.File == leases.FileName, x.File == leases.LogName:
		return "check the disk; phones keep their addresses"
	}
	return "check the disk"
}
