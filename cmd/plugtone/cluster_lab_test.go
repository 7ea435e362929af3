package main

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"plugtone/dhcp/netlab"
	"plugtone/store/seal"
)

// clusterLab is a network with members of a cluster, the servers of their etcd, and phones. Members reach etcd by a network of its own, mgmt,
// which can be cut.
type clusterLab struct {
	t           testing.TB
	dir         string
	program     string
	lab         *netlab.Lab
	voice, mgmt *netlab.Bridge
	hosts       map[string]*labHost // of members
	etcd        *etcdServers
	phones      map[string]*labPhone
	happened    func(phoneEvent) // of all phones; nil: no one looks
	labConfig
}

// labConfig is what a lab has.
type labConfig struct {
	options    string            // of the members' subnet
	members    []string          // that are started
	lossy      netlab.Impairment // of the members' connections to etcd
	faults     bool              // clocks of members can be set, and disks filled
	named      string            // in option 66 by all members; "": each names itself
	oldProgram string            // of another release, with which members begin; "": that of the tests
	tries      int               // of a client of the load for each message, one every two seconds; 0: three
}

// labHost is a host with one program.
type labHost struct {
	lab   *clusterLab
	name  string
	ns    *netlab.Namespace
	start func() *exec.Cmd
	cmd   *exec.Cmd
	log   string
	disk  string // a small one; "": there is none

	program string // of another release; "": that of the tests
	version string // of a plugtone-stepped; "": that of the tests
}

func newClusterLab(t testing.TB, options string, members ...string) *clusterLab {
	t.Helper()
	return newLab(t, labConfig{options: options, members: members})
}

func newLab(t testing.TB, cfg labConfig) *clusterLab {
	t.Helper()
	c := bareLab(t, cfg)
	c.check(seal.New().Write(filepath.Join(c.dir, "cluster.key")))
	for i := range 3 {
		c.etcd.add(i)
	}
	for _, h := range c.etcd.hosts {
		h.run()
	}
	for i, name := range c.members {
		c.addMember(name, i)
	}
	c.eventually("etcd answers", func() bool {
		out := c.hosts[c.members[0]].offline("cluster", "import")
		return strings.Contains(out, "are the cluster's now") || strings.Contains(out, "has the records")
	})
	for _, name := range c.members {
		c.startMember(name)
	}
	for _, name := range c.members {
		c.logged(name, "leases of shared subnets are bound in etcd")
	}
	return c
}

// bareLab is the networks without hosts.
func bareLab(t testing.TB, cfg labConfig) *clusterLab {
	t.Helper()
	c := &clusterLab{t: t, dir: t.TempDir(), lab: netlab.Require(t, "udhcpc", "dhclient=isc-dhcp-client", "etcd=etcd-server", "etcdctl=etcd-client"), hosts: map[string]*labHost{},
		phones: map[string]*labPhone{}, labConfig: cfg}
	c.etcd = &etcdServers{lab: c}
	t.Cleanup(func() {
		c.end()
		_ = c.lab.Close()
	})
	self, err := os.Executable()
	c.check(err)
	c.program = filepath.Join(c.dir, "plugtone")
	c.check(os.Symlink(self, c.program))
	c.check(os.Symlink(self, c.program+"-stepped"))
	c.check(os.WriteFile(filepath.Join(c.dir, "udhcpc.sh"), []byte(dhcpScript), 0o755))
	c.check(os.WriteFile(filepath.Join(c.dir, "dhclient.sh"), []byte(dhclientScript), 0o755))
	c.check(os.WriteFile(filepath.Join(c.dir, "dhclient.conf"), []byte(dhclientConfig), 0o600))
	c.voice, err = c.lab.Bridge("voice")
	c.check(err)
	c.mgmt, err = c.lab.Bridge("mgmt")
	c.check(err)
	return c
}

