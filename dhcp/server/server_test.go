package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"golang.org/x/sys/unix"

	"plugtone/dhcp"
	"plugtone/dhcp/netif"
	"plugtone/dhcp/netlab"
)

// TestUdhcpcBootsAndRenews boots busybox's client with the broadcast flag (C14) and without it, when the reply is a frame to
// its hardware address (C15), then has it renew by unicast (C13).
func TestUdhcpcBootsAndRenews(t *testing.T) {
	for name, args := range map[string][]string{"broadcast": {"-B"}, "unicast": nil} {
		t.Run(name, func(t *testing.T) {
			s, d := newNetwork(t, "udhcpc"), newFakeTable()
			j := s.serve(d, nil)
			c := s.udhcpc(s.host("phone", "eth0", "00:15:65:12:34:56"), args...)
			if got := c.next("bound"); got != "10.20.0.100 10.20.0.2" {
				t.Errorf("bound to %q", got)
			}
			last := s.renew(c, d)
			first := d.requests()[0]
			if got := first.req.Broadcast(); got != (name == "broadcast") {
				t.Errorf("the client's broadcast flag is %v", got)
			}
			if first.link.Dest != netif.BroadcastAddr || first.link.Interface != "voice0" || first.link.MTU != 1500 {
				t.Errorf("the DISCOVER came with %+v", first.link)
			}
			if last.link.Dest.String() != "10.20.0.2" || last.req.CIAddr.String() != "10.20.0.100" || last.link.LocalAddr.String() != "10.20.0.2" {
				t.Errorf("the renewal came with %+v", last.link)
			}
			if len(j.fallback)+len(j.dropped) != 0 {
				t.Errorf("%d fallbacks, %d drops", len(j.fallback), len(j.dropped))
			}
		})
	}
}

// renew has udhcpc renew its lease and returns the request that came by unicast. The client opens the socket for the answer
// only after it has sent: when the answer is faster, the port is still closed, and the client sends again by broadcast.
func (s *network) renew(c *client, d *fakeTable) seen {
	s.t.Helper()
	before := len(d.requests())
	s.ok(c.cmd.Process.Signal(syscall.SIGUSR1))
	if got := c.next("renew"); got != "10.20.0.100 10.20.0.2" {
		s.t.Errorf("renewed %q", got)
	}
	return d.requests()[before]
}

func TestDhclientGetsALease(t *testing.T) {
	s := newNetwork(t, "dhclient=isc-dhcp-client")
	j := s.serve(newFakeTable(), nil)
	c := s.dhclient(s.host("phone", "eth0", "00:15:65:12:34:56"))
	if got := c.next("BOUND"); got != "10.20.0.100 10.20.0.2" {
		t.Errorf("bound to %q", got)
	}
	if len(j.fallback)+len(j.dropped) != 0 {
		t.Errorf("%d fallbacks, %d drops", len(j.fallback), len(j.dropped))
	}
}

func TestTwoClientsAtOnce(t *testing.T) {
	s := newNetwork(t, "udhcpc")
	s.serve(newFakeTable(), nil)
	a := s.udhcpc(s.host("phone1", "eth0", "00:15:65:00:00:01"))
	b := s.udhcpc(s.host("phone2", "eth0", "00:15:65:00:00:02"))
	got := map[string]bool{a.next("bound"): true, b.next("bound"): true}
	if !got["10.20.0.100 10.20.0.2"] || !got["10.20.0.101 10.20.0.2"] {
		t.Errorf("two clients got %v", got)
	}
}

// TestWithoutNetRaw: without the capability the reply goes by broadcast, which is reported.
func TestWithoutNetRaw(t *testing.T) {
	s := newNetwork(t, "udhcpc")
	j := s.serve(newFakeTable(), func(c *Config) {
		c.InNetns = func(f func() error) error { return s.pbx.Do(func() error { return withoutNetRaw(f) }) }
	})
	if got := s.udhcpc(s.host("phone", "eth0", "00:15:65:12:34:56")).next("bound"); got != "10.20.0.100 10.20.0.2" {
		t.Errorf("bound to %q", got)
	}
	if err := receive(t, j.fallback); !errors.Is(err, errNoFrame) {
		t.Errorf("fallback because of %v", err)
	}
}

// withoutNetRaw runs f on a thread without CAP_NET_RAW.
func withoutNetRaw(f func() error) error {
	head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&head, &data[0]); err != nil {
		return err
	}
	less := data
	less[0].Effective &^= 1 << unix.CAP_NET_RAW
	if err := unix.Capset(&head, &less[0]); err != nil {
		return err
	}
	return errors.Join(f(), unix.Capset(&head, &data[0]))
}

