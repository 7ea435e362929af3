package pbxsync_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/provision/pack"
	"plugtone/provision/pbx"
	"plugtone/provision/pbxsync"
	"plugtone/provision/provisiontest"
	"plugtone/provision/resolve"
	"plugtone/provision/setting"
)

// packs are those of sources without devices. The others have provisiontest's: acme has the models A1 (2 lines, 2 keys) and A4 (4 lines, 6 keys, one
// module); blf is 16, park is 10.
func packs() *pack.Set { return nil }

func mac(n int) dhcp.MAC { return dhcp.MAC{0, 0x15, 0x65, 0, byte(n >> 8), byte(n)} }

var everything = pbx.Take{Extensions: true, Devices: true, Profiles: true}

// phoneOf returns a device of the PBX with the extension of the same number.
func phoneOf(n int) pbx.SourceDevice {
	return pbx.SourceDevice{MAC: mac(n), Domain: domain, Vendor: "acme", Model: "a4", Label: fmt.Sprintf("Phone %d", n), Enabled: true, Profiles: []string{"p1"},
		Lines: []pbx.SourceLine{{Position: 1, Domain: domain, Number: fmt.Sprint(1000 + n)}},
		Keys:  []pbx.SourceKey{{Area: "line", Slot: 2, Vendor: "acme", Type: "16", Value: "1001", Label: "Boss"}}}
}

// office has twenty accounts, each with a phone, and a profile that all phones have.
func office() pbx.Snapshot {
	s := twenty()
	s.Devices = []pbx.SourceDevice{}
	for n := range 20 {
		s.Devices = append(s.Devices, phoneOf(n+1))
	}
	s.Profiles = []pbx.SourceProfile{{ID: "p1", Domain: domain, Name: "Front Desk", Keys: []pbx.SourceKey{{Area: "line", Slot: 5, Vendor: "acme", Type: "10", Value: "*5901"}},
		Settings: []pbx.SourceSetting{{Name: "time_zone", Value: "Europe/Berlin"}}}}
	return s
}

// run syncs everything.
func run(t *testing.T, r *provisiontest.Records, s pbx.Snapshot, o pbxsync.Options) pbxsync.SyncResult {
	t.Helper()
	o.Take, o.Packs = everything, provisiontest.Packs(t)
	got, err := sync(t, r, s, o)
	if err != nil && !errors.Is(err, pbxsync.ErrUnchanged) {
		t.Fatal(err)
	}
	return got
}

func device(t *testing.T, r *provisiontest.Records, n int) (out fleet.Device) {
	t.Helper()
	must(t, r.View(func(v fleet.View) error {
		d, err := v.Device(mac(n))
		if err == nil {
			out = *d
		}
		return err
	}))
	return out
}

func edit(t *testing.T, r *provisiontest.Records, n int, f func(d *fleet.Device)) {
	t.Helper()
	must(t, r.Edit("root", "change", func(e fleet.Edit) error {
		d, err := e.Device(mac(n))
		if err != nil {
			return err
		}
		before := *d
		f(d)
		if err := fleet.CheckOwnedDevice(&before, d); err != nil {
			return err
		}
		if err := resolve.CheckDevice(e, provisiontest.Packs(t), d); err != nil {
			return err
		}
		return e.PutDevice(d)
	}))
}

func problems(r pbxsync.SyncResult) string {
	var out []string
	for _, p := range r.Problems {
		out = append(out, p.String())
	}
	return strings.Join(out, "\n")
}

