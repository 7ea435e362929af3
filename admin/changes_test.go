package admin_test

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"plugtone/admin/admintest"
	"plugtone/dhcp"
	"plugtone/provision"
	"plugtone/provision/fleet"
)

// files returns all files of all devices, byte for byte.
func (a *api) files() map[string]string {
	a.t.Helper()
	out := map[string]string{}
	for _, mac := range []string{phone, "00:15:65:12:34:57", "00:15:65:12:34:58"} {
		m := mustMAC(a.t, mac)
		list, err := a.Service.Files(context.Background(), m, netip.Prefix{})
		if err != nil {
			continue
		}
		for _, f := range list {
			if f.Outcome == string(provision.Served) {
				out[mac+" "+f.Name] = a.file(m, f.Name)
			}
		}
	}
	return out
}

func (a *api) file(m dhcp.MAC, name string) string {
	a.t.Helper()
	f, err := a.Service.File(context.Background(), m, name, netip.Prefix{}, true)
	if err != nil {
		a.t.Fatal(err)
	}
	return string(f.Body)
}

// fleetChanges are changes of every kind, each with the phones whose files it changes.
var fleetChanges = []struct{ request, body, phones string }{
	{"PATCH /api/v1/devices/" + phone, `{"label":"Reception","keys":[],"reserved_ip":"10.20.0.50"}`, phone},
	{"PUT /api/v1/devices/" + phone, `{"model":"acme/A1","lines":[{"extension":"1002"}]}`, phone},
	{"DELETE /api/v1/devices/" + phone, "", phone},
	{"POST /api/v1/devices", `{"mac":"001565123458","model":"acme/A1","lines":[{"extension":"1002"}]}`, "00:15:65:12:34:58"},
	{"PATCH /api/v1/extensions/1001", `{"display_name":"Lobby"}`, phone},
	{"PATCH /api/v1/extensions/1001", `{"password":"an0ther"}`, phone},
	{"DELETE /api/v1/extensions/1001?force=true", "", phone + " 00:15:65:12:34:57"},
	{"PUT /api/v1/extensions/1003", `{"password":"x"}`, ""},
	{"PATCH /api/v1/registrars/main", `{"host":"pbx2.example.com","settings":{"language":"fr"}}`, phone + " 00:15:65:12:34:57"},
	{"DELETE /api/v1/registrars/main?force=true", "", phone + " 00:15:65:12:34:57"},
	{"PUT /api/v1/profiles/base", `{"settings":{"language":"fr"}}`, "00:15:65:12:34:57"},
	{"DELETE /api/v1/profiles/desk?force=true", "", "00:15:65:12:34:57"},
	{"PUT /api/v1/profiles/new", `{}`, ""},
	{"POST /api/v1/apply", `{"extensions":[{"number":"1001","display_name":"Lobby"}],"devices":[{"mac":"001565123458","model":"acme/A1","lines":[{"extension":"1002"}]}]}`,
		phone + " 00:15:65:12:34:57 00:15:65:12:34:58"},
	{"POST /api/v1/apply?prune=true&yes=true", `{"devices":[{"mac":"001565123457"}]}`, phone},
	{"POST /api/v1/devices/change", `{"macs":["001565123456","001565123457"],"keys":[{"area":"line","slot":4,"type":"blf","value":"1002"}]}`, phone + " 00:15:65:12:34:57"},
	{"POST /api/v1/devices/change", `{"where":"profile=desk","delete":true}`, "00:15:65:12:34:57"},
	{"POST /api/v1/devices/00:15:65:12:34:57/rollback", `{"revision":{created}}`, "00:15:65:12:34:57"},
	{"POST /api/v1/discovered/00:15:65:12:34:58/adopt", `{"profile":"desk","lines":[{"extension":"1001"}]}`, "00:15:65:12:34:58"},
}

// undoneElsewhere are the operations whose undo other tests hold: TestOneStepIsOneChange, those of imported reservations, pbx_devices.txtar.
var undoneElsewhere = []string{"POST /api/v1/devices/{mac}/copy", "POST /api/v1/devices/{mac}/swap", "POST /api/v1/devices/{mac}/replace", "POST /api/v1/keys/fill",
	"POST /api/v1/leases/import", "POST /api/v1/pbx/{name}/sync"}

