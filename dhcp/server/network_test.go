package server

import (
	"bufio"
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"plugtone/dhcp/netlab"
)

func TestMain(m *testing.M) {
	if rate := os.Getenv(floodRate); rate != "" {
		fmt.Fprintln(os.Stderr, flood(rate))
		os.Exit(1)
	}
	if status, ran := netlab.Enter(); ran {
		os.Exit(status)
	}
	os.Exit(m.Run())
}

// network is a switch with a host for the server, whose voice0 is at 10.20.0.2/24, and as many others as a test plugs in.
type network struct {
	t      testing.TB
	lab    *netlab.Lab
	sw     *netlab.Bridge
	pbx    *netlab.Namespace
	server *Server // of serveReal
}

func newNetwork(t testing.TB, programs ...string) *network {
	t.Helper()
	lab := netlab.Require(t, append(programs, "ip=iproute2")...)
	s := &network{t: t, lab: lab}
	var err error
	s.sw, err = lab.Bridge("voice")
	s.ok(err)
	s.pbx = s.host("pbx", "voice0", "02:00:00:00:00:02", "10.20.0.2/24")
	return s
}

func (s *network) ok(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// until waits for what other goroutines do.
func (s *network) until(what string, ok func() bool) {
	s.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(time.Minute); !ok(); <-tick.C {
		if time.Now().After(deadline) {
			s.t.Fatalf("not within a minute: %s", what)
		}
	}
}

// host plugs another namespace into the switch.
func (s *network) host(name, iface, mac string, addrs ...string) *netlab.Namespace {
	s.t.Helper()
	ns, err := s.lab.Namespace(name)
	s.ok(err)
	s.plug(ns, iface, mac, addrs...)
	return ns
}

func (s *network) plug(ns *netlab.Namespace, iface, mac string, addrs ...string) {
	s.t.Helper()
	p := netlab.Port{Namespace: ns, Name: iface, MAC: mac}
	for _, a := range addrs {
		p.Addrs = append(p.Addrs, netip.MustParsePrefix(a))
	}
	s.ok(s.sw.Attach(p))
}

// serve runs a server on pbx until the test ends.
func (s *network) serve(d *fakeTable, change func(*Config)) *recorder {
	s.t.Helper()
	return s.serveOn(s.pbx, d, change)
}

func (s *network) serveOn(ns *netlab.Namespace, d *fakeTable, change func(*Config)) *recorder {
	s.t.Helper()
	j := newRecorder()
	cfg := Config{Interfaces: []string{"voice0"}, Now: time.Now, Log: logTo(s.t), Observer: j.observer(), InNetns: ns.Do, ScanEvery: -1}
	if change != nil {
		change(&cfg)
	}
	srv, err := New(cfg, nil, d)
	s.ok(err)
	srv.process = d.process
	s.run(ns, srv)
	return j
}

// run runs a server until the test ends, and returns when it is ready.
func (s *network) run(ns *netlab.Namespace, srv *Server) {
	s.t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	ready, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- srv.Run(ctx, func() { close(ready) }) }()
	s.t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			s.t.Errorf("server on %s: %v", ns.Name(), err)
		}
	})
	select {
	case <-ready:
	case err := <-ended:
		ended <- nil
		s.t.Fatalf("server on %s: %v", ns.Name(), err)
	}
}

// client is a running foreign DHCP client.
type client struct {
	t      testing.TB
	cmd    *exec.Cmd
	events chan string
}

// script is what clients run at each event: it puts the address on the interface and writes a line with event, address
// and server.
const script = `#!/bin/sh
event=${reason:-$1}
addr=${new_ip_address:-$ip}
server=${new_dhcp_server_identifier:-$serverid}
dev=${interface:-eth0}
case $event in
deconfig|PREINIT) ip addr flush dev $dev; ip link set $dev up ;;
bound|renew|BOUND|RENEW|REBIND|REBOOT) ip addr replace $addr/24 dev $dev ;;
esac
echo "$event $addr $server" >> %s
`

func (s *network) script(name string) (file, fifo string) {
	s.t.Helper()
	dir := s.t.TempDir()
	file, fifo = filepath.Join(dir, name+".sh"), filepath.Join(dir, name+".events")
	s.ok(syscall.Mkfifo(fifo, 0o600))
	s.ok(os.WriteFile(file, fmt.Appendf(nil, script, fifo), 0o755))
	return file, fifo
}

func (s *network) start(ns *netlab.Namespace, fifo, name string, args ...string) *client {
	s.t.Helper()
	// Open for reading and writing: the client's script opens and closes the pipe at each event.
	f, err := os.OpenFile(fifo, os.O_RDWR, 0)
	s.ok(err)
	c := &client{t: s.t, cmd: ns.Command(context.Background(), name, args...), events: make(chan string, 100)}
	c.cmd.Stdout, c.cmd.Stderr = testWriter{s.t}, testWriter{s.t}
	s.ok(c.cmd.Start())
	go func() {
		for lines := bufio.NewScanner(f); lines.Scan(); {
			c.events <- strings.TrimSpace(lines.Text())
		}
	}()
	s.t.Cleanup(func() {
		// Errors mean that it has ended by itself.
		_ = c.cmd.Process.Kill()
		_ = c.cmd.Wait()
		f.Close()
	})
	return c
}

// udhcpc starts busybox's client.
func (s *network) udhcpc(ns *netlab.Namespace, args ...string) *client {
	s.t.Helper()
	script, fifo := s.script(ns.Name())
	return s.start(ns, fifo, "udhcpc", append([]string{"-f", "-i", "eth0", "-s", script, "-t", "20", "-T", "1", "-R"}, args...)...)
}

// dhclient starts ISC's client.
func (s *network) dhclient(ns *netlab.Namespace) *client {
	s.t.Helper()
	script, fifo := s.script(ns.Name())
	dir := s.t.TempDir()
	conf := filepath.Join(dir, "dhclient.conf")
	s.ok(os.WriteFile(conf, []byte("initial-interval 1;\ntimeout 20;\n"), 0o644))
	return s.start(ns, fifo, "dhclient", "-4", "-d", "-sf", script, "-cf", conf, "-lf", filepath.Join(dir, "leases"), "-pf", filepath.Join(dir, "pid"), "eth0")
}

// next waits for the client's next event of that kind and returns "ADDRESS SERVER".
func (c *client) next(kind string) string {
	c.t.Helper()
	timeout := time.After(time.Minute)
	for {
		select {
		case e := <-c.events:
			if details, ok := strings.CutPrefix(e, kind+" "); ok {
				return details
			}
		case <-timeout:
			c.t.Fatalf("no %q from %s within a minute", kind, c.cmd.Args)
		}
	}
}
