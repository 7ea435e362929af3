package recent_test

import (
	"net/netip"
	"testing"
	"time"

	"plugtone/admin/client"
	"plugtone/admin/recent"
	"plugtone/dhcp"
)

var noon = time.Date(2026, 11, 22, 12, 0, 30, 0, time.UTC)

func mac(n int) dhcp.MAC { return dhcp.MAC{0, 0x15, 0x65, 0, byte(n >> 8), byte(n)} }

func TestBootsOfTheLastHourAreCountedByMinute(t *testing.T) {
	var r recent.Recent
	r.Boot(mac(1), noon)
	r.Boot(mac(1), noon.Add(5*time.Second)) // it sends its DISCOVER again
	r.Boot(mac(2), noon.Add(10*time.Second))
	r.Boot(mac(1), noon.Add(10*time.Minute)) // it starts again
	got := r.Boots(noon.Add(10 * time.Minute))
	if len(got) != 60 || got[49].Boots != 2 || got[59].Boots != 1 || !got[49].Time.Equal(noon.Truncate(time.Minute)) {
		t.Errorf("%+v", got)
	}
	sum := 0
	for _, m := range r.Boots(noon.Add(65 * time.Minute)) {
		sum += m.Boots
	}
	if sum != 1 {
		t.Errorf("%d boots in an hour that had one", sum)
	}
	for _, m := range r.Boots(noon.Add(5 * time.Hour)) {
		if m.Boots != 0 {
			t.Errorf("a boot of hours ago: %+v", m)
		}
	}
}

func TestTheSameIncidentIsCountedOnce(t *testing.T) {
	var r recent.Recent
	server := netip.MustParseAddr("10.20.0.9")
	r.Incident(client.Incident{Kind: "other_server", LastSeen: noon, IP: server, MAC: mac(9)})
	r.Incident(client.Incident{Kind: "other_server", LastSeen: noon.Add(time.Hour), IP: server, Reason: "again"})
	r.Incident(client.Incident{Kind: "conflict", LastSeen: noon.Add(2 * time.Hour), IP: netip.MustParseAddr("10.20.1.5")})
	got := r.Incidents(noon.Add(2 * time.Hour))
	if len(got) != 2 || got[0].Kind != "conflict" || !got[0].UnderWay {
		t.Fatalf("%+v", got)
	}
	if x := got[1]; x.Count != 2 || !x.FirstSeen.Equal(noon) || x.MAC != mac(9) || x.Reason != "again" || x.UnderWay {
		t.Errorf("%+v", x)
	}
	if got := r.Incidents(noon.Add(25*time.Hour + time.Minute)); len(got) != 1 {
		t.Errorf("after a day: %+v", got)
	}
}

func TestAFloodOfIncidentsIsBounded(t *testing.T) {
	var r recent.Recent
	for i := range 5000 {
		r.Incident(client.Incident{Kind: "slowed", LastSeen: noon.Add(time.Duration(i) * time.Millisecond), IP: netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)})})
	}
	if got := r.Incidents(noon.Add(time.Minute)); len(got) != 200 || got[0].IP != netip.AddrFrom4([4]byte{10, 1, 4999 >> 8, 4999 & 255}) {
		t.Errorf("%d incidents, the first %v", len(got), got[0].IP)
	}
}
