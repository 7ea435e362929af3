// Package admintest has an admin API in memory, for tests of the API and of the commands that use it.
package admintest

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/netip"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"plugtone/admin"
	"plugtone/admin/api"
	"plugtone/admin/client"
	"plugtone/admin/feed"
	"plugtone/admin/recent"
	"plugtone/dhcp"
	"plugtone/provision"
	"plugtone/provision/deviceindex"
	"plugtone/provision/diagnosis"
	"plugtone/provision/fleet"
	"plugtone/provision/impact"
	"plugtone/provision/pack"
	"plugtone/provision/pbx"
	"plugtone/provision/provisiontest"
	"plugtone/provision/setting"
	"plugtone/provision/timeline"
)

// Noon is the time of the fixture's clock.
var Noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// ErrBroken is the error of a broken Fixture.
var ErrBroken = errors.New("disk on fire")

// Fixture is an admin API with all its dependencies in memory.
type Fixture struct {
	Records *provisiontest.Records
	Packs   *pack.Set
	Service *provision.Service
	Feed    feed.Feed
	Config  admin.Config

	mu       sync.Mutex
	broken   bool
	leases   map[netip.Addr]dhcp.Lease
	entries  map[dhcp.MAC][]timeline.Entry
	fetches  map[dhcp.MAC][]fleet.Fetch
	found    map[dhcp.MAC]fleet.Discovered
	audit    []fleet.AuditEntry
	tokens   map[string]fleet.Token
	Reloads  int   // how often the configuration was reloaded
	ReloadAs error // error of a reload
	NotReady error // error of readyz

	FilesDir string // the folder of files, empty at first
}

// New builds a Fixture over the test packs (acme, bolt) with one subnet, 10.20.0.0/22.
func New(t testing.TB) *Fixture {
	t.Helper()
	h := &Fixture{
		Records: &provisiontest.Records{}, Packs: provisiontest.Packs(t), leases: map[netip.Addr]dhcp.Lease{},
		entries: map[dhcp.MAC][]timeline.Entry{}, fetches: map[dhcp.MAC][]fleet.Fetch{},
		found: map[dhcp.MAC]fleet.Discovered{}, tokens: map[string]fleet.Token{},
	}
	site := &fleet.Site{
		Subnets:  []fleet.Subnet{{Subnet: dhcp.Subnet{Prefix: netip.MustParsePrefix("10.20.0.0/22"), NextServer: netip.MustParseAddr("10.20.0.2")}}},
		TimeZone: "Europe/Berlin",
		Settings: setting.Values{"admin_password": setting.Secret("site-admin")},
	}
	var err error
	h.Service, err = provision.New(provision.Config{
		Records: h.Records, Leases: h, Packs: func() *pack.Set { return h.Packs }, Site: func() *fleet.Site { return site },
		Fetches: h.Fetches, Now: clock,
	})
	if err != nil {
		t.Fatal(err)
	}
	index := deviceindex.New(deviceindex.Config{Records: h.Records, Packs: func() *pack.Set { return h.Packs }, Site: func() *fleet.Site { return site }, Compute: h.Service.States().Of, Now: clock})
	files := h.filesFolder(t)
	reg := prometheus.NewRegistry()
	info := prometheus.NewGauge(prometheus.GaugeOpts{Name: "plugtone_build_info", Help: "Always 1."})
	info.Set(1)
	reg.MustRegister(info)
	h.Config = admin.Config{Listen: []string{"unix:/nowhere"}, Hosts: func() []string { return []string{"plugtone-a", "phones.example.net"} }, Version: "test", Metrics: reg, Jobs: jobs(t, h), PBX: Sources(h, pbx.Take{}), Table: leaseTable(h), Recent: &recent.Recent{}, API: api.Config{
		Now: clock, Log: slog.New(slog.DiscardHandler),
		Records: records{h}, Phones: h.Service, Index: index, Trust: h.Service, Packs: func() *pack.Set { return h.Packs }, Leases: h, Events: h,
		Site: func() *fleet.Site { return site }, Files: files,
		Preview: func(other fleet.Records) (impact.Renderer, error) {
			return provision.New(provision.Config{Records: other, Leases: h, Packs: func() *pack.Set { return h.Packs }, Site: func() *fleet.Site { return site }, Fetches: h.Fetches, Now: clock})
		},
		Discovered: h, Audit: h, Changes: h.Records, Tokens: h, Feed: &h.Feed,
		Diagnose: diagnosis.Gatherer{Records: records{h}, Leases: h, Packs: func() *pack.Set { return h.Packs }, Site: func() *fleet.Site { return site },
			Timeline: h.Timeline, Fetches: h.Fetches, Status: h.Service.Status, Off: func() []string { return nil }, Now: clock}.Diagnose,
		Subnets: func() []client.Subnet {
			return []client.Subnet{{Subnet: netip.MustParsePrefix("10.20.0.0/22"), Interface: "voice0", Phones: "provision",
				Pools: []string{"10.20.1.0-10.20.3.250"}, Addresses: 763, Active: len(h.All()), Free: 763 - len(h.All())}}
		},
		Status: func() client.DaemonStatus { return client.DaemonStatus{Version: "test", StartedAt: Noon} },
		Ready:  func() error { return h.NotReady },
		Reload: func(context.Context, bool) error { h.Reloads++; return h.ReloadAs },
		Backup: func(w io.Writer, withFiles bool) error {
			if h.isBroken() {
				return ErrBroken
			}
			_, err := io.WriteString(w, "a whole backup")
			return err
		},
	}}
	return h
}

