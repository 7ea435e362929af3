package server

import (
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/insomniacslk/dhcp/dhcpv4"

	"plugtone/dhcp"
)

// TestAddressInUseIsNotOffered (C41): the first address is in use by a host without a lease; the probe finds it, and another is offered.
func TestAddressInUseIsNotOffered(t *testing.T) {
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
	if offer, ack := j.next(t, dhcp.VerdictOffered), j.next(t, dhcp.VerdictAcked); !offer.Probed || ack.Probed {
		t.Errorf("the offer waited for a probe: %v, the ACK: %v; want true, false", offer.Probed, ack.Probed)
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

// TestProbeDelaysNoOtherClient (C41): a client whose address is known is answered while another's is being probed. The probe
// waits for its socket until the answer is there.
func TestProbeDelaysNoOtherClient(t *testing.T) {
	s, d := newNetwork(t), newFakeTable()
	d.probe = true
	for _, last := range []byte{2, 3} {
		addr := netip.AddrFrom4([4]byte{10, 20, 0, 50 + last})
		d.given[dhcp.MAC{0, 0x15, 0x65, 0, 0, last}], d.probed[addr] = addr, false
	}
	gate := make(chan struct{})
	var gated atomic.Bool
	j := s.serve(d, func(c *Config) {
		c.InNetns = func(f func() error) error {
			if gated.Load() {
				<-gate
			}
			return s.pbx.Do(f)
		}
	})
	conn := s.udp(s.host("phone", "eth0", "02:00:00:00:00:03", "10.20.0.9/24"), "10.20.0.9:68")
	s.send(conn, message(t, 3, dhcpv4.MessageTypeDiscover)) // opens the socket that sends frames
	j.next(t, dhcp.VerdictOffered)
	gated.Store(true)
	s.send(conn, message(t, 1, dhcpv4.MessageTypeDiscover))
	if ev := j.next(t, dhcp.VerdictProbing); ev.MAC[5] != 1 {
		t.Errorf("probing for %s", ev.MAC)
	}
	for _, mac := range []byte{2, 1} {
		if mac == 2 {
			s.send(conn, message(t, mac, dhcpv4.MessageTypeDiscover))
		} else {
			close(gate)
		}
		if ev := j.next(t, dhcp.VerdictOffered); ev.MAC[5] != mac {
			t.Errorf("offer to %s, want client %d", ev.MAC, mac)
		}
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

// TestICMPProbeFindsHosts probes addresses that ARP does not reach.
func TestICMPProbeFindsHosts(t *testing.T) {
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
