package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"plugtone/dhcp/netlab"
)

func TestMain(m *testing.M) {
	if status, ran := netlab.Enter(); ran {
		os.Exit(status)
	}
	// Scripts wait for other programs most of the time, so more of them run at once than there are processors.
	netlab.AtOnce(3 * runtime.GOMAXPROCS(0))
	testscript.Main(m, map[string]func(){"plugtone": main, "plugtone-later": mainLater, "plugtone-stepped": mainStepped})
}

// TestScripts runs testdata/script: a daemon in one network namespace, foreign clients as phones in others, all on one
// switch. Besides those of testscript, scripts have the commands that commands() lists.
func TestScripts(t *testing.T) {
	t.Parallel()
	lab := netlab.Require(t, "udhcpc", "dhclient=isc-dhcp-client", "tftp=tftp-hpa", "atftp", "curl", "ip=iproute2", "dhcrelay=isc-dhcp-relay", "linphonec=linphone-cli", "baresip=baresip-core", "kamailio=kamailio-postgres-modules", "sipp=sip-tester", "dhcpd=isc-dhcp-server", "kea-dhcp4=kea-dhcp4-server", "dnsmasq=dnsmasq-base", "nginx=nginx-light", "nft=nftables", "strace")
	if err := lab.Close(); err != nil {
		t.Fatal(err)
	}
	wd, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	metrics := &movedMetrics{moved: map[string]bool{}}
	t.Cleanup(func() { metrics.check(t, "testdata/script") })
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			s := &scriptEnv{work: e.WorkDir, hosts: map[string]*host{}, metrics: metrics}
			metrics.started()
			e.Values[scriptEnvKey{}] = s
			e.Setenv("VENDORS", filepath.Join(wd, "../../provision/vendors"))
			e.Setenv("BROKEN", "two\nlines")
			e.Setenv("LONG", strings.Repeat("long ", 2000))
			e.Setenv("PLUGTONE_ADMIN", "unix:"+filepath.Join(e.WorkDir, "admin.sock"))
			e.Defer(func() { s.end() })
			return s.begin()
		},
		Cmds:                commands(),
		RequireExplicitExec: false,
	})
}

type scriptEnvKey struct{}

// scriptEnv is the network and the daemon of one script.
type scriptEnv struct {
	work  string
	lab   *netlab.Lab
	bench *netlab.Bridge
	hosts map[string]*host

	switches map[string]*netlab.Bridge // besides bench
	wrap     []string                  // what the daemon is started by
	db       *database

	metrics *movedMetrics
	scraped map[string]string // the daemon's metrics at the last look

	daemon *exec.Cmd
	ended  chan error // what Wait of the daemon returned
	log    *os.File

	hanging *exec.Cmd // while the daemon's disk does not answer
}

// host is one namespace on the switch, with an interface eth0 and perhaps a DHCP client.
type host struct {
	ns     *netlab.Namespace
	client *exec.Cmd
	events *bufio.Reader
}

// begin makes the switch and the daemon's host, pbx, with voice0 at 10.20.0.2/22.
func (s *scriptEnv) begin() (err error) {
	if s.lab, err = netlab.New(); err != nil {
		return err
	}
	if s.bench, err = s.lab.Bridge("voice"); err != nil {
		return err
	}
	return s.attach("pbx", "voice0", "02:00:00:00:00:02", netip.MustParsePrefix("10.20.0.2/22"))
}

func (s *scriptEnv) attach(name, iface, mac string, addrs ...netip.Prefix) error {
	ns, err := s.lab.Namespace(name)
	if err != nil {
		return err
	}
	s.hosts[name] = &host{ns: ns}
	return s.bench.Attach(netlab.Port{Namespace: ns, Name: iface, MAC: mac, Addrs: addrs})
}

func (s *scriptEnv) end() {
	if s.hanging != nil {
		_ = s.hanging.Process.Kill()
		_ = s.hanging.Wait()
	}
	if s.daemon != nil {
		_ = s.daemon.Process.Kill()
		<-s.ended
	}
	_ = s.lab.Close()
}