func TestMissingCapabilityIsNamed(t *testing.T) {
	s := newNetwork(t)
	err := s.pbx.Do(func() error {
		return withoutNetRaw(func() error {
			_, err := netif.NewFrameSender(s.pbx.Do)
			return err
		})
	})
	if err == nil || !errors.Is(err, syscall.EPERM) || !strings.Contains(err.Error(), "\nhint: CAP_NET_RAW is missing: setcap ") {
		t.Errorf("%v", err)
	}
}

// TestClientBehindDhcrelayIsServed has ISC's relay between client and server: packets come by unicast on a link without a subnet of the client.
func TestClientBehindDhcrelayIsServed(t *testing.T) {
	s, d := newNetwork(t, "udhcpc", "dhcrelay=isc-dhcp-relay"), newFakeTable()
	phone, _ := s.relayed()
	j := s.serve(d, func(c *Config) { c.Interfaces = nil })
	if got := s.udhcpc(phone).next("bound"); got != "10.40.0.100 10.20.0.2" {
		t.Errorf("bound to %q", got)
	}
	j.next(t, dhcp.VerdictAcked)
	first := d.requests()[0]
	if first.req.GIAddr.String() != "10.40.0.1" || first.link.Interface != "voice0" || first.link.LocalAddr.String() != "10.20.0.2" || first.req.RelayInfo == "" {
		t.Errorf("relayed request %+v on %+v", first.req, first.link)
	}
}

// TestLinkThatComesLater: the interface is plugged in after the server is ready, goes, and comes back as another one.
func TestLinkThatComesLater(t *testing.T) {
	s := newNetwork(t, "udhcpc")
	j := s.serve(newFakeTable(), func(c *Config) { c.Interfaces = []string{"late0"} })
	for i, mac := range []string{"00:15:65:00:00:01", "00:15:65:00:00:02"} {
		s.plug(s.pbx, "late0", "", "10.50.0.2/24")
		want := netip.AddrFrom4([4]byte{10, 50, 0, byte(100 + i)}).String() + " 10.50.0.2"
		c := s.udhcpc(s.host("phone"+mac[16:], "eth0", mac))
		if got := c.next("bound"); got != want {
			t.Errorf("bound to %q, want %q", got, want)
		}
		j.next(t, dhcp.VerdictAcked)
		s.ok(c.cmd.Process.Kill())
		s.ok(s.pbx.Remove("late0"))
	}
}

// TestTwoAddressesOnALink (C16): each client is answered from the address that it sent to.
func TestTwoAddressesOnALink(t *testing.T) {
	s, d := newNetwork(t), newFakeTable()
	s.ok(s.pbx.AddAddr("voice0", netip.MustParsePrefix("10.30.0.2/24")))
	s.serve(d, nil)
	phone := s.host("phone", "eth0", "00:15:65:00:00:01", "10.20.0.9/24", "10.30.0.9/24")
	for _, c := range []struct{ from, to string }{{"10.20.0.9", "10.20.0.2"}, {"10.30.0.9", "10.30.0.2"}} {
		conn := s.udp(phone, c.from+":68")
		_, err := conn.WriteTo(message(t, 1, dhcpv4.MessageTypeRequest, dhcpv4.WithClientIP(ip(c.from))), &net.UDPAddr{IP: ip(c.to), Port: 67})
		s.ok(err)
		buf := make([]byte, packetSize)
		_, from, err := conn.ReadFrom(buf)
		s.ok(errors.Join(err, conn.Close()))
		if from.String() != c.to+":67" {
			t.Errorf("%s sent to %s and was answered by %s", c.from, c.to, from)
		}
	}
}

// TestClientIsServedFromItsLink: each client is served from the link that it is on, as on the VLANs of one cable.
func TestClientIsServedFromItsLink(t *testing.T) {
	s := newNetwork(t, "udhcpc")
	s.serve(newFakeTable(), func(c *Config) { c.Interfaces = []string{"voice0", "voice1"} })
	other, err := s.lab.Namespace("other")
	s.ok(err)
	s.ok(s.lab.Link(netlab.Port{Namespace: s.pbx, Name: "voice1", Addrs: []netip.Prefix{netip.MustParsePrefix("10.60.0.2/24")}},
		netlab.Port{Namespace: other, Name: "eth0", MAC: "00:15:65:00:00:02"}))
	a, b := s.udhcpc(s.host("phone", "eth0", "00:15:65:00:00:01")), s.udhcpc(other)
	if got := a.next("bound"); got != "10.20.0.100 10.20.0.2" {
		t.Errorf("on voice0 bound to %q", got)
	}
	if got := b.next("bound"); got != "10.60.0.100 10.60.0.2" {
		t.Errorf("on voice1 bound to %q", got)
	}
}

