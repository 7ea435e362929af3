package httpprov

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"sync"
	"testing"
	"time"

	"plugtone/dhcp/netlab"
	"plugtone/provision"
)

// occupy opens connections from addresses until stop is closed or each has opened n. Each holds its last ones until then: at most mostHeld.
func occupy(t *testing.T, s *running, addrs []string, n int, stop <-chan struct{}) *sync.WaitGroup {
	t.Helper()
	var attackers sync.WaitGroup
	for _, from := range addrs {
		attackers.Go(func() {
			d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
			var held []net.Conn
		dial:
			for range n {
				select {
				case <-stop:
					break dial
				default:
					if c, err := d.Dial("tcp4", s.addr); err == nil {
						held = append(held, c)
					}
				}
				if len(held) > mostHeld {
					_ = held[0].Close()
					held = held[1:]
				}
			}
			<-stop
			for _, c := range held {
				_ = c.Close()
			}
		})
	}
	return &attackers
}

// mostHeld is how many connections an attacker keeps open. One that is at rest has opened no more: those that it would close are the ones that
// the server has counted in, for it refuses what comes later.
const mostHeld = 200

func addresses(format string, n int) (out []string) {
	for i := range n {
		out = append(out, fmt.Sprintf(format, i+1))
	}
	return out
}

// curl fetches a file from an address and reports whether it is complete.
func curl(t *testing.T, s *running, from string) bool {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "curl", "-sS", "--max-time", "20", "--interface", from, "http://"+s.addr+"/001565123456.cfg").CombinedOutput()
	if err == nil && string(out) == config {
		return true
	}
	t.Logf("curl from %s: %v %q", from, err, out)
	return false
}

// Addresses that open connections continuously, or many addresses of one network, do not lock out other clients.
func TestAtTheLimitTheAddressWithMostConnectionsLosesOne(t *testing.T) {
	netlab.RequirePrograms(t, "curl")
	for name, tt := range map[string]struct {
		attackers []string
		each      int
	}{
		"16 addresses":         {addresses("127.1.1.%d", 16), 3000},
		"a network of 200":     {addresses("127.1.1.%d", 200), 1},
		"4 networks of 50":     {append(append(addresses("127.1.1.%d", 50), addresses("127.1.2.%d", 50)...), append(addresses("127.1.3.%d", 50), addresses("127.1.4.%d", 50)...)...), 1},
		"one address, at rest": {addresses("127.1.1.%d", 1), mostHeld},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, Config{MaxConns: 64, MaxPerAddress: 80, MinIdle: time.Hour}, &answers{F: served})
			stop := make(chan struct{})
			attackers := occupy(t, s, tt.attackers, tt.each, stop)
			waitFor(t, func() bool { st := s.Stats(); return st.TurnedAway > 0 && (tt.each > mostHeld || st.Conns == 64) })
			whole := 0
			for i := range 40 {
				if curl(t, s, fmt.Sprint("127.2.0.", 1+i)) {
					whole++
				}
			}
			close(stop)
			attackers.Wait()
			if whole != 40 {
				t.Errorf("%d of 40 files came whole", whole)
			}
		})
	}
}

// A phone with a lease is served although as many addresses as there are connections hold one each, in its own network.
func TestPhonesWithLeaseHaveConnectionsOfTheirOwn(t *testing.T) {
	netlab.RequirePrograms(t, "curl")
	phone := netip.MustParseAddr("127.1.1.250")
	s := start(t, Config{MaxConns: 64, MinIdle: time.Hour, Leased: func(a netip.Addr) bool { return a == phone }}, &answers{F: served})
	stop := make(chan struct{})
	attackers := occupy(t, s, addresses("127.1.1.%d", 100), 1, stop)
	waitFor(t, func() bool { st := s.Stats(); return st.Conns == 48 && st.TurnedAway == 52 })
	for range 3 {
		if !curl(t, s, phone.String()) {
			t.Error("a phone with a lease is not served")
		}
	}
	for range 20 { // it may hold some of these connections, and no more than others beyond
		dial(t, s, phone.String())
	}
	waitFor(t, func() bool { return s.Stats().Conns >= 48+reservedPerAddr })
	if st := s.Stats(); st.Conns > 64 {
		t.Errorf("%+v", st)
	}
	close(stop)
	attackers.Wait()
}

// A client that hangs up is no internal error.
func TestHungUpClientIsAborted(t *testing.T) {
	asked := make(chan struct{})
	s := start(t, Config{}, answererFunc(func(ctx context.Context, _ provision.Request) provision.Answer {
		close(asked)
		<-ctx.Done()
		return internalError(ctx.Err())
	}))
	c := dial(t, s, "127.0.0.1")
	send(c, "/f")
	<-asked
	must(t, c.Close())
	if r := <-s.reports; r.ans.Outcome != provision.Aborted || r.ans.Err != nil {
		t.Errorf("%+v", r)
	}
	big := make([]byte, 32<<20)
	s = start(t, Config{}, &answers{F: func(provision.Request) provision.Answer {
		return provision.Answer{Outcome: provision.Served, Body: big}
	}})
	c = dial(t, s, "127.0.0.1")
	send(c, "/f")
	if _, err := c.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	must(t, c.Close())
	if r := <-s.reports; r.ans.Outcome != provision.Aborted || r.err == nil {
		t.Errorf("%+v", r)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
