package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"

	"plugtone/dhcp/netlab"
)

// BenchmarkClusterFigures prints the figures of docs/performance.md about shared leases.
func BenchmarkClusterFigures(t *testing.B) {
	const phones = 230
	c := newClusterLab(t, "pools: [10.20.1.0-10.20.3.250], routers: [10.20.0.1]", "a", "b")
	c.addMember("single", 2)
	alone := fmt.Sprintf("data_dir: %[1]s/single\ndhcp: {conflict_check: false, subnets: [{subnet: 10.20.0.0/16, interface: voice0, pools: [10.20.1.0-10.20.3.250], routers: [10.20.0.1]}]}\nadmin: {listen: [\"unix:%[1]s/single.sock\"]}\n", c.dir)
	c.check(os.WriteFile(c.dir+"/single.yaml", []byte(alone), 0o600))
	c.startMember("single")
	relay, err := c.lab.Namespace("relay")
	c.check(err)
	c.check(c.voice.Attach(netlab.Port{Namespace: relay, Name: "eth0", Addrs: []netip.Prefix{netip.MustParsePrefix("10.20.0.99/16")}}))
	before := c.etcdTraffic()
	for round := range 3 {
		c.figures(relay, []string{"single"}, phones, round, "10.20.0.4")
		c.figures(relay, []string{"a", "b"}, phones, round, "10.20.0.2", "10.20.0.3")
	}
	after := c.etcdTraffic()
	for k, v := range after {
		t.Logf("%s: %.2f a boot", k, (v-before[k])/float64(3*phones))
	}
	time.Sleep(20 * time.Second) // the members go on without phones: what they do is measured
	for k, v := range c.etcdTraffic() {
		t.Logf("%s: %.1f a second without phones", k, (v-after[k])/20)
	}
}

// figures boots phones one after the other through a relay, and prints median and processor time of all members.
func (c *clusterLab) figures(relay *netlab.Namespace, members []string, phones, round int, servers ...string) {
	var took []time.Duration
	cpu := func() (d time.Duration) {
		for _, name := range members {
			d += processorTime(c.hosts[name].cmd.Process.Pid)
		}
		return d
	}
	used := cpu()
	began := time.Now()
	c.check(relay.Do(func() error {
		conn, err := net.ListenUDP("udp4", &net.UDPAddr{Port: dhcpv4.ServerPort})
		if err != nil {
			return err
		}
		defer conn.Close()
		for n := range phones {
			mac := net.HardwareAddr{0, 0x15, 0x65, byte(round), byte(n >> 8), byte(n)}
			offer, _, err := relayed(conn, servers, dhcpv4.WithMessageType(dhcpv4.MessageTypeDiscover), dhcpv4.WithHwAddr(mac))
			if err != nil {
				return fmt.Errorf("phone %d: %w", n, err)
			}
			_, d, err := relayed(conn, servers, dhcpv4.WithMessageType(dhcpv4.MessageTypeRequest), dhcpv4.WithHwAddr(mac),
				dhcpv4.WithOption(dhcpv4.OptRequestedIPAddress(offer.YourIPAddr)), dhcpv4.WithOption(dhcpv4.OptServerIdentifier(offer.ServerIdentifier())))
			if err != nil {
				return fmt.Errorf("phone %d: %w", n, err)
			}
			took = append(took, d)
		}
		return nil
	}))
	used = cpu() - used
	slices.Sort(took)
	c.t.Logf("%v: %d boots in %s, REQUEST to ACK p50 %s p99 %s, processor %s a boot", members, phones, time.Since(began).Round(time.Millisecond), took[len(took)/2], took[len(took)*99/100], used/time.Duration(phones))
}

// relayed sends a message to all servers, as a relay does, and returns the first reply and how long it took.
func relayed(conn *net.UDPConn, servers []string, mods ...dhcpv4.Modifier) (*dhcpv4.DHCPv4, time.Duration, error) {
	m, err := dhcpv4.New(append(mods, dhcpv4.WithRelay(net.IPv4(10, 20, 0, 99)), dhcpv4.WithOption(dhcpv4.OptClassIdentifier("yealink")))...)
	if err != nil {
		return nil, 0, err
	}
	began := time.Now()
	buf := make([]byte, 2048)
	for range 5 {
		for _, s := range servers {
			if _, err := conn.WriteTo(m.ToBytes(), &net.UDPAddr{IP: net.ParseIP(s), Port: dhcpv4.ServerPort}); err != nil {
				return nil, 0, err
			}
		}
		if err := conn.SetReadDeadline(time.Now().Add(3 * time.Second)); err != nil {
			return nil, 0, err
		}
		for {
			n, _, err := conn.ReadFrom(buf)
			if err != nil {
				break
			}
			if r, err := dhcpv4.FromBytes(buf[:n]); err == nil && r.TransactionID == m.TransactionID {
				return r, time.Since(began), nil
			}
		}
	}
	return nil, 0, fmt.Errorf("no reply")
}

// processorTime returns what a process has used, in units of 10 ms.
func processorTime(pid int) time.Duration {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, rest, _ := strings.Cut(string(b), ") ")
	f := strings.Fields(rest)
	user, _ := strconv.Atoi(f[11])
	system, _ := strconv.Atoi(f[12])
	return time.Duration(user+system) * 10 * time.Millisecond
}

// etcdTraffic sums counters of all servers of etcd.
func (c *clusterLab) etcdTraffic() map[string]float64 {
	sum := map[string]float64{}
	for i, h := range c.etcd {
		client := http.Client{Transport: &http.Transport{DialContext: h.ns.DialContext, DisableKeepAlives: true}}
		r, err := client.Get(fmt.Sprintf("http://192.0.2.1%d:2379/metrics", i))
		c.check(err)
		b, err := io.ReadAll(r.Body)
		c.check(err)
		_ = r.Body.Close()
		for line := range strings.Lines(string(b)) {
			name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
			v, err := strconv.ParseFloat(value, 64)
			switch {
			case err != nil:
			case name == "etcd_network_client_grpc_received_bytes_total", name == "etcd_network_client_grpc_sent_bytes_total":
				sum[name] += v
			case strings.HasPrefix(name, "grpc_server_handled_total") && (strings.Contains(name, `"Txn"`) || strings.Contains(name, `"Range"`) || strings.Contains(name, `"LeaseKeepAlive"`)):
				sum["unary requests"] += v
			}
		}
	}
	return sum
}
