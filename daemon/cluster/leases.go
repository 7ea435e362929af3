package cluster

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"plugtone/admin/client"
	"plugtone/dhcp/leasetable"
	"plugtone/dhcp/sharing"
	"plugtone/store/etcd"
	"plugtone/store/etcd/sharedleases"
)

// viewEvery is how often it is computed who answers which clients, besides when the members change.
const viewEvery = time.Second

// leases binds the leases of shared subnets, and keeps who answers which clients.
type leases struct {
	m       *Cluster
	shared  []netip.Prefix
	store   *sharedleases.Leases
	all     *leasetable.Table
	table   *leasetable.Shared // the shared leases of all
	changed chan struct{}      // holds a token when the members or the state of etcd may have changed
	now     atomic.Pointer[sharing.Subnets]

	mu        sync.Mutex
	completes map[netip.Prefix]time.Duration // since when all members of a subnet are alive
	unusable  time.Time                      // since when no lease can be bound; zero: they can
}

func newLeases(m *Cluster, table *leasetable.Table) (*leases, error) {
	l := &leases{m: m, changed: make(chan struct{}, 1), completes: map[netip.Prefix]time.Duration{}, unusable: m.cfg.Now()}
	for _, s := range m.cfg.Subnets {
		if s.Shared {
			l.shared = append(l.shared, s.Prefix)
		}
	}
	l.now.Store(&sharing.Subnets{})
	m.members.Notify(l.wake)
	if len(l.shared) == 0 {
		return l, nil
	}
	l.store = sharedleases.New(context.Background(), sharedleases.Config{
		Store: sharedleases.Etcd(m.client), Subnets: l.shared, Elapsed: elapsed, Wall: m.cfg.Now, Log: m.cfg.Log, Changed: l.wake, Copy: m.cfg.Leases, Doubt: l.doubt,
	})
	l.all, l.table = table, table.Share(l.store)
	l.table.OnBound(m.cfg.Bound)
	l.update()
	return l, m.cfg.Registerer.Register(collector{l})
}

func (l *leases) wake() {
	select {
	case l.changed <- struct{}{}:
	default:
	}
}

// doubt distrusts the lease table for as long as a phone may have a lease that another member has not brought into an etcd that had lost it.
func (l *leases) doubt() {
	longest := time.Duration(0)
	for _, s := range l.m.cfg.Subnets {
		if s.Shared {
			longest = max(longest, s.LeaseTime, s.OtherLeaseTime)
		}
	}
	l.all.Distrust(l.m.cfg.Now().Add(longest), "etcd had lost the leases of shared subnets")
}

// run registers this member, follows the others and the shared leases, until ctx ends.
func (l *leases) run(ctx context.Context) {
	var tasks sync.WaitGroup
	defer tasks.Wait()
	tasks.Go(func() { l.m.members.Run(ctx) })
	if l.store != nil {
		tasks.Go(func() { l.store.Run(ctx, l.table) })
	}
	tick := time.NewTicker(viewEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-l.changed:
		case <-tick.C:
			l.m.members.SetSelf(l.m.self()) // an address of this host may have come or gone
		}
		l.m.look()
		l.update()
	}
}

// update computes who answers which clients.
func (l *leases) update() {
	if l.store == nil {
		return
	}
	members, _ := l.m.members.List()
	why, connected := l.store.Unusable(), l.m.members.Connected() == nil
	usable := why == nil
	l.mu.Lock()
	defer l.mu.Unlock()
	subnets, id := sharing.Subnets{}, l.store.ID()
	if received := l.table.Received(); l.store.ID() == id {
		l.m.members.SetReceived(etcd.Received{ID: id, Revisions: received})
	}
	for _, p := range l.shared {
		servers, all := serversOf(p, l.m.cfg.Cluster.Name, members)
		if !all || !connected {
			delete(l.completes, p)
		} else if _, ok := l.completes[p]; !ok {
			l.completes[p] = elapsed()
		}
		since, complete := l.completes[p]
		complete = complete && elapsed()-since >= sharing.SettleTime
		subnets[p] = sharing.NewServers(l.m.cfg.Cluster.Name, servers, sharing.State{Usable: usable, Complete: complete, Received: receivedByAll(p, l.m.cfg.Cluster.Name, members, id)})
	}
	l.now.Store(&subnets)
	switch {
	case usable && !l.unusable.IsZero():
		l.unusable = time.Time{}
		l.m.cfg.Log.Info("leases of shared subnets are bound in etcd")
	case !usable && l.unusable.IsZero():
		l.unusable = l.m.cfg.Now()
		l.m.cfg.Log.Error("phones keep the leases that they have in shared subnets, and new ones get no address", "err", why)
	}
}

