package main

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"golang.org/x/sys/unix"
)

// phoneSocket binds to the phone's interface, for there may be no route. The port may be taken for a moment by a closed socket: a program
// that another test starts has it until its exec.
var phoneSocket = net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
	var set error
	err := raw.Control(func(fd uintptr) {
		set = errors.Join(unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEADDR, 1), unix.BindToDevice(int(fd), "eth0"))
	})
	return errors.Join(err, set)
}}

// renew sends a REQUEST that extends the lease of the phone, to one server or to all, and returns the reply; nil when there is none in time.
func (p *labPhone) renew(ip, to string) (reply *dhcpv4.DHCPv4) {
	p.lab.t.Helper()
	p.lab.check(p.ns.Do(func() error {
		conn, err := phoneSocket.ListenPacket(p.lab.t.Context(), "udp4", fmt.Sprint(":", dhcpv4.ClientPort))
		if err != nil {
			return err
		}
		defer conn.Close()
		ifi, err := net.InterfaceByName("eth0")
		if err != nil {
			return err
		}
		m, err := dhcpv4.New(dhcpv4.WithMessageType(dhcpv4.MessageTypeRequest), dhcpv4.WithHwAddr(ifi.HardwareAddr), dhcpv4.WithClientIP(net.ParseIP(ip)),
			dhcpv4.WithOption(dhcpv4.OptClassIdentifier("yealink")))
		if err != nil {
			return err
		}
		if _, err := conn.WriteTo(m.ToBytes(), &net.UDPAddr{IP: net.ParseIP(to), Port: dhcpv4.ServerPort}); err != nil {
			return err
		}
		buf := make([]byte, 2048)
		for p.lab.check(conn.SetReadDeadline(time.Now().Add(3 * time.Second))); ; {
			n, _, err := conn.ReadFrom(buf)
			if err != nil {
				return nil // no answer
			}
			if r, err := dhcpv4.FromBytes(buf[:n]); err == nil && r.TransactionID == m.TransactionID {
				reply = r
				return nil
			}
		}
	}))
	return reply
}

func (p *labPhone) extended(ip, to string) {
	p.lab.t.Helper()
	r := p.renew(ip, to)
	for try := 1; r == nil && try < 10; try++ { // clients repeat it, too: the other member may count as alive for seconds, and etcd be slow
		r = p.renew(ip, to)
	}
	if r == nil || r.MessageType() != dhcpv4.MessageTypeAck || r.YourIPAddr.String() != ip {
		p.lab.t.Errorf("%s renews %s at %s: %v", p.name, ip, to, r)
		for name := range p.lab.hosts {
			p.lab.t.Log(p.lab.plugtone(name, "trace", p.mac))
		}
		return
	}
	if want := "http://" + cmp.Or(p.lab.named, r.ServerIdentifier().String()) + "/"; r.TFTPServerName() != want {
		p.lab.t.Errorf("%s gets option 66 %q from %s, want %q", p.name, r.TFTPServerName(), r.ServerIdentifier(), want)
	}
}

const (
	allServers = "255.255.255.255"
	failover   = 2 // DISCOVERs of a phone that boots: the second one is sent after three seconds, and is answered at once
)

// bootAll boots phones at once and returns their leases. Each must have an offer before it gives up, after so many DISCOVERs.
func (c *clusterLab) bootAll(discovers int, phones ...*labPhone) (out []phoneEvent) {
	c.t.Helper()
	began := time.Now()
	for _, p := range phones {
		p.boot(discovers)
	}
	var slowest time.Duration
	for _, p := range phones {
		e := p.event("bound", "renew", "leasefail")
		slowest = max(slowest, e.at.Sub(began))
		if e.kind == "leasefail" {
			c.t.Fatalf("%s has no lease after %d DISCOVERs", p.name, discovers)
		}
		out = append(out, e)
	}
	c.t.Logf("%d phones booted, the slowest in %s", len(phones), slowest.Round(time.Millisecond))
	return out
}

func (c *clusterLab) newPhones(from, n int) (out []*labPhone) {
	for i := range n {
		out = append(out, c.phone(from+i))
	}
	return out
}

