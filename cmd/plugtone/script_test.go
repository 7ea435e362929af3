package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
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
// switch. Besides those of testscript, scripts have the commands that scriptEnv.commands lists.
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
			s := &scriptEnv{work: e.WorkDir, switches: map[string]*netlab.Bridge{}, hosts: map[string]*host{}, daemon: &daemonProcess{work: e.WorkDir, metrics: metrics}}
			metrics.started()
			e.Values[scriptEnvKey{}] = s
			e.Setenv("VENDORS", filepath.Join(wd, "../../provision/vendors"))
			e.Setenv("BROKEN", "two\nlines")
			e.Setenv("LONG", strings.Repeat("long ", 2000))
			e.Setenv("PLUGTONE_ADMIN", "unix:"+filepath.Join(e.WorkDir, "admin.sock"))
			e.Defer(func() { s.end() })
			return s.begin()
		},
		Cmds:                scriptCommands(),
		RequireExplicitExec: false,
	})
}

type scriptEnvKey struct{}

// scriptEnv is the network of one script, and what runs in it.
type scriptEnv struct {
	work     string
	lab      *netlab.Lab
	switches map[string]*netlab.Bridge
	hosts    map[string]*host
	daemon   *daemonProcess
	db       *database // nil: there is none
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
	err = s.attach("pbx", "voice", netlab.Port{Name: "voice0", MAC: "02:00:00:00:00:02", Addrs: []netip.Prefix{netip.MustParsePrefix("10.20.0.2/22")}})
	if err == nil {
		s.daemon.ns = s.hosts["pbx"].ns
	}
	return err
}

// attach gives a host an interface on a switch; either is made if there is none.
func (s *scriptEnv) attach(name, sw string, port netlab.Port) (err error) {
	if s.switches[sw] == nil {
		if s.switches[sw], err = s.lab.Bridge(sw); err != nil {
			return err
		}
	}
	if s.hosts[name] == nil {
		ns, err := s.lab.Namespace(name)
		if err != nil {
			return err
		}
		s.hosts[name] = &host{ns: ns}
	}
	port.Namespace = s.hosts[name].ns
	return s.switches[sw].Attach(port)
}

func (s *scriptEnv) end() {
	s.daemon.end()
	_ = s.lab.Close()
}

// scriptCommand is what a command of scripts does. Negated, it is to fail.
type scriptCommand func(ts *testscript.TestScript, neg bool, args []string) error

func (s *scriptEnv) commands() map[string]scriptCommand {
	return map[string]scriptCommand{
		// hosts and what runs on them
		"phone":  s.phone,
		"boot":   s.boot,
		"renew":  s.renew,
		"in":     s.in,
		"plug":   s.plug,
		"spawn":  s.spawn,
		"inform": s.inform,
		// the daemon
		"serve":       s.daemon.serve,
		"serve-later": s.daemon.serveLater,
		"terminate":   s.daemon.terminate,
		"kill9":       s.daemon.kill9,
		"kill-with":   s.daemon.killWith,
		"hangup":      s.daemon.hangup,
		"hang-disk":   s.daemon.hangDisk,
		"small":       s.daemon.small,
		"ondisk":      s.daemon.ondisk,
		"logged":      s.daemon.logged,
		// many clients at once
		"relay-many":     s.relayMany,
		"take-leases":    s.takeLeases,
		"lease-fleet":    s.leaseFleet,
		"fetch-notified": s.fetchNotified,
		"soak":           s.soak,
		// other servers
		"registrar":     s.registrar,
		"eventsocket":   s.eventsocket,
		"pnp-responder": s.pnpResponder,
		"postgresql":    s.postgresql,
		"sql":           s.db.sql,
		// files, and waiting for what programs print
		"envsubst":   envsubst,
		"eventually": eventually,
		"diagnosis":  compareDiagnosis,
	}
}

// scriptCommands are the commands of scripts, each with the scriptEnv of its script.
func scriptCommands() map[string]func(*testscript.TestScript, bool, []string) {
	out := map[string]func(*testscript.TestScript, bool, []string){}
	for name := range new(scriptEnv).commands() {
		out[name] = reported(name, func(ts *testscript.TestScript, neg bool, args []string) error {
			s := ts.Value(scriptEnvKey{}).(*scriptEnv)
			defer s.daemon.watch()
			return s.commands()[name](ts, neg, args)
		})
	}
	return out
}

// reported has a script fail where a command fails, or does not although it is to.
func reported(name string, f scriptCommand) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, neg bool, args []string) {
		switch err := f(ts, neg, args); {
		case err != nil && !neg:
			ts.Fatalf("%s: %v", name, err)
		case err == nil && neg:
			ts.Fatalf("%s succeeded, which it should not", name)
		case err != nil:
			ts.Logf("[%v]", err)
		}
	}
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
	return s.attach(args[0], "voice", netlab.Port{Name: "eth0", MAC: args[1], Addrs: addrs})
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
	cmd := h.ns.Command(ctx, programPath(ts, args[1]), args[2:]...)
	cmd.Dir, cmd.Env = ts.MkAbs("."), environ(ts)
	cmd.Stdout, cmd.Stderr = ts.Stdout(), ts.Stderr()
	return cmd.Run()
}

// programPath is a program that scripts run; of plugtone it is this test binary under that name.
func programPath(ts *testscript.TestScript, name string) string {
	if !strings.HasPrefix(name, "plugtone") {
		return name
	}
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

func environ(ts *testscript.TestScript) []string {
	env := os.Environ()
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "PLUGTONE_ADMIN", "WORK"} {
		env = append(env, name+"="+ts.Getenv(name))
	}
	return env
}

// envsubst FILE... puts the values of $WORK and the like into files of the script.
func envsubst(ts *testscript.TestScript, _ bool, args []string) error {
	for _, name := range args {
		text := os.Expand(ts.ReadFile(name), ts.Getenv)
		if err := os.WriteFile(ts.MkAbs(name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}
