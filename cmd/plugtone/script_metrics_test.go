package main

import (
	"bufio"
	"context"
	"flag"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// movedMetrics collects which metrics the scripts have changed.
type movedMetrics struct {
	mu      sync.Mutex
	scripts int
	moved   map[string]bool
}

// unmoved are metrics of alerts and dashboard that no script changes, with the test that does; "" for one that never changes.
var unmoved = map[string]string{
	"plugtone_build_info":                     "",
	"plugtone_cluster_behind_entries":         "TestMetricsOfAMemberMove",
	"plugtone_cluster_connected":              "TestMetricsOfAMemberMove",
	"plugtone_cluster_copies_bytes_total":     "TestUploadIsOnTheOthers",
	"plugtone_cluster_copies_failing":         "TestCutFileIsNotStored",
	"plugtone_cluster_copies_total":           "TestClusterScripts",
	"plugtone_cluster_copies_waiting":         "TestCutFileIsNotStored",
	"plugtone_cluster_following":              "TestMetricsOfAMemberMove",
	"plugtone_cluster_lag_seconds":            "TestMetricsOfAMemberMove",
	"plugtone_cluster_leases_total":           "TestTwoMembersServeOneSubnet",
	"plugtone_cluster_leases_usable":          "TestTwoMembersServeOneSubnet",
	"plugtone_cluster_members":                "TestMetricsOfAMemberMove",
	"plugtone_cluster_subnet_conflicts":       "TestSubnetsOfAMemberThatComesLater",
	"plugtone_dhcp_broadcast_fallbacks_total": "TestOddEventsOfTheNetworkAreCounted",
	"plugtone_dhcp_pool_full_seconds":         "TestGrowthIsSampledStoredAndForecast", // needs two weeks
	"plugtone_other_pnp_responders_total":     "TestOddEventsOfTheNetworkAreCounted",
	"plugtone_store_damage":                   "TestLostLeaseFilesAreReported",
	"plugtone_store_damaged_records_total":    "TestDamagedRecordsAreCounted",
	"plugtone_store_events_dropped_total":     "TestEventsThatWaitOnAFullDiskAreBoundedAndWrittenLater",
	"plugtone_tftp_refusals_dropped_total":    "TestRefusalsNeverWait",
	"plugtone_tftp_transfers_active":          "TestTransferUnderWayIsAMetric",
}

// check reports metrics that alerts or dashboard name and no script has changed, when all scripts have run.
func (m *movedMetrics) check(t *testing.T, dir string) {
	all, err := filepath.Glob(filepath.Join(dir, "*.txtar"))
	if err != nil {
		t.Fatal(err)
	}
	if t.Failed() || m.scripts != len(all) || flag.Lookup("test.count").Value.String() != "1" {
		return
	}
	text := readRoot(t, "packaging/prometheus/alerts.yaml") + readRoot(t, "packaging/grafana/plugtone.json")
	for _, name := range slices.Compact(slices.Sorted(slices.Values(regexp.MustCompile(`\bplugtone_[a-z_]+`).FindAllString(text, -1)))) {
		name = family(name)
		if _, listed := unmoved[name]; !listed && !m.moved[name] {
			t.Errorf("%s: changed by no script, and not listed as one that another test changes", name)
		}
	}
}

// TestTestsOfOtherMetricsExist: the tests that unmoved names are there.
func TestTestsOfOtherMetricsExist(t *testing.T) {
	tests := map[string]bool{}
	eachTest(t, func(name string) { tests[name] = true })
	for metric, test := range unmoved {
		if test != "" && !tests[test] {
			t.Errorf("%s: there is no test %s", metric, test)
		}
	}
}

// eachTest calls f with the name of each test of the project.
func eachTest(t *testing.T, f func(string)) {
	t.Helper()
	err := filepath.WalkDir("../..", func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		b, err := os.ReadFile(path)
		for _, m := range regexp.MustCompile(`(?m)^func (Test\w+)\(`).FindAllSubmatch(b, -1) {
			f(string(m[1]))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// started counts a script in.
func (m *movedMetrics) started() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.scripts++
}

// family returns the metric that a line of /metrics belongs to.
func family(line string) string {
	name, _, _ := strings.Cut(line, "{")
	name, _, _ = strings.Cut(name, " ")
	for _, part := range []string{"_bucket", "_sum", "_count"} {
		name = strings.TrimSuffix(name, part)
	}
	return name
}

// compare notes what is not as it was in the scrape before.
func (m *movedMetrics) compare(before, now map[string]string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for series, value := range now {
		if before[series] != value {
			m.moved[family(series)] = true
		}
	}
	for series := range before {
		if _, ok := now[series]; !ok {
			m.moved[family(series)] = true
		}
	}
}

// watch compares the metrics of the daemon with those of the last call. A daemon that can't be read just now is left alone.
func (d *daemonProcess) watch() {
	if d.cmd == nil {
		return
	}
	now := scrape(filepath.Join(d.work, "admin.sock"))
	if now == nil {
		return
	}
	if d.scraped != nil {
		d.metrics.compare(d.scraped, now)
	}
	d.scraped = now
}

// adminTransport sends all requests to the daemon that listens on a socket.
func adminTransport(socket string) *http.Transport {
	return &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}
}

// scrape reads the metrics of the daemon that listens on a socket: values by series. nil: it does not answer.
func scrape(socket string) map[string]string {
	client := http.Client{Timeout: 5 * time.Second, Transport: adminTransport(socket)}
	defer client.CloseIdleConnections()
	r, err := client.Get("http://localhost/metrics")
	if err != nil {
		return nil
	}
	defer r.Body.Close()
	out := map[string]string{}
	for lines := bufio.NewScanner(r.Body); lines.Scan(); {
		if i := strings.LastIndexByte(lines.Text(), ' '); i > 0 && strings.HasPrefix(lines.Text(), "plugtone_") {
			out[lines.Text()[:i]] = lines.Text()[i+1:]
		}
	}
	return out
}
