package admin_test

import (
	"fmt"
	"strings"
	"testing"
)

// TestImportedLeasesAreOurs imports leases of another server: each has its verdict, those that are imported are written, and a dry run
// writes none.
func TestImportedLeasesAreOurs(t *testing.T) {
	a := newAPI(t)
	a.office()
	importing := func(body string, status int) reply {
		r := a.as("admin", "POST /api/v1/leases/import", body)
		a.want(r, "POST /api/v1/leases/import", status)
		return r
	}
	a.do("PATCH /api/v1/devices/"+phone, `{"reserved_ip":"10.20.1.50"}`, 200)
	lease := func(ip, mac, more string) string { return fmt.Sprintf(`{"ip":%q,"mac":%q%s}`, ip, mac, more) }
	end := `,"expires_at":"2026-11-23T12:00:00Z"`
	leases := []struct{ row, verdict, reason string }{
		{lease("10.20.1.7", phone, end+`,"starts_at":"2026-11-22T11:00:00Z","hostname":"p7","client_id":"01ff"`), "imported", ""},
		{lease("10.20.1.8", "001565000001", ``), "imported", ""},
		{lease("10.20.1.9", "001565000002", `,"expires_at":"2026-11-22T12:00:00Z"`), "expired", "it ended at 2026-11-22T12:00:00Z"},
		{`{"ip":"10.20.1.10","ended":true}`, "expired", "the other server has ended it"},
		{lease("10.30.0.7", "001565000003", end), "outside", "address is in no subnet of the configuration"},
		{lease("10.20.0.7", "001565000003", end), "outside", "address is in no pool of subnet 10.20.0.0/22, or excluded"},
		{lease("10.20.0.2", "001565000003", end), "conflict", "address is this server's own address in subnet 10.20.0.0/22"},
		{lease("10.20.1.50", "001565000003", end), "conflict", "address is reserved for 00:15:65:12:34:56"},
		{lease("10.20.1.7", "001565000003", end), "conflict", "an earlier row has the address"},
		{lease("10.20.1.11", "001565000001", end), "conflict", "an earlier row gives the client 10.20.1.8 in the same subnet"},
	}
	var rows []string
	for _, l := range leases {
		rows = append(rows, l.row)
	}
	body := func(dry bool) string {
		return fmt.Sprintf(`{"dry_run":%t,"leases":[%s]}`, dry, strings.Join(rows, ","))
	}
	for _, dry := range []bool{true, false} {
		r := importing(body(dry), 200)
		for i, l := range leases {
			path := fmt.Sprintf("items.%d.", i)
			if got := r.get(t, path+"verdict"); got != l.verdict {
				t.Errorf("dry run %t: %s: %s, want %s", dry, l.row, got, l.verdict)
			}
			if l.reason != "" && r.get(t, path+"reason") != l.reason {
				t.Errorf("dry run %t: %s: %q, want %q", dry, l.row, r.get(t, path+"reason"), l.reason)
			}
		}
		if n := len(a.All()); dry && n != 0 || !dry && n != 2 {
			t.Errorf("dry run %t: %d leases", dry, n)
		}
	}
	checkImported(t, a)
	again := importing(`{"leases":[`+rows[0]+`,`+rows[8]+`,`+rows[9]+`]}`, 200)
	for path, want := range map[string]string{"items.0.verdict": "same", "items.1.reason": "address is leased to 00:15:65:12:34:56 until 2026-11-23T12:00:00Z here",
		"items.2.reason": "the client has 10.20.1.8 here until 2027-11-22T12:00:00Z"} {
		if got := again.get(t, path); got != want {
			t.Errorf("again: %s is %q, want %q", path, got, want)
		}
	}
	importing(`{"leases":[{"ip":"10.20.1.12"}]}`, 422)
	if r := a.as("operator", "POST /api/v1/leases/import", body(true)); r.status != 403 {
		t.Errorf("an operator gets %d", r.status)
	}
}

// checkImported checks what the import wrote.
func checkImported(t *testing.T, a *api) {
	t.Helper()
	r := a.do("GET /api/v1/leases", "", 200)
	for path, want := range map[string]string{"items.0.ip": "10.20.1.7", "items.0.state": "active", "items.0.hostname": "p7", "items.0.starts_at": "2026-11-22T11:00:00Z",
		"items.0.expires_at": "2026-11-23T12:00:00Z", "items.1.mac": "00:15:65:00:00:01", "items.1.starts_at": "2026-11-22T12:00:00Z", "items.1.expires_at": "2027-11-22T12:00:00Z"} {
		if got := r.get(t, path); got != want {
			t.Errorf("%s is %q, want %q", path, got, want)
		}
	}
	if l := a.All(); !l[0].Phone || l[1].Phone || l[0].ClientID != "\x01\xff" {
		t.Errorf("stored is %+v", l)
	}
	audit := a.as("admin", "GET /api/v1/audit", "")
	if got := audit.get(t, "items.0.action"); got != "import 2 leases" {
		t.Errorf("the audit log has %q", got)
	}
}

// TestImportIsWrittenInBatches imports more leases than are decided together.
func TestImportIsWrittenInBatches(t *testing.T) {
	a := newAPI(t)
	var rows []string
	for i := range 750 {
		rows = append(rows, fmt.Sprintf(`{"ip":"10.20.%d.%d","mac":"00156501%04x"}`, 1+i/250, 1+i%250, i))
	}
	a.want(a.as("admin", "POST /api/v1/leases/import", `{"leases":[`+strings.Join(rows, ",")+`]}`), "the import", 200)
	if n := len(a.All()); n != 750 {
		t.Errorf("%d leases are written", n)
	}
}