// TestEveryKindOfChangeIsUndone: a new operation that changes records is one of fleetChanges, or has a test of its own.
func TestEveryKindOfChangeIsUndone(t *testing.T) {
	list, err := os.ReadFile("testdata/operations.txt")
	if err != nil {
		t.Fatal(err)
	}
	kind := regexp.MustCompile(`/(devices|discovered|extensions|registrars|profiles)/[^/?]*(?:[:.\d]|main|base|desk|new)[^/?]*`)
	undone := map[string]bool{"POST /api/v1/changes/{id}/undo": true}
	for _, operation := range undoneElsewhere {
		undone[operation] = true
	}
	for _, c := range fleetChanges {
		request, _, _ := strings.Cut(c.request, "?")
		undone[kind.ReplaceAllString(request, "/$1/{}")] = true
	}
	for line := range strings.Lines(string(list)) {
		path, method, _ := strings.Cut(strings.TrimSpace(line), " ")
		if method == "GET" || slices.Contains(notRecords, path) {
			continue
		}
		bare := strings.NewReplacer("{mac}", "{}", "{number}", "{}", "{name}", "{}").Replace(path)
		alike := method != "POST" && method != "DELETE" && (undone["PUT "+bare] || undone["PATCH "+bare]) // of one record
		if !undone[method+" "+path] && !undone[method+" "+bare] && !alike {
			t.Errorf("no test undoes %s %s", method, path)
		}
	}
}

// prepare makes what a change of fleetChanges needs beyond the office, and returns its body.
func (a *api) prepare(body string) string {
	a.t.Helper()
	a.Discover(fleet.Discovered{MAC: mustMAC(a.t, "00:15:65:12:34:58"), Vendor: "acme", Model: "A4"})
	if !strings.Contains(body, "{created}") {
		return body
	}
	created := a.do("GET /api/v1/devices/00:15:65:12:34:57", "", 200).get(a.t, "revision")
	a.do("PATCH /api/v1/devices/00:15:65:12:34:57", `{"keys":[{"area":"line","slot":5,"type":"blf","value":"1001"}]}`, 200)
	return strings.ReplaceAll(body, "{created}", created)
}

// fleetOf is an office with a second phone, which has a profile.
func fleetOf(t *testing.T) *api {
	a := newAPI(t)
	a.office()
	a.do("PUT /api/v1/profiles/base", `{"settings":{"language":"de"}}`, 201)
	a.do("PUT /api/v1/profiles/desk", `{"parent":"base","keys":[{"slot":3,"type":"blf","value":"1001","label_source":"extension"}]}`, 201)
	a.do("POST /api/v1/devices", `{"mac":"001565123457","model":"acme/A4","profile":"desk","lines":[{"extension":"1002"}]}`, 201)
	return a
}

func status(request string) int {
	switch {
	case strings.HasPrefix(request, "DELETE"):
		return 204
	case strings.HasSuffix(request, "/devices"), strings.HasSuffix(request, "/adopt"), strings.Contains(request, "extensions/1003"), strings.HasSuffix(request, "/new"):
		return 201
	}
	return 200
}

// TestUndoRestoresTheFilesOfEveryKindOfChange undoes changes of every kind: all files are as they were, byte for byte. The undo
// is undone too.
func TestUndoRestoresTheFilesOfEveryKindOfChange(t *testing.T) {
	for _, c := range fleetChanges {
		t.Run(strings.TrimSpace(c.request+" "+c.body), func(t *testing.T) {
			a := fleetOf(t)
			body := a.prepare(c.body)
			before := a.files()
			a.do(c.request, body, status(c.request))
			after := a.files()
			id := a.do("GET /api/v1/changes?limit=1", "", 200).get(t, "items.0.id")
			r := a.do("POST /api/v1/changes/"+id+"/undo?message=wrong", "", 200)
			if got := a.files(); fmt.Sprint(got) != fmt.Sprint(before) {
				t.Errorf("after undo: %v\nwant %v", got, before)
			}
			if r.get(t, "undoes") != id || r.get(t, "message") != "wrong" {
				t.Errorf("undo: %s", r.body)
			}
			a.do("POST /api/v1/changes/"+id+"/undo", "", 409) // nothing is left to undo
			a.do("POST /api/v1/changes/"+r.get(t, "id")+"/undo", "", 200)
			if got := a.files(); fmt.Sprint(got) != fmt.Sprint(after) {
				t.Errorf("after undo of the undo: %v\nwant %v", got, after)
			}
		})
	}
}

