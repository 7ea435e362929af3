package impact_test

import (
	"fmt"
	"log/slog"
	"net/netip"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"plugtone/dhcp"
	"plugtone/dhcp/leasetable"
	"plugtone/provision"
	"plugtone/provision/fleet"
	"plugtone/provision/impact"
	"plugtone/provision/pack"
	"plugtone/provision/packcheck"
	"plugtone/provision/setting"
	"plugtone/provision/vendors"
	"plugtone/store"
)

// benchPhones is how many phones have the profile that the benchmark changes.
const benchPhones = 2000

// BenchmarkDryRun computes what a new language of a profile does to the files of 2,000 phones, with the lines and counted.
func BenchmarkDryRun(b *testing.B) {
	s, err := store.Open(store.Config{Dir: b.TempDir(), Now: time.Now, Log: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry()})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close() })
	if err := s.Edit("bench", "fill", fill); err != nil {
		b.Fatal(err)
	}
	packs, err := packcheck.Load(pack.Config{Builtin: vendors.FS})
	if err != nil {
		b.Fatal(err)
	}
	site := &fleet.Site{Subnets: []fleet.Subnet{{Subnet: dhcp.Subnet{Prefix: netip.MustParsePrefix("10.0.0.0/8"), NextServer: netip.MustParseAddr("10.0.0.1")}}}, TimeZone: "Europe/Berlin",
		Settings: setting.Values{"admin_password": setting.Secret("site-admin")}}
	service := func(r fleet.Records) *provision.Service {
		out, err := provision.New(provision.Config{Records: r, Leases: leasetable.NewTable(dhcp.Config{}, nil, time.Now), Packs: func() *pack.Set { return packs }, Site: func() *fleet.Site { return site },
			Fetches: s.Fetches, Timeline: s.Timeline, Now: time.Now})
		if err != nil {
			b.Fatal(err)
		}
		return out
	}
	change, err := s.Write(fleet.Write{Action: "change profile desk", DryRun: true}, func(e fleet.Edit) error {
		return e.PutProfile(&fleet.Profile{Name: "desk", Settings: setting.Values{"language": "fr"}})
	})
	if err != nil {
		b.Fatal(err)
	}
	for name, summary := range map[string]bool{"lines": false, "counted": true} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				p, err := impact.Compute(b.Context(), s, service(s), service(impact.Records(s, change)), change, impact.Options{Site: site, Summary: summary})
				if err != nil || p.Phones != benchPhones {
					b.Fatal(p.Phones, err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/benchPhones, "µs/phone")
		})
	}
}

func fill(e fleet.Edit) error {
	if err := e.PutRegistrar(&fleet.Registrar{Name: "main", Host: "pbx.example.com", Transport: "udp"}); err != nil {
		return err
	}
	if err := e.PutProfile(&fleet.Profile{Name: "desk", Settings: setting.Values{"language": "de"}}); err != nil {
		return err
	}
	for i := range benchPhones {
		ext := fmt.Sprint(100_000 + i)
		if err := e.PutExtension(&fleet.Extension{Number: ext, Registrar: "main", DisplayName: "User " + ext, AuthUser: ext, Password: setting.Secret("pw" + ext)}); err != nil {
			return err
		}
		err := e.PutDevice(&fleet.Device{MAC: dhcp.MAC{0, 0x15, 0x65, 0, byte(i >> 8), byte(i)}, Vendor: "yealink", Model: "T46U", Enabled: true, Label: "Phone " + ext, Profile: "desk",
			Lines: []fleet.Line{{Position: 1, Extension: ext, Registrar: "main"}}, Keys: []fleet.Key{{Area: "line", Slot: 2, Type: "blf", Value: "100000", Label: "Next", Line: 1}}})
		if err != nil {
			return err
		}
	}
	return nil
}