func clock() time.Time { return Noon }

// filesFolder makes the folder of files.
func (h *Fixture) filesFolder(t testing.TB) *os.Root {
	h.FilesDir = t.TempDir()
	root, err := os.OpenRoot(h.FilesDir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := root.Close(); err != nil {
			t.Error(err)
		}
	})
	return root
}

// Server returns the API.
func (h *Fixture) Server(t testing.TB) *admin.Server {
	t.Helper()
	s, err := admin.New(h.Config)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Serve runs the API on these addresses until the test ends.
func (h *Fixture) Serve(t testing.TB, tlsConfig *tls.Config, listen ...string) {
	t.Helper()
	h.Config.Listen, h.Config.TLS = listen, tlsConfig
	s := h.Server(t)
	ctx := t.Context() // ends before the test's clean-up runs
	ready, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- s.Run(ctx, func() { close(ready) }) }()
	t.Cleanup(func() {
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	select {
	case <-ready:
	case err := <-ended:
		ended <- nil
		t.Fatalf("Run: %v", err)
	}
}

// Break makes all reads and writes fail, or work again, as on a failing disk.
func (h *Fixture) Break(broken bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.broken = broken
	h.Records.Break(broken)
}

func (h *Fixture) isBroken() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.broken
}

// records are h.Records with an audit log, as a store has.
type records struct{ h *Fixture }

// Revision implements fleet.Records.
func (r records) Revision() uint64 { return r.h.Records.Revision() }

// View implements fleet.Records.
func (r records) View(f func(fleet.View) error) error { return r.h.Records.View(f) }

// Edit implements fleet.Records.
func (r records) Edit(actor, action string, f func(fleet.Edit) error) error {
	_, err := r.Write(fleet.Write{Actor: actor, Action: action}, f)
	return err
}

// Write implements fleet.Records.
func (r records) Write(w fleet.Write, f func(fleet.Edit) error) (fleet.Change, error) {
	c, err := r.h.Records.Write(w, f)
	if err != nil || c.ID == 0 {
		return c, err
	}
	r.h.mu.Lock()
	defer r.h.mu.Unlock()
	entry := fleet.AuditEntry{ID: uint64(len(r.h.audit) + 1), Time: Noon, Actor: w.Actor, From: w.From, Action: w.Action, Message: w.Message, Revision: c.ID}
	err = r.h.Records.View(func(f fleet.View) error {
		for x, err := range f.ChangeRecords(c.ID) {
			if err != nil {
				return err
			}
			entry.Records = append(entry.Records, fleet.AuditRecord{Kind: x.Kind, Name: x.Name, Change: x.Change()})
		}
		return nil
	})
	r.h.audit = append(r.h.audit, entry)
	return c, err
}

// LeaseAt implements provision.Leases.
func (h *Fixture) LeaseAt(addr netip.Addr) (dhcp.Lease, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	l, ok := h.leases[addr]
	return l, ok
}

// LeasesOf implements provision.Leases and admin.Leases.
func (h *Fixture) LeasesOf(mac dhcp.MAC) []dhcp.Lease {
	return slices.DeleteFunc(h.All(), func(l dhcp.Lease) bool { return l.MAC != mac })
}

// All implements admin.Leases.
func (h *Fixture) All() []dhcp.Lease {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.SortedFunc(maps.Values(h.leases), func(a, b dhcp.Lease) int { return a.Addr.Compare(b.Addr) })
}

// Delete implements admin.Leases.
func (h *Fixture) Delete(_ context.Context, addr netip.Addr) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.broken {
		return ErrBroken
	}
	h.Config.API.Index.LeaseChanged(addr, h.leases[addr].MAC, dhcp.MAC{})
	delete(h.leases, addr)
	return nil
}