func commands() map[string]func(*testscript.TestScript, bool, []string) {
	cmds := map[string]func(*scriptEnv, *testscript.TestScript, bool, []string) error{
		"phone":      (*scriptEnv).phone,
		"boot":       (*scriptEnv).boot,
		"renew":      (*scriptEnv).renew,
		"in":         (*scriptEnv).in,
		"serve":      (*scriptEnv).serve,
		"terminate":  (*scriptEnv).terminate,
		"kill9":      (*scriptEnv).kill9,
		"hangup":     (*scriptEnv).hangup,
		"envsubst":   (*scriptEnv).envsubst,
		"logged":     (*scriptEnv).logged,
		"eventually": (*scriptEnv).eventually,
		"hang-disk":  (*scriptEnv).hangDisk,
		"kill-with":  (*scriptEnv).killWith,
	}
	maps.Copy(cmds, network)
	maps.Copy(cmds, diagnoses)
	out := map[string]func(*testscript.TestScript, bool, []string){}
	for name, f := range cmds {
		out[name] = func(ts *testscript.TestScript, neg bool, args []string) {
			env := ts.Value(scriptEnvKey{}).(*scriptEnv)
			err := f(env, ts, neg, args)
			env.watch()
			switch {
			case err != nil && !neg:
				ts.Fatalf("%s: %v", name, err)
			case err == nil && neg:
				ts.Fatalf("%s succeeded, which it should not", name)
			case err != nil:
				ts.Logf("[%v]", err)
			}
		}
	}
	return out
}

// phone NAME MAC [ADDR/BITS] plugs a host into the switch, without an address unless one is named.
func (s *scriptEnv) phone(_ *testscript.TestScript, _ bool, args []string) error {
	if len(args) < 2 {
		return errors.New("usage: phone NAME MAC [ADDR/BITS]")
	}
	var addrs []netip.Prefix
	for _, a := range args[2:] {
		addrs = append(addrs, netip.MustParsePrefix(a))
	}
	return s.attach(args[0], "eth0", args[1], addrs...)
}

// dhcpScript is what udhcpc runs at each event. It sets the address and writes the event as one line.
const dhcpScript = `#!/bin/sh
case $1 in
bound|renew)
	ip addr flush dev $interface
	ip addr add $ip/$mask dev $interface
	[ -n "$router" ] && ip route replace default via ${router%% *}
	;;
esac
echo "$1 ip=$ip mask=$mask router=$router dns=$dns ntp=$ntpsrv lease=$lease server=$serverid tftp=$tftp next=$siaddr opt43=$opt43 opt132=$opt132 opt150=$opt150 opt160=$opt160 $message" >>$EVENTS
`

// boot NAME [UDHCPC-ARGS] starts udhcpc on a host, waits until it has a lease or gives up, and prints the event.
func (s *scriptEnv) boot(ts *testscript.TestScript, _ bool, args []string) error {
	h := s.hosts[args[0]]
	if h.client != nil {
		_ = h.client.Process.Kill()
		_ = h.client.Wait()
	}
	script := filepath.Join(s.work, "udhcpc.sh")
	if err := os.WriteFile(script, []byte(dhcpScript), 0o755); err != nil {
		return err
	}
	pipe := filepath.Join(s.work, args[0]+".events")
	_ = os.Remove(pipe)
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		return err
	}
	events, err := os.OpenFile(pipe, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	h.events = bufio.NewReader(events)
	h.client = h.ns.Command(context.Background(), "udhcpc", append([]string{"-i", "eth0", "-f", "-n", "-t", "10", "-T", "1", "-s", script, "-O", "tftp", "-O", "ntpsrv"}, args[1:]...)...)
	h.client.Env = append(os.Environ(), "EVENTS="+pipe)
	if err := h.client.Start(); err != nil {
		return err
	}
	return h.await(ts, "bound")
}

// await reads the client's events up to the one wanted, which is printed. Giving up is an error.
func (h *host) await(ts *testscript.TestScript, want string) error {
	for {
		line, err := h.events.ReadString('\n')
		if err != nil {
			return err
		}
		switch event, _, _ := strings.Cut(line, " "); event {
		case want:
			fmt.Fprint(ts.Stdout(), line)
			return nil
		case "leasefail", "nak":
			return fmt.Errorf("the client reported: %s", line)
		}
	}
}