func TestDevicesBecomeRecords(t *testing.T) {
	r := &provisiontest.Records{}
	s := office()
	d := &s.Devices[0]
	d.Location, d.Serial, d.Notes = "Berlin", "3130", "by the door"
	d.Lines = append(d.Lines, pbx.SourceLine{Position: 3, Domain: domain, Number: "1002", Label: "Sales", Server: "pbx-b.example.com", Port: "5070", Transport: "TCP",
		OutboundProxy: "proxy.example.com", Expires: "120", Shared: true, Disabled: true})
	d.Keys = append(d.Keys, pbx.SourceKey{Area: "expansion1", Slot: 10, Neutral: true, Type: "speed_dial", Value: "112", Line: "3", Locked: true})
	d.Settings = []pbx.SourceSetting{{Name: "admin_password", Value: "h1dden"}, {Name: "ntp_servers", Value: "ntp1.example.com,ntp2.example.com"}}
	got := run(t, r, s, pbxsync.Options{})
	if got.Devices == nil || *got.Devices != (pbxsync.SyncCounts{Added: 20}) || *got.Profiles != (pbxsync.SyncCounts{Added: 1}) || len(got.Problems) > 0 || len(got.Phones) != 20 {
		t.Errorf("%s\n%s", got, problems(got))
	}
	b, err := json.Marshal(device(t, r, 1))
	must(t, err)
	const want = `{"mac":"00:15:65:00:00:01","vendor":"acme","model":"A4","label":"Phone 1","profile":"Front-Desk","enabled":true,"location":"Berlin","serial":"3130","source":"main",` +
		`"source_members":["vendor","model","label","location","serial","notes","enabled","profile","lines.1","lines.3","keys.line:2","keys.expansion1:10","settings.admin_password","settings.ntp_servers"],` +
		`"notes":"by the door","lines":[{"position":1,"extension":"1001","registrar":"pbx.example.com"},` +
		`{"position":3,"extension":"1002","registrar":"pbx.example.com","label":"Sales","enabled":false,"shared":true,"registrar_override":{"host":"pbx-b.example.com","port":5070,"transport":"tcp","outbound_proxy":"proxy.example.com","register_expires":"2m"}}],` +
		`"keys":[{"area":"line","slot":2,"type":"blf","value":"1001","label":"Boss"},{"area":"expansion1","slot":10,"type":"speed_dial","value":"112","line":3,"locked":true}],` +
		`"settings":{"admin_password":"h1dden","ntp_servers":["ntp1.example.com","ntp2.example.com"]},"credentials"`
	if !strings.HasPrefix(string(b), want) {
		t.Errorf("got  %s\nwant %s", b, want)
	}
	must(t, r.View(func(v fleet.View) error {
		p, err := v.Profile("Front-Desk")
		if err == nil && (p.Source != "main" || len(p.Keys) != 1 || p.Keys[0].String() != "5=park:*5901" || p.Settings["time_zone"] != "Europe/Berlin" ||
			!slices.Equal(p.SourceMembers, []string{"keys.line:5", "settings.time_zone"})) {
			t.Errorf("%+v", p)
		}
		return err
	}))

	// A second sync finds everything as it is.
	before := r.Revision()
	if again := run(t, r, s, pbxsync.Options{}); again.Devices.Same != 20 || again.Profiles.Same != 1 || r.Revision() != before || len(again.Phones) != 0 {
		t.Errorf("%s, revision %d after %d", again, r.Revision(), before)
	}
}

// TestWhatIsSetByHandStays: members that the PBX does not have survive its changes, and those that it has no more are removed.
func TestWhatIsSetByHandStays(t *testing.T) {
	r := &provisiontest.Records{}
	s := office()
	s.Devices[0].Settings = []pbx.SourceSetting{{Name: "time_zone", Value: "Asia/Tokyo"}}
	run(t, r, s, pbxsync.Options{})
	edit(t, r, 1, func(d *fleet.Device) {
		d.Location, d.Tags = "Bonn", []string{"pilot"}
		d.Keys = append(d.Keys, fleet.Key{Area: "line", Slot: 4, Type: "blf", Value: "1009"})
		d.Lines = append(d.Lines, fleet.Line{Position: 2, Extension: "1003", Registrar: domain})
		d.Settings = setting.Values{"time_zone": "Asia/Tokyo", "srtp": "optional"}
	})
	s = office()
	s.Devices[0].Label, s.Devices[0].Profiles = "", nil
	s.Devices[0].Keys = []pbx.SourceKey{{Area: "line", Slot: 3, Vendor: "acme", Type: "13", Value: "112"}}
	got := run(t, r, s, pbxsync.Options{})
	d := device(t, r, 1)
	if got.Devices.Changed != 1 || d.Label != "" || d.Profile != "" || d.Location != "Bonn" || len(d.Tags) != 1 || len(d.Lines) != 2 || len(d.Settings) != 1 || d.Settings["srtp"] != "optional" ||
		len(d.Keys) != 2 || d.Keys[0].String() != "3=speed_dial:112" || d.Keys[1].String() != "4=blf:1009" || !slices.Equal(got.Phones, []dhcp.MAC{mac(1)}) {
		t.Errorf("%s: %+v", got, d)
	}
	// The PBX sets what was set by hand: it is its own from then on.
	s.Devices[0].Location = "Berlin"
	s.Devices[0].Keys = append(s.Devices[0].Keys, pbx.SourceKey{Area: "line", Slot: 4, Vendor: "acme", Type: "16", Value: "1010"})
	run(t, r, s, pbxsync.Options{})
	if d := device(t, r, 1); d.Location != "Berlin" || len(d.Keys) != 2 || d.Keys[1].Value != "1010" || !slices.Contains(d.SourceMembers, "keys.line:4") {
		t.Errorf("%+v", d)
	}
}

