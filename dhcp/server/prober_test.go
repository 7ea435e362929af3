package server

import (
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/insomniacslk/dhcp/dhcpv4"

	"plugtone/dhcp"
)

// TestConflict (C41): the first address is in use by a host without a lease; the probe finds it, and another is offered.
func TestConflict(t *testing.T) {
	s, d := newNetwork(t, "udhcpc"), newFakeTable()
	d.probe = true
	s.host("squatter", "eth0", "02:00:00:00:00:99", "10.20.0.100/24")
	j := s.serve(d, nil)
	if got := s.udhcpc(s.host("phone", "eth0", "00:15:65:12:34:56")).next("bound"); got != "10.20.0.101 10.20.0.2" {
		t.Errorf("bound to %q, want the address beside the squatter's", got)
	}
	if ev := j.next(t, dhcp.VerdictProbing); ev.MAC.String() != "00:15:65:12:34:56" {
		t.Errorf("probing for %s", ev.MAC)
	}
	if ev := j.next(t, dhcp.VerdictConflict); ev.Addr.String() != "10.20.0.100" || ev.Holder.String() != "02:00:00:00:00:99" || !strings.Contains(ev.Reason, "02:00:00:00:00:99") {
		t.Errorf("conflict reported as %+v", ev)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if used, known := d.probed[netip.MustParseAddr("10.20.0.100")]; !used || !known {
		t.Errorf("probes: %v", d.probed)
	}
	if used, known := d.probed[netip.MustParseAddr("10.20.0.101")]; used || !known {
		t.Errorf("probes: %v", d.probed)
	}
}

// TestProbeDelaysNoOtherClient (C41): a client whose address is known is answered while another's is being probed.
func TestProbeDelaysNoOtherClient(t *testing.T) {
	s, d := newNetwork(t, "udhcpc"), newFakeTable()
	d.probe = true
	d.given[dhcp.MAC{0, 0x15, 0x65, 0, 0, 2}] = netip.MustParseAddr("10.20.0.50")
	d.probed[netip.MustParseAddr("10.20.0.50")] = false
	j := s.serve(d, nil)
	phone := s.host("phone", "eth0", "02:00:00:00:00:03", "10.20.0.9/24")
	conn := s.udp(phone, "10.20.0.9:68")
	for _, mac := range []byte{1, 2} {
		_, err := conn.WriteTo(message(t, mac, dhcpv4.MessageTypeDiscover), &net.UDPAddr{IP: ip("10.20.0.2"), Port: 67})
		s.ok(err)
	}
	probing, first, second := j.next(t, dhcp.VerdictProbing), j.next(t, dhcp.VerdictOffered), j.next(t, dhcp.VerdictOffered)
	if probing.MAC[5] != 1 || first.MAC[5] != 2 || second.MAC[5] != 1 {
		t.Errorf("probing for %s, offers to %s and %s", probing.MAC, first.MAC, second.MAC)
	}
}

// TestOwnerMayKeepItsAddress: a phone that answers for the address itself is no conflict.
func TestOwnerMayKeepItsAddress(t *testing.T) {
	s := newNetwork(t)
	s.host("phone", "eth0", "00:15:65:12:34:56", "10.20.0.100/24")
	p := newProber(s.pbx.Do)
	defer p.close()
	link := s.link(s.pbx, "voice0")
	for mac, want := range map[dhcp.MAC]bool{{0, 0x15, 0x65, 0x12, 0x34, 0x56}: false, {0, 0x15, 0x65, 0, 0, 1}: true} {
		got := make(chan probeResult, 1)
		started := p.start(t.Context(), netip.MustParseAddr("10.20.0.100"), link, func(a probeResult) { got <- a })
		if a := <-got; !started || a.byOther(mac) != want || a.err != nil || a.mac.String() != "00:15:65:12:34:56" {
			t.Errorf("probe for %s: %+v, want in use by another %v", mac, a, want)
		}
	}
}

// TestICMPProbe probes addresses that ARP does not reach.
func TestICMPProbe(t *testing.T) {
	s := newNetwork(t)
	s.host("phone", "eth0", "00:15:65:12:34:56", "10.20.0.100/24")
	p := newProber(s.pbx.Do)
	defer p.close()
	for addr, want := range map[string]bool{"10.20.0.100": true, "10.20.0.101": false} {
		got := make(chan probeResult, 1)
		p.start(t.Context(), netip.MustParseAddr(addr), nil, func(a probeResult) { got <- a })
		if a := <-got; a.byOther(dhcp.MAC{1}) != want || a.err != nil {
			t.Errorf("%s: %+v, want in use %v", addr, a, want)
		}
	}
}

// TestConflictBehindRelay (C41): behind a relay a squatter is found by echo request.
func TestConflictBehindRelay(t *testing.T) {
	s, d := newNetwork(t, "udhcpc", "dhcrelay=isc-dhcp-relay"), newFakeTable()
	d.probe = true
	phone, relay := s.relayed()
	s.ok(relay.AddAddr("down0", netip.MustParsePrefix("10.40.0.100/24")))
	j := s.serve(d, func(c *Config) { c.Interfaces = nil })
	if got := s.udhcpc(phone).next("bound"); got != "10.40.0.101 10.20.0.2" {
		t.Errorf("bound to %q, want the address beside the squatter's", got)
	}
	if ev := j.next(t, dhcp.VerdictConflict); ev.Addr.String() != "10.40.0.100" || !ev.Holder.IsZero() {
		t.Errorf("conflict reported as %+v", ev)
	}
}
