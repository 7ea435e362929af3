package etcd_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"plugtone/store/etcd"
	"plugtone/store/etcd/etcdtest"
)

func TestMain(m *testing.M) { etcdtest.Main(m) }

// watched is a running Members with a channel that gets a token after each change.
type watched struct {
	*etcd.Members
	changed chan struct{}
	stop    func()
}

func start(t *testing.T, c *etcd.Client, self etcd.Member, instance string) *watched {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	w := &watched{Members: etcd.NewMembers(c, self, instance, time.Now, slog.New(slog.DiscardHandler)), changed: make(chan struct{}, 1)}
	w.Notify(func() {
		select {
		case w.changed <- struct{}{}:
		default:
		}
	})
	done := make(chan struct{})
	go func() { defer close(done); w.Run(ctx) }()
	w.stop = func() { cancel(); <-done }
	t.Cleanup(w.stop)
	return w
}

// wait waits until ok, which is looked at after each change.
func (w *watched) wait(t *testing.T, what string, ok func([]etcd.Member) bool) {
	t.Helper()
	timeout := time.After(time.Minute)
	for {
		if list, _ := w.List(); ok(list) {
			return
		}
		select {
		case <-w.changed:
		case <-timeout:
			list, _ := w.List()
			t.Fatalf("no list with %s: %+v", what, list)
		}
	}
}

func alive(names ...string) func([]etcd.Member) bool {
	return func(list []etcd.Member) bool {
		var got []string
		for _, m := range list {
			if m.Alive {
				got = append(got, m.Name)
			}
		}
		return strings.Join(got, " ") == strings.Join(names, " ")
	}
}

func TestMembersSeeEachOtherComeAndGo(t *testing.T) {
	t.Parallel()
	e := etcdtest.Start(t, 1)
	subnet := etcd.Subnet{Prefix: netip.MustParsePrefix("10.20.0.0/22"), Shared: true, Pools: []string{"10.20.1.0-10.20.1.9"}, ServerID: netip.MustParseAddr("10.20.0.2")}
	a := start(t, e.Client(t), etcd.Member{Name: "a", Version: "1", Schema: 4, Subnets: []etcd.Subnet{subnet}}, "1")
	b := start(t, e.Client(t), etcd.Member{Name: "b"}, "2")
	a.wait(t, "both", alive("a", "b"))
	b.wait(t, "both", alive("a", "b"))
	list, ok := b.List()
	if m := list[0]; !ok || m.Version != "1" || m.Schema != 4 || len(m.Subnets) != 1 || m.Subnets[0].ServerID != subnet.ServerID || m.Instance != "1" {
		t.Errorf("b sees a as %+v", m)
	}
	a.SetSelf(etcd.Member{Name: "a", Version: "2"})
	b.wait(t, "the new version", func(list []etcd.Member) bool { return list[0].Version == "2" && list[0].Alive })
	received := etcd.Received{ID: "x", Revisions: map[netip.Prefix]int64{subnet.Prefix: 7}}
	a.SetReceived(received)
	b.wait(t, "what a has received", func(list []etcd.Member) bool {
		return reflect.DeepEqual(list[0].Received, received) && list[0].Instance == "1"
	})
	b.stop()
	a.wait(t, "b registered and not alive", func(list []etcd.Member) bool { return len(list) == 2 && !list[1].Alive })
	if was, err := etcd.Leave(t.Context(), e.Client(t), "b"); err != nil || !was {
		t.Errorf("leave: %v, %v", was, err)
	}
	a.wait(t, "only a", func(list []etcd.Member) bool { return len(list) == 1 })
	if list, err := etcd.ListMembers(t.Context(), e.Client(t), slog.New(slog.DiscardHandler)); err != nil || len(list) != 1 || !list[0].Alive {
		t.Errorf("list: %+v, %v", list, err)
	}
}

// A store that has lost its data begins with a low revision again, which a watch does not report.
func TestMembersSeeEachOtherAfterEtcdLostItsData(t *testing.T) {
	t.Parallel()
	e := etcdtest.Start(t, 1)
	a := start(t, e.Client(t), etcd.Member{Name: "a"}, "1")
	b := start(t, e.Client(t), etcd.Member{Name: "b"}, "2")
	a.wait(t, "both", alive("a", "b"))
	for range 20 {
		e.Ctl("put", "/x", "y")
	}
	e.Lose()
	b.stop()
	a.wait(t, "a alone", alive("a"))
}

