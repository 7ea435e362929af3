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

func TestMetricsOfAMemberMove(t *testing.T) {
	e := etcdtest.Start(t, 1)
	log := slog.New(slog.DiscardHandler)
	s, err := store.Open(store.Config{Dir: t.TempDir(), Now: time.Now, Log: log, Registerer: prometheus.NewRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Edit("test", "put", func(e fleet.Edit) error { return e.PutRegistrar(&fleet.Registrar{Name: "main"}) }); err != nil {
		t.Fatal(err)
	}
	cfg := config.Cluster{Name: "a", Etcd: config.Etcd{Endpoints: e.Endpoints(), Prefix: "/plugtone/"}, KeyFile: filepath.Join(t.TempDir(), "cluster.key"), Listen: netip.MustParseAddrPort("127.0.0.1:0")}
	n, madeKey, err := Offline{Cluster: cfg, Records: s.Copy(), Log: log, Now: time.Now}.Import(t.Context(), false, false)
	if err != nil || !madeKey || n.Registrars != 1 {
		t.Fatalf("import: %+v, key made: %v, %v", n, madeKey, err)
	}
	registry := prometheus.NewRegistry()
	m, err := Open(Config{Cluster: cfg, DataDir: t.TempDir(), Records: s.Copy(), Windows: func() {}, ServerID: func(dhcp.Subnet) netip.Addr { return netip.Addr{} },
		Now: time.Now, Log: log, Registerer: registry}, leasetable.NewTable(dhcp.Config{}, noWriter{}, time.Now))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); _ = m.Run(ctx, func() {}) }()
	defer func() { stop(); <-ended }()
	until(t, registry, "connected 1, following 1, behind_entries 0, members alive=true 1")
	head := strings.TrimSpace(e.Ctl("get", "--print-value-only", "/plugtone/records/head"))
	e.Ctl("put", "/plugtone/records/head", strings.Replace(head, `"seq":0`, `"seq":1`, 1)) // an entry that is not there
	until(t, registry, "following 0, behind_entries 1")
	if w := strings.Join(m.Warnings(), "\n"); !strings.Contains(w, "do not follow") {
		t.Errorf("warnings: %s", w)
	}
	e.Kill(0)
	until(t, registry, "connected 0")
	if s := m.Status(t.Context()); s.Connected || s.Etcd[0].Problem == "" || s.Records.LagSeconds <= 0 || len(s.Members) != 1 {
		t.Errorf("status without etcd: %+v", s)
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
