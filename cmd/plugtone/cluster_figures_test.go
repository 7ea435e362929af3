package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/procfs"

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
	relay := c.relay()
	for round := range 3 {
		c.figures(relay, []string{"single"}, phones, round, netip.MustParseAddr("10.20.0.4"))
		c.figures(relay, []string{"a", "b"}, phones, round, netip.MustParseAddr("10.20.0.2"), netip.MustParseAddr("10.20.0.3"))
	}
}

// relay plugs a relay in.
func (c *clusterLab) relay() *netlab.Namespace {
	relay, err := c.lab.Namespace("relay")
	c.check(err)
	c.check(c.voice.Attach(netlab.Port{Namespace: relay, Name: "eth0", Addrs: []netip.Prefix{netip.MustParsePrefix(relayAddr + "/16")}}))
	return relay
}

// BenchmarkClusterLoad prints the load on etcd that docs/cluster.md states: without phones, for each boot, and for each change of a record.
func BenchmarkClusterLoad(b *testing.B) {
	for _, members := range [][]string{{"a", "b"}, {"a", "b", "c", "d", "e"}} {
		b.Run(fmt.Sprintf("members=%d", len(members)), func(b *testing.B) {
			c := newClusterLab(b, "pools: [10.20.1.0-10.20.9.250], routers: [10.20.0.1]", members...)
			relay := c.relay()
			var servers []netip.Addr
			for i := range members {
				servers = append(servers, netip.AddrFrom4([4]byte{10, 20, 0, byte(2 + i)}))
			}
			const seconds, phones, changes = 30, 300, 300
			time.Sleep(5 * time.Second) // the members have started
			at := c.etcd.traffic()
			measure := func(what string, times float64, do func()) {
				began := time.Now()
				do()
				took := time.Since(began).Seconds()
				now := c.etcd.traffic()
				c.t.Logf("%s, %.1f s: %s", what, took, perUnit(now, at, times))
				at = now
			}
			measure("a second without phones", seconds, func() { time.Sleep(seconds * time.Second) }) // what goes on meanwhile is measured
			measure("a boot, with what goes on without phones", phones, func() { c.figures(relay, members, phones, len(members), servers...) })
			api := c.api("a")
			measure("a new device, the same", changes, func() {
				for n := range changes {
					api.put(n, "new")
				}
			})
			measure("a changed device, the same", changes, func() {
				for n := range changes {
					api.put(n, "changed")
				}
			})
			c.giveRecords(10_000)
			measure("10,000 devices in one change", 1, func() {})
		})
	}
}

// perUnit prints the differences of counters.
func perUnit(now, was map[string]float64, times float64) string {
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(now)) {
		if d := (now[k] - was[k]) / times; d != 0 {
			parts = append(parts, fmt.Sprintf("%s %.2f", k, d))
		}
	}
	return strings.Join(parts, ", ")
}

// figures boots phones one after the other through a relay, and prints median and processor time of all members.
func (c *clusterLab) figures(relay *netlab.Namespace, members []string, phones, round int, servers ...netip.Addr) {
	var took []time.Duration
	cpu := func() (d time.Duration) {
		for _, name := range members {
			p, err := procfs.NewProc(c.hosts[name].cmd.Process.Pid)
			c.check(err)
			st, err := p.Stat()
			c.check(err)
			d += time.Duration(st.CPUTime() * float64(time.Second))
		}
		return d
	}
	used := cpu()
	began := time.Now()
	c.check(relay.Do(func() error {
		relay := netip.MustParseAddr(relayAddr)
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
			if _, err := client.Request(context.Background(), bootclient.Message{XID: offer.XID, Requested: offer.Addr, Server: offer.Server}); err != nil {
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

// traffic sums counters of all servers of etcd.
func (e *etcdServers) traffic() map[string]float64 {
	sum := map[string]float64{}
	for i, h := range e.hosts {
		client := http.Client{Transport: &http.Transport{DialContext: h.ns.DialContext, DisableKeepAlives: true}}
		r, err := client.Get(fmt.Sprintf("http://192.0.2.1%d:2379/metrics", i))
		e.lab.check(err)
		b, err := io.ReadAll(r.Body)
		e.lab.check(err)
		_ = r.Body.Close()
		for line := range strings.Lines(string(b)) {
			name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
			v, err := strconv.ParseFloat(value, 64)
			if err != nil {
				continue
			}
			labels := grpcMethod.FindStringSubmatch(name)
			switch bare, _, _ := strings.Cut(name, "{"); {
			case labels != nil:
				sum["requests"] += v
				sum[labels[1]+labels[2]] += v
			case bare == "etcd_network_client_grpc_received_bytes_total":
				sum["bytes to etcd"] += v
			case bare == "etcd_network_client_grpc_sent_bytes_total":
				sum["bytes from etcd"] += v
			case bare == "etcd_network_peer_sent_bytes_total":
				sum["bytes between servers"] += v
			case bare == "etcd_server_proposals_committed_total" && i == 0:
				sum["writes"] += v
			case bare == "etcd_mvcc_db_total_size_in_bytes" && i == 0:
				sum["database"] += v
			}
		}
	}
	return sum
}

// grpcMethod matches the counters of requests by method. Those of keepalives and watches are messages of a stream.
var grpcMethod = regexp.MustCompile(`^grpc_server_(?:handled_total.*grpc_method="(Txn|Range|Put|DeleteRange|LeaseGrant|LeaseRevoke|MemberList|Status)"|msg_received_total.*grpc_method="(LeaseKeepAlive|Watch)")`)
