package server

import (
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"

	"plugtone/dhcp"
)

// TestRepliesToAbsentHostsDelayNoOthers: INFORMs name hosts that do not exist. Their replies are sent without ARP, all of
// them, and a client behind them is answered.
func TestRepliesToAbsentHostsDelayNoOthers(t *testing.T) {
	s := newNetwork(t)
	j, _ := s.serveReal(dhcp.Config{Authoritative: true, Subnets: []dhcp.Subnet{subnet("10.20.0.0/24", "voice0", "10.20.0.100", "10.20.0.109")}}, "voice0")
	conn := s.udp(s.host("phone", "eth0", "00:15:65:00:00:01", "10.20.0.50/24"), "10.20.0.50:68")
	for n := range 400 { // more than the kernel keeps while it waits for ARP, and fewer than the server's queue
		absent := netip.AddrFrom4([4]byte{10, 20, 0, byte(200 + n%50)})
		s.send(conn, message(t, byte(n), dhcpv4.MessageTypeInform, dhcpv4.WithClientIP(absent.AsSlice())))
	}
	s.send(conn, message(t, 1, dhcpv4.MessageTypeDiscover, dhcpv4.WithBroadcast(true)))
	if ev := j.nextOf(t, dhcp.MessageTypeDiscover); ev.Verdict != dhcp.VerdictOffered {
		t.Errorf("%s (%s)", ev.Verdict, ev.Reason)
	}
	if len(j.dropped) > 0 {
		t.Errorf("%d dropped: %s", len(j.dropped), <-j.dropped)
	}
}

// TestRepliesToAbsentRelaysDelayNoOthers: the kernel keeps replies to relays while it resolves them by ARP, until its
// buffer is full. What does not fit is dropped and counted; others are answered.
func TestRepliesToAbsentRelaysDelayNoOthers(t *testing.T) {
	s := newNetwork(t)
	j, _ := s.serveReal(dhcp.Config{Authoritative: true, Subnets: []dhcp.Subnet{subnet("10.20.0.0/24", "voice0", "10.20.0.100", "10.20.0.109")}}, "voice0")
	conn := s.udp(s.host("phone", "eth0", "00:15:65:00:00:01", "10.20.0.50/24"), "10.20.0.50:68")
	for n := range 400 {
		absent := netip.AddrFrom4([4]byte{10, 20, 0, byte(200 + n%50)})
		s.send(conn, message(t, byte(n), dhcpv4.MessageTypeInform, dhcpv4.WithGatewayIP(absent.AsSlice())))
	}
	s.send(conn, message(t, 1, dhcpv4.MessageTypeDiscover, dhcpv4.WithBroadcast(true)))
	if ev := j.nextOf(t, dhcp.MessageTypeDiscover); ev.Verdict != dhcp.VerdictOffered {
		t.Errorf("%s (%s)", ev.Verdict, ev.Reason)
	}
	if len(j.dropped) == 0 || receive(t, j.dropped) != DropSend {
		t.Error("all replies to absent relays were sent or waited for")
	}
}

// TestRenewalsAreServedBesideAbsentRelays: while replies to absent relays fill their socket, clients on the link and behind a router
// renew.
func TestRenewalsAreServedBesideAbsentRelays(t *testing.T) {
	s := newNetwork(t)
	s.ok(s.pbx.AddRoute(netip.MustParsePrefix("10.40.0.0/24"), netip.MustParseAddr("10.20.0.5")))
	j, _ := s.serveReal(dhcp.Config{Authoritative: true, Subnets: []dhcp.Subnet{
		subnet("10.20.0.0/24", "voice0", "10.20.0.50", "10.20.0.109"), subnet("10.40.0.0/24", "", "10.40.0.50", "10.40.0.109"),
	}}, "voice0")
	phones := map[string]*net.UDPConn{
		"10.20.0.50": s.udp(s.host("phone", "eth0", "00:15:65:00:00:01", "10.20.0.50/24"), "10.20.0.50:68"),
		"10.40.0.50": s.udp(s.host("far", "eth0", "00:15:65:00:00:02", "10.20.0.5/24", "10.40.0.50/24"), "10.40.0.50:68"),
	}
	for round := range 3 {
		for n := range 400 {
			absent := netip.AddrFrom4([4]byte{10, 20, 0, byte(200 + n%50)})
			s.send(phones["10.20.0.50"], message(t, byte(n), dhcpv4.MessageTypeInform, dhcpv4.WithGatewayIP(absent.AsSlice())))
		}
		for addr, conn := range phones {
			s.send(conn, message(t, map[string]byte{"10.20.0.50": 1, "10.40.0.50": 2}[addr], dhcpv4.MessageTypeRequest, dhcpv4.WithClientIP(ip(addr))))
			s.ok(conn.SetReadDeadline(time.Now().Add(time.Minute)))
			buf := make([]byte, packetSize)
			n, err := conn.Read(buf)
			s.ok(err)
			if b, ok := readBootp(buf[:n]); !ok || b.kind() != tAck || netip.AddrFrom4(b.yiaddr).String() != addr {
				t.Errorf("round %d: %s is answered %d with %v", round, addr, b.kind(), b.yiaddr)
			}
		}
		if round == 0 && receive(t, j.dropped) != DropSend {
			t.Error("all replies to absent relays were sent or waited for")
		}
	}
}

