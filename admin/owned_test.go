package admin_test

import (
	"fmt"
	"strings"
	"testing"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/provision/setting"
)

// TestApplyLeavesWhatAPBXSourceOwns applies a file that is older than the last sync, and one without the extension of the source.
func TestApplyLeavesWhatAPBXSourceOwns(t *testing.T) {
	a := newAPI(t)
	a.office()
	err := a.Records.Edit("pbx:main", "sync", func(e fleet.Edit) error {
		return e.PutExtension(&fleet.Extension{Number: "2001", Registrar: "main", DisplayName: "New Name", AuthUser: "2001", Password: "n3w", Source: "main"})
	})
	if err != nil {
		t.Fatal(err)
	}
	apply := func(query, body, want string) {
		t.Helper()
		r := a.as("operator", "POST /api/v1/apply"+query, body, "Content-Type: application/json")
		a.want(r, "apply", 200)
		if got := r.get(t, want); got != "1" {
			t.Errorf("%s is %q: %s", want, got, r.body)
		}
		x := a.as("admin", "GET /api/v1/extensions/2001?reveal=true", "")
		a.want(x, "the extension of the source", 200)
		for _, part := range []string{`"display_name":"New Name"`, `"password":"n3w"`, `"source":"main"`} {
			if !strings.Contains(x.body, part) {
				t.Errorf("no %s: %s", part, x.body)
			}
		}
	}
	const old = `"number":"2001","registrar":"main","display_name":"Old Name","password":"old"`
	apply("", `{"extensions":[{`+old+`}]}`, "skipped")
	apply("", `{"extensions":[{`+old+`,"voicemail":"*97"}]}`, "changed")
	apply("?prune=true&yes=true", `{"extensions":[{"number":"1001","registrar":"main"}]}`, "deleted")
}

// TestPushTokenSeesNoPhones: the role push sends what a PBX has, to a source that takes it, and reads nothing by it.
func TestPushTokenSeesNoPhones(t *testing.T) {
	a := newAPI(t)
	a.office()
	const body = `{"extensions":[{"domain":"main","number":"1001","password":"n3w"}],"problems":[]}`
	for _, x := range []struct {
		role, path string
		status     int
	}{
		{"push", "pushed/push?dry_run=true", 403}, {"operator", "pushed/push?dry_run=true", 200}, {"viewer", "pushed/push", 403},
		{"push", "main/push", 409}, {"push", "pushed/sync", 403}, {"push", "pushed/push", 200},
	} {
		r := a.as(x.role, "POST /api/v1/pbx/"+x.path, body)
		a.want(r, x.role+" "+x.path, x.status)
		if x.role == "push" && x.status != 200 && strings.Contains(r.body, phone) {
			t.Errorf("%s: %s", x.path, r.body)
		}
	}
}

// synced makes the office with a phone and a profile of a PBX source.
func synced(t *testing.T, a *api) dhcp.MAC {
	t.Helper()
	a.office()
	mac := mustMAC(t, phone)
	err := a.Records.Edit("pbx:main", "sync", func(e fleet.Edit) error {
		d, err := e.Device(mac)
		if err != nil {
			return err
		}
		d.Source, d.Label, d.Settings = "main", "From the PBX", setting.Values{"srtp": "off"}
		d.Keys = []fleet.Key{{Area: "line", Slot: 2, Type: "blf", Value: "1002"}}
		d.SourceMembers = []string{"model", "vendor", "label", "lines.1", "keys.line:2", "settings.srtp"}
		err = e.PutDevice(d)
		if err != nil {
			return err
		}
		return e.PutProfile(&fleet.Profile{Name: "pbx", Source: "main", Keys: d.Keys, SourceMembers: []string{"keys.line:2"}})
	})
	if err != nil {
		t.Fatal(err)
	}
	return mac
}

func blfKey(slot int, value string) string {
	return fmt.Sprintf(`{"area":"line","slot":%d,"type":"blf","value":"%s"}`, slot, value)
}

