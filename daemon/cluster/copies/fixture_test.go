package copies

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/provision/uploads"
	"plugtone/store/seal"
)

var phone = dhcp.MAC{0, 0x15, 0x65, 0x12, 0x34, 0x56}

// ring is the cipher of a store, without its errors.
type ring struct{ *seal.Ring }

func (r ring) Seal(plain, where []byte) ([]byte, error) { return r.Ring.Seal(plain, where), nil }

// network has the members that reach each other.
type network struct {
	t       testing.TB
	mu      sync.Mutex
	members map[string]http.Handler
	strange map[dhcp.MAC]bool // phones without a record

	requests, answered atomic.Int64 // of all members, and bytes of their answers
}

// member is one of them, with a store that is encrypted with a key of its own.
type member struct {
	*Copies
	n      *network
	name   string
	store  *uploads.Store
	dir    string
	free   int64
	copied int
	stop   func()

	mu      sync.Mutex
	fetches map[string]fleet.Fetch // by phone and file
}

// Fetches implements Fetches.
func (m *member) Fetches(mac dhcp.MAC) (out []fleet.Fetch, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, f := range m.fetches {
		if f.MAC == mac {
			out = append(out, f)
		}
	}
	return out, nil
}

// FetchesAfter implements Fetches.
func (m *member) FetchesAfter(key []byte, n int) (out []fleet.Fetch, next []byte, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, k := range slices.Sorted(maps.Keys(m.fetches)) {
		if len(out) == n {
			return out, next, nil
		}
		if k > string(key) {
			out, next = append(out, m.fetches[k]), []byte(k)
		}
	}
	return out, nil, nil
}

// RecordFetch implements Fetches.
func (m *member) RecordFetch(f fleet.Fetch) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fetches[f.MAC.Hex()+f.File] = f
}

// fetch is a fetch of a phone from m.
func (m *member) fetch(mac dhcp.MAC, file, digest string) {
	f := fleet.Fetch{MAC: mac, File: file, Digest: digest, Time: time.Now()}
	m.RecordFetch(f)
	m.Fetched(f)
}

// fetched checks the digest of what a phone has fetched, as m has it.
func (m *member) fetched(mac dhcp.MAC, file, want string) {
	m.n.t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	if got := m.fetches[mac.Hex()+file].Digest; got != want {
		m.n.t.Errorf("%s has fetch %q of %s by %s, want %q", m.name, got, file, mac, want)
	}
}

func newNetwork(t testing.TB) *network {
	return &network{t: t, members: map[string]http.Handler{}, strange: map[dhcp.MAC]bool{}}
}

func (n *network) recorded(mac dhcp.MAC) (bool, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return !n.strange[mac], nil
}

func (n *network) add(name string) *member {
	n.t.Helper()
	m := &member{n: n, name: name, dir: n.t.TempDir(), free: 1 << 40, stop: func() {}, fetches: map[string]fleet.Fetch{}}
	var err error
	if m.store, err = uploads.OpenFolder(m.dir, ring{seal.New()}); err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { _ = m.store.Close() })
	m.Copies = New(Config{Uploads: m.store, Fetches: m, Recorded: n.recorded, Sources: m.sources, Now: time.Now, Log: slog.New(slog.DiscardHandler),
		Copied: func(dhcp.MAC) { n.mu.Lock(); m.copied++; n.mu.Unlock() },
		Room:   func() (int64, error) { n.mu.Lock(); defer n.mu.Unlock(); return m.free, nil }})
	n.set(name, m)
	return m
}

func (n *network) set(name string, h http.Handler) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.members[name] = h; h == nil {
		delete(n.members, name)
	}
}

func (m *member) sources() map[string]http.RoundTripper {
	m.n.mu.Lock()
	defer m.n.mu.Unlock()
	out := map[string]http.RoundTripper{}
	for name := range m.n.members {
		if name != m.name {
			out[name] = line{m.n, name}
		}
	}
	return out
}

// line is a connection to a member.
type line struct {
	n  *network
	to string
}

func (l line) RoundTrip(r *http.Request) (*http.Response, error) {
	l.n.mu.Lock()
	h := l.n.members[l.to]
	l.n.mu.Unlock()
	if h == nil {
		return nil, errors.New("connection refused")
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	l.n.requests.Add(1)
	l.n.answered.Add(int64(w.Body.Len()))
	res := w.Result()
	res.ContentLength = int64(w.Body.Len())
	return res, r.Context().Err()
}

func (m *member) start() {
	ctx, stop := context.WithCancel(m.n.t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); m.Run(ctx) }()
	m.stop = func() { stop(); <-ended; m.stop = func() {} }
}

func (m *member) upload(mac dhcp.MAC, name, body string) {
	m.n.t.Helper()
	u, err := m.store.Begin(mac, name, 16<<20)
	if err != nil {
		m.n.t.Fatal(err)
	}
	if _, err := io.WriteString(u, body); err != nil {
		m.n.t.Fatal(err)
	}
	if err := u.Commit(); err != nil {
		m.n.t.Fatal(err)
	}
}

// has checks what a phone gets from a member; "" stands for no file.
func (m *member) has(mac dhcp.MAC, name, want string) {
	m.n.t.Helper()
	got := ""
	if f, _, err := m.store.Open(mac, name); err == nil {
		b, err := io.ReadAll(f)
		if err != nil {
			m.n.t.Error(err)
		}
		got = string(b)
		_ = f.Close()
	}
	if got != want {
		m.n.t.Errorf("%s has %.40q in %s of %s, want %.40q", m.name, got, name, mac, want)
	}
}

// after lets time pass.
func after(d time.Duration) { time.Sleep(d); synctest.Wait() }
