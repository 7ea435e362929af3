package cluster

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"plugtone/admin/client"
	"plugtone/store/etcd/recordlog"
)

// Status returns the state of the cluster as this member sees it. It queries etcd's servers.
func (m *Cluster) Status(ctx context.Context) client.ClusterStatus {
	if m == nil {
		return client.ClusterStatus{}
	}
	s := client.ClusterStatus{Enabled: true, Name: m.cfg.Cluster.Name, Connected: true, Etcd: []client.EtcdServer{}, Members: []client.ClusterMember{}}
	if err := m.members.Connected(); err != nil {
		s.Connected, s.Problem = false, err.Error()
	}
	servers := m.client.Servers(ctx)
	for _, endpoint := range slices.Sorted(maps.Keys(servers)) {
		server := client.EtcdServer{Endpoint: endpoint}
		if err := servers[endpoint]; err != nil {
			server.Problem = err.Error()
		}
		s.Etcd = append(s.Etcd, server)
	}
	r := m.log.Status()
	s.Records = client.ClusterRecords{Cluster: r.Cluster, Applied: r.Applied, Head: r.Head, Behind: r.Head - r.Applied, LagSeconds: m.lag(r).Round(100 * time.Millisecond).Seconds(), Snapshot: r.Snapshot}
	if r.Problem != nil {
		s.Records.Problem = r.Problem.Error()
	}
	list, _ := m.members.List()
	for _, o := range list {
		member := client.ClusterMember{Name: o.Name, Self: o.Name == m.cfg.Cluster.Name, Alive: o.Alive, Version: o.Version, Schema: o.Schema, Address: o.Address, Subnets: []client.MemberSubnet{}}
		for _, n := range o.Subnets {
			member.Subnets = append(member.Subnets, client.MemberSubnet{Subnet: n.Prefix, Shared: n.Shared, ServerID: n.ServerID})
		}
		if c, ok := m.copyState(o.Name); ok {
			member.Copies = &c
		}
		s.Members = append(s.Members, member)
	}
	s.Shared = m.Serving()
	_, s.Conflicts = m.others.noticed()
	return s
}

// lag returns for how long a copy may lack changes.
func (m *Cluster) lag(s recordlog.Status) time.Duration {
	if s.Synced.IsZero() {
		return m.cfg.Now().Sub(m.opened)
	}
	return m.cfg.Now().Sub(s.Synced)
}

// recordWarnings returns what needs attention of the records and of the members.
func (m *Cluster) recordWarnings() (list []string) {
	s := m.log.Status()
	switch err := m.members.Connected(); {
	case err != nil:
		list = append(list, fmt.Sprintf("cluster: %v; phones are served from this appliance's copy of the records, which can't be changed", err))
	case s.Problem != nil:
		list = append(list, fmt.Sprintf("cluster: the records of this appliance do not follow: %v", s.Problem))
	}
	members, _ := m.members.List()
	for _, o := range members {
		if !o.Alive && o.Name != m.cfg.Cluster.Name {
			list = append(list, fmt.Sprintf("cluster: member %s does not run, or does not reach etcd; if it is gone for good, run \"plugtone cluster leave --name %s\"", o.Name, o.Name))
		}
		if o.Schema < m.members.Self().Schema {
			list = append(list, fmt.Sprintf("cluster: member %s runs plugtone %s with an older schema of records: update it; until then records can't be changed here", o.Name, o.Version))
		}
	}
	return append(list, m.copyWarnings(members)...)
}

// recordCollector has the metrics of the records and of the members.
type recordCollector struct{ m *Cluster }

var (
	connectedDesc = prometheus.NewDesc("plugtone_cluster_connected", "1 while etcd takes this member's signs of life.", nil, nil)
	followingDesc = prometheus.NewDesc("plugtone_cluster_following", "1 while the records of this member follow the cluster's.", nil, nil)
	behindDesc    = prometheus.NewDesc("plugtone_cluster_behind_entries", "Changes of records that this member has seen and not applied yet.", nil, nil)
	lagDesc       = prometheus.NewDesc("plugtone_cluster_lag_seconds", "For how long this member may lack changes of records.", nil, nil)
	membersDesc   = prometheus.NewDesc("plugtone_cluster_members", "Registered members, by whether they are alive.", []string{"alive"}, nil)
	conflictsDesc = prometheus.NewDesc("plugtone_cluster_subnet_conflicts", "Subnets that this member and another one must not both serve: addresses may be leased twice.", nil, nil)
)

// Describe implements prometheus.Collector.
func (c recordCollector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{connectedDesc, followingDesc, behindDesc, lagDesc, membersDesc, conflictsDesc} {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (c recordCollector) Collect(out chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	s := c.m.log.Status()
	gauge(connectedDesc, oneIf(c.m.members.Connected() == nil))
	gauge(followingDesc, oneIf(s.Problem == nil))
	gauge(behindDesc, float64(s.Head-s.Applied))
	gauge(lagDesc, c.m.lag(s).Seconds())
	members, _ := c.m.members.List()
	alive := 0
	for _, o := range members {
		if o.Alive {
			alive++
		}
	}
	gauge(membersDesc, float64(alive), "true")
	gauge(membersDesc, float64(len(members)-alive), "false")
	_, conflicts := c.m.others.noticed()
	gauge(conflictsDesc, float64(len(conflicts)))
}

func oneIf(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
