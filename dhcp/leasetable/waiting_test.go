package leasetable

import (
	"testing"
	"time"

	"plugtone/dhcp"
)

// A client that waits for another server is answered although the clock was set back meanwhile: its first message is then the next one.
func TestClientWaitsOverAStepOfTheClockC54(t *testing.T) {
	mac, start := dhcp.MAC{0, 0x15, 0x65, 0, 0, 1}, time.Unix(1_800_000_000, 0)
	v := &Leases{waiting: waitingClients{}, now: start}
	v.waiting.remember(mac, dhcp.WaitsBegin, v.now)
	for _, step := range []time.Duration{-time.Hour, time.Hour} {
		v.now = v.now.Add(step)
		if since, ok := v.WaitingSince(mac); ok {
			t.Errorf("%s: waits since %s", step, since)
		}
		v.waiting.remember(mac, dhcp.WaitsBegin, v.now)
		v.now = v.now.Add(3 * time.Second)
		if since, ok := v.WaitingSince(mac); !ok || v.now.Sub(since) != 3*time.Second {
			t.Errorf("%s: waits since %s, %v", step, since, ok)
		}
	}
}
