package server

import (
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"

	"plugtone/dhcp"
	"plugtone/dhcp/netlab"
)

// claimFixture is a server that lost its leases. A phone is the host at 10.20.0.104; no host is at 10.20.0.105.
type claimFixture struct {
	*network
	*recorder
	*disk
	phone  *netlab.Namespace
	failed atomic.Bool // no socket can be opened any more
}

func newClaimFixture(t *testing.T, conflictCheck, distrusted bool) *claimFixture {
	f := &claimFixture{network: newNetwork(t), recorder: newRecorder()}
	cfg := dhcp.Config{Authoritative: true, ConflictCheck: conflictCheck, Subnets: []dhcp.Subnet{subnet("10.20.0.0/24", "voice0", "10.20.0.100", "10.20.0.109")}}
	e, table, d := f.realEngine(cfg)
	f.disk = d
	if distrusted {
		table.Distrust(time.Now().Add(time.Hour), "leases.db was missing")
	}
	srv, err := New(Config{Interfaces: []string{"voice0"}, Now: time.Now, Log: logTo(t), Observer: f.observer(), ScanEvery: -1, InNetns: func(do func() error) error {
		if f.failed.Load() {
			return errDisk
		}
		return f.pbx.Do(do)
	}}, e, table)
	f.ok(err)
	f.phone = f.host("phone", "eth0", "00:15:65:00:00:01", "10.20.0.104/24")
	f.run(f.pbx, srv)
	return f
}

// claim sends a REQUEST of a client that renews or remembers an address, and returns the last decision about it.
func (f *claimFixture) claim(t *testing.T, conn *net.UDPConn, client byte, mod dhcpv4.Modifier) dhcp.Event {
	t.Helper()
	f.send(conn, message(t, client, dhcpv4.MessageTypeRequest, mod))
	for {
		if ev := f.nextOf(t, dhcp.MessageTypeRequest); ev.Verdict != dhcp.VerdictProbing && ev.Verdict != dhcp.VerdictConflict {
			return ev
		}
	}
}

// After leases were lost, a phone that has its address is found there by ARP and keeps it; another client that names the address is
// refused; an address where no host answers goes to the client that remembers it.
func TestClaimsAreProbedWhileLeasesMayBeMissing(t *testing.T) {
	f := newClaimFixture(t, false, true)
	conn := f.udp(f.phone, "10.20.0.104:68")
	for _, c := range []struct {
		what    string
		client  byte
		mod     dhcpv4.Modifier
		verdict dhcp.Verdict
		holder  string // of .104 on disk
	}{
		{"another client remembers the phone's address", 2, dhcpv4.WithOption(dhcpv4.OptRequestedIPAddress(ip("10.20.0.104"))), dhcp.VerdictNak, "00:00:00:00:00:00"},
		{"the phone renews", 1, dhcpv4.WithClientIP(ip("10.20.0.104")), dhcp.VerdictAcked, "00:15:65:00:00:01"},
		{"a phone restarts", 3, dhcpv4.WithOption(dhcpv4.OptRequestedIPAddress(ip("10.20.0.105"))), dhcp.VerdictAcked, "00:15:65:00:00:01"},
	} {
		if ev := f.claim(t, conn, c.client, c.mod); ev.Verdict != c.verdict {
			t.Errorf("%s: %s (%s), want %s", c.what, ev.Verdict, ev.Reason, c.verdict)
		}
		if got := f.holder("10.20.0.104"); got != c.holder {
			t.Errorf("%s: 10.20.0.104 is leased to %s, want %s", c.what, got, c.holder)
		}
	}
	if got := f.holder("10.20.0.105"); got != "00:15:65:00:00:03" {
		t.Errorf("10.20.0.105 is leased to %s", got)
	}
}

// A probe that fails proves nothing: the address is neither granted while leases may be missing, nor offered while they are known. When
// probes work again, it is.
func TestFailedProbeIsNoFreeAddress(t *testing.T) {
	for _, distrusted := range []bool{true, false} {
		f := newClaimFixture(t, true, distrusted)
		conn := f.udp(f.phone, "10.20.0.104:68")
		remembers := dhcpv4.WithOption(dhcpv4.OptRequestedIPAddress(ip("10.20.0.105")))
		f.failed.Store(true)
		if ev := f.claim(t, conn, 3, remembers); distrusted && (ev.Verdict != dhcp.VerdictInternalError || ev.Reply != nil) {
			t.Errorf("remembered: %s (%s)", ev.Verdict, ev.Reason)
		}
		f.send(conn, message(t, 4, dhcpv4.MessageTypeDiscover))
		if ev := f.next(t, dhcp.VerdictInternalError); ev.Type != dhcp.MessageTypeDiscover || ev.Reply != nil {
			t.Errorf("distrusted %v: %s: %s (%s)", distrusted, ev.Type, ev.Verdict, ev.Reason)
		}
		f.failed.Store(false)
		if ev := f.claim(t, conn, 3, remembers); ev.Verdict != dhcp.VerdictAcked {
			t.Errorf("distrusted %v: remembered: %s (%s)", distrusted, ev.Verdict, ev.Reason)
		}
		f.send(conn, message(t, 5, dhcpv4.MessageTypeDiscover, dhcpv4.WithBroadcast(true)))
		f.next(t, dhcp.VerdictOffered)
	}
}

// TestProbesNeedNetRaw: without the capability no address can be probed. Clients get addresses all the same, and none gets another
// client's that may be unknown.
func TestProbesNeedNetRaw(t *testing.T) {
	s := newNetwork(t)
	cfg := dhcp.Config{Authoritative: true, ConflictCheck: true, Subnets: []dhcp.Subnet{subnet("10.20.0.0/24", "voice0", "10.20.0.100", "10.20.0.109")}}
	e, table, _ := s.realEngine(cfg)
	j := newRecorder()
	srv, err := New(Config{Interfaces: []string{"voice0"}, Now: time.Now, Log: logTo(t), Observer: j.observer(), ScanEvery: -1,
		InNetns: func(f func() error) error { return s.pbx.Do(func() error { return withoutNetRaw(f) }) }}, e, table)
	s.ok(err)
	s.run(s.pbx, srv)
	conn := s.udp(s.host("phone", "eth0", "00:15:65:00:00:01", "10.20.0.104/24"), "10.20.0.104:68")
	s.send(conn, message(t, 4, dhcpv4.MessageTypeDiscover))
	if ev := receive(t, j.decided); ev.Verdict != dhcp.VerdictOffered {
		t.Errorf("%s (%s)", ev.Verdict, ev.Reason)
	}
	table.Distrust(time.Now().Add(time.Hour), "leases.db was missing")
	s.send(conn, message(t, 5, dhcpv4.MessageTypeDiscover))
	if ev := receive(t, j.decided); ev.Verdict != dhcp.VerdictSilent {
		t.Errorf("leases may be missing: %s (%s)", ev.Verdict, ev.Reason)
	}
}
