package admin_test

import (
	"fmt"
	"sync"
	"testing"

	"plugtone/admin/admintest"
)

// TestMemoryOfLargeOperationsIsGranted: for each record that an undo, a change of many devices or a layout writes, and for each device of an
// export, until it is answered.
func TestMemoryOfLargeOperationsIsGranted(t *testing.T) {
	var mu sync.Mutex
	var granted []int64
	open := 0
	h := admintest.New(t)
	h.Config.API.Memory = func(bytes int64) func() {
		mu.Lock()
		defer mu.Unlock()
		granted = append(granted, bytes)
		open++
		return func() {
			mu.Lock()
			defer mu.Unlock()
			open--
		}
	}
	a := newAPIOf(t, h)
	a.office()
	const phones = 50
	table := "mac,model,label\n"
	for i := range phones {
		table += fmt.Sprintf("00156500%04d,acme/A4,hall\n", i)
	}
	for _, c := range []struct {
		request, body string
		want          int64
		header        string
	}{
		{"POST /api/v1/apply", table, int64(len(table)) * 16, "Content-Type: text/csv"},
		{"POST /api/v1/devices/change", `{"where":"label=hall","set":{"location":"Berlin"}}`, phones << 12, ""},
		{"POST /api/v1/keys/fill", `{"where":"label=hall","from":3,"extensions":["1001"]}`, phones << 12, ""},
		{"POST /api/v1/changes/{last}/undo", "", phones << 12, ""},
		{"GET /api/v1/export", "", (phones + 1) << 10, ""},
		{"GET /api/v1/export?format=csv&where=label%3Dhall", "", phones << 10, ""},
	} {
		request := c.request
		if c.request == "POST /api/v1/changes/{last}/undo" {
			request = "POST /api/v1/changes/" + a.do("GET /api/v1/changes?limit=1", "", 200).get(t, "items.0.id") + "/undo"
		}
		headers := []string{}
		if c.header != "" {
			headers = append(headers, c.header)
		}
		granted = nil
		a.do(request, c.body, 200, headers...)
		mu.Lock()
		if len(granted) != 1 || granted[0] != c.want || open != 0 {
			t.Errorf("%s: granted %v, want %d; %d are still in force", c.request, granted, c.want, open)
		}
		mu.Unlock()
	}
	granted = nil
	a.do("POST /api/v1/changes/999/undo", "", 404)
	if len(granted) != 0 {
		t.Errorf("a change that there is not: granted %v", granted)
	}
}