// TestOfADeviceOnlyWhatThePBXHasIsLocked: a change of it is refused with the name of the source, all else stays the operator's.
func TestOfADeviceOnlyWhatThePBXHasIsLocked(t *testing.T) {
	a := newAPI(t)
	synced(t, a)
	for _, x := range []struct{ path, body, refused string }{
		{"devices/" + phone, `{"label":"Other"}`, "label"},
		{"devices/" + phone, `{"lines":[]}`, "lines.1"},
		{"devices/" + phone, `{"keys":[` + blfKey(2, "1001") + `]}`, "keys.line:2"},
		{"devices/" + phone, `{"settings":{"srtp":"required"}}`, "settings.srtp"},
		{"devices/" + phone, `{"settings":{"time_zone":"Europe/Berlin"}}`, ""},
		{"devices/" + phone, `{"location":"Berlin","notes":"by hand"}`, ""},
		{"devices/" + phone, `{"keys":[` + blfKey(2, "1002") + `,` + blfKey(3, "1001") + `]}`, ""},
		{"devices/" + phone, `{"source":"","source_members":[],"gone":true}`, ""},
		{"profiles/pbx", `{"keys":[` + blfKey(2, "1001") + `]}`, "keys.line:2"},
		{"profiles/pbx", `{"keys":[` + blfKey(2, "1002") + `,` + blfKey(3, "1001") + `]}`, ""},
	} {
		r := a.as("operator", "PATCH /api/v1/"+x.path, x.body, "Content-Type: application/merge-patch+json")
		if x.refused == "" {
			a.want(r, x.body, 200)
			continue
		}
		a.want(r, x.body, 409)
		if want := x.refused + " comes from a PBX source: change it in the PBX of the source main"; !strings.Contains(r.body, want) {
			t.Errorf("%s: %s, want %s", x.body, r.body, want)
		}
	}
	r := a.as("operator", "GET /api/v1/devices/"+phone, "")
	for _, part := range []string{`"source":"main"`, `"source_members":["model","vendor","label","lines.1","keys.line:2","settings.srtp"]`, `"location":"Berlin"`, `"slot":3`} {
		if !strings.Contains(r.body, part) || strings.Contains(r.body, `"gone":true`) {
			t.Errorf("no %s: %s", part, r.body)
		}
	}

}

// TestApplyKeepsWhatThePBXHasOfADevice: an older file changes what is the operator's and leaves what is the PBX's.
func TestApplyKeepsWhatThePBXHasOfADevice(t *testing.T) {
	a := newAPI(t)
	mac := synced(t, a)
	apply := `{"devices":[{"mac":"` + phone + `","label":"Old","location":"Bonn","lines":[],"keys":[` + blfKey(2, "1001") + `,` + blfKey(5, "1001") + `],"settings":{"srtp":"required","time_zone":"Asia/Tokyo"}}],
		"profiles":[{"name":"pbx","keys":[` + blfKey(2, "1001") + `,` + blfKey(5, "1001") + `]}]}`
	a.want(a.as("operator", "POST /api/v1/apply", apply, "Content-Type: application/json"), "apply", 200)
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	must(a.Records.View(func(f fleet.View) error {
		d, err := f.Device(mac)
		must(err)
		if d.Label != "From the PBX" || d.Location != "Bonn" || len(d.Lines) != 1 || len(d.Keys) != 2 || d.Keys[0].Value != "1002" || d.Keys[1].Slot != 5 ||
			d.Settings["srtp"] != "off" || d.Settings["time_zone"] != "Asia/Tokyo" {
			t.Errorf("%+v", d)
		}
		p, err := f.Profile("pbx")
		must(err)
		if len(p.Keys) != 2 || p.Keys[0].Value != "1002" || p.Keys[1].Slot != 5 {
			t.Errorf("%+v", p)
		}
		return nil
	}))

	// A revision from before the PBX had the phone can't be rolled back to.
	a.want(a.as("operator", "POST /api/v1/devices/"+phone+"/rollback", `{"revision":4}`), "rollback", 409)
	// A file that lacks the records of the source does not prune them.
	a.want(a.as("operator", "POST /api/v1/apply?prune=true&yes=true", `{"devices":[],"profiles":[]}`, "Content-Type: application/json"), "prune", 200)
	a.want(a.as("operator", "GET /api/v1/profiles/pbx", ""), "the profile", 200)
}
