package daemon

import (
	"flag"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/store/seal"
)

var update = flag.Bool("update", false, "rewrite goldens")

// TestMetricNames compares names and labels, on which dashboards and alerts depend, with testdata.
func TestMetricNames(t *testing.T) {
	r := start(t, strings.Replace(testConfig, "{mode: off}", "{mode: off, subnets: [{subnet: 10.20.0.0/22, pools: [10.20.1.0-10.20.1.9]}]}", 1))
	if err := r.store.Edit("test", "add a device", func(e fleet.Edit) error {
		return e.PutDevice(&fleet.Device{MAC: dhcp.MAC{0x00, 0x15, 0x65, 0x12, 0x34, 0x56}, Vendor: "yealink", Enabled: true})
	}); err != nil {
		t.Fatal(err)
	}
	key := filepath.Join(t.TempDir(), "cluster.key")
	if err := seal.New().Write(key); err != nil {
		t.Fatal(err)
	}
	member := start(t, strings.Replace(testConfig, "{mode: off}", "{mode: off, subnets: [{subnet: 10.20.0.0/22, pools: [10.20.1.0-10.20.1.9], shared: true}]}", 1)+"cluster: {etcd: {endpoints: [http://127.0.0.1:1]}, key_file: "+key+"}\n")
	lines := append(metricLines(t, r.metrics.Registry, "plugtone_"), metricLines(t, member.metrics.Registry, "plugtone_cluster_")...)
	slices.SortFunc(lines, func(a, b string) int { return strings.Compare(nameOf(a), nameOf(b)) })
	got := strings.Join(lines, "")
	if *update {
		if err := os.WriteFile("testdata/metrics.txt", []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("testdata/metrics.txt")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("metrics changed (-want +got): %s", diff)
	}
}

// TestTransferUnderWayIsAMetric: a transfer whose client has not acknowledged its first DATA counts.
func TestTransferUnderWayIsAMetric(t *testing.T) {
	r := start(t, testConfig)
	if err := os.WriteFile(filepath.Join(r.dir, "data", "files", "big.dat"), make([]byte, 100_000), 0o644); err != nil {
		t.Fatal(err)
	}
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	to, err := net.ResolveUDPAddr("udp4", r.address("tftp"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.WriteTo([]byte("\x00\x01big.dat\x00octet\x00"), to); err != nil {
		t.Fatal(err)
	}
	data := make([]byte, 1024)
	n, from, err := conn.ReadFrom(data)
	if err != nil || n != 516 {
		t.Fatalf("%d bytes, %v", n, err)
	}
	if text := r.must("GET", "/metrics", ""); !strings.Contains(text, "\nplugtone_tftp_transfers_active 1\n") {
		t.Error("the transfer does not count")
	}
	if _, err := conn.WriteTo([]byte("\x00\x05\x00\x00stop\x00"), from); err != nil {
		t.Fatal(err)
	}
}

// nameOf returns the name of the metric that a line describes.
func nameOf(line string) string { name, _, _ := strings.Cut(line, "{"); return name }

// metricLines describes the metrics whose names begin with prefix.
func metricLines(t *testing.T, registry *prometheus.Registry, prefix string) (lines []string) {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if !strings.HasPrefix(f.GetName(), prefix) {
			continue
		}
		labels := map[string]bool{}
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				labels[l.GetName()] = true
			}
		}
		var names []string
		for l := range labels {
			names = append(names, l)
		}
		slices.Sort(names)
		lines = append(lines, fmt.Sprintf("%s{%s} %s\n", f.GetName(), strings.Join(names, ","), strings.ToLower(f.GetType().String())))
		if problems, err := testutil.GatherAndLint(registry, f.GetName()); err != nil || len(problems) > 0 {
			t.Errorf("%s: %v %v", f.GetName(), problems, err)
		}
	}
	return lines
}
