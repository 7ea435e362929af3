package server

import (
	"context"
	"net/netip"
	"sync"
	"testing"
	"time"

	"plugtone/dhcp"
	"plugtone/dhcp/engine"
	"plugtone/dhcp/leasetable"
	"plugtone/dhcp/netlab"
	"plugtone/dhcp/wire"
)

var _ Leases = (*leasetable.Table)(nil)

// disk is a Writer in memory.
type disk struct {
	mu     sync.Mutex
	leases map[netip.Addr]dhcp.Lease
}

func (d *disk) WriteLeases(changes []dhcp.Change) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range changes {
		if c.Delete {
			delete(d.leases, c.Lease.Addr)
		} else {
			d.leases[c.Lease.Addr] = c.Lease
		}
	}
	return nil
}

func (d *disk) holder(addr string) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.leases[netip.MustParseAddr(addr)].MAC.String()
}

// plain has no reservations and no policies.
type plain struct{}

func (plain) Reserved(dhcp.MAC) (netip.Addr, bool)         { return netip.Addr{}, false }
func (plain) HolderOf(netip.Addr) (dhcp.MAC, bool)         { return dhcp.MAC{}, false }
func (plain) PolicyFor(dhcp.Client, dhcp.Site) dhcp.Policy { return dhcp.Policy{} }

// realEngine returns an engine and a table over a disk in memory, which runs until the test ends.
func (s *network) realEngine(cfg dhcp.Config) (*engine.Engine, *leasetable.Table, *disk) {
	s.t.Helper()
	e, err := engine.New(cfg, plain{}, plain{})
	s.ok(err)
	d := &disk{leases: map[netip.Addr]dhcp.Lease{}}
	table := leasetable.NewTable(cfg, d, time.Now)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- table.Run(ctx) }()
	s.t.Cleanup(func() {
		stop()
		s.ok(<-ended)
	})
	return e, table, d
}

func subnet(prefix, ifname, first, last string) dhcp.Subnet {
	return dhcp.Subnet{Prefix: netip.MustParsePrefix(prefix), Interface: ifname,
		Pools: []dhcp.Range{{First: netip.MustParseAddr(first), Last: netip.MustParseAddr(last)}}}
}

// serveReal runs a server on pbx that decides with the real engine.
func (s *network) serveReal(cfg dhcp.Config, ifaces ...string) (*recorder, *disk) {
	s.t.Helper()
	e, table, d := s.realEngine(cfg)
	j := newRecorder()
	srv, err := New(Config{Interfaces: ifaces, Now: time.Now, Log: logTo(s.t), Observer: j.observer(), InNetns: s.pbx.Do, ScanEvery: -1}, e, table)
	s.ok(err)
	s.server = srv
	s.run(s.pbx, srv)
	return j, d
}

// TestEngineLeasesToForeignClients: both clients get an address, and their leases are on disk when they have it.
func TestEngineLeasesToForeignClients(t *testing.T) {
	s := newNetwork(t, "udhcpc", "dhclient=isc-dhcp-client")
	cfg := dhcp.Config{Authoritative: true, Subnets: []dhcp.Subnet{subnet("10.20.0.0/24", "voice0", "10.20.0.100", "10.20.0.109")}}
	j, d := s.serveReal(cfg, "voice0")
	phone := s.host("phone", "eth0", "00:15:65:00:00:01")
	for kind, c := range map[string]*client{"bound": s.udhcpc(phone), "BOUND": s.dhclient(s.host("laptop", "eth0", "00:15:65:00:00:02"))} {
		got := c.next(kind)
		addr := got[:len(got)-len(" 10.20.0.2")]
		mac := map[string]string{"bound": "00:15:65:00:00:01", "BOUND": "00:15:65:00:00:02"}[kind]
		if !cfg.Subnets[0].Pools[0].Contains(netip.MustParseAddr(addr)) || d.holder(addr) != mac {
			t.Errorf("bound to %q, on disk for %s", got, d.holder(addr))
		}
	}
	ev := j.next(t, dhcp.VerdictAcked)
	if ev.Interface != "voice0" || !ev.NewLease || ev.Subnet != cfg.Subnets[0].Prefix || wire.Summary(ev.Reply, ev.Dropped) == "" {
		t.Errorf("%+v", ev)
	}
	if len(j.dropped)+len(j.fallback) != 0 {
		t.Errorf("%d drops, %d fallbacks", len(j.dropped), len(j.fallback))
	}
}

// TestEngineFindsConflict (C41): every address of the pool but the last is in use; the last is leased.
func TestEngineFindsConflict(t *testing.T) {
	s := newNetwork(t, "udhcpc")
	s.host("squatter", "eth0", "02:00:00:00:00:99", "10.20.0.100/24", "10.20.0.101/24")
	cfg := dhcp.Config{Authoritative: true, ConflictCheck: true, Subnets: []dhcp.Subnet{subnet("10.20.0.0/24", "voice0", "10.20.0.100", "10.20.0.102")}}
	_, d := s.serveReal(cfg, "voice0")
	if got := s.udhcpc(s.host("phone", "eth0", "00:15:65:00:00:01")).next("bound"); got != "10.20.0.102 10.20.0.2" {
		t.Errorf("bound to %q, want the free one", got)
	}
	if got := d.holder("10.20.0.102"); got != "00:15:65:00:00:01" {
		t.Errorf("on disk for %s", got)
	}
}

// TestEngineBehindRelay: a subnet without an interface, reached through ISC's relay, its addresses probed by echo request.
func TestEngineBehindRelay(t *testing.T) {
	s := newNetwork(t, "udhcpc", "dhcrelay=isc-dhcp-relay")
	phone, _ := s.relayed()
	cfg := dhcp.Config{Authoritative: true, ConflictCheck: true, Subnets: []dhcp.Subnet{subnet("10.40.0.0/24", "", "10.40.0.100", "10.40.0.109")}}
	j, d := s.serveReal(cfg)
	got := s.udhcpc(phone).next("bound")
	addr := got[:len(got)-len(" 10.20.0.2")]
	if d.holder(addr) != "00:15:65:12:34:56" {
		t.Errorf("bound to %q, on disk for %s", got, d.holder(addr))
	}
	if ev := j.next(t, dhcp.VerdictAcked); ev.Client.CircuitID == "" {
		t.Errorf("the relay's circuit id is not in the event: %+v", ev)
	}
}

// relayed puts a phone behind a relay at 10.40.0.1, whose other interface is on the switch.
func (s *network) relayed() (phone, relay *netlab.Namespace) {
	s.t.Helper()
	relay = s.host("relay", "up0", "02:00:00:00:00:05", "10.20.0.5/24")
	phone, err := s.lab.Namespace("phone")
	s.ok(err)
	s.ok(s.lab.Link(netlab.Port{Namespace: phone, Name: "eth0", MAC: "00:15:65:12:34:56"},
		netlab.Port{Namespace: relay, Name: "down0", Addrs: []netip.Prefix{netip.MustParsePrefix("10.40.0.1/24")}}))
	s.ok(s.pbx.AddRoute(netip.MustParsePrefix("10.40.0.0/24"), netip.MustParseAddr("10.20.0.5")))
	agent := relay.Command(context.Background(), "dhcrelay", "-4", "-d", "-a", "-iu", "up0", "-id", "down0", "10.20.0.2")
	agent.Stdout, agent.Stderr = testWriter{s.t}, testWriter{s.t}
	s.ok(agent.Start())
	s.t.Cleanup(func() {
		// An error means that it has ended; the lab kills it at the latest.
		_ = agent.Process.Kill()
		_ = agent.Wait()
	})
	return phone, relay
}
