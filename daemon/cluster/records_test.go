package cluster

import (
	"context"
	"log/slog"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"plugtone/daemon/config"
	"plugtone/dhcp"
	"plugtone/dhcp/leasetable"
	"plugtone/provision/fleet"
	"plugtone/store"
	"plugtone/store/etcd/etcdtest"
)

// noWriter is the writer of a table without leases.
type noWriter struct{}

func (noWriter) WriteLeases([]dhcp.Change) error { return nil }

// startOne runs a member with a cluster of its own until the test ends.
func startOne(t *testing.T, e *etcdtest.Cluster, subnets ...dhcp.Subnet) (*Cluster, *prometheus.Registry) {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	s, err := store.Open(store.Config{Dir: t.TempDir(), Now: time.Now, Log: log, Registerer: prometheus.NewRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	if err := s.Edit("test", "put", func(e fleet.Edit) error { return e.PutRegistrar(&fleet.Registrar{Name: "main"}) }); err != nil {
		t.Fatal(err)
	}
	cfg := config.Cluster{Name: "a", Etcd: config.Etcd{Endpoints: e.Endpoints(), Prefix: "/plugtone/"}, KeyFile: filepath.Join(t.TempDir(), "cluster.key"), Listen: netip.MustParseAddrPort("127.0.0.1:0")}
	n, madeKey, err := Offline{Cluster: cfg, Records: s.Copy(), Log: log, Now: time.Now}.Import(t.Context(), false, false)
	if err != nil || !madeKey || n.Registrars != 1 {
		t.Fatalf("import: %+v, key made: %v, %v", n, madeKey, err)
	}
	registry := prometheus.NewRegistry()
	m, err := Open(Config{Cluster: cfg, DataDir: t.TempDir(), Records: s.Copy(), Windows: func() {}, Subnets: subnets, ServerID: func(dhcp.Subnet) netip.Addr { return netip.Addr{} },
		Now: time.Now, Log: log, Registerer: registry}, leasetable.NewTable(dhcp.Config{}, noWriter{}, time.Now))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); _ = m.Run(ctx, func() {}) }()
	t.Cleanup(func() { stop(); <-ended; _ = m.Close() })
	return m, registry
}

func TestMetricsOfAMemberMove(t *testing.T) {
	e := etcdtest.Start(t, 1)
	m, registry := startOne(t, e)
	until(t, registry, "connected 1, following 1, behind_entries 0, members alive=true 1")
	head := strings.TrimSpace(e.Ctl("get", "--print-value-only", "/plugtone/records/head"))
	e.Ctl("put", "/plugtone/records/head", strings.Replace(head, `"seq":0`, `"seq":1`, 1)) // an entry that is not there
	until(t, registry, "following 0, behind_entries 1")
	if w := strings.Join(m.Warnings(), "\n"); !strings.Contains(w, "do not follow") {
		t.Errorf("warnings: %s", w)
	}
	e.Kill(0)
	until(t, registry, "connected 0")
	s := m.Status(t.Context())
	for n := 0; s.Records.LagSeconds == 0 && n < 1000; n++ { // it is rounded
		<-time.After(10 * time.Millisecond)
		s = m.Status(t.Context())
	}
	if s.Connected || s.Etcd[0].Problem == "" || s.Records.LagSeconds <= 0 || len(s.Members) != 1 {
		t.Errorf("status without etcd: %+v", s)
	}
}

// A member that serves the same subnet, and is registered only after the start, is a warning and a metric until one of the two leaves it out.
// A reload that would bring it about is refused.
func TestSubnetsOfAMemberThatComesLater(t *testing.T) {
	e := etcdtest.Start(t, 1)
	voice := dhcp.Subnet{Prefix: netip.MustParsePrefix("10.20.0.0/24"), Interface: "lo"}
	m, registry := startOne(t, e, voice)
	until(t, registry, "connected 1, following 1, subnet_conflicts 0")
	e.Ctl("put", "/plugtone/members/b", `{"name": "b", "subnets": [{"prefix": "10.20.0.0/24"}, {"prefix": "10.30.0.0/24"}]}`)
	until(t, registry, "subnet_conflicts 1")
	status := m.Status(t.Context())
	if w := strings.Join(m.Warnings(), "\n"); !strings.Contains(w, "addresses may be leased twice: subnet 10.20.0.0/24: member b serves it, too") || len(status.Conflicts) != 1 {
		t.Errorf("warnings: %s; status: %v", w, status.Conflicts)
	}
	other := dhcp.Subnet{Prefix: netip.MustParsePrefix("10.30.0.0/24"), Interface: "lo"}
	if list := m.NewConflicts([]dhcp.Subnet{voice, other}); len(list) != 1 || !strings.Contains(list[0], "10.30.0.0/24") {
		t.Errorf("new conflicts: %v", list)
	}
	m.SetSubnets([]dhcp.Subnet{voice, other})
	until(t, registry, "subnet_conflicts 2")
	m.SetSubnets(nil)
	until(t, registry, "subnet_conflicts 0")
	if list := m.NewConflicts([]dhcp.Subnet{voice}); len(list) != 1 || strings.Contains(strings.Join(m.Warnings(), "\n"), "leased twice") {
		t.Errorf("new conflicts: %v; warnings: %v", list, m.Warnings())
	}
}

// until waits until the metrics of the cluster have these values.
func until(t *testing.T, registry *prometheus.Registry, want string) {
	t.Helper()
	var got map[string]float64
	for range 3000 {
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		got = map[string]float64{}
		for _, f := range families {
			for _, m := range f.GetMetric() {
				name := strings.TrimPrefix(f.GetName(), "plugtone_cluster_")
				for _, l := range m.GetLabel() {
					name += " " + l.GetName() + "=" + l.GetValue()
				}
				got[name] = m.GetGauge().GetValue()
			}
		}
		if has(got, want) {
			return
		}
		<-time.After(10 * time.Millisecond)
	}
	t.Fatalf("metrics %v, want %s", got, want)
}

func has(got map[string]float64, want string) bool {
	for _, part := range strings.Split(want, ", ") {
		i := strings.LastIndex(part, " ")
		value, ok := got[part[:i]]
		if !ok || value != float64(part[i+1]-'0') {
			return false
		}
	}
	return true
}