// TestReplyLeavesAfterShutdownBegan: a lease that is being written when the server stops still gets its ACK.
func TestReplyLeavesAfterShutdownBegan(t *testing.T) {
	s, d, j := newNetwork(t), newFakeTable(), newRecorder()
	d.hold = make(chan struct{})
	srv, err := New(Config{Interfaces: []string{"voice0"}, Now: time.Now, Log: logTo(t), Observer: j.observer(), InNetns: s.pbx.Do, ScanEvery: -1}, nil, d)
	s.ok(err)
	srv.process = d.process
	ctx, stop := context.WithCancel(t.Context())
	conn := s.udp(s.host("phone", "eth0", "00:15:65:00:00:01", "10.20.0.9/24"), "10.20.0.9:68")
	renew := func() {
		_, err := conn.WriteTo(message(t, 1, dhcpv4.MessageTypeRequest, dhcpv4.WithClientIP(ip("10.20.0.9"))), &net.UDPAddr{IP: ip("10.20.0.2"), Port: 67})
		s.ok(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- srv.Run(ctx, renew) }()
	receive(t, d.hold)
	stop()
	d.hold <- struct{}{}
	n, from, err := conn.ReadFrom(make([]byte, packetSize))
	if err != nil || n < 240 || from.String() != "10.20.0.2:67" {
		t.Errorf("%d bytes from %v: %v", n, from, err)
	}
	if err := receive(t, ended); err != nil {
		t.Errorf("Run: %v", err)
	}
}

// udp opens a socket in a namespace that gives up reading after a while.
func (s *network) udp(ns *netlab.Namespace, addr string) *net.UDPConn {
	s.t.Helper()
	var conn *net.UDPConn
	s.ok(ns.Do(func() (err error) {
		conn, err = net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.MustParseAddrPort(addr)))
		return err
	}))
	s.ok(conn.SetDeadline(time.Now().Add(time.Minute)))
	s.t.Cleanup(func() { conn.Close() })
	return conn
}

func TestSecondServerIsRefused(t *testing.T) {
	s := newNetwork(t)
	s.serve(newFakeTable(), nil)
	srv, err := New(Config{Now: time.Now, Log: logTo(t), InNetns: s.pbx.Do}, nil, newFakeTable())
	s.ok(err)
	comm, err := os.ReadFile("/proc/self/comm")
	s.ok(err)
	want := fmt.Sprintf("dhcp: port 67/udp is taken by %s (process %d)", strings.TrimSpace(string(comm)), os.Getpid())
	err = srv.Run(t.Context(), func() { t.Error("a second server on the same port is ready") })
	if err == nil || !errors.Is(err, syscall.EADDRINUSE) || !strings.Contains(err.Error(), want) {
		t.Errorf("%v", err)
	}
}

// TestOtherServerIsReported: in its OFFER to another client (by broadcast) and in its answer to this server's DISCOVER.
func TestOtherServerIsReported(t *testing.T) {
	s, d := newNetwork(t, "udhcpc"), newFakeTable()
	d.fail = errDisk // the server under test stays silent
	rogue := s.host("rogue", "lan0", "02:00:00:00:00:66", "10.20.0.66/24")
	s.serveOn(rogue, newFakeTable(), func(c *Config) { c.Interfaces = []string{"lan0"} })
	check := func(o Offer, client string) {
		t.Helper()
		if o.Interface != "voice0" || o.Server.String() != "10.20.0.66" || o.MAC.String() != "02:00:00:00:00:66" || o.Client.String() != client || o.Type != dhcp.MessageTypeOffer {
			t.Errorf("seen: %+v", o)
		}
	}
	var offers []Offer
	s.ok(s.pbx.Do(func() (err error) {
		offers, err = Discover(t.Context(), "voice0")
		return err
	}))
	if len(offers) != 1 {
		t.Fatalf("%d offers: %+v", len(offers), offers)
	}
	check(offers[0], "02:00:00:00:00:02")

	j := s.serve(d, func(c *Config) { c.ScanEvery = time.Hour })
	check(receive(t, j.others), "02:00:00:00:00:02")
	s.udhcpc(s.host("phone", "eth0", "00:15:65:12:34:56"), "-B").next("bound")
	for {
		if o := receive(t, j.others); o.Client.String() == "00:15:65:12:34:56" {
			check(o, "00:15:65:12:34:56")
			break
		}
	}
}

