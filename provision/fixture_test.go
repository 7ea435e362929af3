package provision_test

import (
	"context"
	"errors"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
	"time"

	"plugtone/dhcp"
	"plugtone/provision"
	"plugtone/provision/fleet"
	"plugtone/provision/pack"
	"plugtone/provision/provisiontest"
	"plugtone/provision/setting"
	"plugtone/provision/trust"
	"plugtone/provision/uploads"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// fixture is a Service with its records, leases, packs and configuration.
type fixture struct {
	*provision.Service
	t         testing.TB
	records   *provisiontest.Records
	leases    *provisiontest.Leases
	packs     *pack.Set
	site      *fleet.Site
	fetches   []fleet.Fetch
	now       time.Time
	events    []trust.Event
	used      map[dhcp.MAC]setting.Secret
	neighbors map[netip.Addr]dhcp.MAC // the neighbour table
	eventsMu  sync.Mutex
	files     string
	uploads   string
	upstream  *switchable
}

// switchable is an Upstream that a test sets; without one nothing may be requested of it.
type switchable struct{ provision.Upstream }

const voice = "10.20.0.0/22"

func newFixture(t testing.TB) *fixture {
	t.Helper()
	h := &fixture{t: t, used: map[dhcp.MAC]setting.Secret{}, records: office(t), leases: &provisiontest.Leases{}, packs: provisiontest.Packs(t), now: noon, files: t.TempDir(), uploads: t.TempDir(), upstream: &switchable{}}
	h.site = &fleet.Site{
		Subnets: []fleet.Subnet{
			{Subnet: dhcp.Subnet{Prefix: netip.MustParsePrefix("10.30.0.0/24"), Phones: dhcp.PhonesNone}},
			{Subnet: dhcp.Subnet{Prefix: netip.MustParsePrefix(voice), NextServer: netip.MustParseAddr("10.20.0.2"), NTPServers: []netip.Addr{netip.MustParseAddr("10.20.0.1")}},
				Settings: setting.Values{"language": "de"}},
			{Subnet: dhcp.Subnet{Prefix: netip.MustParsePrefix("10.40.0.0/24"), NextServer: netip.MustParseAddr("10.40.0.2")}},
		},
		TimeZone: "Europe/Berlin",
		Settings: setting.Values{"admin_password": setting.Secret("site-admin"), "language": "en"},
	}
	root, err := os.OpenRoot(h.files)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = root.Close() })
	folder, err := os.OpenRoot(h.uploads)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = folder.Close() })
	h.Service, err = provision.New(provision.Config{
		Upstream: h.upstream, Records: h.records, Leases: lockOrderChecker{h.leases, h.records, t}, Files: root, Uploads: uploads.NewStore(folder, nil),
		Packs:   func() *pack.Set { return h.packs },
		Site:    func() *fleet.Site { return h.site },
		Fetches: func(dhcp.MAC) ([]fleet.Fetch, error) { return h.fetches, nil },
		Now:     func() time.Time { return h.now },
		Event:   func(a trust.Event) { h.eventsMu.Lock(); defer h.eventsMu.Unlock(); h.events = append(h.events, a) },
		Used:    func(m dhcp.MAC, p setting.Secret) { h.used[m] = p },
		Neighbor: func(a netip.Addr) (dhcp.MAC, bool) {
			m, ok := h.neighbors[a]
			return m, ok
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	h.leases.Lease("10.20.1.7", front, voice, noon)
	return h
}

// lockOrderChecker checks the order of locks in every test: the lease table reads the records under its own lock, so a caller that
// reads records must not wait for that lock.
type lockOrderChecker struct {
	*provisiontest.Leases
	records *provisiontest.Records
	t       testing.TB
}

func (o lockOrderChecker) LeasesOf(mac dhcp.MAC) []dhcp.Lease {
	if o.records.Open() {
		o.t.Errorf("the leases of %s are read inside a View:\n%s", mac, debug.Stack())
	}
	return o.Leases.LeasesOf(mac)
}

// get requests a file over HTTP, as a phone does.
func (h *fixture) get(name, from string) provision.Answer {
	h.t.Helper()
	return h.send(provision.Request{Transport: fleet.HTTP, Method: "GET", Name: name, From: netip.MustParseAddr(from)})
}

func (h *fixture) send(r provision.Request) provision.Answer {
	h.t.Helper()
	r.Time = h.now
	a := h.Answer(context.Background(), r)
	if a.Reason == "" || a.Outcome == "" || a.Name == "" && r.Name != "" {
		h.t.Errorf("%s from %s: an answer without a reason, an outcome or a name: %+v", r.Name, r.From, a)
	}
	if (a.Outcome == provision.Served || a.Outcome == provision.Received) != (a.Status == 0) || (a.Outcome == provision.InternalError) != (a.Err != nil) {
		h.t.Errorf("%s from %s: outcome %s with status %d and error %v", r.Name, r.From, a.Outcome, a.Status, a.Err)
	}
	if a.Content != nil {
		h.t.Cleanup(func() { _ = a.Content.Close() })
	}
	return a
}

// served returns the body of an answer, which must have the outcome Served.
func (h *fixture) served(a provision.Answer) string {
	h.t.Helper()
	if a.Outcome != provision.Served {
		h.t.Fatalf("%s is %s: %s (%v)", a.Name, a.Outcome, a.Reason, a.Err)
	}
	if a.Content != nil {
		b, err := io.ReadAll(a.Content)
		if err != nil {
			h.t.Fatal(err)
		}
		return string(b)
	}
	if a.Size != int64(len(a.Body)) || len(a.Digest) != 64 || a.ETag != `"`+a.Digest[:32]+`"` || a.MediaType == "" {
		h.t.Errorf("%s: size %d of %d, digest %s, etag %s, type %s", a.Name, a.Size, len(a.Body), a.Digest, a.ETag, a.MediaType)
	}
	return string(a.Body)
}

func contains(t testing.TB, text string, wants ...string) {
	t.Helper()
	for _, want := range wants {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

func (h *fixture) write(name, body string) {
	h.t.Helper()
	path := filepath.Join(h.files, name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(body), 0o644)); err != nil {
		h.t.Fatal(err)
	}
}
