package admin_test

import (
	"encoding/json"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"plugtone/admin/client"
)

// TestAFleetOf100000IsAppliedExportedAndAppliedAgain: 100,000 devices and as many extensions, in a store on disk. Its own export
// changes nothing, and a setting of their registrar is left out on all of them. The log has the processor time of each step.
func TestAFleetOf100000IsAppliedExportedAndAppliedAgain(t *testing.T) {
	const n = 100_000
	a := benchAPI(t)
	began := processorTime(t)
	done := func(step string) {
		now := processorTime(t)
		t.Logf("%s: %v of processor time", step, (now - began).Round(10*time.Millisecond))
		began = now
	}
	apply := func(body string) (out client.Applied) {
		t.Helper()
		r := a.as("operator", "POST /api/v1/apply", body, "Content-Type: application/json")
		if err := json.Unmarshal([]byte(r.body), &out); err != nil || r.status != 200 {
			t.Fatal(r.status, err, r.body[:min(len(r.body), 1000)])
		}
		return out
	}
	document := fleetDocument(n)
	if got := apply(document); got.New != 2*n+2 || got.Change == 0 || got.Changed+got.Same+got.Deleted+got.Skipped != 0 {
		t.Fatalf("applied: %+v", got)
	}
	done("apply")
	revision := a.Config.API.Records.Revision()
	export := a.as("admin", "GET /api/v1/export?reveal=true", "")
	done("export")
	if export.status != 200 || strings.Count(export.body, `"mac":`) != n || strings.Count(export.body, `"number":`) != n || !strings.Contains(export.body, `"password":"pw99999"`) {
		t.Fatalf("export: status %d, %d devices", export.status, strings.Count(export.body, `"mac":`))
	}
	got := apply(export.body)
	done("apply of the export")
	if got.Same != 2*n+2 || got.Change != 0 || got.New+got.Changed+got.Deleted+got.Skipped != 0 || len(got.LeftOut) != 0 || a.Config.API.Records.Revision() != revision {
		t.Errorf("applied again: %+v", got)
	}
	r := a.as("operator", "PATCH /api/v1/registrars/main", `{"settings":{"wallpaper":"logo.png"}}`)
	done("setting of their registrar")
	if got := r.get(t, "left_out.0.phones"); r.status != 200 || got != strconv.Itoa(n) {
		t.Errorf("setting of their registrar: status %d, left out on %s phones", r.status, got)
	}
}

// processorTime is what this process has used of the processors, user and system.
func processorTime(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