// renew NAME makes the host's client renew its address by unicast.
func (s *scriptEnv) renew(ts *testscript.TestScript, _ bool, args []string) error {
	h := s.hosts[args[0]]
	if err := h.client.Process.Signal(syscall.SIGUSR1); err != nil {
		return err
	}
	return h.await(ts, "renew")
}

// in NAME PROGRAM [ARGS] runs a program on a host.
func (s *scriptEnv) in(ts *testscript.TestScript, _ bool, args []string) error {
	h := s.hosts[args[0]]
	if h == nil {
		return fmt.Errorf("no host %q", args[0])
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	program := args[1]
	if program == "plugtone" {
		program = s.self(ts, "plugtone")
	}
	cmd := h.ns.Command(ctx, program, args[2:]...)
	cmd.Dir, cmd.Env = ts.MkAbs("."), s.environ(ts)
	cmd.Stdout, cmd.Stderr = ts.Stdout(), ts.Stderr()
	return cmd.Run()
}

// self is a program that scripts run: this test binary under that name.
func (s *scriptEnv) self(ts *testscript.TestScript, name string) string {
	for _, dir := range filepath.SplitList(ts.Getenv("PATH")) {
		if p := filepath.Join(dir, name); fileExists(p) {
			return p
		}
	}
	ts.Fatalf("no %s on PATH %s", name, ts.Getenv("PATH"))
	return ""
}

func fileExists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func (s *scriptEnv) environ(ts *testscript.TestScript) []string {
	env := os.Environ()
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "PLUGTONE_ADMIN", "WORK"} {
		env = append(env, name+"="+ts.Getenv(name))
	}
	return env
}

// serve [ARGS] starts the daemon on host pbx and waits until it sends READY=1, as systemd would. With "!" it must end by
// itself instead; its messages are then the command's output.
func (s *scriptEnv) serve(ts *testscript.TestScript, neg bool, args []string) error {
	return s.run(ts, neg, "plugtone", args)
}

func (s *scriptEnv) run(ts *testscript.TestScript, neg bool, program string, args []string) error {
	if s.daemon != nil {
		return errors.New("the daemon runs already")
	}
	notify := filepath.Join(s.work, "notify.sock")
	_ = os.Remove(notify)
	sock, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: notify, Net: "unixgram"})
	if err != nil {
		return err
	}
	defer sock.Close()
	if s.log, err = os.OpenFile(filepath.Join(s.work, "daemon.log"), os.O_CREATE|os.O_APPEND|os.O_RDWR, 0o600); err != nil {
		return err
	}
	line := append(slices.Clone(s.wrap), append([]string{s.self(ts, program), "serve"}, args...)...)
	cmd := s.hosts["pbx"].ns.Command(context.Background(), line[0], line[1:]...)
	cmd.Dir, cmd.Env = ts.MkAbs("."), append(s.environ(ts), "NOTIFY_SOCKET="+notify)
	cmd.Stdout, cmd.Stderr = s.log, s.log
	if neg {
		cmd.Stdout, cmd.Stderr = ts.Stdout(), ts.Stderr()
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	ready := make(chan error, 1)
	go func() { ready <- awaitReady(sock) }()
	select {
	case err := <-ended:
		if err == nil {
			err = errors.New("exit status 0")
		}
		return fmt.Errorf("ended before it was ready: %w\n%s", err, ts.ReadFile("daemon.log"))
	case err := <-ready:
		if err != nil {
			return err
		}
	}
	s.daemon, s.ended = cmd, ended
	return nil
}

// envsubst FILE... puts the values of $WORK and the like into files of the script.
func (s *scriptEnv) envsubst(ts *testscript.TestScript, _ bool, args []string) error {
	for _, name := range args {
		text := os.Expand(ts.ReadFile(name), ts.Getenv)
		if err := os.WriteFile(ts.MkAbs(name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}
