// Package cluster joins an appliance to a cluster: it registers the appliance in etcd, makes its records follow those of the other members,
// and binds the leases of the subnets that it shares with them there.
package cluster

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sys/unix"

	"plugtone/daemon/cluster/copies"
	"plugtone/daemon/config"
	"plugtone/dhcp"
	"plugtone/dhcp/leasetable"
	"plugtone/provision/uploads"
	"plugtone/store/etcd"
	"plugtone/store/etcd/recordlog"
	"plugtone/store/etcd/sharedleases"
	"plugtone/store/records"
	"plugtone/store/seal"
)

// Config is what a cluster needs of the daemon.
type Config struct {
	Cluster    config.Cluster
	DataDir    string
	Version    string
	Records    records.Copy
	Leases     sharedleases.Copy            // where the leases of shared subnets are from
	Windows    func()                       // is called when another member has changed the windows of enrollment
	Bound      func(dhcp.Lease)             // is called for each lease that was bound in etcd, before its phone receives it
	Subnets    []dhcp.Subnet                // that this appliance serves; SetSubnets changes them
	ServerID   func(dhcp.Subnet) netip.Addr // its address there; zero while it is not known
	Uploads    *uploads.Store               // what phones have uploaded; nil: nothing is copied
	Fetches    copies.Fetches               // what phones have fetched; required with Uploads
	Copied     func(dhcp.MAC)               // is called when an upload or a fetch of the phone was copied from another member
	Now        func() time.Time
	Log        *slog.Logger
	Registerer prometheus.Registerer
}

// Cluster is the membership of this appliance. A nil one is that of a single appliance.
type Cluster struct {
	cfg     Config
	client  *etcd.Client
	keys    *seal.Ring
	members *etcd.Members
	leases  *leases
	log     *recordlog.Log
	stop    context.CancelFunc // ends the calls of log
	opened  time.Time
	subnets atomic.Pointer[[]dhcp.Subnet] // that this appliance serves now
	others  others
	between *between       // nil for a command while no daemon runs
	copies  *copies.Copies // nil: nothing is copied
}

// Open opens the connection to etcd, which need not answer, and makes the table bind the leases of shared subnets there. From then on records
// are changed only together with those of the other members. It returns an error when another member serves the same subnets, or the records
// are no copy of the cluster's.
func Open(c Config, table *leasetable.Table) (*Cluster, error) {
	if err := recordlog.CheckCopy(c.Records.DB); err != nil {
		return nil, fmt.Errorf("cluster: %w", err)
	}
	m, err := connect(c)
	if err != nil {
		return nil, err
	}
	if err := m.checkStart(); err != nil {
		return nil, errors.Join(fmt.Errorf("cluster: %w", err), m.Close())
	}
	if err = openBetween(m); err == nil {
		m.leases, err = newLeases(m, table)
	}
	if err == nil {
		err = c.Registerer.Register(recordCollector{m})
	}
	if err == nil {
		err = openCopies(m)
	}
	if err != nil {
		return nil, errors.Join(err, m.Close())
	}
	c.Records.Replicate(m.log, c.Windows)
	return m, nil
}

// connect makes the parts that need no table.
func connect(c Config) (*Cluster, error) {
	keys, err := seal.Read(c.Cluster.KeyFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("cluster.key_file: %w: copy it from another member, or run \"plugtone cluster import\", which makes it", err)
	}
	if err != nil {
		return nil, fmt.Errorf("cluster.key_file: %w", err)
	}
	client, err := openEtcd(c.Cluster)
	if err != nil {
		return nil, err
	}
	m := &Cluster{cfg: c, client: client, keys: keys, opened: c.Now()}
	m.subnets.Store(&c.Subnets)
	m.members = etcd.NewMembers(client, m.self(), rand.Text(), c.Now, c.Log)
	ctx, stop := context.WithCancel(context.Background())
	m.stop = stop
	m.log = recordlog.New(ctx, recordlog.Config{Etcd: client, Keys: keys, Records: c.Records, Member: c.Cluster.Name, Schema: m.members.Self().Schema,
		Connected: m.members.Connected, Members: m.members.List, Now: c.Now, Log: c.Log})
	return m, nil
}

func openEtcd(c config.Cluster) (*etcd.Client, error) {
	e := c.Etcd
	client, err := etcd.Open(etcd.Config{Endpoints: e.Endpoints, CAFile: e.CAFile, CertFile: e.CertFile, KeyFile: e.KeyFile,
		Username: e.Username, PasswordFile: e.PasswordFile, Prefix: e.Prefix})
	if err != nil {
		return nil, fmt.Errorf("cluster.etcd: %w", err)
	}
	return client, nil
}

// self returns what this appliance registers.
func (m *Cluster) self() etcd.Member { return m.selfWith(*m.subnets.Load()) }

func (m *Cluster) selfWith(subnets []dhcp.Subnet) etcd.Member {
	self := etcd.Member{Name: m.cfg.Cluster.Name, Version: m.cfg.Version, Schema: records.Spec().Schema.Version}
	for _, s := range subnets {
		self.Subnets = append(self.Subnets, etcd.Subnet{Prefix: s.Prefix, Shared: s.Shared, Pools: pools(s), ServerID: m.cfg.ServerID(s)})
	}
	self.Address, self.Certificate = m.between.registered()
	return self
}

func pools(s dhcp.Subnet) (out []string) {
	for _, r := range s.Pools {
		out = append(out, r.String())
	}
	return out
}

// startWait is how long a start waits for the records of the other members. Without etcd it goes on with its copy.
const startWait = 2 * time.Second

// Run keeps this appliance a member, and its records as those of the others, until ctx ends. It is a task of the daemon.
func (m *Cluster) Run(ctx context.Context, ready func()) error {
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	listener, err := m.between.listen(ctx)
	if err != nil {
		return err
	}
	var tasks sync.WaitGroup
	tasks.Go(func() { m.between.run(ctx, listener, end) })
	tasks.Go(func() { m.leases.run(ctx) })
	tasks.Go(func() { m.log.Run(ctx) })
	if m.copies != nil {
		tasks.Go(func() { m.copies.Run(ctx) })
	}
	timeout := time.After(startWait)
	tick := time.NewTicker(startWait / 40)
	defer tick.Stop()
	for waiting := true; waiting; {
		select {
		case <-ctx.Done():
			waiting = false
		case <-timeout:
			waiting = false
		case <-tick.C:
			waiting = m.log.Status().Problem != nil || m.members.Connected() != nil
		}
	}
	ready()
	tasks.Wait()
	return failure(ctx)
}

// Close ends the connection.
func (m *Cluster) Close() error {
	if m == nil {
		return nil
	}
	m.stop()
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