// TestADryRunNamesThePhonesWhoseFilesChange compares the results of dry runs of changes of every kind with what the changes then do.
func TestADryRunNamesThePhonesWhoseFilesChange(t *testing.T) {
	for _, c := range fleetChanges {
		t.Run(strings.TrimSpace(c.request+" "+c.body), func(t *testing.T) {
			a := fleetOf(t)
			a.Config.API.Log = nil
			body := a.prepare(c.body)
			before, revision := a.files(), a.Records.Revision()
			sep := "?"
			if strings.Contains(c.request, "?") {
				sep = "&"
			}
			r := a.do(c.request+sep+"dry_run=true", body, 200)
			if r.header.Get("Plugtone-Dry-Run") != "true" || a.Records.Revision() != revision || fmt.Sprint(a.files()) != fmt.Sprint(before) {
				t.Fatalf("a dry run changes something: %s", r.body)
			}
			summary := a.do(c.request+sep+"dry_run=true&summary=true", body, 200)
			a.do(c.request, body, status(c.request))
			differs := map[string]bool{}
			after := a.files()
			for _, side := range []map[string]string{before, after} {
				for name := range side {
					if before[name] != after[name] {
						mac, _, _ := strings.Cut(name, " ")
						differs[mac] = true
					}
				}
			}
			named := map[string]bool{}
			for i := 0; r.get(t, fmt.Sprintf("items.%d.mac", i)) != ""; i++ {
				named[r.get(t, fmt.Sprintf("items.%d.mac", i))] = true
			}
			if fmt.Sprint(named) != fmt.Sprint(differs) || r.get(t, "phones") != fmt.Sprint(len(differs)) || summary.get(t, "phones") != fmt.Sprint(len(differs)) {
				t.Errorf("named %v, %s phones, summary %s; the files of %v differ", named, r.get(t, "phones"), summary.body, differs)
			}
			want := map[string]bool{}
			for _, mac := range strings.Fields(c.phones) {
				want[mac] = true
			}
			if c.request != "PATCH /api/v1/extensions/1001" && fmt.Sprint(want) != fmt.Sprint(differs) {
				t.Errorf("the files of %v differ, want %v", differs, want)
			}
			if strings.Contains(r.body, "s3cret") || strings.Contains(r.body, "an0ther") || strings.Contains(r.body, "topsecret") {
				t.Errorf("a secret in %s", r.body)
			}
		})
	}
}

func TestADryRunShowsTheLinesThatWouldChange(t *testing.T) {
	a := fleetOf(t)
	r := a.do("PATCH /api/v1/extensions/1001?dry_run=true", `{"display_name":"Lobby"}`, 200)
	diff := r.get(t, "items.0.files.0.diff")
	if !strings.Contains(diff, "-") || !strings.Contains(diff, "Front Desk") || !strings.Contains(diff, "Lobby") {
		t.Errorf("diff %q in %s", diff, r.body)
	}
	// The key of the second phone follows the name of the extension.
	if r.get(t, "phones") != "2" || !strings.Contains(r.get(t, "items.1.files.0.diff"), "Lobby") {
		t.Errorf("%s", r.body)
	}
	r = a.do("PATCH /api/v1/extensions/1001?dry_run=true", `{"password":"an0ther"}`, 200)
	if r.get(t, "items.0.files.0.secrets_only") != "true" {
		t.Errorf("%s", r.body)
	}
	r = a.do("PATCH /api/v1/extensions/1001?dry_run=true", `{"display_name":"Front Desk"}`, 200)
	if r.get(t, "phones") != "0" || r.get(t, "changed") != "0" {
		t.Errorf("a change of nothing: %s", r.body)
	}
	a.want(a.as("operator", "PATCH /api/v1/extensions/1001?dry_run=true", `{"registrar":"nope"}`), "an invalid dry run", 422)
	a.want(a.as("viewer", "PATCH /api/v1/extensions/1001?dry_run=true", `{}`), "a dry run of a viewer", 403)
}

