package admin_test

import (
	"net/netip"
	"strings"
	"testing"

	"plugtone/admin/admintest"
	"plugtone/admin/client"
)

func TestIncidentsAndBootsAreListed(t *testing.T) {
	a := newAPI(t)
	a.Config.Recent.Incident(client.Incident{Kind: "other_server", LastSeen: admintest.Noon, IP: netip.MustParseAddr("10.20.0.9"), Reason: "gave 10.20.1.7 to another"})
	a.Config.Recent.Boot([6]byte{0, 0x15, 0x65, 0, 0, 1}, admintest.Noon)
	if got := a.as("viewer", "GET /api/v1/incidents", "").body; !strings.Contains(got, `"kind":"other_server"`) || !strings.Contains(got, `"under_way":true`) || strings.Contains(got, `"mac"`) {
		t.Errorf("incidents %s", got)
	}
	boots := a.as("viewer", "GET /api/v1/boots", "").body
	if strings.Count(boots, `"boots":`) != 60 || strings.Count(boots, `"boots":1`) != 1 {
		t.Errorf("boots %s", boots)
	}
}
