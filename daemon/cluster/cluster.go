// Package cluster joins an appliance to a cluster: it registers the appliance in etcd, and binds the leases of the subnets that it shares
// with other members there.
package cluster

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sys/unix"

	"plugtone/daemon/config"
	"plugtone/dhcp"
	"plugtone/dhcp/leasetable"
	"plugtone/store/etcd"
)

// checkTimeout is how long a start waits for etcd, to find out whether another member serves the same subnets.
const checkTimeout = 3 * time.Second

// Config is what a cluster needs of the daemon.
type Config struct {
	Cluster    config.Cluster
	Version    string
	Subnets    []dhcp.Subnet                // that this appliance serves
	ServerID   func(dhcp.Subnet) netip.Addr // its address there; zero while it is not known
	Now        func() time.Time
	Log        *slog.Logger
	Registerer prometheus.Registerer
}

// Cluster is the membership of this appliance. A nil one is that of a single appliance.
type Cluster struct {
	cfg     Config
	client  *etcd.Client
	members *etcd.Members
	leases  *leases
}

// Open opens the connection to etcd, which need not answer, and makes the table bind the leases of shared subnets there. It returns an error
// when another member serves the same subnets.
func Open(c Config, table *leasetable.Table) (*Cluster, error) {
	e := c.Cluster.Etcd
	client, err := etcd.Open(etcd.Config{
		Endpoints: e.Endpoints, CAFile: e.CAFile, CertFile: e.CertFile, KeyFile: e.KeyFile, Username: e.Username, PasswordFile: e.PasswordFile, Prefix: e.Prefix,
	})
	if err != nil {
		return nil, err
	}
	m := &Cluster{cfg: c, client: client}
	m.members = etcd.NewMembers(client, m.self(), rand.Text(), c.Now, c.Log)
	if err := m.checkSubnets(); err != nil {
		return nil, fmt.Errorf("cluster: %w", err)
	}
	if m.leases, err = newLeases(m, table); err != nil {
		return nil, err
	}
	return m, nil
}

// self returns what this appliance registers.
func (m *Cluster) self() etcd.Member {
	self := etcd.Member{Name: m.cfg.Cluster.Name, Version: m.cfg.Version}
	for _, s := range m.cfg.Subnets {
		self.Subnets = append(self.Subnets, etcd.Subnet{Prefix: s.Prefix, Shared: s.Shared, Pools: pools(s), ServerID: m.cfg.ServerID(s)})
	}
	return self
}

func pools(s dhcp.Subnet) (out []string) {
	for _, r := range s.Pools {
		out = append(out, r.String())
	}
	return out
}

// checkSubnets returns why this appliance may not serve its subnets beside the other members. When etcd does not answer it returns nil.
func (m *Cluster) checkSubnets() error {
	ctx, cancel := context.WithTimeout(context.Background(), checkTimeout)
	defer cancel()
	others, err := etcd.ListMembers(ctx, m.client, m.cfg.Log)
	if err != nil {
		m.cfg.Log.Warn("etcd does not answer: it is not known whether another member serves the same subnets", "err", err)
		return nil
	}
	return conflict(m.self(), others)
}

// conflict returns why self may not serve its subnets beside others.
func conflict(self etcd.Member, others []etcd.Member) error {
	for _, o := range others {
		for _, theirs := range o.Subnets {
			for _, mine := range self.Subnets {
				if o.Name == self.Name || !mine.Prefix.Overlaps(theirs.Prefix) {
					continue
				}
				if why := conflictOf(mine, theirs, o); why != "" {
					return fmt.Errorf("subnet %s: member %s %s", mine.Prefix, o.Name, why)
				}
			}
		}
	}
	return nil
}

func conflictOf(mine, theirs etcd.Subnet, o etcd.Member) string {
	const twice = ": both would lease the same addresses"
	switch {
	case mine.Prefix != theirs.Prefix:
		return "serves " + theirs.Prefix.String() + ", which overlaps it" + twice
	case !mine.Shared && !theirs.Shared:
		return "serves it, too" + twice + "; set shared: true on both members, or leave it out here, or remove that member with plugtone cluster leave there"
	case !mine.Shared:
		return "shares it: set shared: true here, too"
	case !theirs.Shared:
		return "serves it without shared: true" + twice
	case o.Alive && !slices.Equal(mine.Pools, theirs.Pools):
		return fmt.Sprintf("runs with other pools, %s, not %s: all members need the same; to change them stop all but one, change and restart it, then the others",
			strings.Join(theirs.Pools, ", "), strings.Join(mine.Pools, ", "))
	}
	return ""
}

// Run keeps this appliance a member until ctx ends.
func (m *Cluster) Run(ctx context.Context) { m.leases.run(ctx) }

// Close ends the connection.
func (m *Cluster) Close() error {
	if m == nil {
		return nil
	}
	return m.client.Close()
}

// elapsed returns the time since the machine was started, which no one sets and which counts while it sleeps.
func elapsed() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &t); err != nil {
		panic(err) // every Linux that Go supports has the clock
	}
	return time.Duration(t.Nano())
}
