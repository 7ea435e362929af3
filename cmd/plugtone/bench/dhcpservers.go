package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"plugtone/cmd/plugtone/simulate/bootclient"
	"plugtone/dhcp"
	"plugtone/dhcp/netlab"
	"plugtone/store"
)

// The relay's address, and what is handed out. Leases that are there before lie behind what is handed out new, so that no server has to walk
// over them first.
var (
	clientAddr = netip.MustParseAddr("10.0.0.3")
	firstNew   = netip.MustParseAddr("10.1.0.1")
	firstHeld  = netip.MustParseAddr("10.10.0.1")
	lastOfPool = netip.MustParseAddr("10.30.255.254")
)

// makers write a server's configuration and leases into dir and return the command that starts it.
var makers = map[string]func(o dhcpOptions, dir string, held int) (args, env []string, err error){
	"plugtone": makePlugtone, "kea": makeKea, "dnsmasq": makeDnsmasq,
}

// makePlugtone is the daemon as it is installed: every lease on disk before its ACK, timelines, metrics, log and all.
func makePlugtone(o dhcpOptions, dir string, held int) ([]string, []string, error) {
	if held > 0 { // else an older program can be measured as well, which does not open the files of this one
		var changes []dhcp.Change
		each(held, func(addr netip.Addr, mac dhcp.MAC) { changes = append(changes, leaseOf(addr, mac)) })
		if err := withStore(dir, func(s *store.Store) error { return s.WriteLeases(changes) }); err != nil {
			return nil, nil, err
		}
	}
	args, err := plugtone(o.program, dir, fmt.Sprintf("pools: [%s-%s], routers: [10.0.0.1], dns_servers: [10.0.0.1], lease_time: 1h", firstNew, lastOfPool), "log: {level: warn} # the others are as quiet\n")
	return args, unitEnvironment, err
}

// plugtone writes a configuration, with the options of the subnet and more lines, and returns the command that starts the daemon.
func plugtone(program, dir, options, more string) ([]string, error) {
	config := filepath.Join(dir, "plugtone.yaml")
	text := fmt.Sprintf(`data_dir: %[1]s/data
dhcp:
  conflict_check: false
  subnets:
    - {subnet: %[2]s, interface: eth0, %[3]s}
provisioning: {settings: {admin_password: b3nchmark}}
admin: {listen: ["unix:%[1]s/admin.sock"]}
%[4]s`, dir, network, options, more)
	return []string{program, "serve", "--config", config}, os.WriteFile(config, []byte(text), 0o644)
}

// unitEnvironment is what the systemd unit sets.
var unitEnvironment = []string{"GOGC=200", "GOMEMLIMIT=144MiB"}

// withStore writes what the daemon would have in its data directory.
func withStore(dir string, f func(*store.Store) error) error {
	s, err := store.Open(store.Config{Dir: filepath.Join(dir, "data"), Now: time.Now, Log: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry()})
	if err != nil {
		return err
	}
	return errors.Join(f(s), s.Close())
}

// leaseOf is a lease that began before.
func leaseOf(addr netip.Addr, mac dhcp.MAC) dhcp.Change {
	now := time.Now().UTC().Truncate(time.Second)
	return dhcp.Change{Lease: dhcp.Lease{Addr: addr, MAC: mac, Subnet: network, State: dhcp.LeaseActive, FirstSeen: now.AddDate(0, -1, 0), Starts: now.Add(-time.Hour), Expires: now.Add(24 * time.Hour)}}
}

// each calls f for as many clients that have a lease before the load begins.
func each(n int, f func(netip.Addr, dhcp.MAC)) {
	a := firstHeld
	for range n {
		f(a, heldMAC(a))
		a = nextHeld(a)
	}
}

// heldMAC is the hardware address of the client that holds a.
func heldMAC(a netip.Addr) (mac dhcp.MAC) {
	b := a.As4()
	copy(mac[:], []byte{2, 0})
	copy(mac[2:], b[:])
	return mac
}