func (c *clusterLab) check(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

// host plugs a host into mgmt, and into the network of phones that has the address.
func (c *clusterLab) host(name, mgmt string, phones *netlab.Bridge, voice string) *labHost {
	ns, err := c.lab.Namespace(name)
	c.check(err)
	port := netlab.Port{Namespace: ns, Name: "mgmt0", Addrs: []netip.Prefix{netip.MustParsePrefix(mgmt)}}
	if phones == nil || c.lossy == (netlab.Impairment{}) {
		c.check(c.mgmt.Attach(port))
	} else {
		c.check(c.mgmt.AttachLossy(port, c.lossy))
	}
	if phones != nil {
		c.check(phones.Attach(netlab.Port{Namespace: ns, Name: "voice0", Addrs: []netip.Prefix{netip.MustParsePrefix(voice)}}))
	}
	return &labHost{lab: c, name: name, ns: ns, log: filepath.Join(c.dir, name+".log")}
}

// addMember adds the member with this number, whose subnet is that of all members.
func (c *clusterLab) addMember(name string, i int) {
	c.hosts[name] = c.host(name, fmt.Sprintf("192.0.2.%d/24", 2+i), c.voice, fmt.Sprintf("10.20.0.%d/16", 2+i))
	c.configure(name, "subnet: 10.20.0.0/16, shared: true, "+c.options)
}

// configure gives a member a configuration with this subnet.
func (c *clusterLab) configure(name, subnet string) {
	h := c.hosts[name]
	config := filepath.Join(c.dir, name+".yaml")
	c.check(os.WriteFile(config, []byte(fmt.Sprintf(`data_dir: %[1]s/%[2]s
dhcp:
  conflict_check: false
  subnets: [{interface: voice0, %[3]s}]
cluster: {name: %[2]s, key_file: %[1]s/cluster.key, etcd: {endpoints: ["http://192.0.2.10:2379", "http://192.0.2.11:2379", "http://192.0.2.12:2379"]}}
provisioning: {settings: {admin_password: op3rator}}
admin: {listen: ["unix:%[1]s/%[2]s.sock"]}
`, c.dir, name, subnet)), 0o600))
	h.program = c.oldProgram
	program := c.program
	if c.faults {
		program += "-stepped"
		h.disk = filepath.Join(c.dir, name)
		h.mount()
	}
	h.start = func() *exec.Cmd {
		cmd := h.ns.Command(context.Background(), cmp.Or(h.program, program), "serve", "--config", config)
		cmd.Env = []string{clockVariable + "=" + h.clock(), versionVariable + "=" + h.version}
		return cmd
	}
}

// startMember starts a member and waits until it serves.
func (c *clusterLab) startMember(name string) {
	c.t.Helper()
	h := c.hosts[name]
	path := filepath.Join(c.dir, name+".notify")
	_ = os.Remove(path)
	sock, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	c.check(err)
	defer sock.Close()
	start := h.start
	h.start = func() *exec.Cmd { cmd := start(); cmd.Env = append(cmd.Env, "NOTIFY_SOCKET="+path); return cmd }
	h.run()
	h.start = start
	if err := awaitReady(sock); err != nil {
		text, _ := os.ReadFile(h.log)
		c.t.Fatalf("%s: %v\n%s", name, err, text)
	}
}

// run starts the program of a host; its log is appended to.
func (h *labHost) run() {
	log, err := os.OpenFile(h.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	h.lab.check(err)
	defer log.Close()
	h.cmd = h.start()
	h.cmd.Env = append(os.Environ(), h.cmd.Env...)
	h.cmd.Stdout, h.cmd.Stderr = log, log
	h.lab.check(h.cmd.Start())
}

// kill ends the program of a host at once.
func (h *labHost) kill() {
	if h.cmd != nil {
		_ = h.cmd.Process.Signal(syscall.SIGKILL)
		_ = h.cmd.Wait()
		h.cmd = nil
	}
}

// signal sends a signal to the program of a host, if it runs.
func (h *labHost) signal(s syscall.Signal) {
	if h.cmd != nil {
		_ = h.cmd.Process.Signal(s)
	}
}

// offline runs a command with the configuration of a member that does not run, and returns its output.
func (h *labHost) offline(args ...string) string {
	cmd := h.ns.Command(context.Background(), cmp.Or(h.program, h.lab.program), append(args, "--config", filepath.Join(h.lab.dir, h.name+".yaml"))...)
	cmd.Env = os.Environ()
	out, _ := cmd.CombinedOutput()
	return string(out)
}

func (c *clusterLab) end() {
	for _, p := range c.phones {
		p.stop()
	}
	for _, h := range c.hosts {
		h.kill()
	}
	for _, h := range c.etcd.hosts {
		h.kill()
	}
}

// logged waits until the log of a member has the text.
func (c *clusterLab) logged(name, text string) {
	c.t.Helper()
	c.eventually(name+" logs "+text, func() bool {
		log, _ := os.ReadFile(c.hosts[name].log)
		return strings.Contains(string(log), text)
	})
}

// eventually polls until f holds.
func (c *clusterLab) eventually(what string, f func() bool) {
	c.t.Helper()
	deadline := time.Now().Add(5 * time.Minute)
	for !f() {
		if time.Now().After(deadline) {
			for name, h := range c.hosts {
				log, _ := os.ReadFile(h.log)
				c.t.Logf("%s:\n%s", name, log)
			}
			c.t.Fatalf("not within five minutes: %s", what)
		}
		time.Sleep(20 * time.Millisecond) // other programs run
	}
}

// plugtone runs a command with a member's API and returns its output.
func (c *clusterLab) plugtone(member string, args ...string) string {
	cmd := exec.Command(c.program, args...)
	cmd.Env = append(os.Environ(), "PLUGTONE_ADMIN=unix:"+filepath.Join(c.dir, member+".sock"))
	out, _ := cmd.CombinedOutput()
	return string(out)
}

// etcdServers are the servers of etcd.
type etcdServers struct {
	lab   *clusterLab
	hosts []*labHost
}

func (e *etcdServers) add(i int) {
	h := e.lab.host(fmt.Sprintf("etcd%d", i), fmt.Sprintf("192.0.2.1%d/24", i), nil, "")
	url := func(port int) string { return fmt.Sprintf("http://192.0.2.1%d:%d", i, port) }
	args := []string{"--name", fmt.Sprintf("s%d", i), "--data-dir", filepath.Join(e.lab.dir, fmt.Sprintf("etcd%d", i)), "--listen-client-urls", url(2379), "--advertise-client-urls", url(2379),
		"--listen-peer-urls", url(2380), "--initial-advertise-peer-urls", url(2380), "--initial-cluster", "s0=http://192.0.2.10:2380,s1=http://192.0.2.11:2380,s2=http://192.0.2.12:2380",
		"--log-level", "error", "--unsafe-no-fsync"}
	h.start = func() *exec.Cmd { return h.ns.Command(context.Background(), "etcd", args...) }
	e.hosts = append(e.hosts, h)
}

// ctl runs etcdctl on the first of them, and returns what it prints.
func (e *etcdServers) ctl(args ...string) string {
	e.lab.t.Helper()
	cmd := e.hosts[0].ns.Command(e.lab.t.Context(), "etcdctl", append([]string{"--command-timeout", "1m", "--endpoints", "http://192.0.2.10:2379"}, args...)...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		e.lab.t.Fatalf("etcdctl %v: %v\n%s", args, err, out)
	}
	return string(out)
}

// revision returns the revision of their data.
func (e *etcdServers) revision() string {
	_, rest, _ := strings.Cut(e.ctl("get", "-w", "json", "x"), `"revision":`)
	rev, _, _ := strings.Cut(rest, ",")
	return rev
}
