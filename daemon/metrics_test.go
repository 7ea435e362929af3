package daemon

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
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
	families, err := r.metrics.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, f := range families {
		if !strings.HasPrefix(f.GetName(), "plugtone_") {
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
		if problems, err := testutil.GatherAndLint(r.metrics.Registry, f.GetName()); err != nil || len(problems) > 0 {
			t.Errorf("%s: %v %v", f.GetName(), problems, err)
		}
	}
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