// TestTwoMembersServeOneSubnet: two daemons with three servers of etcd; real clients get leases from both, and from either when the other is
// killed or stopped; without etcd the leases go on, also over a restart of both, and new clients are not answered (C53 to C58).
func TestTwoMembersServeOneSubnet(t *testing.T) {
	t.Parallel()
	c := newLab(t, labConfig{options: "pools: [10.20.1.10-10.20.1.90], routers: [10.20.0.1], provisioning_url: \"http://phones.example.com/\"", members: []string{"a", "b"}, named: "phones.example.com"})
	first := c.newPhones(1, 6)
	servers, addrs := map[string]int{}, map[string]bool{}
	leases := map[string]phoneEvent{}
	for _, e := range c.bootAll(20, first...) {
		servers[e.server]++
		addrs[e.ip] = true
		leases[e.phone] = e
	}
	if len(servers) != 2 || len(addrs) != len(first) {
		t.Fatalf("leases from %v, of %v", servers, addrs)
	}
	if out := c.plugtone("a", "status"); strings.Contains(out, "another DHCP server") {
		t.Errorf("%s", out)
	}
	c.eventually("a reaches etcd", func() bool {
		m := c.metrics("a")
		return m["plugtone_cluster_leases_usable"] == "1" && m[`plugtone_cluster_leases_total{outcome="bound"}`] > "0" && !strings.Contains(c.plugtone("a", "status"), "etcd has not been reachable")
	})
	c.eventually("each answers half", func() bool { return strings.Count(c.plugtone("b", "cluster", "status"), "50 % of the clients\n") == 2 })

	// a is killed: phones that boot are served by b at their second DISCOVER, and one that renews loses nothing.
	c.hosts["a"].kill()
	for _, e := range c.bootAll(failover, c.newPhones(11, 6)...) {
		if e.server != "10.20.0.3" {
			t.Errorf("%+v", e)
		}
	}
	c.eventually("b takes over for a", func() bool { // b answers clients that have waited before a's sign of life has ended
		out := c.plugtone("b", "cluster", "status")
		return strings.Contains(out, "100 % of the clients, takes over for a since 20") && strings.Contains(out, "none: away since 20")
	})
	for _, p := range first {
		p.extended(leases[p.name].ip, "10.20.0.3")
		p.extended(leases[p.name].ip, allServers)
	}

	// b is stopped, not dead: the same.
	c.startMember("a")
	c.eventually("a binds leases", func() bool { return first[0].renew(leases[first[0].name].ip, "10.20.0.2") != nil })
	c.hosts["b"].signal(syscall.SIGSTOP)
	for _, e := range c.bootAll(failover, c.newPhones(21, 4)...) {
		if e.server != "10.20.0.2" {
			t.Errorf("%+v", e)
		}
	}
	c.hosts["b"].signal(syscall.SIGCONT)

	c.withoutEtcd(first, leases)
}

// metrics returns what a member counts of shared leases.
func (c *clusterLab) metrics(member string) map[string]string {
	m := scrape(filepath.Join(c.dir, member+".sock"))
	maps.DeleteFunc(m, func(series, _ string) bool { return !strings.HasPrefix(series, "plugtone_cluster_leases_") })
	return m
}

// withoutEtcd takes etcd away and brings it back.
func (c *clusterLab) withoutEtcd(known []*labPhone, leases map[string]phoneEvent) {
	t := c.t
	for _, h := range c.etcd.hosts {
		h.kill()
	}
	early := c.phone(30)
	early.boot(2) // before the members notice
	c.eventually("a warns", func() bool { return strings.Contains(c.plugtone("a", "status"), "etcd has not been reachable since") })
	c.eventually("b warns", func() bool { return strings.Contains(c.plugtone("b", "status"), "etcd has not been reachable since") })
	stranger := c.phone(31)
	stranger.boot(2)
	for _, p := range known {
		p.extended(leases[p.name].ip, leases[p.name].server)
		p.extended(leases[p.name].ip, allServers)
	}
	early.refused()
	stranger.refused()
	const failed = `plugtone_cluster_leases_total{outcome="failed"}`
	c.eventually("metrics without etcd", func() bool {
		a, b := c.metrics("a"), c.metrics("b")
		return a["plugtone_cluster_leases_usable"] == "0" && (a[failed] > "0" || b[failed] > "0")
	})

	// Both die, and start without etcd: phones keep their addresses, also when they boot.
	for _, name := range []string{"a", "b"} {
		c.hosts[name].kill()
	}
	for _, name := range []string{"a", "b"} {
		c.startMember(name)
	}
	for _, p := range known {
		p.extended(leases[p.name].ip, allServers)
	}
	for _, e := range c.bootAll(failover, known...) {
		if e.ip != leases[e.phone].ip {
			t.Errorf("%s had %s and got %s", e.phone, leases[e.phone].ip, e.ip)
		}
	}
	stranger.boot(1)
	stranger.refused()

	for _, h := range c.etcd.hosts {
		h.run()
	}
	c.eventually("leases are bound again", func() bool { return !strings.Contains(c.plugtone("a", "status"), "etcd has not been reachable since") })
	stranger.boot(5)
	got := stranger.bound()
	for _, e := range leases {
		if e.ip == got.ip {
			t.Errorf("%s was given to %s, and %s has it", got.ip, stranger.name, e.phone)
		}
	}
}
