package admin_test

import (
	"fmt"
	"strings"
	"testing"

	"plugtone/provision/fleet"
)

// TestImportedReservationsAreOneChange imports reservations of another server: each has its verdict, a dry run writes none, and all are
// one change, which is undone.
func TestImportedReservationsAreOneChange(t *testing.T) {
	a := newAPI(t)
	a.office()
	a.do("POST /api/v1/devices", `{"mac":"001565000099","reserved_ip":"10.20.1.99"}`, 201)
	a.PutLease("10.20.1.60", mustMAC(t, "00:15:65:00:00:60"))
	a.Discover(fleet.Discovered{MAC: mustMAC(t, "00:15:65:00:00:02"), Vendor: "acme", Model: "A1"})
	before := a.do("GET /api/v1/export", "", 200).body
	list := []struct{ ip, mac, more, verdict, reason string }{
		{"10.20.1.50", phone, "", "changed", ""},
		{"10.20.1.51", "001565000001", `,"hostname":"printer","other_macs":["001565000011"]`, "new", ""},
		{"10.20.1.52", "001565000002", "", "new", ""},
		{"10.20.1.99", "001565000099", "", "same", ""},
		{"10.20.1.53", "001565000099", "", "conflict", "the device 00:15:65:00:00:99 has 10.20.1.99 reserved here"},
		{"10.20.1.51", "001565000003", "", "conflict", `reserved_ip "10.20.1.51"`},
		{"10.20.1.60", "001565000004", "", "conflict", "address is leased to 00:15:65:00:00:60"},
		{"10.20.0.2", "001565000005", "", "conflict", "address is this server's own address in subnet 10.20.0.0/22"},
		{"10.30.0.5", "001565000006", "", "outside", "address is in no subnet of the configuration"},
	}
	var rows []string
	for _, l := range list {
		rows = append(rows, fmt.Sprintf(`{"ip":%q,"mac":%q%s}`, l.ip, l.mac, l.more))
	}
	body := func(dry bool) string {
		return fmt.Sprintf(`{"dry_run":%t,"reservations":[%s],"leases":[{"ip":"10.20.1.51","mac":"001565000007"}]}`, dry, strings.Join(rows, ","))
	}
	for _, dry := range []bool{true, false} {
		r := a.as("admin", "POST /api/v1/leases/import", body(dry))
		a.want(r, "the import", 200)
		for i, l := range list {
			path := fmt.Sprintf("reservations.%d.", i)
			if got := r.get(t, path+"verdict"); got != l.verdict {
				t.Errorf("dry run %t: %s %s: %s, want %s", dry, l.ip, l.mac, got, l.verdict)
			}
			if l.reason != "" && !strings.Contains(r.get(t, path+"reason"), l.reason) {
				t.Errorf("dry run %t: %s: %q, want %q", dry, l.ip, r.get(t, path+"reason"), l.reason)
			}
		}
		// The leases are compared with the reservations of the same import, in a dry run too.
		if got := r.get(t, "items.0.reason"); got != "address is reserved for 00:15:65:00:00:01" {
			t.Errorf("dry run %t: the lease of a reserved address: %q", dry, got)
		}
		if dry {
			if got := a.do("GET /api/v1/export", "", 200).body; got != before {
				t.Errorf("a dry run changed the records:\n%s", got)
			}
			if got := r.get(t, "preview.created"); got != "2" {
				t.Errorf("the dry run's preview has %s new records", got)
			}
			continue
		}
		checkReserved(t, a)
		undone := a.do("POST /api/v1/changes/"+r.get(t, "change")+"/undo", "", 200)
		if got := undone.get(t, "deleted"); got != "2" {
			t.Errorf("the undo deleted %s devices", got)
		}
		if got := a.do("GET /api/v1/export", "", 200).body; got != before {
			t.Errorf("after the undo the records are\n%s\nwant\n%s", got, before)
		}
	}
}

// checkReserved checks what the import wrote.
func checkReserved(t *testing.T, a *api) {
	t.Helper()
	printer := a.do("GET /api/v1/devices/001565000001", "", 200)
	for path, want := range map[string]string{"label": "printer", "reserved_ip": "10.20.1.51", "other_macs.0": "00:15:65:00:00:11"} {
		if got := printer.get(t, path); got != want {
			t.Errorf("the new device's %s is %q", path, got)
		}
	}
	if got := a.do("GET /api/v1/devices/001565000002", "", 200).get(t, "vendor"); got != "acme" {
		t.Errorf("a phone that was recognised has the vendor %q", got)
	}
	if found, err := a.DiscoveredPhones(); err != nil || len(found) != 0 {
		t.Errorf("discovered are %v, %v", found, err)
	}
}
