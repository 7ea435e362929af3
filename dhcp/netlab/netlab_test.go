package netlab_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"plugtone/dhcp/netlab"
)

func TestMain(m *testing.M) {
	if status, ran := netlab.Enter(); ran {
		os.Exit(status)
	}
	os.Exit(m.Run())
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func namespace(t *testing.T, lab *netlab.Lab, name string) *netlab.Namespace {
	t.Helper()
	ns, err := lab.Namespace(name)
	must(t, err)
	return ns
}

func prefix(s string) netip.Prefix { return netip.MustParsePrefix(s) }

// here is the network namespace of the calling thread, as the kernel names it.
func here(t *testing.T) string {
	t.Helper()
	s, err := os.Readlink("/proc/thread-self/ns/net")
	must(t, err)
	return s
}

func TestLinkCarriesPacketsBetweenNamespaces(t *testing.T) {
	lab := netlab.Require(t)
	server, phone := namespace(t, lab, "server"), namespace(t, lab, "phone")
	must(t, lab.Link(
		netlab.Port{Namespace: server, Name: "voice0", MAC: "02:00:00:00:00:01", Addrs: []netip.Prefix{prefix("10.9.0.1/24"), prefix("10.9.1.1/24")}},
		netlab.Port{Namespace: phone, Name: "eth0", MAC: "00:15:65:12:34:56", Addrs: []netip.Prefix{prefix("10.9.0.2/24")}, MTU: 1400},
	))
	var srv net.Listener
	must(t, server.Do(func() (err error) { srv, err = net.Listen("tcp4", "10.9.0.1:80"); return err }))
	go http.Serve(srv, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.RemoteAddr) }))
	t.Cleanup(func() { srv.Close() })

	client := http.Client{Transport: &http.Transport{DialContext: phone.DialContext}}
	res, err := client.Get("http://10.9.0.1/")
	must(t, err)
	body, err := io.ReadAll(res.Body)
	must(t, errors.Join(err, res.Body.Close()))
	if !strings.HasPrefix(string(body), "10.9.0.2:") {
		t.Errorf("the server saw %q, want the phone's address", body)
	}

	out, err := phone.Command(t.Context(), "ip", "-o", "link", "show", "eth0").CombinedOutput()
	must(t, err)
	for _, want := range []string{"00:15:65:12:34:56", "mtu 1400", "UP"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("ip link shows %q, want %q in it", out, want)
		}
	}
}

func TestLossyLinkDelaysAndLosesFrames(t *testing.T) {
	how := netlab.Impairment{Delay: 5 * time.Millisecond, Loss: 0.2, Seed: 1}
	for name, join := range map[string]func(*netlab.Lab, netlab.Port, netlab.Port) error{
		"cable": func(lab *netlab.Lab, a, b netlab.Port) error { return lab.LossyLink(a, b, how) },
		"switch": func(lab *netlab.Lab, a, b netlab.Port) error {
			br, err := lab.Bridge("voice")
			must(t, err)
			return errors.Join(br.Attach(a), br.AttachLossy(b, how))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			lab := netlab.Require(t)
			server, phone := namespace(t, lab, "server"), namespace(t, lab, "phone")
			must(t, join(lab, netlab.Port{Namespace: server, Name: "eth0", Addrs: []netip.Prefix{prefix("10.9.0.1/24")}},
				netlab.Port{Namespace: phone, Name: "eth0", Addrs: []netip.Prefix{prefix("10.9.0.2/24")}}))
			out, _ := phone.Command(t.Context(), "ping", "-c", "60", "-i", "0.02", "-W", "1", "10.9.0.1").CombinedOutput()
			var sent, received int
			var least float64
			for line := range strings.Lines(string(out)) {
				_, _ = fmt.Sscanf(line, "%d packets transmitted, %d received", &sent, &received)
				_, _ = fmt.Sscanf(line, "rtt min/avg/max/mdev = %f/", &least)
			}
			if sent != 60 || received == 0 || received > 55 || least < 10 {
				t.Errorf("%d of %d came back, the fastest after %v ms; want some lost, and 10 ms at least:\n%s", received, sent, least, out)
			}
		})
	}
}

func TestBridgeJoinsThreePorts(t *testing.T) {
	lab := netlab.Require(t)
	br, err := lab.Bridge("voice")
	must(t, err)
	hosts := make([]*netlab.Namespace, 3)
	for i := range hosts {
		hosts[i] = namespace(t, lab, fmt.Sprintf("host%d", i))
		must(t, br.Attach(netlab.Port{Namespace: hosts[i], Name: "eth0", Addrs: []netip.Prefix{prefix(fmt.Sprintf("10.9.0.%d/24", i+1))}}))
	}
	var conn *net.UDPConn
	must(t, hosts[2].Do(func() (err error) {
		conn, err = net.ListenUDP("udp4", &net.UDPAddr{Port: 4000})
		return err
	}))
	defer conn.Close()
	for i := range 2 {
		c, err := hosts[i].DialContext(t.Context(), "udp4", "10.9.0.3:4000")
		must(t, err)
		_, err = c.Write([]byte{byte(i)})
		must(t, errors.Join(err, c.Close()))
		buf := make([]byte, 8)
		_, from, err := conn.ReadFromUDPAddrPort(buf)
		must(t, err)
		if want := netip.AddrFrom4([4]byte{10, 9, 0, byte(i + 1)}); from.Addr() != want || buf[0] != byte(i) {
			t.Errorf("got %d from %s, want %d from %s", buf[0], from.Addr(), i, want)
		}
	}
}