// nextHeld is the address after a that a pool of plugtone has: none that ends in 0 or 255.
func nextHeld(a netip.Addr) netip.Addr {
	for a = a.Next(); a.As4()[3] == 0 || a.As4()[3] == 255; {
		a = a.Next()
	}
	return a
}

// makeKea is Kea with two threads and its own lease file, which it does not fsync. Clients on the link need its raw sockets.
func makeKea(o dhcpOptions, dir string, held int) ([]string, []string, error) {
	leases := filepath.Join(dir, "leases.csv")
	if err := keaLeases(leases, held); err != nil {
		return nil, nil, err
	}
	config := filepath.Join(dir, "kea.json")
	text := fmt.Sprintf(`{"Dhcp4": {
 "interfaces-config": {"interfaces": ["eth0"], "dhcp-socket-type": %q},
 "multi-threading": {"enable-multi-threading": true, "thread-pool-size": 2, "packet-queue-size": 64},
 "lease-database": {"type": "memfile", "persist": true, "name": %q, "lfc-interval": 0},
 "valid-lifetime": 3600,
 "subnet4": [{"id": 1, "subnet": "%s", "pools": [{"pool": "%s - %s"}],
   "option-data": [{"name": "routers", "data": "10.0.0.1"}, {"name": "domain-name-servers", "data": "10.0.0.1"}]}],
 "loggers": [{"name": "kea-dhcp4", "severity": "ERROR", "output_options": [{"output": "stderr"}]}]
}}`, map[bool]string{true: "udp", false: "raw"}[o.kind == "relay"], leases, network, firstNew, lastOfPool)
	env := []string{"KEA_PIDFILE_DIR=" + dir, "KEA_LOCKFILE_DIR=" + dir}
	return []string{"kea-dhcp4", "-c", config}, env, os.WriteFile(config, []byte(text), 0o644)
}

func keaLeases(path string, held int) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(f)
	fmt.Fprintln(w, "address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,user_context")
	expire := time.Now().Add(24 * time.Hour).Unix()
	each(held, func(addr netip.Addr, mac dhcp.MAC) { fmt.Fprintf(w, "%s,%s,,86400,%d,1,0,0,,0,\n", addr, mac, expire) })
	return errors.Join(w.Flush(), f.Close())
}

// makeDnsmasq is dnsmasq without DNS and without its probe of each new address.
func makeDnsmasq(_ dhcpOptions, dir string, held int) ([]string, []string, error) {
	return []string{"dnsmasq", "--keep-in-foreground", "--user=root", "--group=root", "--port=0", "--conf-file=/dev/null", "--pid-file=" + filepath.Join(dir, "pid"),
		"--interface=eth0", "--no-ping", "--quiet-dhcp", "--dhcp-authoritative", "--dhcp-lease-max=1000000",
		"--log-facility=" + filepath.Join(dir, "messages"), "--dhcp-leasefile=" + filepath.Join(dir, "leases"),
		fmt.Sprintf("--dhcp-range=%s,%s,255.0.0.0,1h", firstNew, lastOfPool), "--dhcp-option=3,10.0.0.1", "--dhcp-option=6,10.0.0.1"}, nil, nil
}

// awaitOffer sends DISCOVERs as a relay would until there is an answer.
func awaitOffer(ctx context.Context, from *netlab.Namespace) error {
	var relay *bootclient.Port
	err := from.Do(func() (err error) {
		relay, err = bootclient.OverUDP(netip.AddrPortFrom(clientAddr, bootclient.ServerPort), serverAddr)
		return err
	})
	if err != nil {
		return err
	}
	defer relay.Close()
	client := relay.Client(bootclient.Message{MAC: dhcp.MAC{2, 0xff, 0xff, 0xff, 0xff, 0xff}, Relay: clientAddr}, 3000, bootclient.Every(20*time.Millisecond))
	_, err = client.Offer(ctx)
	return err
}