// TestDeviceMadeByHandIsTakenOver, with what the PBX does not have of it.
func TestDeviceMadeByHandIsTakenOver(t *testing.T) {
	r := &provisiontest.Records{}
	must(t, r.Edit("root", "add", func(e fleet.Edit) error {
		return errors.Join(e.PutDevice(&fleet.Device{MAC: mac(1), Vendor: "acme", Model: "A1", Label: "By hand", Enabled: true, Location: "Bonn"}),
			e.PutDevice(&fleet.Device{MAC: mac(2), Source: "other", Enabled: true}))
	}))
	got := run(t, r, office(), pbxsync.Options{})
	if d := device(t, r, 1); d.Source != "main" || d.Model != "A4" || d.Label != "Phone 1" || d.Location != "Bonn" || len(d.Lines) != 1 {
		t.Errorf("%+v", d)
	}
	if d := device(t, r, 2); d.Source != "other" || !strings.Contains(problems(got), "device 00:15:65:00:00:02: belongs to the source other") {
		t.Errorf("%+v\n%s", d, problems(got))
	}
}

func TestVanishedDevicesAndProfiles(t *testing.T) {
	r := &provisiontest.Records{}
	run(t, r, office(), pbxsync.Options{})
	s := office()
	s.Devices = s.Devices[:18]
	got := run(t, r, s, pbxsync.Options{})
	if d := device(t, r, 20); !d.Gone || !d.Enabled || len(d.Lines) != 1 || got.Devices.Gone != 2 || got.Devices.Same != 18 || len(got.Phones) != 0 {
		t.Errorf("%s, %+v", got, d)
	}
	s.Devices = s.Devices[:15]
	_, err := sync(t, r, s, pbxsync.Options{Take: everything, Packs: provisiontest.Packs(t)})
	if err == nil || err.Error() != "3 of 20 devices of the source are not in the PBX any more, which is more than a tenth; look at the source, then use force" {
		t.Errorf("%v", err)
	}
	if got = run(t, r, s, pbxsync.Options{Force: true, Prune: true}); got.Devices.Removed != 5 {
		t.Errorf("%s", got)
	}
	// The profile is not in the PBX any more, and no phone has it: no loss. With a phone it is refused, and pruning leaves it.
	edit(t, r, 1, func(d *fleet.Device) {}) // as it is
	s.Profiles = []pbx.SourceProfile{}
	for i := range s.Devices {
		s.Devices[i].Profiles = nil
	}
	if got = run(t, r, s, pbxsync.Options{}); got.Profiles.Gone != 1 || got.Devices.Changed != 15 {
		t.Errorf("%s", got)
	}
	edit(t, r, 2, func(d *fleet.Device) { d.Profile = "Front-Desk" })
	if got = run(t, r, s, pbxsync.Options{Prune: true}); got.Profiles.Gone != 1 || !strings.Contains(problems(got), "profile Front-Desk: is not in the PBX any more, and 1 phones have it: it stays") {
		t.Errorf("%s\n%s", got, problems(got))
	}
	edit(t, r, 2, func(d *fleet.Device) { d.Profile = "" })
	if got = run(t, r, s, pbxsync.Options{Prune: true}); got.Profiles.Removed != 1 {
		t.Errorf("%s", got)
	}
	// All of it is back.
	if got = run(t, r, office(), pbxsync.Options{}); got.Devices.Added != 5 || got.Devices.Changed != 15 || got.Profiles.Added != 1 || device(t, r, 20).Gone {
		t.Errorf("%s", got)
	}
}