// TestRenewalsAreServedBesideAFlood: 50 forged packets come before each renewal, of absent hosts and unknown
// clients. Each renewal is answered, udhcpc's too. A round waits for its ACK, so that the kernel's buffer
// never overflows. Like every client these repeat a message: a busy machine loses frames between the namespaces.
func TestRenewalsAreServedBesideAFlood(t *testing.T) {
	f := newWireFixture(t, "udhcpc")
	const rounds, forged = 150, 50
	foreign := f.udhcpc(f.host("udhcpc", "eth0", "00:15:65:00:00:01"))
	bound := foreign.next("bound")
	var leased [rounds][4]byte // each phone renews once: one that repeats itself at once has no priority
	for n := range leased {
		leased[n] = f.clients.bind(t, byte(100+n))
	}
	attack := f.wire(f.host("attacker", "eth0", "02:00:00:00:00:0a"), "eth0")
	for round := range rounds {
		for n := range forged {
			_, err := attack.file.Write(forgedFrame(round*forged + n))
			f.ok(err)
		}
		m := f.clients.message(byte(100+round), tRequest, ciaddr(leased[round]))
		if c := f.clients.renewed(t, m, leased[round]); c.bootp.kind() != tAck || c.bootp.yiaddr != leased[round] || c.to != [6]byte(m.chaddr[:6]) {
			t.Fatalf("round %d: %+v", round, c)
		}
		if round%30 == 0 {
			if got := foreign.renewed(t); got != bound {
				t.Errorf("round %d: udhcpc renewed %q, was bound to %q", round, got, bound)
			}
		}
	}
	for len(f.dropped) > 0 {
		if why := <-f.dropped; why != DropQueue { // the queue is for unknown clients
			t.Errorf("dropped: %s", why)
		}
	}
	if f.clients.repeated > rounds/50 {
		t.Errorf("%d of %d renewals were repeated", f.clients.repeated, rounds)
	}
}

// Clients here repeat a message after this time, this many times.
const (
	repeatAfter = 3 * time.Second
	repeats     = 5
)

// renewed has a running udhcpc renew its lease.
func (c *client) renewed(t *testing.T) string {
	t.Helper()
	for range repeats {
		if err := c.cmd.Process.Signal(syscall.SIGUSR1); err != nil {
			t.Fatal(err)
		}
		for timeout := time.After(repeatAfter); timeout != nil; {
			select {
			case e := <-c.events:
				if details, ok := strings.CutPrefix(e, "renew "); ok {
					return details
				}
			case <-timeout:
				timeout = nil
			}
		}
	}
	t.Fatalf("udhcpc did not renew in %d times", repeats)
	return ""
}

// forgedFrame is the nth packet of a flood: DISCOVERs, INFORMs and renewals, each from another MAC.
func forgedFrame(n int) []byte {
	m := &bootp{op: 1, htype: 1, hlen: 6, xid: [4]byte{0xee, byte(n >> 16), byte(n >> 8), byte(n)}}
	m.chaddr = [16]byte{2, 0xee, 0, byte(n >> 16), byte(n >> 8), byte(n)}
	absent := [4]byte{10, 20, 0, byte(10 + n%40)}
	src, dst := unspecified, limitedBroadcast
	switch n % 3 {
	case 0:
		m.opts = []byte{53, 1, tDiscover, 255}
	case 1:
		m.opts, m.ciaddr = []byte{53, 1, tInform, 255}, absent
	case 2:
		m.opts, m.ciaddr = []byte{53, 1, tRequest, 255}, absent
		src, dst = netip.AddrPortFrom(netip.AddrFrom4(absent), 68), netip.AddrPortFrom(netip.AddrFrom4(serverIP), 67)
	}
	// All go to the server's hardware address: a broadcast would cost the bridge of this test more than the server.
	return datagramFrame([6]byte{2, 0, 0, 0, 0, 10}, pbxMAC, src, dst, m.bytes())
}

// send sends a client's message to the server's address on voice0.
func (s *network) send(conn *net.UDPConn, packet []byte) {
	s.t.Helper()
	_, err := conn.WriteTo(packet, &net.UDPAddr{IP: ip("10.20.0.2"), Port: 67})
	s.ok(err)
}

// nextOf waits for the next decision about a message of that type.
func (j *recorder) nextOf(t *testing.T, kind dhcp.MessageType) dhcp.Event {
	t.Helper()
	for {
		if ev := receive(t, j.decided); ev.Type == kind {
			return ev
		}
	}
}
