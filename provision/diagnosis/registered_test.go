package diagnosis

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"plugtone/provision/registration"
)

func TestRegistrationIsPartOfTheDiagnosis(t *testing.T) {
	noon := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	on := func(l registration.LineState) registration.LineState {
		l.Position, l.Extension, l.Registrar, l.Checked = 1, "1001", "main", noon
		return l
	}
	refused := registration.LineState{State: registration.Refused, RefusedAt: noon, Reason: "the PBX answered 403"}
	for _, x := range []struct {
		state    string
		line     registration.LineState
		severity Severity
		want     string
	}{
		{"in_sync", registration.LineState{State: registration.Registered, Since: noon}, OK, "line 1 (1001 at main) is registered since 2026-11-22T12:00:00Z"},
		{"in_sync", refused, Problem, "line 1 (1001 at main) is not registered: the PBX answered 403 at 2026-11-22T12:00:00Z; its configuration is current"},
		{"stale", refused, Problem, "line 1 (1001 at main) is not registered: the PBX answered 403 at 2026-11-22T12:00:00Z"},
		{"in_sync", registration.LineState{State: registration.Registered, Since: noon, RefusedAt: noon, Reason: "the PBX answered 403"}, Note,
			"line 1 (1001 at main) is registered since 2026-11-22T12:00:00Z; the PBX answered 403 at 2026-11-22T12:00:00Z"},
		{"in_sync", registration.LineState{State: registration.Elsewhere, Addrs: []netip.Addr{netip.MustParseAddr("10.20.1.8")}}, Note, "line 1 (1001 at main) is registered from 10.20.1.8, and not from this phone's address"},
		{"in_sync", registration.LineState{State: registration.NotRegistered}, Problem, "line 1 (1001 at main) is not registered; its configuration is current"},
	} {
		var got Finding
		for _, f := range Diagnose(nil, Facts{Now: noon, Recorded: true, Enabled: true, Vendor: "acme", State: x.state, Lines: []registration.LineState{on(x.line)}}) {
			if strings.HasPrefix(f.Text, "line 1") {
				got = f
			}
		}
		severity := x.severity
		if severity == OK {
			severity = Note // what else is there is not well: it has not fetched
		}
		if got.Text != x.want || got.Severity != severity {
			t.Errorf("%s: %q\nwant %s: %q", got.Severity, got.Text, severity, x.want)
		}
	}
	for _, f := range Diagnose(nil, Facts{Now: noon, Recorded: true, Enabled: true, Vendor: "acme", State: "in_sync"}) {
		if strings.Contains(f.Text, "registered") {
			t.Errorf("without a poll: %s", f.Text)
		}
	}
}
