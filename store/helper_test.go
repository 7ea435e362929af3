package store

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
)

// childVar names the part that this test binary plays when it was started by a test.
const childVar = "PLUGTONE_STORE_CHILD"

func TestMain(m *testing.M) {
	if part := os.Getenv(childVar); part != "" {
		child(part, os.Args[len(os.Args)-1])
		return
	}
	os.Exit(m.Run())
}

// fixture is a data directory with what a Store needs around it.
type fixture struct {
	t   *testing.T
	cfg Config
	log *safeBuffer
	now time.Time
}

type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

var startOfTime = time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)

func newFixture(t *testing.T) *fixture {
	h := &fixture{t: t, log: &safeBuffer{}, now: startOfTime}
	h.cfg = Config{Dir: t.TempDir(), Now: func() time.Time { return h.now },
		Log: slog.New(slog.NewTextHandler(h.log, nil)), Registerer: prometheus.NewRegistry(),
		TimelineEntries: 200, TimelinePhones: 100_000, DiscoveredMax: 5_000}
	return h
}

func (h *fixture) open() *Store {
	h.t.Helper()
	s, err := Open(h.cfg)
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { s.Close() })
	return s
}

func (h *fixture) path(name string) string { return h.cfg.Dir + "/" + name }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func mac(n int) dhcp.MAC { return dhcp.MAC{0x00, 0x15, 0x65, byte(n >> 16), byte(n >> 8), byte(n)} }

func addr(n int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, 20 + byte(n>>16), byte(n >> 8), byte(n)})
}

func putDevices(t *testing.T, s *Store, devices ...*fleet.Device) {
	t.Helper()
	must(t, s.Edit("tester", "put", func(e fleet.Edit) error {
		for _, d := range devices {
			if err := e.PutDevice(d); err != nil {
				return err
			}
		}
		return nil
	}))
}

func lease(n int) dhcp.Lease {
	return dhcp.Lease{Addr: addr(n), MAC: mac(n), ClientID: "\x01\x00\xff", Subnet: netip.MustParsePrefix("10.20.0.0/16"),
		State: dhcp.LeaseActive, FirstSeen: startOfTime.Add(time.Nanosecond), Starts: startOfTime, Expires: startOfTime.Add(time.Hour),
		Hostname: fmt.Sprint("phone", n), VendorClass: "yealink", Vendor: "yealink", Phone: true, CircuitID: "\x00\x04", RemoteID: "sw\xff",
		Relay: dhcp.Relay{GIAddr: netip.MustParseAddr("10.30.0.1"), Source: netip.MustParseAddr("192.0.2.254")}}
}

func leasesOf(t *testing.T, s *Store) map[netip.Addr]dhcp.Lease {
	t.Helper()
	found := map[netip.Addr]dhcp.Lease{}
	must(t, s.LoadLeases(func(l dhcp.Lease) error { found[l.Addr] = l; return nil }))
	return found
}
