package vendors_test

import (
	"bytes"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/provision/pack"
	"plugtone/provision/phonefile"
	"plugtone/provision/provisiontest"
	"plugtone/provision/resolve"
	"plugtone/provision/setting"
	"plugtone/provision/tz"
)

// A time zone is in a model's files, or is reported as left out: no two zones of different offsets give one file.
func TestZonesAreExpressedOrReported(t *testing.T) {
	zones := []string{"UTC", "Asia/Kathmandu", "Asia/Kolkata", "Asia/Tehran", "Pacific/Marquesas", "Australia/Lord_Howe", "Pacific/Chatham", "America/Santiago",
		"America/St_Johns", "Africa/Cairo", "Asia/Beirut", "Pacific/Auckland", "America/Havana", "Europe/London", "Europe/Berlin", "Africa/Casablanca"}
	for _, v := range load(t).Vendors() {
		t.Run(v.ID, func(t *testing.T) {
			for _, m := range coveringModels(v) {
				if v.CheckSetting(m, "time_zone", "UTC") == nil {
					expressed(t, v, m, zones)
				}
			}
		})
	}
}

func expressed(t *testing.T, v *pack.Vendor, model string, zones []string) {
	t.Helper()
	files := make(map[string]tz.Zone)
	for _, name := range zones {
		p := zonePhone(v, model, name)
		body := zoneFiles(v, p)
		left := strings.Join(resolve.ZoneLeftOut(v, p), "; ")
		if body == "" || strings.Contains(left, "has no place") {
			continue
		}
		z, err := tz.Load(name)
		if err != nil {
			t.Fatal(err)
		}
		if z.Irregular != strings.Contains(left, "no fixed rule") {
			t.Errorf("%s: %s: left out is %q", model, name, left)
		}
		if other, ok := files[body]; ok && other.Offset != z.Offset {
			t.Errorf("%s: %s and %s give the same file, and neither is reported", model, name, other.Name)
		}
		files[body] = z
	}
}

func zonePhone(v *pack.Vendor, model, zone string) phonefile.Phone {
	return phonefile.Phone{MAC: [6]byte{2, 0, 0, 0, 0, 1}, Vendor: v.ID, Model: model, Label: "x", Enabled: true, Assigned: true, ServerURL: "http://10.20.0.2/",
		Now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), Settings: map[string]any{"time_zone": zone},
		Lines: []phonefile.Account{{Position: 1, Number: "1001", AuthUser: "1001", Password: "x", Label: "x",
			Registrar: fleet.Registrar{Host: "h", Port: 5060, Transport: "udp", RegisterExpires: setting.Duration(time.Hour)}}}}
}

func zoneFiles(v *pack.Vendor, p phonefile.Phone) string {
	var all bytes.Buffer
	for _, n := range v.Files(p) {
		if n.File.Template != "" && n.File.Kind == phonefile.KindDevice {
			body, err := v.Render(n.Name, p)
			if err != nil {
				return ""
			}
			all.Write(body)
		}
	}
	return all.String()
}

// What phones have no name or number for is reported with the zone's name.
func TestZoneWithoutANumberIsReported(t *testing.T) {
	s := load(t)
	for _, c := range []struct{ vendor, model, zone, want string }{
		{"gigaset", "Maxwell 3", "Asia/Kathmandu", "time zone Asia/Kathmandu: has no place in the files of"},
		{"gigaset", "Maxwell 3", "Europe/Berlin", ""},
		{"gigaset", "N510 IP PRO", "Pacific/Chatham", "has no place"},
		{"htek", "UC926", "Asia/Kathmandu", "has no place"},
		{"htek", "UC926", "America/Santiago", ""},
		{"cisco-cucm", "8841", "Australia/Lord_Howe", "has no place"},
		{"yealink", "T46U", "Asia/Kathmandu", ""},
		{"yealink", "T46U", "Africa/Casablanca", "no fixed rule"},
	} {
		v, _ := s.Vendor(c.vendor)
		got := strings.Join(resolve.ZoneLeftOut(v, zonePhone(v, c.model, c.zone)), "; ")
		if got == "" != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s %s %s: %q, want %q", c.vendor, c.model, c.zone, got, c.want)
		}
	}
}

// A phone whose files can't be rendered does not hide that the time zone of another one with its settings has no place.
func TestPlacesOfUnrenderedPhonesAreNotRemembered(t *testing.T) {
	packs, r := load(t), &provisiontest.Records{}
	good, bad := provisiontest.MAC("001fc1000001"), provisiontest.MAC("001fc1000002")
	provisiontest.Edit(t, r, func(e fleet.Edit) error {
		err := errors.Join(e.PutRegistrar(&fleet.Registrar{Name: "main", Host: "pbx.example.com", Port: 5060, Transport: "udp"}),
			e.PutExtension(&fleet.Extension{Number: "1001", Registrar: "main", Password: "s3cret"}))
		for mac, odd := range map[dhcp.MAC]string{good: "", bad: "\x01"} {
			err = errors.Join(err, e.PutDevice(&fleet.Device{MAC: mac, Vendor: "htek", Model: "UC926", Enabled: true, Settings: setting.Values{"time_zone": "Asia/Kathmandu"},
				Lines: []fleet.Line{{Position: 1, Extension: "1001", Registrar: "main", Label: "Desk" + odd}}}))
		}
		return err
	})
	places := &resolve.Places{}
	left := map[dhcp.MAC]string{}
	err := r.View(func(f fleet.View) error {
		for _, mac := range []dhcp.MAC{bad, good} {
			d, err := f.Device(mac)
			if err != nil {
				return err
			}
			texts, _, err := places.LeftOut(f, packs, &fleet.Site{ExternalURL: "http://10.20.0.2/"}, netip.Prefix{}, d, renderedAt)
			if err != nil {
				return err
			}
			left[mac] = strings.Join(texts, "; ")
		}
		return nil
	})
	if err != nil || left[bad] != "" || !strings.Contains(left[good], "time zone Asia/Kathmandu: has no place") {
		t.Errorf("left out are %q, %v", left, err)
	}
}
