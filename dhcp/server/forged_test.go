package server

import (
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/insomniacslk/dhcp/dhcpv4"

	"plugtone/dhcp"
	"plugtone/dhcp/netlab"
)

// TestGuestCannotEndAPhonesLease: a host on an ordinary network uses a phone's MAC and forges a relay's address, or the
// phone's own. The kernel's route back is another link: the messages are ignored, and the phone keeps its lease.
func TestGuestCannotEndAPhonesLease(t *testing.T) {
	s := newNetwork(t, "udhcpc")
	guest, err := s.lab.Namespace("guest")
	s.ok(err)
	s.ok(s.lab.Link(netlab.Port{Namespace: s.pbx, Name: "guest0", Addrs: []netip.Prefix{netip.MustParsePrefix("10.60.0.2/24")}},
		netlab.Port{Namespace: guest, Name: "eth0", Addrs: []netip.Prefix{netip.MustParsePrefix("10.60.0.9/24")}}))
	guests := subnet("10.60.0.0/24", "guest0", "10.60.0.100", "10.60.0.109")
	guests.Phones = dhcp.PhonesNone
	far := subnet("10.40.0.0/24", "", "10.40.0.100", "10.40.0.109")
	s.ok(s.pbx.AddRoute(far.Prefix, netip.MustParseAddr("10.20.0.5")))
	j, d := s.serveReal(dhcp.Config{Authoritative: true, Subnets: []dhcp.Subnet{subnet("10.20.0.0/24", "voice0", "10.20.0.100", "10.20.0.109"), guests, far}},
		"voice0", "guest0")
	got := s.udhcpc(s.host("phone", "eth0", "00:15:65:00:00:01")).next("bound")
	addr := strings.TrimSuffix(got, " 10.20.0.2")
	j.next(t, dhcp.VerdictAcked)

	conn := s.udp(guest, "10.60.0.9:68")
	relay := func(a string) dhcpv4.Modifier { return dhcpv4.WithGatewayIP(ip(a)) }
	selects := dhcpv4.WithOption(dhcpv4.OptRelayAgentInfo(dhcpv4.OptGeneric(dhcpv4.GenericOptionCode(5), ip("10.20.0.0"))))
	for _, c := range []struct {
		what   string
		packet []byte
	}{
		{"a relay among the phones", message(t, 1, dhcpv4.MessageTypeDiscover, relay("10.20.0.77"))},
		{"a relay behind a router", message(t, 1, dhcpv4.MessageTypeDiscover, relay("10.40.0.1"))},
		{"a relay among the guests that selects the phones' link", message(t, 1, dhcpv4.MessageTypeDiscover, relay("10.60.0.77"), selects)},
		{"the phone's release", message(t, 1, dhcpv4.MessageTypeRelease, dhcpv4.WithClientIP(ip(addr)))},
		{"the phone's renewal of another address", message(t, 1, dhcpv4.MessageTypeRequest, dhcpv4.WithClientIP(ip("10.20.0.108")))},
	} {
		_, err := conn.WriteTo(c.packet, &net.UDPAddr{IP: ip("10.60.0.2"), Port: 67})
		s.ok(err)
		if ev := receive(t, j.decided); ev.Verdict != dhcp.VerdictIgnored || !strings.Contains(ev.Reason, "guest0") {
			t.Errorf("%s: %s (%s)", c.what, ev.Verdict, ev.Reason)
		}
	}
	if d.holder(addr) != "00:15:65:00:00:01" || d.leases[netip.MustParseAddr(addr)].State != dhcp.LeaseActive || len(d.leases) != 1 {
		t.Errorf("on disk: %+v", d.leases)
	}
}
