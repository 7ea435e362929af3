package notify

import (
	"log/slog"
	"net/netip"
	"strings"
	"testing"

	"plugtone/dhcp"
)

func TestPanicEndsWithItsPacket(t *testing.T) {
	var log strings.Builder
	called := false
	r := &Responder{Log: slog.New(slog.NewTextHandler(&log, nil)), URL: func(Subscription) (dhcp.MAC, string, error) { called = true; panic("oops") }}
	from := netip.MustParseAddrPort("127.0.0.1:5060")
	r.handle([]byte(probeRequest(from).String()), 1, from) // 1: the loopback interface
	if !called || !strings.Contains(log.String(), "oops") {
		t.Errorf("called %v, log %q", called, log.String())
	}
}
