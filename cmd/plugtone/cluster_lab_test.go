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
	etcd        []*labHost
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
		c.addEtcd(i)
	}
	for i := range 3 {
		c.startEtcd(i)
	}
	for i, name := range c.members {
		c.addMember(name, i)
	}
	c.eventually("etcd answers", func() bool {
		out := c.offline(c.members[0], "cluster", "import")
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
	return &labHost{ns: ns, log: filepath.Join(c.dir, name+".log")}
}

func (c *clusterLab) addEtcd(i int) {
	h := c.host(fmt.Sprintf("etcd%d", i), fmt.Sprintf("192.0.2.1%d/24", i), nil, "")
	url := func(port int) string { return fmt.Sprintf("http://192.0.2.1%d:%d", i, port) }
	args := []string{"--name", fmt.Sprintf("s%d", i), "--data-dir", filepath.Join(c.dir, fmt.Sprintf("etcd%d", i)), "--listen-client-urls", url(2379), "--advertise-client-urls", url(2379),
		"--listen-peer-urls", url(2380), "--initial-advertise-peer-urls", url(2380), "--initial-cluster", "s0=http://192.0.2.10:2380,s1=http://192.0.2.11:2380,s2=http://192.0.2.12:2380",
		"--log-level", "error", "--unsafe-no-fsync"}
	h.start = func() *exec.Cmd { return h.ns.Command(context.Background(), "etcd", args...) }
	c.etcd = append(c.etcd, h)
}

func (c *clusterLab) startEtcd(i int) { c.run(c.etcd[i]) }

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
		c.mount(h.disk)
	}
	h.start = func() *exec.Cmd {
		cmd := h.ns.Command(context.Background(), cmp.Or(h.program, program), "serve", "--config", config)
		cmd.Env = []string{clockVariable + "=" + c.clockOf(name), versionVariable + "=" + h.version}
		return cmd
	}
}

// run starts the program of a host; its log is appended to.
func (c *clusterLab) run(h *labHost) {
	log, err := os.OpenFile(h.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	c.check(err)
	defer log.Close()
	h.cmd = h.start()
	h.cmd.Env = append(os.Environ(), h.cmd.Env...)
	h.cmd.Stdout, h.cmd.Stderr = log, log
	c.check(h.cmd.Start())
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
	c.run(h)
	h.start = start
	if err := awaitReady(sock); err != nil {
		text, _ := os.ReadFile(h.log)
		c.t.Fatalf("%s: %v\n%s", name, err, text)
	}
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

func (c *clusterLab) end() {
	for _, p := range c.phones {
		p.stop()
	}
	for _, h := range c.hosts {
		h.kill()
	}
	for _, h := range c.etcd {
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

// offline runs a command with the configuration of a member that does not run, and returns its output.
func (c *clusterLab) offline(member string, args ...string) string {
	h := c.hosts[member]
	cmd := h.ns.Command(context.Background(), cmp.Or(h.program, c.program), append(args, "--config", filepath.Join(c.dir, member+".yaml"))...)
	cmd.Env = os.Environ()
	out, _ := cmd.CombinedOutput()
	return string(out)
}

// plugtone runs a command with a member's API and returns its output.
func (c *clusterLab) plugtone(member string, args ...string) string {
	cmd := exec.Command(c.program, args...)
	cmd.Env = append(os.Environ(), "PLUGTONE_ADMIN=unix:"+filepath.Join(c.dir, member+".sock"))
	out, _ := cmd.CombinedOutput()
	return string(out)
}
