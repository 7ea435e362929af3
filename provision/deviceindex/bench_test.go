package deviceindex_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"plugtone/dhcp"
	"plugtone/dhcp/leasetable"
	"plugtone/provision"
	"plugtone/provision/deviceindex"
	"plugtone/provision/fleet"
	"plugtone/provision/pack"
	"plugtone/provision/packcheck"
	"plugtone/provision/selector"
	"plugtone/provision/setting"
	"plugtone/provision/vendors"
	"plugtone/store"
)

// benchDevices is how many devices the benchmarks have; DEVICES sets another number.
func benchDevices(b *testing.B) int {
	if text := os.Getenv("DEVICES"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			b.Fatal(err)
		}
		return n
	}
	return 100_000
}

func benchMAC(n int) dhcp.MAC { return dhcp.MAC{0, 0x15, 0x65, byte(n >> 16), byte(n >> 8), byte(n)} }

// benchFleet is a store on disk with devices, each with a line, a key, a profile and a lease; of ten, eight have fetched their file.
type benchFleet struct {
	store   *store.Store
	leases  *leasetable.Table
	service *provision.Service
	index   *deviceindex.Index
}

func newBenchFleet(b *testing.B) *benchFleet {
	n := benchDevices(b)
	s, err := store.Open(store.Config{Dir: b.TempDir(), Now: time.Now, Log: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry()})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close() })
	if err := s.Edit("bench", "fill", func(e fleet.Edit) error { return fill(e, n) }); err != nil {
		b.Fatal(err)
	}
	f := &benchFleet{store: s}
	pool := dhcp.Range{First: netip.MustParseAddr("10.1.0.0"), Last: netip.MustParseAddr("10.9.255.255")}
	f.leases = leasetable.NewTable(dhcp.Config{Subnets: []dhcp.Subnet{{Prefix: netip.MustParsePrefix("10.0.0.0/8"), Pools: []dhcp.Range{pool}}}}, s, time.Now)
	packs, err := packcheck.Load(pack.Config{Builtin: vendors.FS})
	if err != nil {
		b.Fatal(err)
	}
	site := &fleet.Site{Subnets: []fleet.Subnet{{Subnet: dhcp.Subnet{Prefix: netip.MustParsePrefix("10.0.0.0/8"), NextServer: netip.MustParseAddr("10.0.0.1")}}}, TimeZone: "Europe/Berlin",
		Settings: setting.Values{"admin_password": setting.Secret("site-admin")}}
	f.service, err = provision.New(provision.Config{Records: s, Leases: f.leases, Packs: func() *pack.Set { return packs }, Site: func() *fleet.Site { return site },
		Fetches: s.Fetches, Timeline: s.Timeline, Now: time.Now})
	if err != nil {
		b.Fatal(err)
	}
	now := time.Now()
	addr := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, byte(i>>16) + 1, byte(i >> 8), byte(i)}) }
	err = f.leases.Load(func(each func(dhcp.Lease) error) error {
		for i := range n {
			if err := each(dhcp.Lease{Addr: addr(i), MAC: benchMAC(i), Subnet: site.Subnets[0].Prefix, State: dhcp.LeaseActive, Phone: true, FirstSeen: now, Starts: now, Expires: now.Add(24 * time.Hour)}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	for i := range n {
		if i%10 < 8 {
			s.RecordFetch(fleet.Fetch{MAC: benchMAC(i), File: benchMAC(i).Hex() + ".cfg", Kind: "device", Digest: "0", Time: now, From: addr(i), Firmware: "108.86.0.70"})
		}
		if i%10_000 == 9_999 {
			if err := s.Flush(); err != nil {
				b.Fatal(err)
			}
		}
	}
	f.index = deviceindex.New(deviceindex.Config{Records: s, Packs: func() *pack.Set { return packs }, Site: func() *fleet.Site { return site }, Compute: f.service.States().Of, Now: time.Now})
	return f
}

func fill(e fleet.Edit, n int) error {
	if err := e.PutRegistrar(&fleet.Registrar{Name: "main", Host: "pbx.example.com", Transport: "udp"}); err != nil {
		return err
	}
	if err := e.PutProfile(&fleet.Profile{Name: "desk", Settings: setting.Values{"language": "de"}}); err != nil {
		return err
	}
	models := []string{"T46U", "T54W", "T31P", "T58W"}
	for i := range n {
		ext := fmt.Sprint(100_000 + i)
		if err := e.PutExtension(&fleet.Extension{Number: ext, Registrar: "main", DisplayName: "User " + ext, AuthUser: ext, Password: setting.Secret("pw" + ext)}); err != nil {
			return err
		}
		err := e.PutDevice(&fleet.Device{MAC: benchMAC(i), Vendor: "yealink", Model: models[i%4], Enabled: true, Label: "Phone " + ext, Location: fmt.Sprintf("Floor %d", i%40), Profile: "desk",
			Lines: []fleet.Line{{Position: 1, Extension: ext, Registrar: "main"}}, Keys: []fleet.Key{{Area: "line", Slot: 2, Type: "blf", Value: fmt.Sprint(100_000 + (i+1)%n), Label: "Next", Line: 1}}})
		if err != nil {
			return err
		}
	}
	return nil
}

// BenchmarkStatus computes the status of one device whose file is not cached.
func BenchmarkStatus(b *testing.B) {
	f := newBenchFleet(b)
	n := benchDevices(b)
	i := 0
	for b.Loop() {
		if _, err := f.service.Status(context.Background(), benchMAC(i%n)); err != nil {
			b.Fatal(err)
		}
		i++
	}
}

// ready computes all states.
func (f *benchFleet) ready(b *testing.B) {
	b.Helper()
	began := time.Now()
	if _, err := f.index.Count(b.Context(), deviceindex.Query{}, deviceindex.Facets()); err != nil {
		b.Fatal(err)
	}
	b.Logf("%d states computed in %s", benchDevices(b), time.Since(began))
}

// BenchmarkList reads pages of 100, searches and counts. Something happens to a phone before each.
func BenchmarkList(b *testing.B) {
	f := newBenchFleet(b)
	f.ready(b)
	var before, after runtime.MemStats
	for range 3 { // pools are empty then
		runtime.GC()
	}
	runtime.ReadMemStats(&before)
	where := func(expr string) selector.Selector {
		s, err := selector.Parse(expr)
		if err != nil {
			b.Fatal(err)
		}
		return s
	}
	page := func(sort string, q deviceindex.Query) func() error {
		return func() error {
			o, err := deviceindex.SortBy(sort, 100, "")
			if err == nil {
				_, err = f.index.List(b.Context(), q, o)
			}
			return err
		}
	}
	for _, c := range []struct {
		name string
		do   func() error
	}{
		{"page", page("mac", deviceindex.Query{})},
		{"page by label", page("label", deviceindex.Query{})},
		{"page by last fetch", page("-last_fetch", deviceindex.Query{})},
		{"page of a state", page("mac", deviceindex.Query{Where: where("state=stale,profile=desk")})},
		{"search with few matches", page("mac", deviceindex.Query{Text: "phone 17777"})},
		{"search without a match", page("mac", deviceindex.Query{Text: "nothing"})},
		{"counts", func() error {
			_, err := f.index.Count(b.Context(), deviceindex.Query{}, deviceindex.Facets())
			return err
		}},
	} {
		b.Run(c.name, func(b *testing.B) {
			for i := 0; b.Loop(); i++ {
				f.index.Touch(benchMAC(i))
				if err := c.do(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	f.index = nil
	runtime.GC()
	runtime.ReadMemStats(&after)
	runtime.KeepAlive(f)
	b.Logf("the index takes %.1f MB", float64(before.HeapAlloc-after.HeapAlloc)/1e6)
}

// BenchmarkRename renames one extension and reads a page.
func BenchmarkRename(b *testing.B) {
	f := newBenchFleet(b)
	f.ready(b)
	o, err := deviceindex.SortBy("mac", 100, "")
	if err != nil {
		b.Fatal(err)
	}
	for i := 0; b.Loop(); i++ {
		err := f.store.Edit("bench", "rename", func(e fleet.Edit) error {
			x, err := e.Extension("100007", "main")
			if err != nil {
				return err
			}
			x.DisplayName = fmt.Sprint("Name ", i)
			return e.PutExtension(x)
		})
		if err == nil {
			_, err = f.index.List(b.Context(), deviceindex.Query{}, o)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
}
