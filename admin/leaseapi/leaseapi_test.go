package leaseapi

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"plugtone/admin/api"
	"plugtone/admin/client"
	"plugtone/dhcp"
	"plugtone/dhcp/leasetable"
	"plugtone/provision/fleet"
	"plugtone/provision/leaseimport"
)

// secondFails is a writer whose second write fails.
type secondFails struct{ writes int }

func (w *secondFails) WriteLeases([]dhcp.Change) error {
	if w.writes++; w.writes == 2 {
		return errors.New("no space left on device")
	}
	return nil
}

// actions is an audit log that has only the actions.
type actions []string

func (a *actions) RecordAudit(e fleet.AuditEntry) error {
	*a = append(*a, e.Action)
	return nil
}

func (a *actions) Audit(uint64, int) ([]fleet.AuditEntry, error) { return nil, nil }

// TestFailedWriteIsReported imports two batches of which the second can't be written: the error names its leases, the table has only
// the first batch, and the audit log has their number.
func TestFailedWriteIsReported(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	subnet := netip.MustParsePrefix("10.20.0.0/22")
	pool := dhcp.Range{First: netip.MustParseAddr("10.20.0.1"), Last: netip.MustParseAddr("10.20.3.250")}
	table := leasetable.NewTable(dhcp.Config{Subnets: []dhcp.Subnet{{Prefix: subnet, Pools: []dhcp.Range{pool}}}}, &secondFails{}, clock)
	var audit actions
	c := Config{Config: api.Config{Now: clock, Audit: &audit}, Table: table}
	var rows []*row
	for i := range batch + 2 {
		l := leaseimport.ForeignLease{IP: netip.AddrFrom4([4]byte{10, 20, byte(i / 250), byte(1 + i%250)}), MAC: dhcp.MAC{0, 0x15, 0x65, 0, byte(i >> 8), byte(i)}}
		rows = append(rows, &row{ImportedLease: client.ImportedLease{ForeignLease: l}, subnet: subnet})
	}
	err := c.run(t.Context(), rows, false)
	if err == nil || !strings.Contains(err.Error(), "leases 501 to 502 are not imported, those before are: ") || !strings.Contains(err.Error(), "no space left") {
		t.Errorf("the error is %v", err)
	}
	if n := len(table.All()); n != batch {
		t.Errorf("%d leases are written", n)
	}
	if len(audit) != 1 || audit[0] != "import 500 leases" {
		t.Errorf("the audit log has %q", audit)
	}
}
