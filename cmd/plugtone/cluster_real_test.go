package main

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
)

// renew sends a REQUEST of a phone that extends its lease, to one server or to all, and returns the reply; nil when there is none in time.
func (c *clusterLab) renew(p *labPhone, ip, to string) (reply *dhcpv4.DHCPv4) {
	c.t.Helper()
	c.check(p.ns.Do(func() error {
		conn, err := net.ListenUDP("udp4", &net.UDPAddr{Port: dhcpv4.ClientPort})
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
		for c.check(conn.SetReadDeadline(time.Now().Add(3 * time.Second))); ; {
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

func (c *clusterLab) extended(p *labPhone, ip, to string) {
	c.t.Helper()
	r := c.renew(p, ip, to)
	for try := 1; r == nil && to == allServers && try < 3; try++ { // clients repeat it, too: the other member may count as alive for seconds
		r = c.renew(p, ip, to)
	}
	if r == nil || r.MessageType() != dhcpv4.MessageTypeAck || r.YourIPAddr.String() != ip {
		c.t.Errorf("%s renews %s at %s: %v", p.name, ip, to, r)
		for name := range c.members {
			c.t.Log(c.plugtone(name, "trace", p.mac))
		}
	}
}

const (
	allServers = "255.255.255.255"
	failover   = 5 * time.Second // for a phone that boots
)

// bootAll boots phones at once and returns their leases. Each must have one within most.
func (c *clusterLab) bootAll(most time.Duration, phones ...*labPhone) (out []phoneEvent) {
	c.t.Helper()
	began := time.Now()
	for _, p := range phones {
		c.boot(p, 5)
	}
	for _, p := range phones {
		e := c.bound(p)
		if took := e.at.Sub(began); took > most {
			c.t.Errorf("%s has its lease after %s, from %s", p.name, took, e.server)
		}
		out = append(out, e)
	}
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
	c := newClusterLab(t, "pools: [10.20.1.10-10.20.1.90], routers: [10.20.0.1]", "a", "b")
	first := c.newPhones(1, 6)
	servers, addrs := map[string]int{}, map[string]bool{}
	leases := map[string]phoneEvent{}
	for _, e := range c.bootAll(time.Minute, first...) {
		servers[e.server]++
		addrs[e.ip] = true
		leases[e.phone] = e
	}
	if len(servers) != 2 || len(addrs) != len(first) {
		t.Fatalf("leases from %v, of %v", servers, addrs)
	}
	out := c.plugtone("a", "status")
	if strings.Contains(out, "etcd has not been reachable") || strings.Contains(out, "another DHCP server") {
		t.Errorf("%s", out)
	}

	// a is killed: phones that boot are served by b within five seconds, and one that renews loses nothing.
	c.members["a"].kill()
	for _, e := range c.bootAll(failover, c.newPhones(11, 6)...) {
		if e.server != "10.20.0.3" {
			t.Errorf("%+v", e)
		}
	}
	for _, p := range first {
		c.extended(p, leases[p.name].ip, "10.20.0.3")
		c.extended(p, leases[p.name].ip, allServers)
	}

	// b is stopped, not dead: the same.
	c.startMember("a")
	c.eventually("a binds leases", func() bool { return c.renew(first[0], leases[first[0].name].ip, "10.20.0.2") != nil })
	c.members["b"].signal(syscall.SIGSTOP)
	for _, e := range c.bootAll(failover, c.newPhones(21, 4)...) {
		if e.server != "10.20.0.2" {
			t.Errorf("%+v", e)
		}
	}
	c.members["b"].signal(syscall.SIGCONT)

	c.withoutEtcd(first, leases)
}

// withoutEtcd takes etcd away and brings it back.
func (c *clusterLab) withoutEtcd(known []*labPhone, leases map[string]phoneEvent) {
	t := c.t
	for _, h := range c.etcd {
		h.kill()
	}
	c.eventually("a warns", func() bool { return strings.Contains(c.plugtone("a", "status"), "etcd has not been reachable since") })
	c.eventually("b warns", func() bool { return strings.Contains(c.plugtone("b", "status"), "etcd has not been reachable since") })
	stranger := c.phone(31)
	c.boot(stranger, 2)
	for _, p := range known {
		c.extended(p, leases[p.name].ip, leases[p.name].server)
		c.extended(p, leases[p.name].ip, allServers)
	}
	c.refused(stranger)

	// Both die, and start without etcd: phones keep their addresses, also when they boot.
	for _, name := range []string{"a", "b"} {
		c.members[name].kill()
	}
	for _, name := range []string{"a", "b"} {
		c.startMember(name)
	}
	for _, p := range known {
		c.extended(p, leases[p.name].ip, allServers)
	}
	for _, e := range c.bootAll(failover, known...) {
		if e.ip != leases[e.phone].ip {
			t.Errorf("%s had %s and got %s", e.phone, leases[e.phone].ip, e.ip)
		}
	}
	c.boot(stranger, 1)
	c.refused(stranger)

	for i := range c.etcd {
		c.startEtcd(i)
	}
	c.eventually("leases are bound again", func() bool { return !strings.Contains(c.plugtone("a", "status"), "etcd has not been reachable since") })
	c.boot(stranger, 5)
	got := c.bound(stranger)
	for _, e := range leases {
		if e.ip == got.ip {
			t.Errorf("%s was given to %s, and %s has it", got.ip, stranger.name, e.phone)
		}
	}
}

// TestRandomFailuresOfMembers kills, stops and cuts off the members of a real cluster at random while udhcpc boots and renews leases of a
// minute. No address is acknowledged to two phones at a time. PLUGTONE_CLUSTER_LAB_RUNS sets the number of runs, each of about 100 s; without
// it there is a single short one.
func TestRandomFailuresOfMembers(t *testing.T) {
	runs, steps := 1, 6
	if n, err := strconv.Atoi(os.Getenv("PLUGTONE_CLUSTER_LAB_RUNS")); err == nil {
		runs, steps = n, 16
	}
	for i := range runs {
		t.Run(fmt.Sprintf("seed%d", i), func(t *testing.T) {
			c := newClusterLab(t, "pools: [10.20.1.10-10.20.1.15], lease_time: 1m", "a", "b")
			c.randomRun(rand.New(rand.NewPCG(uint64(i), 1)), steps)
		})
	}
}

func (c *clusterLab) randomRun(r *rand.Rand, steps int) {
	phones := c.newPhones(1, 7)
	acks := make(chan int)
	stop := make(chan struct{})
	go func() { acks <- c.ledger(stop) }()
	names := []string{"a", "b"}
	for range steps {
		p := phones[r.IntN(len(phones))]
		c.boot(p, 3)
		h := c.members[names[r.IntN(2)]]
		switch r.IntN(6) {
		case 0:
			h.kill()
		case 1:
			if h.cmd != nil {
				h.signal(syscall.SIGSTOP)
			}
		case 2:
			c.check(h.ns.Down("mgmt0"))
		default:
			c.mend()
		}
		time.Sleep(time.Duration(2+r.IntN(6)) * time.Second) // clients and members are other programs
	}
	c.mend()
	for _, p := range phones { // there are fewer addresses than phones, which keep theirs
		if p.mu.Lock(); p.last.kind == "bound" || p.last.kind == "renew" {
			p.mu.Unlock()
			c.boot(p, 5)
			c.bound(p)
			break
		}
		p.mu.Unlock()
	}
	close(stop)
	if n := <-acks; n < steps/2 {
		c.t.Errorf("only %d ACKs", n)
	} else {
		c.t.Logf("%d ACKs", n)
	}
}

// mend makes all members work.
func (c *clusterLab) mend() {
	for name, h := range c.members {
		c.check(h.ns.Up("mgmt0"))
		if h.cmd == nil {
			c.startMember(name)
		}
		h.signal(syscall.SIGCONT)
	}
}

// ledger checks each lease that a phone gets against those of the others, until stop is closed, and returns how many there were.
func (c *clusterLab) ledger(stop <-chan struct{}) (n int) {
	held := map[string]phoneEvent{}
	for {
		select {
		case <-stop:
			return n
		case e := <-c.events:
			delete(held, e.phone)
			if e.kind != "bound" && e.kind != "renew" {
				continue // it has left its address
			}
			if _, err := netip.ParseAddr(e.ip); err != nil {
				c.t.Errorf("%+v", e)
				continue
			}
			n++
			for _, o := range held {
				if o.ip == e.ip && e.at.Before(o.at.Add(o.lease)) {
					c.t.Errorf("%s is leased to %s, and %s has it for %s", e.ip, e.phone, o.phone, o.at.Add(o.lease).Sub(e.at))
				}
			}
			held[e.phone] = e
		}
	}
}
