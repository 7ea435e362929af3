package main

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
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
	members     map[string]*labHost
	etcd        []*labHost
	phones      map[string]*labPhone
	events      chan phoneEvent // of all phones
	options     string          // of the members' subnet
}

// labHost is a host with one program.
type labHost struct {
	ns    *netlab.Namespace
	start func() *exec.Cmd
	cmd   *exec.Cmd
	log   string
}

func newClusterLab(t testing.TB, options string, members ...string) *clusterLab {
	t.Helper()
	c := &clusterLab{t: t, dir: t.TempDir(), lab: netlab.Require(t, "udhcpc", "etcd=etcd-server", "etcdctl=etcd-client"), members: map[string]*labHost{},
		phones: map[string]*labPhone{}, events: make(chan phoneEvent, 1000), options: options}
	t.Cleanup(func() {
		c.end()
		_ = c.lab.Close()
	})
	self, err := os.Executable()
	c.check(err)
	c.program = filepath.Join(c.dir, "plugtone")
	c.check(os.Symlink(self, c.program))
	c.check(seal.New().Write(filepath.Join(c.dir, "cluster.key")))
	c.voice, err = c.lab.Bridge("voice")
	c.check(err)
	c.mgmt, err = c.lab.Bridge("mgmt")
	c.check(err)
	for i := range 3 {
		c.addEtcd(i)
	}
	for i := range 3 {
		c.startEtcd(i)
	}
	for i, name := range members {
		c.addMember(name, i)
		c.startMember(name)
	}
	for _, name := range members {
		c.logged(name, "leases of shared subnets are bound in etcd")
	}
	return c
}

