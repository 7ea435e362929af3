package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"plugtone/cmd/plugtone/bench/machine"
	"plugtone/cmd/plugtone/simulate/bootclient"
	"plugtone/dhcp"
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
		c.figures(relay, []string{"single"}, phones, round, netip.MustParseAddr("10.20.0.4"))
		c.figures(relay, []string{"a", "b"}, phones, round, netip.MustParseAddr("10.20.0.2"), netip.MustParseAddr("10.20.0.3"))
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
func (c *clusterLab) figures(relay *netlab.Namespace, members []string, phones, round int, servers ...netip.Addr) {
	var took []time.Duration
	cpu := func() (d time.Duration) {
		for _, name := range members {
			used, err := machine.CPUTime(c.hosts[name].cmd.Process.Pid)
			c.check(err)
			d += used
		}
		return d
	}
	used := cpu()
	began := time.Now()
	c.check(relay.Do(func() error {
		relay := netip.MustParseAddr("10.20.0.99")
		port, err := bootclient.OverUDP(netip.AddrPortFrom(relay, bootclient.ServerPort), servers...)
		if err != nil {
			return err
		}
		defer port.Close()
		for n := range phones {
			mac := dhcp.MAC{0, 0x15, 0x65, byte(round), byte(n >> 8), byte(n)}
			client := port.Client(bootclient.Message{MAC: mac, Relay: relay, Class: "yealink"}, 5, bootclient.Every(3*time.Second))
			offer, err := client.Offer(context.Background())
			if err != nil {
				return err
			}
			began := time.Now()
			if _, err := client.Select(context.Background(), offer.Addr, offer.Server); err != nil {
				return err
			}
			took = append(took, time.Since(began))
		}
		return nil
	}))
	used = cpu() - used
	slices.Sort(took)
	c.t.Logf("%v: %d boots in %s, REQUEST to ACK p50 %s p99 %s, processor %s a boot", members, phones, time.Since(began).Round(time.Millisecond), took[len(took)/2], took[len(took)*99/100], used/time.Duration(phones))
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