func TestWhatADeviceCanNotHaveIsAProblemOfItsRow(t *testing.T) {
	r := &provisiontest.Records{}
	s := office()
	s.Devices = append(s.Devices[:1],
		pbx.SourceDevice{MAC: mac(30), Vendor: "unheard", Template: "unheard/x1", Enabled: true, Keys: []pbx.SourceKey{{Area: "line", Slot: 1, Type: "16", Value: "1001"}}},
		pbx.SourceDevice{MAC: mac(31), Vendor: "acme", Template: "acme/a9x", Agent: "Acme A1 1.2.3 00:15:65:00:00:1f", Enabled: true,
			Lines: []pbx.SourceLine{{Position: 3, Domain: domain, Number: "1001"}, {Position: 1, Domain: domain, Number: "999"}, {Position: 2, Domain: "elsewhere.example.com", Number: "1001"},
				{Position: 1, Domain: domain, Number: "1002", Transport: "dns srv", Port: "99999", Expires: "x", BackupServer: "pbx2.example.com"}},
			Keys: []pbx.SourceKey{{Area: "line", Slot: 3, Type: "16", Value: "1001"}, {Area: "side", Slot: 1, Neutral: true, Type: "blf", Value: "1001"}, {Area: "line", Slot: 1, Type: "16"},
				{Area: "line", Slot: 2, Type: "99", Value: "x"}, {Area: "line", Slot: 2, Type: "16", Value: "1003"}, {Area: "line", Slot: 2, Type: "16", Value: "1004"}},
			Settings: []pbx.SourceSetting{{Name: "yealink_wallpaper", Value: "x"}, {Name: "srtp", Value: "maybe"}, {Name: "wallpaper", Value: "x.png"}}},
		pbx.SourceDevice{MAC: mac(32), Vendor: "acme", Template: "acme/a9x", Enabled: true}, pbx.SourceDevice{MAC: mac(32), Enabled: true})
	got := run(t, r, s, pbxsync.Options{})
	for _, want := range []string{
		`device 00:15:65:00:00:1e: its vendor and model are not known: tried were unheard/x1; it gets an address and no files until the model is set here`,
		`device 00:15:65:00:00:1e: key line:1 type "16" value "1001": the vendor is not known, so that its code has no meaning; set the model here`,
		`device 00:15:65:00:00:1f: line 3: line 3: A1 has lines 1 to 2; beyond_model lets more through`,
		`device 00:15:65:00:00:1f: line 1 is left out: there is no extension 999@pbx.example.com with a password; add it here, or set the line here`,
		`device 00:15:65:00:00:1f: line 2 is left out: no registrar is known for the domain "elsewhere.example.com"; name it in domains, or set the line here`,
		`device 00:15:65:00:00:1f: line 1: its transport "dns srv" must be one of udp, tcp, tls; the registrar's counts`,
		`device 00:15:65:00:00:1f: line 1: its port "99999" is not a number from 0 to 65535; the registrar's counts`,
		`device 00:15:65:00:00:1f: line 1: its registration time "x" is not a number from 0 to 604800; the registrar's counts`,
		`registrar pbx.example.com: lines have the second server "pbx2.example.com", which a line can't have: set backup_host of the registrar`,
		`device 00:15:65:00:00:1f: key 3=blf:1001: A1 has line keys 1 to 2, not 3; beyond_model lets more through`,
		`device 00:15:65:00:00:1f: key side:1=blf:1001: is not a key area`,
		`device 00:15:65:00:00:1f: key 1=blf: a blf key needs a value`,
		`device 00:15:65:00:00:1f: key line:2 type "99" value "x": no key type of Acme Phones has this code; set the key here, or what it does by vendor_settings`,
		`device 00:15:65:00:00:1f: key line:2 type "16" value "1004": its place has a key already; the first one counts`,
		`device 00:15:65:00:00:1f: setting yealink_wallpaper has no counterpart: set what it does by settings or vendor_settings`,
		`device 00:15:65:00:00:1f: setting srtp: its value can't be used; allowed is one of off, optional, required`,
		`device 00:15:65:00:00:1f: settings.wallpaper: no way is known to set it on A1`,
		`device 00:15:65:00:00:20: its model is not known: tried were acme/a9x; it gets the files of any acme until the model is set here`,
		`device 00:15:65:00:00:20: is there twice; the first one counts`,
	} {
		if !strings.Contains(problems(got)+"\n", want) {
			t.Errorf("no %s", want)
		}
	}
	d := device(t, r, 31)
	if len(got.Problems) != 19 || d.Model != "A1" || len(d.Lines) != 1 || d.Lines[0].Extension != "1002" || d.Lines[0].Override != nil || len(d.Keys) != 1 || d.Keys[0].Value != "1003" ||
		slices.Contains(d.SourceMembers, "lines.3") || slices.Contains(d.SourceMembers, "keys.line:1") || len(d.Settings) != 0 {
		t.Errorf("%d problems:\n%s\n%+v", len(got.Problems), problems(got), d)
	}

	// What the PBX can't tell is set here, and stays.
	edit(t, r, 30, func(d *fleet.Device) { d.Model = "acme/A4" })
	edit(t, r, 31, func(d *fleet.Device) { d.Keys = append(d.Keys, fleet.Key{Area: "line", Slot: 1, Type: "line"}) })
	got = run(t, r, s, pbxsync.Options{})
	if d := device(t, r, 30); d.Model != "A4" || len(d.Keys) != 1 || d.Keys[0].String() != "1=blf:1001" || strings.Contains(problems(got), "00:1e: its vendor") {
		t.Errorf("%+v", d)
	}
	if d := device(t, r, 31); len(d.Keys) != 2 {
		t.Errorf("%+v", d)
	}
}
