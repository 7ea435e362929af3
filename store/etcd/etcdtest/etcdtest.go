// Package etcdtest runs etcd for tests: real servers on ports of this machine.
package etcdtest

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/procfs"

	"plugtone/dhcp/netlab"
	"plugtone/store/etcd"
)

// Cluster is an etcd cluster. It ends with the test.
type Cluster struct {
	t       testing.TB
	servers []*server
}

type server struct {
	args   []string
	client string // URL
	cmd    *exec.Cmd
	output *bytes.Buffer
}

// Main runs the tests of a package, of which most wait for etcd. TestMain calls it.
func Main(m *testing.M) {
	netlab.AtOnce(4)
	os.Exit(m.Run())
}

// Start starts a cluster of n servers and waits until it answers. Flags are added to those of each server.
func Start(t testing.TB, n int, flags ...string) *Cluster {
	t.Helper()
	netlab.RequirePrograms(t, "etcd=etcd-server")
	c := &Cluster{t: t}
	var peers, members []string
	address := host()
	for i := range n {
		peers = append(peers, fmt.Sprintf("http://%s:%d", address, 2480+i))
		members = append(members, fmt.Sprintf("s%d=%s", i, peers[i]))
	}
	for i := range n {
		client := fmt.Sprintf("http://%s:%d", address, 2379+i)
		c.servers = append(c.servers, &server{client: client, args: append([]string{
			"--name", fmt.Sprintf("s%d", i), "--data-dir", t.TempDir(), "--listen-client-urls", client, "--advertise-client-urls", client,
			"--listen-peer-urls", peers[i], "--initial-advertise-peer-urls", peers[i], "--initial-cluster", strings.Join(members, ","),
			"--log-level", "error", "--unsafe-no-fsync"}, flags...)})
		c.StartServer(i)
	}
	t.Cleanup(func() {
		for i := range c.servers {
			c.Kill(i)
		}
	})
	for i := range n {
		c.waitAnswer(i)
	}
	return c
}

// host returns an address of this machine that no other cluster is likely to have.
func host() string {
	return fmt.Sprintf("127.%d.%d.%d", 1+rand.IntN(254), rand.IntN(256), 1+rand.IntN(254))
}

// StartServer starts a server again that was killed, with its data.
func (c *Cluster) StartServer(i int) {
	s := c.servers[i]
	s.output = new(bytes.Buffer)
	s.cmd = exec.Command("etcd", s.args...)
	s.cmd.Env = append(os.Environ(), "ETCD_UNSUPPORTED_ARCH=arm64")
	s.cmd.Stdout, s.cmd.Stderr = s.output, s.output
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := s.cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
}

// Kill ends a server at once.
func (c *Cluster) Kill(i int) {
	if s := c.servers[i]; s.cmd != nil {
		_ = s.cmd.Process.Kill()
		_ = s.cmd.Wait()
		s.cmd = nil
	}
}

// Lose makes the only server lose its data, and waits until it answers again.
func (c *Cluster) Lose() {
	c.Kill(0)
	args := c.servers[0].args
	if err := os.RemoveAll(args[slices.Index(args, "--data-dir")+1]); err != nil {
		c.t.Fatal(err)
	}
	c.StartServer(0)
	c.waitAnswer(0)
}

// Signal sends a signal to a server. After SIGSTOP it waits until the server does nothing more: its threads stop one after the other.
func (c *Cluster) Signal(i int, s os.Signal) {
	c.t.Helper()
	p := c.servers[i].cmd.Process
	if err := p.Signal(s); err != nil {
		c.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(c.t.Context(), time.Minute)
	defer cancel()
	for s == syscall.SIGSTOP && !stopped(p.Pid) {
		if ctx.Err() != nil {
			c.t.Fatalf("etcd %d goes on after SIGSTOP", i)
		}
	}
}

// stopped reports whether all threads of a process are stopped.
func stopped(pid int) bool {
	threads, err := procfs.AllThreads(pid)
	return err == nil && !slices.ContainsFunc(threads, func(t procfs.Proc) bool {
		stat, err := t.Stat()
		return err == nil && stat.State != "T"
	})
}

// Leader returns which server leads the others.
func (c *Cluster) Leader() int {
	c.t.Helper()
	for line := range strings.Lines(c.Ctl("endpoint", "status", "--write-out", "simple")) { // endpoint, id, version, size, leader, ...
		if f := strings.Split(line, ", "); len(f) > 4 && f[4] == "true" {
			return slices.Index(c.Endpoints(), f[0])
		}
	}
	c.t.Fatal("no server leads")
	return -1
}

// waitAnswer waits until a server takes requests.
func (c *Cluster) waitAnswer(i int) {
	ctx, cancel := context.WithTimeout(c.t.Context(), time.Minute)
	defer cancel()
	for {
		out, err := exec.Command("etcdctl", "--endpoints", c.servers[i].client, "--command-timeout", "2s", "get", "x").CombinedOutput()
		if err == nil {
			return
		}
		if ctx.Err() != nil {
			c.t.Fatalf("etcd %d does not answer: %s\n%s", i, out, c.servers[i].output)
		}
	}
}

// Endpoints returns the URLs of the servers.
func (c *Cluster) Endpoints() (urls []string) {
	for _, s := range c.servers {
		urls = append(urls, s.client)
	}
	return urls
}

// Client returns a client with the prefix /plugtone/.
func (c *Cluster) Client(t testing.TB) *etcd.Client { return Client(t, c.Endpoints()...) }

// Client returns a client of these endpoints with the prefix /plugtone/.
func Client(t testing.TB, endpoints ...string) *etcd.Client {
	t.Helper()
	client, err := etcd.Open(etcd.Config{Endpoints: endpoints, Prefix: "/plugtone/"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// Ctl runs etcdctl and returns what it prints.
func (c *Cluster) Ctl(args ...string) string {
	c.t.Helper()
	out, err := exec.Command("etcdctl", append([]string{"--command-timeout", "1m", "--endpoints", strings.Join(c.Endpoints(), ",")}, args...)...).CombinedOutput()
	if err != nil {
		c.t.Fatalf("etcdctl %v: %v\n%s", args, err, out)
	}
	return string(out)
}