// A change that etcd refuses, as when its disk space is used up, is registered later, without a loop that keeps a processor busy meanwhile.
func TestMemberWaitsToRegisterAChange(t *testing.T) {
	e := etcdtest.Start(t, 1, "--quota-backend-bytes", "1000000")
	c := e.Client(t)
	a := start(t, c, etcd.Member{Name: "a", Version: "1"}, "1")
	a.wait(t, "a", alive("a"))
	for c.Put(t.Context(), "x", strings.Repeat("x", 500_000)) == nil {
	}
	puts, signs := calls(t, e, "Put"), calls(t, e, "LeaseKeepAlive")
	a.SetSelf(etcd.Member{Name: "a", Version: "2"})
	for timeout := time.After(time.Minute); calls(t, e, "LeaseKeepAlive") < signs+4; { // one a second
		select {
		case <-time.After(10 * time.Millisecond):
		case <-timeout:
			t.Fatal("no signs of life")
		}
	}
	if n := calls(t, e, "Put") - puts; n < 1 || n > 20 {
		t.Errorf("%d attempts to register in the time of four signs of life", n)
	}
	a.wait(t, "etcd", func([]etcd.Member) bool { return a.Connected() == nil })
}

// calls returns how many calls of a method etcd has received.
func calls(t *testing.T, e *etcdtest.Cluster, method string) (n int) {
	t.Helper()
	r, err := http.Get(e.Endpoints()[0] + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	metrics, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	_, line, _ := strings.Cut(string(metrics), `grpc_server_msg_received_total{grpc_method="`+method+`"`)
	_, line, _ = strings.Cut(line, "} ")
	if _, err := fmt.Sscan(line, &n); err != nil {
		t.Fatalf("calls of %s: %v", method, err)
	}
	return n
}

func TestMemberWithTheNameOfAnotherIsRefused(t *testing.T) {
	t.Parallel()
	e := etcdtest.Start(t, 1)
	a := start(t, e.Client(t), etcd.Member{Name: "a"}, "1")
	a.wait(t, "a", alive("a"))
	other := start(t, e.Client(t), etcd.Member{Name: "a"}, "2")
	other.wait(t, "a", alive("a"))
	other.wait(t, "an error that names cluster.name", func([]etcd.Member) bool {
		err := other.Connected()
		return err != nil && strings.Contains(err.Error(), "cluster.name")
	})
	if list, _ := a.List(); list[0].Instance != "1" {
		t.Errorf("the name went to %q", list[0].Instance)
	}
}

// It is not parallel to the others: a sign of life counts for three seconds.
func TestMemberStaysAliveWhileOneOfThreeServersHangs(t *testing.T) {
	for name, hangs := range map[string]func(leader int) int{
		"the leader hangs":     func(leader int) int { return leader },
		"another server hangs": func(leader int) int { return (leader + 1) % 3 },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := etcdtest.Start(t, 3)
			a := start(t, e.Client(t), etcd.Member{Name: "a"}, "1")
			b := start(t, e.Client(t), etcd.Member{Name: "b"}, "2")
			b.wait(t, "both", alive("a", "b"))
			a.wait(t, "both", alive("a", "b"))
			gone := hangs(e.Leader())
			e.Signal(gone, syscall.SIGSTOP)
			for version := range 6 {
				a.SetSelf(etcd.Member{Name: "a", Version: strconv.Itoa(version)})
				b.wait(t, "the new version", func(list []etcd.Member) bool {
					if !list[0].Alive {
						t.Error("a counts as dead while two of three servers run")
					}
					return list[0].Version == strconv.Itoa(version)
				})
			}
			e.Signal(gone, syscall.SIGCONT)
			e.Kill(gone)
			b.stop() // an event that a gets although a server is gone
			a.wait(t, "a alone", alive("a"))
			second := (gone + 1) % 3
			e.Kill(second)
			a.wait(t, "etcd without a majority", func([]etcd.Member) bool { return a.Connected() != nil })
			e.StartServer(second)
			a.wait(t, "etcd again", func([]etcd.Member) bool { return a.Connected() == nil })
		})
	}
}

func TestOpenWithUserDoesNotWaitForEtcd(t *testing.T) {
	t.Parallel()
	e := etcdtest.Start(t, 1)
	e.Ctl("user", "add", "root:secret")
	e.Ctl("user", "grant-role", "root", "root")
	e.Ctl("user", "add", "voice:geheim")
	e.Ctl("role", "add", "voice")
	e.Ctl("role", "grant-permission", "voice", "--prefix=true", "readwrite", "/plugtone/")
	e.Ctl("user", "grant-role", "voice", "voice")
	e.Ctl("auth", "enable")
	e.Kill(0)
	password := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte("geheim\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := etcd.Open(etcd.Config{Endpoints: e.Endpoints(), Prefix: "/plugtone/", Username: "voice", PasswordFile: password})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	a := start(t, c, etcd.Member{Name: "a"}, "1")
	if a.Connected() == nil {
		t.Error("connected to an etcd that is not there")
	}
	e.StartServer(0)
	a.wait(t, "a", alive("a"))
	other, err := etcd.Open(etcd.Config{Endpoints: e.Endpoints(), Prefix: "/other/", Username: "voice", PasswordFile: password})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	err = other.Put(t.Context(), "x", "")
	for errors.Is(err, etcd.ErrUnavailable) { // a loaded machine may take longer than one call may
		err = other.Put(t.Context(), "x", "")
	}
	if err == nil || !strings.Contains(err.Error(), "permission denied") {
		t.Errorf("another prefix: %v", err)
	}
}
