package server

import (
	"net"
	"net/netip"
	"testing"

	"github.com/insomniacslk/dhcp/dhcpv4"

	"plugtone/dhcp"
)

// TestRepliesToNobodyHoldUpNobody: somebody asks in the name of hosts that don't exist. The kernel keeps the replies while it looks
// for them by ARP, until the socket has no room left; meanwhile others are answered all the same.
func TestRepliesToNobodyHoldUpNobody(t *testing.T) {
	s := newStage(t)
	j, _ := s.serveReal(dhcp.Config{Authoritative: true, Subnets: []dhcp.Subnet{subnet("10.20.0.0/24", "voice0", "10.20.0.100", "10.20.0.109")}}, "voice0")
	phone := s.host("phone", "eth0", "00:15:65:00:00:01", "10.20.0.50/24")
	conn := s.udp(phone, "10.20.0.50:68")
	to := &net.UDPAddr{IP: ip("10.20.0.2"), Port: 67}
	const forged = 600
	for n := range forged {
		nobody := netip.AddrFrom4([4]byte{10, 20, 0, byte(200 + n%50)})
		_, err := conn.WriteTo(message(t, byte(n), dhcpv4.MessageTypeInform, dhcpv4.WithClientIP(nobody.AsSlice())), to)
		s.ok(err)
	}
	_, err := conn.WriteTo(message(t, 1, dhcpv4.MessageTypeDiscover, dhcpv4.WithBroadcast(true)), to)
	s.ok(err)
	for {
		if ev := receive(t, j.decided); ev.Type == dhcp.MessageTypeDiscover {
			if ev.Verdict != dhcp.VerdictOffered {
				t.Errorf("%s (%s)", ev.Verdict, ev.Reason)
			}
			break
		}
	}
	// None was waited for: what the kernel had no room for was given up.
	if len(j.dropped) == 0 || receive(t, j.dropped) != DropSend {
		t.Errorf("all of %d replies to nobody were sent or waited for", forged)
	}
}
