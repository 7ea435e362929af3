package server

import (
	"net/netip"
	"testing"

	"github.com/insomniacslk/dhcp/dhcpv4"

	"plugtone/dhcp"
)

// A REQUEST that takes another server's offer (C01) has that server's address; its hardware address is found by ARP. A
// server that does not answer is reported without one.
func TestServerThatAClientNamesIsReported(t *testing.T) {
	s := newNetwork(t)
	s.host("rogue", "lan0", "02:00:00:00:00:66", "10.20.0.66/24")
	cfg := dhcp.Config{Subnets: []dhcp.Subnet{subnet("10.20.0.0/24", "voice0", "10.20.0.100", "10.20.0.109")}}
	j, _ := s.serveReal(cfg, "voice0")
	conn := s.udp(s.host("phone", "eth0", "02:00:00:00:00:03", "10.20.0.9/24"), "10.20.0.9:68")
	for server, mac := range map[string]string{"10.20.0.66": "02:00:00:00:00:66", "10.20.0.67": "", "192.0.2.67": ""} {
		s.send(conn, message(t, 1, dhcpv4.MessageTypeRequest, dhcpv4.WithOption(dhcpv4.OptServerIdentifier(ip(server))),
			dhcpv4.WithOption(dhcpv4.OptRequestedIPAddress(ip("10.20.0.200")))))
		want := Offer{Interface: "voice0", Server: netip.MustParseAddr(server), Type: dhcp.MessageTypeRequest, Addr: netip.MustParseAddr("10.20.0.200"), Client: dhcp.MAC{0, 0x15, 0x65, 0, 0, 1}}
		if mac != "" {
			s.ok(want.MAC.UnmarshalText([]byte(mac)))
		}
		if got := receive(t, j.others); got != want {
			t.Errorf("reported %+v, want %+v", got, want)
		}
	}
}

// C45: the host that has a declined address is found by ARP and reported, after the decline itself.
func TestUserOfDeclinedAddressIsReportedC45(t *testing.T) {
	s := newNetwork(t)
	s.host("squatter", "eth0", "02:00:00:00:00:99", "10.20.0.100/24")
	cfg := dhcp.Config{Subnets: []dhcp.Subnet{subnet("10.20.0.0/24", "voice0", "10.20.0.100", "10.20.0.109")}}
	j, _ := s.serveReal(cfg, "voice0")
	conn := s.udp(s.host("phone", "eth0", "02:00:00:00:00:03", "10.20.0.9/24"), "10.20.0.9:68")
	named := dhcpv4.WithOption(dhcpv4.OptRequestedIPAddress(ip("10.20.0.100")))
	ours := dhcpv4.WithOption(dhcpv4.OptServerIdentifier(ip("10.20.0.2")))
	s.send(conn, message(t, 1, dhcpv4.MessageTypeRequest, named, ours))
	j.next(t, dhcp.VerdictAcked)
	s.send(conn, message(t, 1, dhcpv4.MessageTypeDecline, named, ours))
	j.next(t, dhcp.VerdictDeclined)
	ev := j.next(t, dhcp.VerdictConflict)
	if ev.Holder.String() != "02:00:00:00:00:99" || ev.Addr.String() != "10.20.0.100" || ev.MAC != (dhcp.MAC{0, 0x15, 0x65, 0, 0, 1}) || ev.Reply != nil {
		t.Errorf("reported %+v", ev)
	}
}
