package observe

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"plugtone/httpprov"
)

// A failed handshake is in the metric, the log and, when the address is leased, the timeline of the phone. An end of the certificate that the
// client reports is its clock's, unless the certificate has ended.
func TestFailedHandshakeIsRecorded(t *testing.T) {
	b := newFixture(t)
	elsewhere := netip.MustParseAddr("192.0.2.9")
	b.Handshake(httpprov.Handshake{Time: noon, From: leased, Reason: httpprov.Clock, Err: errors.New("remote error: tls: expired certificate")})
	b.Handshake(httpprov.Handshake{Time: noon.AddDate(0, 0, 40), From: elsewhere, Reason: httpprov.Clock, Err: errors.New("the same")})
	b.Handshake(httpprov.Handshake{Time: noon, From: elsewhere, Reason: httpprov.HandshakeClosed, Err: errors.New("EOF")})
	if len(b.store.entries) != 1 {
		t.Fatalf("timeline: %+v", b.store.entries)
	}
	e := b.store.entries[0]
	if e.MAC != phoneMAC || e.Source != "https" || e.Event != "handshake" || e.Verdict != "clock" || e.Addr != leased || !strings.HasSuffix(e.Reason, "valid from 2026-10-22T12:00:00Z to 2026-12-22T12:00:00Z: the client's clock is wrong") {
		t.Errorf("timeline: %+v", e)
	}
	for reason, want := range map[string]float64{"clock": 1, "certificate_ended": 1, "closed": 1, "cipher": 0} {
		if n := testutil.ToFloat64(b.cfg.Metrics.handshakes.WithLabelValues(reason)); n != want {
			t.Errorf("%s: counted %v, want %v", reason, n, want)
		}
	}
	for _, part := range []string{`level=WARN msg="https handshake failed" mac=00:15:65:12:34:56 addr=10.20.1.7`, "the server's certificate ended at 2026-12-22T12:00:00Z", "level=INFO"} {
		if !strings.Contains(b.log.String(), part) {
			t.Errorf("log lacks %s: %s", part, b.log)
		}
	}
	// A host that looks at the port is no reason to warn an operator; a client that looks at the certificate is.
	if got := b.HandshakeFailures(noon); len(got) != 2 || got[1].From != elsewhere {
		t.Errorf("for the status: %+v", got)
	}
	for range 3 * maxFailures {
		b.Handshake(httpprov.Handshake{Time: noon, From: leased, Reason: httpprov.Cipher, Err: errors.New("x")})
	}
	if n := len(b.HandshakeFailures(noon)); n != maxFailures {
		t.Errorf("%d are kept, want %d", n, maxFailures)
	}
}
