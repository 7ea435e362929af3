package peers

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"plugtone/admin/access"
	"plugtone/store/etcd"
	"plugtone/store/seal"
)

// registry is what etcd has of the members.
type registry struct {
	mu   sync.Mutex
	list map[string]etcd.Member
}

func (r *registry) set(m etcd.Member) { r.mu.Lock(); defer r.mu.Unlock(); r.list[m.Name] = m }
func (r *registry) drop(name string)  { r.mu.Lock(); defer r.mu.Unlock(); delete(r.list, name) }
func (r *registry) members() (out []etcd.Member, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range r.list {
		out = append(out, m)
	}
	return out, true
}

// start runs a member that answers each request with the caller and the URL, and registers it.
func start(t *testing.T, r *registry, name string, keys *seal.Ring) *Peers {
	t.Helper()
	pair, err := LoadIdentity(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return serve(t, r, Config{Name: name, Pair: pair, Keys: keys, Members: r.members, Log: slog.New(slog.DiscardHandler)})
}

// serve is start with a configuration.
func serve(t *testing.T, r *registry, c Config) *Peers {
	t.Helper()
	p := New(c)
	p.Answer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		caller := access.Of(r.Context())
		fmt.Fprintf(w, `{"version": "%s %s %s"}`, caller.Name, caller.Role, r.URL.RequestURI())
	}))
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- p.Serve(ctx, l) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	r.set(etcd.Member{Name: c.Name, Address: l.Addr().String(), Certificate: p.Certificate(), Alive: true})
	return p
}

// get reads a path from the only other member.
func get(t *testing.T, p *Peers, method, path string) (int, string, error) {
	t.Helper()
	list := p.Others()
	if len(list) != 1 || list[0].API == nil {
		t.Fatalf("others: %+v", list)
	}
	q, err := http.NewRequestWithContext(t.Context(), method, "http://plugtone"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := route{list[0].Name, p.transport, mostBytes}.RoundTrip(q)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return res.StatusCode, string(b), err
}

func TestMembersReadFromEachOtherAsViewers(t *testing.T) {
	r, keys := &registry{list: map[string]etcd.Member{}}, seal.New()
	a, b := start(t, r, "voice-a", keys), start(t, r, "voice_b.example", keys)
	s, err := a.Others()[0].API.Status(t.Context())
	if err != nil || s.Version != "member:voice-a viewer /api/v1/status?member=local" {
		t.Errorf("%q, %v", s.Version, err)
	}
	if _, text, err := get(t, b, "GET", "/api/v1/devices/00:15:65:00:00:01/timeline?limit=3&member=x"); err != nil || !strings.Contains(text, "timeline?limit=3&member=local") {
		t.Errorf("%q, %v", text, err)
	}
	for _, q := range [][2]string{{"GET", "/api/v1/devices"}, {"GET", "/api/v1/tokens"}, {"POST", "/api/v1/status"}, {"DELETE", "/api/v1/discovered"}, {"DELETE", "/api/v1/devices/00:15:65:00:00:01"}, {"POST", "/api/v1/discovered/00:15:65:00:00:01/adopt"}, {"GET", "/copies/file"}, {"GET", "/metrics"}, {"GET", "/api/v1/devices/a/b/timeline"}} {
		if code, text, err := get(t, a, q[0], q[1]); err != nil || code != http.StatusForbidden {
			t.Errorf("%v: %d %q, %v", q, code, text, err)
		}
	}
}

// Members take phones off each other's discovered list, as operators, and read what they copy; nothing of either is for others.
func TestMembersForgetAndCopy(t *testing.T) {
	r, keys := &registry{list: map[string]etcd.Member{}}, seal.New()
	a, b := start(t, r, "voice-a", keys), start(t, r, "voice-b", keys)
	b.AnswerBelow("/copies/", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "copy of "+r.URL.Path) }))
	if _, text, err := get(t, a, "DELETE", "/api/v1/discovered/00:15:65:00:00:01"); err != nil || !strings.Contains(text, "member:voice-a operator /api/v1/discovered/00:15:65:00:00:01?member=local") {
		t.Errorf("%q, %v", text, err)
	}
	if _, text, err := get(t, a, "GET", "/copies/file"); err != nil || text != "copy of /copies/file" {
		t.Errorf("%q, %v", text, err)
	}
	if code, text, err := get(t, a, "POST", "/copies/file"); err != nil || code != http.StatusForbidden {
		t.Errorf("%d %q, %v", code, text, err)
	}
	r.drop("voice-a")
	if code, text, err := get(t, a, "GET", "/copies/file"); err == nil && code != http.StatusForbidden {
		t.Errorf("one that left: %d %q", code, text)
	}
}