func (c *clusterLab) check(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

// host plugs a host into mgmt, and into voice if it has an address there.
func (c *clusterLab) host(name, mgmt, voice string) *labHost {
	ns, err := c.lab.Namespace(name)
	c.check(err)
	c.check(c.mgmt.Attach(netlab.Port{Namespace: ns, Name: "mgmt0", Addrs: []netip.Prefix{netip.MustParsePrefix(mgmt)}}))
	if voice != "" {
		c.check(c.voice.Attach(netlab.Port{Namespace: ns, Name: "voice0", Addrs: []netip.Prefix{netip.MustParsePrefix(voice)}}))
	}
	return &labHost{ns: ns, log: filepath.Join(c.dir, name+".log")}
}

func (c *clusterLab) addEtcd(i int) {
	h := c.host(fmt.Sprintf("etcd%d", i), fmt.Sprintf("192.0.2.1%d/24", i), "")
	url := func(port int) string { return fmt.Sprintf("http://192.0.2.1%d:%d", i, port) }
	args := []string{"--name", fmt.Sprintf("s%d", i), "--data-dir", filepath.Join(c.dir, fmt.Sprintf("etcd%d", i)), "--listen-client-urls", url(2379), "--advertise-client-urls", url(2379),
		"--listen-peer-urls", url(2380), "--initial-advertise-peer-urls", url(2380), "--initial-cluster", "s0=http://192.0.2.10:2380,s1=http://192.0.2.11:2380,s2=http://192.0.2.12:2380",
		"--log-level", "error", "--unsafe-no-fsync"}
	h.start = func() *exec.Cmd { return h.ns.Command(context.Background(), "etcd", args...) }
	c.etcd = append(c.etcd, h)
}

func (c *clusterLab) startEtcd(i int) { c.run(c.etcd[i]) }

func (c *clusterLab) addMember(name string, i int) {
	h := c.host(name, fmt.Sprintf("192.0.2.%d/24", 2+i), fmt.Sprintf("10.20.0.%d/16", 2+i))
	config := filepath.Join(c.dir, name+".yaml")
	c.check(os.WriteFile(config, []byte(fmt.Sprintf(`data_dir: %[1]s/%[2]s
dhcp:
  conflict_check: false
  subnets: [{subnet: 10.20.0.0/16, interface: voice0, shared: true, %[3]s}]
cluster: {name: %[2]s, key_file: %[1]s/cluster.key, etcd: {endpoints: ["http://192.0.2.10:2379", "http://192.0.2.11:2379", "http://192.0.2.12:2379"]}}
provisioning: {settings: {admin_password: op3rator}}
admin: {listen: ["unix:%[1]s/%[2]s.sock"]}
`, c.dir, name, c.options)), 0o600))
	h.start = func() *exec.Cmd { return h.ns.Command(context.Background(), c.program, "serve", "--config", config) }
	c.members[name] = h
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
	h := c.members[name]
	path := filepath.Join(c.dir, name+".notify")
	_ = os.Remove(path)
	sock, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	c.check(err)
	defer sock.Close()
	start := h.start
	h.start = func() *exec.Cmd { cmd := start(); cmd.Env = []string{"NOTIFY_SOCKET=" + path}; return cmd }
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

func (h *labHost) signal(s syscall.Signal) { _ = h.cmd.Process.Signal(s) }

func (c *clusterLab) end() {
	for _, p := range c.phones {
		p.stop()
	}
	for _, h := range c.members {
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
		log, _ := os.ReadFile(c.members[name].log)
		return strings.Contains(string(log), text)
	})
}

// eventually polls until f holds.
func (c *clusterLab) eventually(what string, f func() bool) {
	c.t.Helper()
	deadline := time.Now().Add(time.Minute)
	for !f() {
		if time.Now().After(deadline) {
			for name, h := range c.members {
				log, _ := os.ReadFile(h.log)
				c.t.Logf("%s:\n%s", name, log)
			}
			c.t.Fatalf("not within a minute: %s", what)
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

// labPhone is a host with udhcpc.
type labPhone struct {
	name string
	mac  string
	ns   *netlab.Namespace
	cmd  *exec.Cmd
	pipe string

	mu   sync.Mutex
	last phoneEvent
}

// phoneEvent is one event of udhcpc: bound, renew, deconfig, leasefail or nak.
type phoneEvent struct {
	phone  string
	at     time.Time
	kind   string
	ip     string
	server string
	lease  time.Duration
}

// phone plugs a phone in.
func (c *clusterLab) phone(n int) *labPhone {
	name := fmt.Sprintf("phone%d", n)
	ns, err := c.lab.Namespace(name)
	c.check(err)
	p := &labPhone{name: name, mac: fmt.Sprintf("00:15:65:00:%02x:%02x", n>>8, n&255), ns: ns, pipe: filepath.Join(c.dir, name+".events")}
	c.check(c.voice.Attach(netlab.Port{Namespace: ns, Name: "eth0", MAC: p.mac}))
	c.check(syscall.Mkfifo(p.pipe, 0o600))
	events, err := os.OpenFile(p.pipe, os.O_RDWR, 0)
	c.check(err)
	go func() {
		for lines := bufio.NewScanner(events); lines.Scan(); {
			e := parsePhoneEvent(name, lines.Text())
			p.mu.Lock()
			p.last = e
			p.mu.Unlock()
			select {
			case c.events <- e:
			default:
			}
		}
	}()
	script := filepath.Join(c.dir, "udhcpc.sh")
	c.check(os.WriteFile(script, []byte(dhcpScript), 0o755))
	c.phones[name] = p
	return p
}

func parsePhoneEvent(phone, line string) phoneEvent {
	e := phoneEvent{phone: phone, at: time.Now()}
	for i, f := range strings.Fields(line) {
		key, value, _ := strings.Cut(f, "=")
		switch {
		case i == 0:
			e.kind = f
		case key == "ip":
			e.ip = value
		case key == "server":
			e.server = value
		case key == "lease":
			var secs int
			_, _ = fmt.Sscan(value, &secs)
			e.lease = time.Duration(secs) * time.Second
		}
	}
	return e
}

// boot starts udhcpc, which repeats a DISCOVER after three seconds; tries is how many it sends before it gives up.
func (c *clusterLab) boot(p *labPhone, tries int) {
	p.stop()
	p.mu.Lock()
	p.last = phoneEvent{}
	p.mu.Unlock()
	p.cmd = p.ns.Command(context.Background(), "udhcpc", "-i", "eth0", "-f", "-n", "-t", fmt.Sprint(tries), "-T", "3", "-s", filepath.Join(c.dir, "udhcpc.sh"), "-V", "yealink")
	p.cmd.Env = append(os.Environ(), "EVENTS="+p.pipe)
	c.check(p.cmd.Start())
}

// bound waits until the phone has a lease and returns it.
func (c *clusterLab) bound(p *labPhone) (e phoneEvent) {
	c.t.Helper()
	c.eventually(p.name+" has a lease", func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		e = p.last
		return e.kind == "bound" || e.kind == "renew"
	})
	return e
}

// refused waits until the phone has given up.
func (c *clusterLab) refused(p *labPhone) {
	c.t.Helper()
	err := p.cmd.Wait()
	p.cmd = nil
	if p.mu.Lock(); err == nil || p.last.kind == "bound" {
		c.t.Errorf("%s got a lease: %+v", p.name, p.last)
	}
	p.mu.Unlock()
}

// stop ends udhcpc, without a RELEASE.
func (p *labPhone) stop() {
	if p.cmd != nil {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
		p.cmd = nil
	}
}