// serversOf returns the members that share the subnet, and whether all of them are alive.
func serversOf(p netip.Prefix, self string, members []etcd.Member) (out []sharing.Member, all bool) {
	all = true
	for _, m := range members {
		if s, ok := sharedBy(m, p); ok {
			out = append(out, sharing.Member{Name: m.Name, ServerID: s.ServerID, Alive: m.Alive})
			all = all && (m.Alive || m.Name == self)
		}
	}
	return out, all
}

// sharedBy returns a subnet as a member shares it. ok is false if it does not.
func sharedBy(m etcd.Member, p netip.Prefix) (s etcd.Subnet, ok bool) {
	i := slices.IndexFunc(m.Subnets, func(s etcd.Subnet) bool { return s.Prefix == p && s.Shared })
	if i < 0 {
		return s, false
	}
	return m.Subnets[i], true
}

// receivedByAll returns up to which revision of the store with this ID all other members of a subnet have received which leases were given back.
func receivedByAll(p netip.Prefix, self string, members []etcd.Member, id string) int64 {
	lowest := int64(math.MaxInt64)
	for _, m := range members {
		switch _, shares := sharedBy(m, p); {
		case !shares || m.Name == self:
		case m.Received.ID != id:
			return 0
		default:
			lowest = min(lowest, m.Received.Revisions[p])
		}
	}
	return lowest
}

// Sharing returns who answers which clients in shared subnets.
func (m *Cluster) Sharing() sharing.Subnets {
	if m == nil {
		return nil
	}
	return *m.leases.now.Load()
}

// Serving lists who answers which clients in the shared subnets, in their order.
func (m *Cluster) Serving() []client.SharedSubnet {
	if m == nil {
		return nil
	}
	away, _ := m.others.noticed()
	out := []client.SharedSubnet{}
	for p, s := range m.Sharing() {
		subnet := client.SharedSubnet{Subnet: p, Usable: s.Usable()}
		for _, x := range s.Members() {
			server := client.SubnetServer{Member: x.Name, ServerID: x.ServerID, Alive: x.Alive, Percent: s.Buckets(x.Name) * 100 / 256}
			if !x.Alive {
				server.AwaySince = away[x.Name]
			}
			subnet.Servers = append(subnet.Servers, server)
		}
		out = append(out, subnet)
	}
	slices.SortFunc(out, func(a, b client.SharedSubnet) int { return a.Subnet.Addr().Compare(b.Subnet.Addr()) })
	return out
}

// Warnings returns what needs attention.
func (m *Cluster) Warnings() []string {
	if m == nil {
		return nil
	}
	list := m.recordWarnings()
	_, conflicts := m.others.noticed()
	for _, c := range conflicts {
		list = append(list, "cluster: addresses may be leased twice: "+c)
	}
	m.leases.mu.Lock()
	since := m.leases.unusable
	m.leases.mu.Unlock()
	if m.leases.store == nil || since.IsZero() {
		return list
	}
	if errors.Is(m.leases.store.Unusable(), sharedleases.ErrHeld) {
		return append(list, "etcd has lost the leases of shared subnets: members bring those that they have; phones keep theirs, and new ones get no address for a minute or more")
	}
	return append(list, fmt.Sprintf("etcd has not been reachable since %s: phones keep the leases that they have in shared subnets, and new ones get no address; look at etcd and the network to it",
		since.UTC().Format(time.RFC3339)))
}

// collector exports the metrics of shared leases.
type collector struct{ l *leases }

var (
	leasesDesc = prometheus.NewDesc("plugtone_cluster_leases_total", "Leases of shared subnets that this member tried to bind in etcd, by outcome.", []string{"outcome"}, nil)
	usableDesc = prometheus.NewDesc("plugtone_cluster_leases_usable", "1 while leases of shared subnets can be bound in etcd.", nil, nil)
)

// Describe implements prometheus.Collector.
func (collector) Describe(out chan<- *prometheus.Desc) { out <- leasesDesc; out <- usableDesc }

// Collect implements prometheus.Collector.
func (c collector) Collect(out chan<- prometheus.Metric) {
	s := c.l.store.Stats()
	for outcome, n := range map[string]int64{"bound": s.Bound, "conflict": s.Conflicts, "failed": s.Failed} {
		out <- prometheus.MustNewConstMetric(leasesDesc, prometheus.CounterValue, float64(n), outcome)
	}
	out <- prometheus.MustNewConstMetric(usableDesc, prometheus.GaugeValue, oneIf(c.l.store.Unusable() == nil))
}