func TestOnlyRegisteredCertificatesAreAccepted(t *testing.T) {
	r, keys := &registry{list: map[string]etcd.Member{}}, seal.New()
	a := start(t, r, "voice-a", keys)
	start(t, r, "voice-b", keys)
	if _, _, err := get(t, a, "GET", "/api/v1/status"); err != nil {
		t.Fatal(err)
	}
	r.drop("voice-a")
	if code, _, err := get(t, a, "GET", "/api/v1/status"); err != nil || code != http.StatusForbidden {
		t.Errorf("a member that left, on its connection: %d, %v", code, err)
	}
	a.transport.CloseIdleConnections()
	if _, _, err := get(t, a, "GET", "/api/v1/status"); err == nil {
		t.Error("a member that left makes a connection")
	}

	// A server at the registered address that has another certificate.
	all, _ := r.members()
	liar := all[0]
	r.drop("voice-b")
	start(t, r, "voice-b", keys)
	liar.Address = func() string { all, _ := r.members(); return all[0].Address }()
	r.set(liar)
	if _, _, err := get(t, a, "GET", "/api/v1/status"); err == nil || !strings.Contains(err.Error(), "has not the certificate that member voice-b has registered") {
		t.Errorf("a server with another certificate: %v", err)
	}
}

func TestACertificateNeedsTheKeyOfTheCluster(t *testing.T) {
	r, keys := &registry{list: map[string]etcd.Member{}}, seal.New()
	b := start(t, r, "voice-b", keys)
	stranger := start(t, r, "voice-a", seal.New()) // who can write to etcd, and has another key
	stranger.cfg.Keys = keys                       // so that it accepts voice-b
	if _, _, err := get(t, stranger, "GET", "/api/v1/status"); err == nil {
		t.Error("a certificate counts that was registered without the key of the cluster")
	}
	r.set(etcd.Member{Name: "voice-a", Address: "127.0.0.1:1", Certificate: b.Certificate(), Alive: true})
	if _, err := b.caller(tls.ConnectionState{PeerCertificates: nil}); err == nil {
		t.Error("a connection without a certificate is a member's")
	}
	if _, err := registered(keys, "voice-a", b.Certificate()); err == nil {
		t.Error("the certificate of one member is registered for another name")
	}
}

func TestTheKeyPairIsKept(t *testing.T) {
	dir := t.TempDir()
	a, err := LoadIdentity(dir)
	if err != nil {
		t.Fatal(err)
	}
	b, err := LoadIdentity(dir)
	if err != nil || string(a.Certificate[0]) != string(b.Certificate[0]) {
		t.Errorf("another certificate after a restart, %v", err)
	}
	if i, err := os.Stat(filepath.Join(dir, fileName)); err != nil || i.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", i, err)
	}
	if err := os.WriteFile(filepath.Join(dir, fileName), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadIdentity(dir); err == nil {
		t.Error("a damaged file is replaced in silence")
	}
}

func TestOthersThatCantBeCalledAreNamed(t *testing.T) {
	r, keys := &registry{list: map[string]etcd.Member{}}, seal.New()
	a := start(t, r, "voice-a", keys)
	r.set(etcd.Member{Name: "voice-b", Address: "127.0.0.1:1"})
	if o := a.Others(); len(o) != 1 || o[0].API != nil || !strings.Contains(o[0].Problem, "does not run") {
		t.Errorf("%+v", o)
	}
	r.set(etcd.Member{Name: "voice-b", Alive: true})
	if o := a.Others(); len(o) != 1 || o[0].API != nil || !strings.Contains(o[0].Problem, "no address") {
		t.Errorf("%+v", o)
	}
}

func TestAddressForTheOthers(t *testing.T) {
	any, own := netip.MustParseAddrPort("0.0.0.0:8068"), netip.MustParseAddrPort("10.20.0.2:8068")
	for _, tt := range []struct {
		advertise string
		listen    netip.AddrPort
		want      string
	}{
		{"", any, "127.0.0.1:8068"}, {"", own, "10.20.0.2:8068"}, {"voice-a.example.net", any, "voice-a.example.net:8068"}, {"192.0.2.7:9000", any, "192.0.2.7:9000"},
	} {
		if got := Address(t.Context(), tt.advertise, []string{"http://127.0.0.1:2379"}, tt.listen); got != tt.want {
			t.Errorf("%q, %s: got %q, want %q", tt.advertise, tt.listen, got, tt.want)
		}
	}
}
