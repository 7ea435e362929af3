package peers

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"plugtone/store/etcd"
	"plugtone/store/seal"
)

// status reads the status of the only other member.
func status(t *testing.T, p *Peers, limit time.Duration) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	_, err := p.Others()[0].API.Status(ctx)
	return err
}

// A member that takes connections and says nothing costs a call its time, and leaves nothing behind.
func TestAMemberThatHangsLeavesNothingBehind(t *testing.T) {
	r, keys := &registry{list: map[string]etcd.Member{}}, seal.New()
	a := start(t, r, "voice-a", keys)
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	r.set(etcd.Member{Name: "voice-b", Address: l.Addr().String(), Certificate: a.Certificate(), Alive: true})
	before := runtime.NumGoroutine()
	for range 80 {
		if err := status(t, a, 20*time.Millisecond); err == nil {
			t.Fatal("an answer")
		}
	}
	if n := runtime.NumGoroutine() - before; n > 5*mostCalls {
		t.Errorf("%d goroutines more while it hangs", n)
	}
	for range 6000 { // its dials end by themselves
		if runtime.NumGoroutine() <= before {
			return
		}
		<-time.After(10 * time.Millisecond)
	}
	t.Errorf("%d goroutines more afterwards", runtime.NumGoroutine()-before)
}

func TestAnEndlessAnswerIsCutOff(t *testing.T) {
	r, keys := &registry{list: map[string]etcd.Member{}}, seal.New()
	a, b := start(t, r, "voice-a", keys), start(t, r, "voice-b", keys)
	b.Answer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"version": "`))
		for block := []byte(strings.Repeat("x", 1<<20)); ; {
			if _, err := w.Write(block); err != nil {
				return
			}
		}
	}))
	if err := status(t, a, time.Minute); err == nil || !strings.Contains(err.Error(), "its answer is longer than 8 MiB") {
		t.Errorf("%v", err)
	}
}

// Connections of strangers are bounded, and end after a while.
func TestConnectionsOfStrangersAreBounded(t *testing.T) {
	r, keys := &registry{list: map[string]etcd.Member{}}, seal.New()
	start(t, r, "voice-a", keys)
	list, _ := r.members()
	before := runtime.NumGoroutine()
	var strangers []net.Conn
	for i := range mostConns + 40 {
		strangers = append(strangers, dialFrom(t, byte(2+i/mostOfOne), list[0].Address))
	}
	for range 50 { // the server accepts what it will
		if runtime.NumGoroutine()-before >= mostConns {
			break
		}
		<-time.After(10 * time.Millisecond)
	}
	if n := runtime.NumGoroutine() - before; n > mostConns+8 {
		t.Errorf("%d goroutines for %d connections", n, mostConns+40)
	}
	for _, c := range strangers {
		_ = c.Close()
	}
	if err := status(t, start(t, r, "voice-b", keys), time.Minute); err != nil {
		t.Errorf("a member is not answered when strangers are gone: %v", err)
	}
}

// dialFrom connects from an address of this host, 127.0.0.n.
func dialFrom(t *testing.T, n byte, to string) net.Conn {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, n)}}
	c, err := d.DialContext(t.Context(), "tcp4", to)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// One host that opens more connections than there are places takes none from members.
func TestOneHostDoesNotTakeAllConnections(t *testing.T) {
	r, keys := &registry{list: map[string]etcd.Member{}}, seal.New()
	start(t, r, "voice-a", keys)
	list, _ := r.members()
	for range mostConns + 40 {
		c := dialFrom(t, 2, list[0].Address)
		defer c.Close()
	}
	if err := status(t, start(t, r, "voice-b", keys), time.Minute); err != nil { // its dial takes at most dialTime
		t.Errorf("a member is not answered: %v", err)
	}
}

// A certificate counts by what is registered: its dates may be anything, as seen by a clock that was never set.
func TestDatesOfACertificateDoNotMatter(t *testing.T) {
	r, keys := &registry{list: map[string]etcd.Member{}}, seal.New()
	a, old := start(t, r, "voice-a", keys), start(t, r, "voice-b", keys)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	x := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1, 0)}
	der, err := x509.CreateCertificate(rand.Reader, x, x, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	r.drop("voice-b")
	b := serve(t, r, Config{Name: "voice-b", Pair: tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, Keys: keys, Members: r.members, Log: slog.New(slog.DiscardHandler)})
	for _, p := range []*Peers{a, b} {
		if err := status(t, p, time.Minute); err != nil {
			t.Errorf("%s: %v", p.Self(), err)
		}
	}
	if code, _, err := get(t, old, "GET", "/api/v1/status"); err == nil && code != http.StatusForbidden {
		t.Errorf("the certificate of before still counts: %d", code)
	}
}

func TestErrorsOfConnectionsArePlain(t *testing.T) {
	r, keys := &registry{list: map[string]etcd.Member{}}, seal.New()
	a := start(t, r, "voice-a", keys)
	r.set(etcd.Member{Name: "voice-b", Address: "127.0.0.1:1", Certificate: a.Certificate(), Alive: true})
	if err := status(t, a, time.Minute); err == nil || !strings.Contains(err.Error(), "no plugtone listens for other members at 127.0.0.1:1: see cluster.listen") {
		t.Errorf("%v", err)
	}
	start(t, r, "voice-b", keys)
	start(t, r, "voice-a", keys) // with another key pair
	a.transport.CloseIdleConnections()
	if err := status(t, a, time.Minute); err == nil || !strings.Contains(err.Error(), "it refuses the certificate of this member") {
		t.Errorf("%v", err)
	}
}
