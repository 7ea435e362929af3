package cluster

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"plugtone/admin/client"
	"plugtone/daemon/cluster/copies"
	"plugtone/daemon/config"
	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/store"
	"plugtone/store/etcd"
)

// warnAfter is for how long copying from a member may fail before it is a warning.
const warnAfter = 10 * time.Minute

// openCopies makes what copies from the other members and to them what phones have sent and fetched.
func openCopies(m *Cluster) error {
	if m.cfg.Uploads == nil {
		return nil
	}
	m.copies = copies.New(copies.Config{
		Uploads: m.cfg.Uploads, Fetches: m.cfg.Fetches, Recorded: m.recorded, Sources: m.copySources, Copied: m.cfg.Copied, Room: func() (int64, error) { return store.FreeBytes(m.cfg.DataDir) }, Now: m.cfg.Now, Log: m.cfg.Log,
	})
	m.between.peers.AnswerBelow(copies.Path, m.copies)
	return m.cfg.Registerer.Register(copyCollector{m.copies})
}

// recorded reports whether a phone has a device record.
func (m *Cluster) recorded(mac dhcp.MAC) (known bool, err error) {
	err = m.cfg.Records.View(func(v fleet.View) error {
		_, err := v.Device(mac)
		if known = err == nil; errors.Is(err, fleet.ErrNotFound) {
			return nil
		}
		return err
	})
	return known, err
}

// copySources returns the members that are copied from.
func (m *Cluster) copySources() map[string]http.RoundTripper {
	out := map[string]http.RoundTripper{}
	list, _ := m.members.List()
	for _, o := range list {
		if o.Name != m.cfg.Cluster.Name && o.Alive && o.Address != "" && copiesFrom(m.cfg.Cluster.Copies, m.members.Self(), o) {
			out[o.Name] = m.between.peers.Copying(o.Name)
		}
	}
	return out
}

// copiesFrom reports whether self copies from o.
func copiesFrom(whose string, self, o etcd.Member) bool {
	if whose != config.CopiesShared {
		return whose == config.CopiesAll
	}
	return slices.ContainsFunc(self.Subnets, func(mine etcd.Subnet) bool {
		_, shares := sharedBy(o, mine.Prefix)
		return mine.Shared && shares
	})
}

// Serves returns the subnet with the phone's address that another member serves from the address server; ok is false when none does.
func (m *Cluster) Serves(server, phone netip.Addr) (subnet netip.Prefix, ok bool) {
	if m == nil {
		return subnet, false
	}
	list, _ := m.members.List()
	for _, o := range list {
		for _, s := range o.Subnets {
			if o.Name != m.cfg.Cluster.Name && s.ServerID == server && s.Prefix.Contains(phone) {
				return s.Prefix, true
			}
		}
	}
	return subnet, false
}

// copyState returns how far what a member has is copied. ok is false when nothing is.
func (m *Cluster) copyState(name string) (client.CopyState, bool) {
	if m.copies == nil {
		return client.CopyState{}, false
	}
	s, ok := m.copies.Of(name)
	return client.CopyState{Waiting: s.Waiting, Problem: s.Problem, Since: s.Since, Complete: s.Done}, ok
}

// copyWarnings returns the members from which nothing has been copied for long.
func (m *Cluster) copyWarnings(members []etcd.Member) (list []string) {
	if m.copies == nil {
		return nil
	}
	for _, o := range members {
		if s, ok := m.copies.Of(o.Name); ok && s.Problem != "" && m.cfg.Now().Sub(s.Since) >= warnAfter {
			list = append(list, fmt.Sprintf("cluster: what member %s received from phones has not been copied since %s: %s", o.Name, s.Since.UTC().Format(time.RFC3339), s.Problem))
		}
	}
	return list
}

// Fetched notes for the other members that a phone has fetched a file here.
func (m *Cluster) Fetched(f fleet.Fetch) {
	if m != nil && m.copies != nil {
		m.copies.Fetched(f)
	}
}

// copyCollector has the metrics of what is copied.
type copyCollector struct{ x *copies.Copies }

var (
	copiesDesc        = prometheus.NewDesc("plugtone_cluster_copies_total", "Uploads and fetches of phones at other members, by what became of them here.", []string{"what", "outcome"}, nil)
	copiesBytesDesc   = prometheus.NewDesc("plugtone_cluster_copies_bytes_total", "Bytes of uploads that were copied from other members.", nil, nil)
	copiesWaitingDesc = prometheus.NewDesc("plugtone_cluster_copies_waiting", "Uploads and fetches at other members that are known and not copied yet.", nil, nil)
	copiesFailingDesc = prometheus.NewDesc("plugtone_cluster_copies_failing", "Members from which uploads or fetches are not copied because of an error.", nil, nil)
)

// Describe implements prometheus.Collector.
func (copyCollector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{copiesDesc, copiesBytesDesc, copiesWaitingDesc, copiesFailingDesc} {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (c copyCollector) Collect(out chan<- prometheus.Metric) {
	s := c.x.Stats()
	for key, n := range s.Items {
		out <- prometheus.MustNewConstMetric(copiesDesc, prometheus.CounterValue, float64(n), key[0], key[1])
	}
	out <- prometheus.MustNewConstMetric(copiesBytesDesc, prometheus.CounterValue, float64(s.Bytes))
	out <- prometheus.MustNewConstMetric(copiesWaitingDesc, prometheus.GaugeValue, float64(s.Waiting))
	out <- prometheus.MustNewConstMetric(copiesFailingDesc, prometheus.GaugeValue, float64(s.Failing))
}