// Happened adds an entry to a phone's timeline.
func (h *Fixture) Happened(e timeline.Entry) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.entries[e.MAC] = append(h.entries[e.MAC], e)
	h.Config.API.Index.Touch(e.MAC)
}

// Fetched adds the last fetch of a file.
func (h *Fixture) Fetched(f fleet.Fetch) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.fetches[f.MAC] = append(h.fetches[f.MAC], f)
	h.Config.API.Index.Touch(f.MAC)
}

// Fetches implements admin.Events.
func (h *Fixture) Fetches(mac dhcp.MAC) ([]fleet.Fetch, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.broken {
		return nil, ErrBroken
	}
	return slices.Clone(h.fetches[mac]), nil
}

// Discover puts a phone on the discovered list.
func (h *Fixture) Discover(d fleet.Discovered) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.found[d.MAC] = d
}

// DiscoveredPhones implements admin.Discovered.
func (h *Fixture) DiscoveredPhones() ([]fleet.Discovered, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.broken {
		return nil, ErrBroken
	}
	return slices.SortedFunc(maps.Values(h.found), func(a, b fleet.Discovered) int { return slices.Compare(a.MAC[:], b.MAC[:]) }), nil
}

// ForgetPhone implements admin.Discovered.
func (h *Fixture) ForgetPhone(mac dhcp.MAC) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.broken {
		return ErrBroken
	}
	delete(h.found, mac)
	return nil
}

// Audit implements admin.Audit.
func (h *Fixture) Audit(before uint64, limit int) ([]fleet.AuditEntry, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.broken {
		return nil, ErrBroken
	}
	list := slices.Clone(h.audit)
	if before > 0 {
		list = list[:min(int(before)-1, len(list))]
	}
	slices.Reverse(list)
	return list[:min(limit, len(list))], nil
}

// RecordAudit implements admin.Audit.
func (h *Fixture) RecordAudit(e fleet.AuditEntry) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.broken {
		return ErrBroken
	}
	e.ID = uint64(len(h.audit) + 1)
	h.audit = append(h.audit, e)
	return nil
}

// Tokens implements admin.Tokens.
func (h *Fixture) Tokens() ([]fleet.Token, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.broken {
		return nil, ErrBroken
	}
	return slices.SortedFunc(maps.Values(h.tokens), func(a, b fleet.Token) int { return slices.Compare([]byte(a.Name), []byte(b.Name)) }), nil
}

// PutToken implements admin.Tokens.
func (h *Fixture) PutToken(_ string, t fleet.Token) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.broken {
		return ErrBroken
	}
	h.tokens[t.Name] = t
	return nil
}

// DeleteToken implements admin.Tokens.
func (h *Fixture) DeleteToken(_, name string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.broken {
		return ErrBroken
	}
	if _, ok := h.tokens[name]; !ok {
		return fmt.Errorf("token %s: %w", name, fleet.ErrNotFound)
	}
	delete(h.tokens, name)
	return nil
}

// TokenByHash implements admin.Tokens.
func (h *Fixture) TokenByHash(hash string) (fleet.Token, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.broken {
		return fleet.Token{}, ErrBroken
	}
	for _, t := range h.tokens {
		if t.Hash == hash {
			return t, nil
		}
	}
	return fleet.Token{}, fmt.Errorf("token: %w", fleet.ErrNotFound)
}