// TestServerThatComesLaterIsFound: the scan is repeated (every ten minutes).
func TestServerThatComesLaterIsFound(t *testing.T) {
	if c := (Config{Now: time.Now, Log: logTo(t)}); c.check() != nil || c.ScanEvery != 10*time.Minute {
		t.Errorf("other servers are looked for every %s", c.ScanEvery)
	}
	s := newNetwork(t)
	j := s.serve(newFakeTable(), func(c *Config) { c.ScanEvery = 200 * time.Millisecond })
	rogue := s.host("rogue", "lan0", "02:00:00:00:00:66", "10.20.0.66/24")
	d := newFakeTable()
	s.serveOn(rogue, d, func(c *Config) { c.Interfaces = []string{"lan0"} })
	if o := receive(t, j.others); o.Server.String() != "10.20.0.66" || o.MAC.String() != "02:00:00:00:00:66" || o.Client.String() != "02:00:00:00:00:02" {
		t.Errorf("seen: %+v", o)
	}
	if len(d.requests()) == 0 || d.requests()[0].req.Type != dhcp.MessageTypeDiscover {
		t.Errorf("it received %+v", d.requests())
	}
}

// TestOtherServerIsNoRogueWhereItLeases: with mode inform the network has its own server, which receives no DISCOVER and is not reported.
func TestOtherServerIsNoRogueWhereItLeases(t *testing.T) {
	s, d := newNetwork(t, "udhcpc"), newFakeTable()
	s.serveOn(s.host("lan", "lan0", "02:00:00:00:00:66", "10.20.0.66/24"), d, func(c *Config) { c.Interfaces = []string{"lan0"} })
	e, table, _ := s.realEngine(dhcp.Config{Mode: dhcp.ModeInform})
	j := newRecorder()
	srv, err := New(Config{Interfaces: []string{"voice0"}, Now: time.Now, Log: logTo(t), Observer: j.observer(), InNetns: s.pbx.Do}, e, table)
	s.ok(err)
	s.run(s.pbx, srv)
	s.udhcpc(s.host("phone", "eth0", "00:15:65:12:34:56"), "-B").next("bound")
	j.next(t, dhcp.VerdictIgnored) // its DISCOVER; the answers to it were broadcast, too
	j.next(t, dhcp.VerdictIgnored) // its REQUEST
	if len(j.others) > 0 || len(d.requests()) < 2 {
		t.Errorf("%d answers reported, %d requests at the other server", len(j.others), len(d.requests()))
	}
	for _, r := range d.requests() {
		if r.req.MAC.String() != "00:15:65:12:34:56" {
			t.Errorf("the other server received a %s of %s", r.req.Type, r.req.MAC)
		}
	}
}

func TestDiscoverWithoutServers(t *testing.T) {
	s := newNetwork(t)
	ctx, stop := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer stop()
	err := s.pbx.Do(func() error {
		offers, err := Discover(ctx, "voice0")
		if len(offers) != 0 {
			t.Errorf("offers out of nowhere: %v", offers)
		}
		return err
	})
	s.ok(err)
	err = s.pbx.Do(func() error { _, err := Discover(t.Context(), "none0"); return err })
	if err == nil || !strings.HasPrefix(err.Error(), "discover on none0: ") {
		t.Errorf("unknown interface: %v", err)
	}
	err = s.pbx.Do(func() error { _, err := Discover(t.Context(), "lo"); return err })
	if err == nil || !strings.Contains(err.Error(), "no Ethernet address") {
		t.Errorf("loopback: %v", err)
	}
}

// TestTruncatedPacketIsDropped: no DHCP packet has 2,049 bytes.
func TestTruncatedPacketIsDropped(t *testing.T) {
	s := newNetwork(t)
	j := s.serve(newFakeTable(), nil)
	conn := s.udp(s.host("phone", "eth0", "", "10.20.0.9/24"), "10.20.0.9:68")
	_, err := conn.WriteTo(make([]byte, packetSize+1), &net.UDPAddr{IP: ip("10.20.0.2"), Port: 67})
	s.ok(err)
	if why := receive(t, j.dropped); why != DropTruncated {
		t.Errorf("dropped because of %s", why)
	}
}
