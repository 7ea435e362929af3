package pbxsync_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/provision/pbx"
	"plugtone/provision/pbxsync"
	"plugtone/provision/provisiontest"
)

// profiles returns the keys of all profiles by name.
func profiles(t *testing.T, r *provisiontest.Records) map[string]string {
	t.Helper()
	out := map[string]string{}
	must(t, r.View(func(v fleet.View) error {
		for p, err := range v.Profiles() {
			if err != nil {
				return err
			}
			var keys []string
			for _, k := range p.Keys {
				keys = append(keys, k.String())
			}
			out[p.Name] = strings.Join(keys, " ")
		}
		return nil
	}))
	return out
}

func wantProfiles(t *testing.T, r *provisiontest.Records, want map[string]string) {
	t.Helper()
	got := profiles(t, r)
	for name, keys := range want {
		if got[name] != keys {
			t.Errorf("profile %s has %q, want %q", name, got[name], keys)
		}
	}
	if len(got) != len(want) {
		t.Errorf("profiles %v, want %v", got, want)
	}
}

// TestProfileOfSeveralVendors: the PBX gives each phone the keys of its vendor and those for all, and a record's keys are for phones of all vendors.
func TestProfileOfSeveralVendors(t *testing.T) {
	r := &provisiontest.Records{}
	s := office()
	s.Devices = s.Devices[:3]
	s.Devices[1].Vendor, s.Devices[1].Model, s.Devices[1].Keys = "bolt", "B1", nil
	s.Devices[2].Vendor, s.Devices[2].Model, s.Devices[2].Keys = "", "", nil
	s.Profiles[0].Keys = []pbx.SourceKey{{Area: "line", Slot: 5, Vendor: "acme", Type: "16", Value: "1001"}, {Area: "line", Slot: 5, Vendor: "bolt", Type: "blf", Value: "1002"},
		{Area: "line", Slot: 6, Neutral: true, Type: "speed_dial", Value: "112"}}
	got := run(t, r, s, pbxsync.Options{})
	wantProfiles(t, r, map[string]string{"Front-Desk": "6=speed_dial:112", "Front-Desk.acme": "5=blf:1001 6=speed_dial:112", "Front-Desk.bolt": "5=blf:1002 6=speed_dial:112"})
	for n, want := range []string{"Front-Desk.acme", "Front-Desk.bolt", "Front-Desk"} {
		if d := device(t, r, n+1); d.Profile != want {
			t.Errorf("device %d has the profile %q, want %q: %s", n+1, d.Profile, want, problems(got))
		}
	}
}

// TestNamesOfProfiles are unique, and as near to the PBX's as they may be.
func TestNamesOfProfiles(t *testing.T) {
	r := &provisiontest.Records{}
	s := office()
	key := func(value string) []pbx.SourceKey {
		return []pbx.SourceKey{{Area: "line", Slot: 6, Neutral: true, Type: "speed_dial", Value: value}}
	}
	s.Profiles = []pbx.SourceProfile{{ID: "p1", Domain: domain, Name: "Front Desk", Keys: key("1")}, {ID: "p2", Domain: "b.example.com", Name: "Front/Desk", Keys: key("2")},
		{ID: "aaaaaaaa-1", Domain: domain, Name: "Sales", Keys: key("3")}, {ID: "bbbbbbbb-2", Domain: domain, Name: "Sales", Keys: key("4")}, {ID: "t1", Name: "Büro", Keys: key("5")}}
	s.Devices[0].Profiles = []string{"p1", "t1", "nowhere"} // FS PBX: a profile, and a key template over it
	run(t, r, s, pbxsync.Options{})
	wantProfiles(t, r, map[string]string{"Front-Desk.pbx.example.com": "6=speed_dial:1", "Front-Desk.b.example.com": "6=speed_dial:2", "Sales.pbx.example.com.aaaaaaaa": "6=speed_dial:3",
		"Sales.pbx.example.com.bbbbbbbb": "6=speed_dial:4", "B-ro": "6=speed_dial:5", "Front-Desk-B-ro": "6=speed_dial:5"})
	if d := device(t, r, 1); d.Profile != "Front-Desk-B-ro" {
		t.Errorf("%+v", d)
	}
}

// TestProfileKeepsWhatIsSetByHand, and a change of it names the phones that have it.
func TestProfileKeepsWhatIsSetByHand(t *testing.T) {
	r := &provisiontest.Records{}
	s := office()
	run(t, r, s, pbxsync.Options{})
	must(t, r.Edit("root", "change", func(e fleet.Edit) error {
		p, err := e.Profile("Front-Desk")
		if err != nil {
			return err
		}
		p.Keys = append(p.Keys, fleet.Key{Area: "line", Slot: 6, Type: "blf", Value: "1009"})
		return e.PutProfile(p)
	}))
	s.Profiles[0].Keys[0].Value = "*5902"
	s.Profiles[0].Keys = append(s.Profiles[0].Keys, pbx.SourceKey{Area: "line", Slot: 3, Vendor: "acme", Type: "99"}, pbx.SourceKey{Area: "line", Slot: 4, Vendor: "acme", Type: "16"})
	got := run(t, r, s, pbxsync.Options{})
	wantProfiles(t, r, map[string]string{"Front-Desk": "5=park:*5902 6=blf:1009"})
	if got.Profiles.Changed != 1 || got.Devices.Same != 20 || len(got.Phones) != 20 || len(got.Problems) != 2 ||
		!strings.Contains(problems(got), `profile Front-Desk: key line:3 of "acme" type "99": no key type of Acme Phones has this code`) || !strings.Contains(problems(got), "profile Front-Desk: key 4=blf: a blf key needs a value") {
		t.Errorf("%s\n%s", got, problems(got))
	}
}

// TestDeviceWhoseFilesCanNotBeRenderedStaysAsItWas: the phone keeps what it has.
func TestDeviceWhoseFilesCanNotBeRenderedStaysAsItWas(t *testing.T) {
	r := &provisiontest.Records{}
	run(t, r, office(), pbxsync.Options{})
	s := office()
	s.Devices[0].Label, s.Devices[1].Label = "Bad", "Good"
	s.Devices = append(s.Devices, phoneOf(21))
	s.Devices[20].Label, s.Devices[20].Lines = "Bad", nil
	refuse := func(f fleet.View, mac dhcp.MAC) error {
		d, err := f.Device(mac)
		if err == nil && d.Label == "Bad" {
			err = errors.New("a base has ten servers")
		}
		return err
	}
	got := run(t, r, s, pbxsync.Options{Render: refuse})
	if device(t, r, 1).Label != "Phone 1" || device(t, r, 2).Label != "Good" || got.Devices.Changed != 1 || got.Devices.Added != 0 || !slices.Equal(got.Phones, []dhcp.MAC{mac(2)}) ||
		!strings.Contains(problems(got), "device 00:15:65:00:00:01: is left as it was: a base has ten servers") {
		t.Errorf("%s\n%s", got, problems(got))
	}
	must(t, r.View(func(v fleet.View) error {
		if _, err := v.Device(mac(21)); !errors.Is(err, fleet.ErrNotFound) {
			t.Errorf("the new device is there: %v", err)
		}
		return nil
	}))
}
