package impact_test

import (
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
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

var site = &fleet.Site{Subnets: []fleet.Subnet{{Subnet: dhcp.Subnet{Prefix: netip.MustParsePrefix("10.0.0.0/8"), NextServer: netip.MustParseAddr("10.0.0.1")}}}, TimeZone: "Europe/Berlin",
	Settings: setting.Values{"admin_password": setting.Secret("site-admin")}}

// open makes a store with the phones that fill adds.
func open(tb testing.TB, phones int, edit func(i int, d *fleet.Device)) *store.Store {
	tb.Helper()
	s, err := store.Open(store.Config{Dir: tb.TempDir(), Now: time.Now, Log: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry()})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = s.Close() })
	if err := s.Edit("test", "fill", func(e fleet.Edit) error { return fill(e, phones, edit) }); err != nil {
		tb.Fatal(err)
	}
	return s
}

// services returns what makes the service that renders from records.
func services(tb testing.TB, s *store.Store) func(fleet.Records) *provision.Service {
	tb.Helper()
	packs, err := packcheck.Load(pack.Config{Builtin: vendors.FS})
	if err != nil {
		tb.Fatal(err)
	}
	return func(r fleet.Records) *provision.Service {
		out, err := provision.New(provision.Config{Records: r, Leases: leasetable.NewTable(dhcp.Config{}, nil, time.Now), Packs: func() *pack.Set { return packs }, Site: func() *fleet.Site { return site },
			Fetches: s.Fetches, Timeline: s.Timeline, Now: time.Now})
		if err != nil {
			tb.Fatal(err)
		}
		return out
	}
}

// fill adds phones with an extension each and the profile desk. edit, unless nil, changes them before.
func fill(e fleet.Edit, phones int, edit func(i int, d *fleet.Device)) error {
	if err := e.PutRegistrar(&fleet.Registrar{Name: "main", Host: "pbx.example.com", Transport: "udp"}); err != nil {
		return err
	}
	if err := e.PutProfile(&fleet.Profile{Name: "desk", Settings: setting.Values{"language": "de"}}); err != nil {
		return err
	}
	for i := range phones {
		ext := fmt.Sprint(100_000 + i)
		if err := e.PutExtension(&fleet.Extension{Number: ext, Registrar: "main", DisplayName: "User " + ext, AuthUser: ext, Password: setting.Secret("pw" + ext)}); err != nil {
			return err
		}
		d := &fleet.Device{MAC: macOf(i), Vendor: "yealink", Model: "T46U", Enabled: true, Label: "Phone " + ext, Profile: "desk",
			Lines: []fleet.Line{{Position: 1, Extension: ext, Registrar: "main"}}, Keys: []fleet.Key{{Area: "line", Slot: 2, Type: "blf", Value: "100000", Label: "Next", Line: 1}}}
		if edit != nil {
			edit(i, d)
		}
		if err := e.PutDevice(d); err != nil {
			return err
		}
	}
	return nil
}

func macOf(i int) dhcp.MAC { return dhcp.MAC{0, 0x15, 0x65, 0, byte(i >> 8), byte(i)} }

// french changes the language of all phones.
func french(e fleet.Edit) error {
	return e.PutProfile(&fleet.Profile{Name: "desk", Settings: setting.Values{"language": "fr"}})
}

// preview computes what a change does.
func preview(t *testing.T, s *store.Store, summary bool, edit func(fleet.Edit) error) impact.Preview {
	t.Helper()
	change, err := s.Write(fleet.Write{Action: "change", DryRun: true}, edit)
	if err != nil {
		t.Fatal(err)
	}
	service := services(t, s)
	p, err := impact.Compute(t.Context(), s, service(s), service(impact.Records(s, change)), change, impact.Options{Site: site, Summary: summary})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestPhonesOfARemovedPackHaveOneReason: each error names its phone, the reason of all of them doesn't.
func TestPhonesOfARemovedPackHaveOneReason(t *testing.T) {
	s := open(t, 30, func(_ int, d *fleet.Device) { d.Vendor = "removed" })
	want := []impact.NotRendered{{Reason: `there is no vendor pack "removed"`, Phones: 30, MAC: macOf(0)}}
	for _, summary := range []bool{false, true} {
		if p := preview(t, s, summary, french); p.Phones != 0 || !slices.Equal(p.NotRendered, want) {
			t.Errorf("%d phones, %+v", p.Phones, p.NotRendered)
		}
	}
}

// TestFilesWithTheSameErrorHaveOneReason: the errors of files name the phone twice, and the file.
func TestFilesWithTheSameErrorHaveOneReason(t *testing.T) {
	s := open(t, 30, func(_ int, d *fleet.Device) {
		d.Vendor, d.Model, d.Keys, d.Settings = "mitel", "6867i", nil, setting.Values{"admin_password": setting.Secret(`pass"word`)}
	})
	p := preview(t, s, true, french)
	if len(p.NotRendered) != 1 || p.NotRendered[0].Phones != 30 || !strings.Contains(p.NotRendered[0].Reason, "can't carry") || strings.Contains(p.NotRendered[0].Reason, "0015650000") {
		t.Errorf("%+v", p.NotRendered)
	}
}

// TestEachPhoneThatIsNotRenderedIsCounted, however many reasons there are.
func TestEachPhoneThatIsNotRenderedIsCounted(t *testing.T) {
	s := open(t, 30, func(i int, d *fleet.Device) { d.Vendor = fmt.Sprint("removed", i%15) })
	list := preview(t, s, true, french).NotRendered
	if len(list) != 11 || list[0].Phones != 2 || list[9].Phones != 2 || list[10] != (impact.NotRendered{Reason: "other reasons", Phones: 10, MAC: macOf(10)}) {
		t.Errorf("%+v", list)
	}
}

// TestPreviewHasTheLabelsAfterTheChange: none for a phone that loses its label, the stored one for a phone whose record stays.
func TestPreviewHasTheLabelsAfterTheChange(t *testing.T) {
	s := open(t, 3, nil)
	p := preview(t, s, false, func(e fleet.Edit) error {
		for i, label := range []string{"", "Lobby"} {
			d, err := e.Device(macOf(i))
			if err != nil {
				return err
			}
			d.Label = label
			if err := e.PutDevice(d); err != nil {
				return err
			}
		}
		return french(e)
	})
	var labels []string
	for _, x := range p.Items {
		labels = append(labels, x.Label)
	}
	if want := []string{"", "Lobby", "Phone 100002"}; !slices.Equal(labels, want) {
		t.Errorf("labels %q, want %q", labels, want)
	}
}
