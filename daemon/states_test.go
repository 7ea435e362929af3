package daemon

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"plugtone/provision/provisiontest"
)

// devicesByState returns plugtone_devices as a scrape has it once the states are computed, which a query does before its answer.
func (r *running) devicesByState() string {
	r.t.Helper()
	r.must("GET", "/api/v1/devices/counts?by=state", "")
	status, text := r.get("http://" + r.address("metrics") + "/metrics")
	if status != 200 {
		r.t.Fatalf("%d %s", status, text)
	}
	var found []string
	for line := range strings.Lines(text) {
		if labels, ok := strings.CutPrefix(strings.TrimSpace(line), "plugtone_devices{"); ok {
			found = append(found, labels)
		}
	}
	slices.Sort(found)
	return strings.Join(found, " ")
}

// TestDevicesByStateMove: the metric follows records, leases and fetches.
func TestDevicesByStateMove(t *testing.T) {
	r := start(t, strings.Replace(testConfig, "{mode: off}", "{mode: off, subnets: [{subnet: 10.20.0.0/22, pools: [10.20.1.0-10.20.1.9]}]}", 1))
	want := func(after, states string) {
		t.Helper()
		defer func() {
			if t.Failed() {
				t.Logf("after %s: %s, want %s", after, r.devicesByState(), states)
			}
		}()
		provisiontest.WaitFor(t, func() bool { return r.devicesByState() == states }) // a fetch is recorded after its answer
	}
	state := func(name string) string { return `state="` + name + `",vendor="yealink"} 1` }
	fetch := func() {
		t.Helper()
		if status, text := r.get("http://" + r.address("http") + "/001565123456.cfg"); status != 200 {
			t.Fatalf("%d %s", status, text)
		}
	}
	want("the start", "")
	r.addPhone()
	want("a record", state("never_seen"))
	now := time.Now().UTC()
	r.must("POST", "/api/v1/leases/import", fmt.Sprintf(`{"leases":[{"ip":"10.20.1.5","mac":"00:15:65:12:34:56","starts_at":%q,"expires_at":%q}]}`,
		now.Format(time.RFC3339), now.Add(time.Hour).Format(time.RFC3339)))
	want("a lease", state("never_fetched"))
	fetch()
	want("a fetch", state("in_sync"))
	r.must("PATCH", "/api/v1/extensions/1001", `{"display_name":"Lobby"}`)
	want("a new name", state("stale"))
	fetch()
	want("another fetch", state("in_sync"))
	r.must("PATCH", "/api/v1/devices/001565123456", `{"enabled":false}`)
	want("disabling it", state("disabled"))
	r.must("DELETE", "/api/v1/devices/001565123456", "")
	want("deleting it", "")
}
