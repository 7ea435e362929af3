package server

import (
	"net"
	"net/netip"
	"testing"

	"github.com/insomniacslk/dhcp/dhcpv4"

	"plugtone/dhcp"
)

// TestConflict (C41): the first address is in use by a host that never asked; the probe finds it, and another is offered.
func TestConflict(t *testing.T) {
	s, d := newStage(t, "udhcpc"), newDesk()
	d.probe = true
	s.host("squatter", "eth0", "02:00:00:00:00:99", "10.20.0.100/24")
	j := s.serve(d, nil)
	if got := s.udhcpc(s.host("phone", "eth0", "00:15:65:12:34:56")).next("bound"); got != "10.20.0.101 10.20.0.2" {
		t.Errorf("bound to %q, want the address beside the squatter's", got)
	}
	if ev := j.next(t, dhcp.VerdictProbing); ev.MAC.String() != "00:15:65:12:34:56" {
		t.Errorf("probing for %s", ev.MAC)
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

// TestProbeHoldsNobodyUp (C41): a client whose address is known is answered while another's is being probed, although
// there is one worker for both.
func TestProbeHoldsNobodyUp(t *testing.T) {
	s, d := newStage(t, "udhcpc"), newDesk()
	d.probe = true
	d.given[dhcp.MAC{0, 0x15, 0x65, 0, 0, 2}] = netip.MustParseAddr("10.20.0.50")
	d.probed[netip.MustParseAddr("10.20.0.50")] = false
	j := s.serve(d, func(c *Config) { c.Workers = 1 })
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

// TestOwnerMayKeepItsAddress: a phone that answers for the address itself has no conflict with itself.
func TestOwnerMayKeepItsAddress(t *testing.T) {
	s := newStage(t)
	s.host("phone", "eth0", "00:15:65:12:34:56", "10.20.0.100/24")
	p := newProber(s.pbx.Do)
	defer p.close()
	var link *iface
	s.ok(s.pbx.Do(func() error {
		l, err := openLinks()
		if err == nil {
			link = l.now.Load().byName["voice0"]
			l.close()
		}
		return err
	}))
	for mac, want := range map[dhcp.MAC]bool{{0, 0x15, 0x65, 0x12, 0x34, 0x56}: false, {0, 0x15, 0x65, 0, 0, 1}: true} {
		type answer struct {
			used bool
			err  error
		}
		got, done := make(chan answer, 1), make(chan bool, 1)
		started := p.start(t.Context(), netip.MustParseAddr("10.20.0.100"), link, mac,
			func(used bool, err error) { got <- answer{used, err} }, func() { done <- true })
		if a := <-got; !started || a.used != want || a.err != nil {
			t.Errorf("probe for %s: %+v, want in use %v", mac, a, want)
		}
		<-done
	}
}

// TestICMPProbe asks for addresses that ARP does not reach.
func TestICMPProbe(t *testing.T) {
	s := newStage(t)
	s.host("phone", "eth0", "00:15:65:12:34:56", "10.20.0.100/24")
	p := newProber(s.pbx.Do)
	defer p.close()
	for addr, want := range map[string]bool{"10.20.0.100": true, "10.20.0.101": false} {
		got := make(chan bool, 1)
		p.start(t.Context(), netip.MustParseAddr(addr), nil, dhcp.MAC{1}, func(used bool, err error) {
			if err != nil {
				t.Error(err)
			}
			got <- used
		}, func() {})
		if used := <-got; used != want {
			t.Errorf("%s in use: %v, want %v", addr, used, want)
		}
	}
}