func TestRouteLeadsThroughAThirdNamespace(t *testing.T) {
	lab := netlab.Require(t)
	phone, router, server := namespace(t, lab, "phone"), namespace(t, lab, "router"), namespace(t, lab, "server")
	must(t, lab.Link(netlab.Port{Namespace: phone, Name: "eth0", Addrs: []netip.Prefix{prefix("10.1.0.2/24")}},
		netlab.Port{Namespace: router, Name: "in0", Addrs: []netip.Prefix{prefix("10.1.0.1/24")}}))
	must(t, lab.Link(netlab.Port{Namespace: server, Name: "eth0", Addrs: []netip.Prefix{prefix("10.2.0.2/24")}},
		netlab.Port{Namespace: router, Name: "out0", Addrs: []netip.Prefix{prefix("10.2.0.1/24")}}))
	must(t, phone.AddRoute(prefix("0.0.0.0/0"), netip.MustParseAddr("10.1.0.1")))
	must(t, server.AddRoute(prefix("10.1.0.0/16"), netip.MustParseAddr("10.2.0.1")))
	must(t, router.Forward())
	var l net.Listener
	must(t, server.Do(func() (err error) { l, err = net.Listen("tcp4", "10.2.0.2:99"); return err }))
	defer l.Close()
	c, err := phone.DialContext(t.Context(), "tcp4", "10.2.0.2:99")
	must(t, err)
	must(t, c.Close())
}

func TestAddressesAndLinksComeAndGo(t *testing.T) {
	lab := netlab.Require(t)
	a, b := namespace(t, lab, "a"), namespace(t, lab, "b")
	must(t, lab.Link(netlab.Port{Namespace: a, Name: "eth0", Down: true}, netlab.Port{Namespace: b, Name: "eth0"}))
	state := func() string {
		t.Helper()
		var names []string
		must(t, a.Do(func() error {
			ifs, err := net.Interfaces()
			for _, i := range ifs {
				addrs, _ := i.Addrs()
				names = append(names, fmt.Sprintf("%s %v %d", i.Name, i.Flags&net.FlagUp != 0, len(addrs)))
			}
			return err
		}))
		return strings.Join(names[1:], " ")
	}
	if got := state(); got != "eth0 false 0" {
		t.Errorf("new down port: %s", got)
	}
	must(t, a.AddAddr("eth0", prefix("10.9.0.1/24")))
	if got := state(); got != "eth0 false 1" {
		t.Errorf("address added: %s", got)
	}
	must(t, a.DelAddr("eth0", prefix("10.9.0.1/24")))
	if got := state(); got != "eth0 false 0" {
		t.Errorf("address removed: %s", got)
	}
	must(t, b.Remove("eth0"))
	if got := state(); got != "" {
		t.Errorf("cable pulled at the other end: %s", got)
	}
	if err := a.Up("eth0"); err == nil || !strings.Contains(err.Error(), "namespace a: interface eth0: set up") {
		t.Errorf("raising what is gone: %v", err)
	}
}

func TestDoComesBack(t *testing.T) {
	lab := netlab.Require(t)
	ns := namespace(t, lab, "a")
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	home := here(t)
	boom := errors.New("boom")
	if err := ns.Do(func() error {
		if here(t) == home {
			t.Error("Do ran in the caller's namespace")
		}
		return boom
	}); err != boom {
		t.Errorf("Do returned %v, want what f returned", err)
	}
	if here(t) != home {
		t.Error("Do did not come back")
	}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic was swallowed")
			}
		}()
		_ = ns.Do(func() error { panic("boom") })
	}()
	if here(t) != home {
		t.Error("Do did not come back from a panic")
	}
}

func TestCommandDiesWithTheLab(t *testing.T) {
	netlab.Require(t)
	lab, err := netlab.New()
	must(t, err)
	cmd := namespace(t, lab, "a").Command(context.Background(), "sleep", "600")
	must(t, cmd.Start())
	must(t, lab.Close())
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Errorf("sleep ended with %v, want killed", err)
	}
	if _, err := lab.Namespace("b"); err == nil {
		t.Error("a closed lab made a namespace")
	}
	must(t, lab.Close())
}