func TestUndoIsRefusedWhileRecordsWereChangedSince(t *testing.T) {
	a := fleetOf(t)
	a.do("PATCH /api/v1/extensions/1001?message=rename", `{"display_name":"Lobby"}`, 200)
	id := a.do("GET /api/v1/changes?limit=1", "", 200).get(t, "items.0.id")
	a.do("PATCH /api/v1/extensions/1001", `{"voicemail":"99"}`, 200)
	r := a.do("POST /api/v1/changes/"+id+"/undo", "", 409)
	if !strings.Contains(r.body, "extension 1001@main") {
		t.Errorf("%s", r.body)
	}
	a.do("POST /api/v1/changes/"+id+"/undo?force=true", "", 200)
	if r := a.do("GET /api/v1/extensions/1001", "", 200); r.get(t, "display_name") != "Front Desk" || r.get(t, "voicemail") != "" {
		t.Errorf("%s", r.body)
	}
	// An extension that a device uses since is not removed.
	a.do("PUT /api/v1/extensions/1003", `{}`, 201)
	id = a.do("GET /api/v1/changes?limit=1", "", 200).get(t, "items.0.id")
	a.do("PATCH /api/v1/devices/"+phone, `{"lines":[{"extension":"1003"}]}`, 200)
	if r := a.do("POST /api/v1/changes/"+id+"/undo", "", 409); !strings.Contains(r.body, "device "+phone) {
		t.Errorf("%s", r.body)
	}
	a.do("POST /api/v1/changes/999/undo", "", 404)
	a.do("GET /api/v1/changes/999", "", 404)
	a.want(a.as("viewer", "POST /api/v1/changes/"+id+"/undo", ""), "undo of a viewer", 403)
}

func TestHistoriesShowMembersFromAndTo(t *testing.T) {
	a := fleetOf(t)
	a.do("PATCH /api/v1/extensions/1001?message=rename", `{"display_name":"Lobby","password":"an0ther"}`, 200)
	r := a.do("GET /api/v1/extensions/1001/history", "", 200)
	if r.get(t, "items.0.message") != "rename" || r.get(t, "items.0.members.0.member") != "display_name" || r.get(t, "items.0.members.0.from") != "Front Desk" ||
		r.get(t, "items.0.members.0.to") != "Lobby" || r.get(t, "items.0.members.1.from") != "***" || r.get(t, "items.0.members.1.to") != "***" {
		t.Errorf("%s", r.body)
	}
	a.do("PATCH /api/v1/devices/"+phone, `{"lines":[{"extension":"1002","label":"Sales"}],"keys":[],"settings":{"admin_password":"changed"},"tags":["pilot"],"location":"Berlin"}`, 200)
	r = a.do("GET /api/v1/devices/"+phone+"/history", "", 200)
	var got []string
	for i := 0; r.get(t, fmt.Sprintf("items.0.members.%d.member", i)) != ""; i++ {
		at := fmt.Sprintf("items.0.members.%d.", i)
		got = append(got, r.get(t, at+"member")+" "+r.get(t, at+"from")+" > "+r.get(t, at+"to"))
	}
	want := "[keys.line:2 blf:1002,label=Bob >  lines.1 1001@main > 1002@main, label=Sales location  > Berlin settings.admin_password *** > *** tags  > pilot]"
	if fmt.Sprint(got) != want {
		t.Errorf("got  %v\nwant %s", got, want)
	}
	for _, path := range []string{"registrars/main", "profiles/desk"} {
		if r := a.do("GET /api/v1/"+path+"/history", "", 200); r.get(t, "items.0.revision") == "" {
			t.Errorf("%s: %s", path, r.body)
		}
	}
	a.do("GET /api/v1/profiles/nope/history", "", 404)
	id := a.do("GET /api/v1/changes?limit=1", "", 200).get(t, "items.0.id")
	if r := a.do("GET /api/v1/changes/"+id, "", 200); strings.Contains(r.body, "changed\"}") || r.get(t, "records.0.name") != phone || strings.Contains(r.body, "topsecret") {
		t.Errorf("%s", r.body)
	}
}

