package provision_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"plugtone/dhcp"
	"plugtone/provision"
	"plugtone/provision/fleet"
	"plugtone/provision/trust"
)

func TestCertificateProvesItsOwnVendorsPhone(t *testing.T) {
	h := newFixture(t)
	r := request("001565123456.cfg")
	r.Certificate = &provision.Certificate{Vendor: "acme", MAC: front}
	if a := h.send(r); a.Outcome != provision.Served || a.Proof != trust.ProofCertificate {
		t.Errorf("%s: %s", a.Outcome, a.Reason)
	}
	r.Certificate = &provision.Certificate{Vendor: "bolt", MAC: front}
	if a := h.send(r); a.Outcome != provision.Refused || !strings.Contains(a.Reason, "one of bolt, but the device is one of acme") {
		t.Errorf("another vendor's: %s, %s", a.Outcome, a.Reason)
	}
	r.Certificate = &provision.Certificate{Vendor: "bolt", Also: []string{"acme"}, MAC: front}
	h.served(h.send(r))
	r.Certificate = &provision.Certificate{Vendor: "acme", MAC: mac("001565000009")}
	if a := h.send(r); a.Outcome != provision.Refused || !slices.Contains(h.kinds(), trust.EventContradiction) {
		t.Errorf("another phone's: %s, %s", a.Outcome, a.Reason)
	}
	h.site.Trust = []trust.Proof{trust.ProofLease}
	r.Certificate = &provision.Certificate{Vendor: "acme", MAC: front}
	if a := h.send(r); a.Outcome != provision.Refused {
		t.Errorf("where certificates don't count: %s", a.Outcome)
	}
}

func TestNeighborIsProofWhereConfigured(t *testing.T) {
	h := newFixture(t)
	h.neighbors = map[netip.Addr]dhcp.MAC{netip.MustParseAddr(away): mac("001565123457"), netip.MustParseAddr("10.20.1.7"): mac("001565000009")}
	r := request("001565123456.cfg")
	if a := h.send(r); a.Outcome != provision.Refused {
		t.Errorf("where it does not count: %s", a.Outcome)
	}
	h.site.Trust = []trust.Proof{trust.ProofLease, trust.ProofNeighbor}
	if a := h.send(r); a.Outcome != provision.Served || a.Proof != trust.ProofNeighbor || a.MAC != front {
		t.Errorf("%s: %s", a.Outcome, a.Reason)
	}
	if a := h.get("001565123456.cfg", "10.20.1.7"); a.Outcome != provision.Refused || !strings.Contains(a.Reason, "but the neighbour table has 00:15:65:00:00:09") {
		t.Errorf("against the lease: %s, %s", a.Outcome, a.Reason)
	}
}

func TestEnrollmentWindowIsProofForItsPhoneFromItsNetwork(t *testing.T) {
	h := newFixture(t)
	r := request("001565123456.cfg")
	if _, err := h.Enroll(mac("001565123457"), netip.MustParsePrefix("192.0.2.0/28"), 30*time.Minute); err != nil {
		t.Fatal(err)
	}
	if a := h.send(r); a.Outcome != provision.Served || a.Proof != trust.ProofEnroll {
		t.Errorf("%s: %s", a.Outcome, a.Reason)
	}
	other := r
	other.From = netip.MustParseAddr("192.0.2.99")
	if a := h.send(other); a.Outcome != provision.Refused {
		t.Errorf("from another network: %s", a.Outcome)
	}
	if w := h.Windows(); len(w) != 1 || w[0].MAC != front {
		t.Errorf("windows %v", w)
	}
	h.now = noon.Add(31 * time.Minute)
	if a := h.send(r); a.Outcome != provision.Refused || len(h.Windows()) != 0 {
		t.Errorf("afterwards: %s", a.Outcome)
	}
	if _, err := h.Enroll(dhcp.MAC{}, netip.Prefix{}, time.Hour); err != nil {
		t.Fatal(err)
	}
	h.served(h.send(other))
	if _, err := h.Enroll(dhcp.MAC{}, netip.Prefix{}, 0); err != nil || len(h.Windows()) != 0 {
		t.Errorf("closed: %v %v", h.Windows(), err)
	}
	if _, err := h.Enroll(mac("001565ffffff"), netip.Prefix{}, time.Hour); err == nil {
		t.Error("a phone without a record can be enrolled")
	}
	if _, err := h.Enroll(front, netip.Prefix{}, 48*time.Hour); err == nil {
		t.Error("a window of two days")
	}
}

func TestChangeOfSwitchPortIsReported(t *testing.T) {
	h := newFixture(t)
	plug := func(port string) {
		l := h.leases.Lease("10.20.1.7", front, voice, noon)
		l.CircuitID, l.RemoteID = port, "sw1"
		h.leases.Put(l)
		h.served(h.get("001565123456.cfg", "10.20.1.7"))
	}
	plug("gi1/0/3")
	plug("gi1/0/3")
	if len(h.events) != 0 {
		t.Errorf("alarms %v", h.events)
	}
	plug("gi1/0/7")
	if !slices.Equal(h.kinds(), []trust.EventKind{trust.EventPortChanged}) || !strings.Contains(h.events[0].Reason, `"sw1 gi1/0/7" now; before it was behind "sw1 gi1/0/3"`) {
		t.Errorf("alarms %v", h.events)
	}
	// After a restart the last fetch has the port.
	h = newFixture(t)
	h.fetches = []fleet.Fetch{{MAC: front, Time: noon, Port: "sw1 gi1/0/3"}}
	plug("gi1/0/9")
	if !slices.Equal(h.kinds(), []trust.EventKind{trust.EventPortChanged}) {
		t.Errorf("after a restart: alarms %v", h.events)
	}
}