// What a program has started ends with the lab, also when the program has ended before.
func TestProcessesOfAnEndedCommandDieWithTheLab(t *testing.T) {
	netlab.Require(t)
	lab, err := netlab.New()
	must(t, err)
	r, w, err := os.Pipe()
	must(t, err)
	defer r.Close()
	cmd := namespace(t, lab, "a").Command(context.Background(), "setsid", "sh", "-c", "sleep 600 & echo started")
	cmd.Stdout = w
	must(t, errors.Join(cmd.Run(), w.Close(), lab.Close()))
	if out, err := io.ReadAll(r); err != nil || string(out) != "started\n" { // its end is that of the last process that has it
		t.Errorf("%q, %v", out, err)
	}
}

func TestInvalidNamesAreReported(t *testing.T) {
	lab := netlab.Require(t)
	a := namespace(t, lab, "a")
	if _, err := lab.Namespace("a"); err == nil {
		t.Error("the same name twice")
	}
	if _, err := lab.Namespace(""); err == nil {
		t.Error("an empty name")
	}
	port := netlab.Port{Namespace: a, Name: "eth0"}
	if err := lab.Link(port, netlab.Port{Namespace: a, Name: "eth1", MAC: "00:15"}); err == nil || !strings.Contains(err.Error(), "port eth1 of a") {
		t.Errorf("bad MAC: %v", err)
	}
	if err := lab.Link(port, netlab.Port{Namespace: a, Name: "a-name-of-sixteen"}); err == nil {
		t.Error("an interface name that is too long")
	}
	if _, err := a.DialContext(t.Context(), "tcp4", "localhost:80"); err == nil || !strings.Contains(err.Error(), "namespace a") {
		t.Errorf("dial by name: %v", err)
	}
}

// fakeTB records the calls of Require.
type fakeTB struct {
	calls []string
	done  []func()
}

func (f *fakeTB) Helper()                   {}
func (f *fakeTB) Skipf(s string, a ...any)  { f.calls = append(f.calls, "skip "+fmt.Sprintf(s, a...)) }
func (f *fakeTB) Fatalf(s string, a ...any) { f.calls = append(f.calls, "fatal "+fmt.Sprintf(s, a...)) }
func (f *fakeTB) Errorf(s string, a ...any) { f.calls = append(f.calls, "error "+fmt.Sprintf(s, a...)) }
func (f *fakeTB) Cleanup(g func())          { f.done = append(f.done, g) }

func TestRequireNamesWhatIsMissing(t *testing.T) {
	netlab.Require(t)
	const want = `no-such-program is not installed (Debian package no-such-package)`
	for _, c := range []struct{ env, want string }{
		{"", "skip SKIPPED: " + want},
		{"1", "fatal PLUGTONE_REQUIRE_E2E=1: " + want},
	} {
		t.Setenv("PLUGTONE_REQUIRE_E2E", c.env)
		var tb fakeTB
		netlab.Require(&tb, "sh", "no-such-program=no-such-package")
		if got := strings.Join(tb.calls, "\n"); got != c.want {
			t.Errorf("PLUGTONE_REQUIRE_E2E=%q: %q, want %q", c.env, got, c.want)
		}
	}
}

// TestEnterHelper is not a test of its own: TestEnterAsOrdinaryUser runs it as an ordinary user.
func TestEnterHelper(t *testing.T) {
	if os.Getenv("NETLAB_TEST_HELPER") == "" {
		return
	}
	lab, err := netlab.New()
	must(t, err)
	out, err := namespace(t, lab, "a").Command(t.Context(), "id", "-u").Output()
	must(t, errors.Join(err, lab.Close()))
	fmt.Printf("helper: uid %s", out)
}

func TestEnterAsOrdinaryUser(t *testing.T) {
	netlab.Require(t)
	if os.Geteuid() != 0 || os.Getenv("PLUGTONE_NETLAB_ENTERED") != "" {
		// Enter has run already, or this test would have been skipped.
		return
	}
	const unprivileged = 65534
	if exec.Command("setpriv", "--reuid=65534", "--clear-groups", "unshare", "-Urn", "true").Run() != nil {
		t.Log("this kernel lets no ordinary user make user namespaces: nothing to enter")
		return
	}
	// The test binary is in a folder that only root may read: the user runs a copy.
	self, err := os.ReadFile("/proc/self/exe")
	must(t, err)
	dir, err := os.MkdirTemp("/tmp", "netlab")
	must(t, err)
	defer os.RemoveAll(dir)
	must(t, errors.Join(os.Chmod(dir, 0o755), os.WriteFile(dir+"/test", self, 0o755), os.Chmod(dir+"/test", 0o755))) // whatever the umask
	cmd := exec.CommandContext(t.Context(), dir+"/test", "-test.run=^TestEnterHelper$")
	cmd.Env = append(os.Environ(), "NETLAB_TEST_HELPER=1")
	cmd.Dir = dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: unprivileged, Gid: unprivileged}}
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "helper: uid 0\n") {
		t.Errorf("as an ordinary user: %v\n%s", err, out)
	}
}