func TestDeviceDiffShowsTheLinesSinceTheLastFetch(t *testing.T) {
	a := fleetOf(t)
	m := mustMAC(t, phone)
	var name, digest string
	list, err := a.Service.Files(context.Background(), m, netip.Prefix{})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range list {
		if f.Kind == "device" && f.Outcome == string(provision.Served) {
			name, digest = f.Name, f.Digest
		}
	}
	fetched := a.do("GET /api/v1/changes?limit=1", "", 200).get(t, "items.0.time")
	at, err := time.Parse(time.RFC3339, fetched)
	if err != nil {
		t.Fatal(err)
	}
	a.Fetched(fleet.Fetch{MAC: m, File: name, Kind: "device", Digest: digest, Time: at})
	a.do("PATCH /api/v1/extensions/1001", `{"display_name":"Lobby"}`, 200)
	a.do("PATCH /api/v1/extensions/1001", `{"display_name":"Entrance"}`, 200)
	diff := func() (string, string) {
		r := a.do("GET /api/v1/devices/"+phone+"/diff", "", 200)
		for i := 0; r.get(t, fmt.Sprintf("items.%d.name", i)) != ""; i++ {
			if r.get(t, fmt.Sprintf("items.%d.name", i)) == name {
				return r.get(t, fmt.Sprintf("items.%d.diff", i)), r.get(t, fmt.Sprintf("items.%d.note", i))
			}
		}
		return "", ""
	}
	if lines, _ := diff(); !strings.Contains(lines, "Front Desk") || !strings.Contains(lines, "Entrance") || strings.Contains(lines, "Lobby") {
		t.Errorf("diff %q", lines)
	}
	a.do("PATCH /api/v1/extensions/1001", `{"display_name":"Front Desk","password":"an0ther"}`, 200)
	if lines, note := diff(); lines != "" || note != "only secrets differ" {
		t.Errorf("diff %q, note %q", lines, note)
	}
	a.Fetched(fleet.Fetch{MAC: m, File: name, Kind: "device", Digest: strings.Repeat("0", 64), Time: at.Add(time.Hour)})
	if lines, note := diff(); lines != "" || !strings.Contains(note, "not known") {
		t.Errorf("diff %q, note %q", lines, note)
	}
}

// TestDryRunHasTheLabelsOfPhones, also of those whose records do not change.
func TestDryRunHasTheLabelsOfPhones(t *testing.T) {
	a := fleetOf(t)
	r := a.do("PATCH /api/v1/extensions/1001?dry_run=true", `{"display_name":"Lobby"}`, 200)
	if r.get(t, "items.0.mac") != phone || r.get(t, "items.0.label") != "Front Desk Phone" {
		t.Error(r.body)
	}
}

// TestDryRunNamesWhyFilesAreNotCompared: without an address for phones no file is rendered, before the change and after it.
func TestDryRunNamesWhyFilesAreNotCompared(t *testing.T) {
	h := admintest.New(t)
	h.Config.API.Site().Subnets = nil
	a := newAPIOf(t, h)
	a.office()
	for _, query := range []string{"?dry_run=true", "?dry_run=true&summary=true"} {
		r := a.do("PATCH /api/v1/extensions/1001"+query, `{"display_name":"Lobby"}`, 200)
		if r.get(t, "phones") != "0" || r.get(t, "not_rendered.0.phones") != "1" || r.get(t, "not_rendered.0.mac") != phone ||
			r.get(t, "not_rendered.0.reason") != "there is no server address for the phone: set provisioning.external_url, or add the phone's subnet" {
			t.Errorf("%s: %s", query, r.body)
		}
	}
}
