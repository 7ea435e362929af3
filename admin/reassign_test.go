package admin_test

import (
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"plugtone/admin/admintest"
	"plugtone/admin/client"
	"plugtone/provision"
	"plugtone/provision/fleet"
)

const second, third = "00:15:65:12:34:57", "00:15:65:12:34:58"

// oneStep are operations that move what phones have, each with the phones whose files it changes.
var oneStep = []struct{ request, body, phones string }{
	{"POST /api/v1/devices/" + phone + "/copy", `{"to":"001565123458","lines":[{"extension":"1002"}]}`, third},
	{"POST /api/v1/devices/" + phone + "/swap?yes=true", `{"with":"` + second + `"}`, phone + " " + second},
	{"POST /api/v1/devices/" + phone + "/replace", `{"by":"001565123458"}`, phone + " " + third},
	{"POST /api/v1/keys/fill", `{"devices":["` + phone + `","` + second + `"],"from":1,"extensions":["1001-1002"],"overwrite":true}`, phone + " " + second},
}

// TestOneStepIsOneChange makes each operation first as a dry run, then really, then undoes it: the dry run names the phones whose
// files change, it is one change, and after the undo all files are as they were.
func TestOneStepIsOneChange(t *testing.T) {
	for _, c := range oneStep {
		t.Run(c.request, func(t *testing.T) {
			a := fleetOf(t)
			a.do("PATCH /api/v1/devices/"+phone, `{"reserved_ip":"10.20.0.50","keys":[{"slot":2,"type":"blf","value":"1002"}]}`, 200)
			a.do("PATCH /api/v1/devices/"+second, `{"reserved_ip":"10.20.0.51","keys":[]}`, 200)
			before, revision := a.files(), a.Records.Revision()
			sep := "?"
			if strings.Contains(c.request, "?") {
				sep = "&"
			}
			r := a.do(c.request+sep+"dry_run=true", c.body, 200)
			if a.Records.Revision() != revision || r.header.Get("Plugtone-Dry-Run") != "true" {
				t.Fatalf("dry run: %s", r.body)
			}
			var named []string
			for i := range strings.Fields(c.phones) {
				named = append(named, r.get(t, fmt.Sprintf("items.%d.mac", i)))
			}
			if strings.Join(named, " ") != c.phones || r.get(t, "phones") != fmt.Sprint(len(named)) {
				t.Errorf("dry run names %v of %s", named, r.body)
			}
			status := 200
			if strings.Contains(c.request, "/copy") {
				status = 201
			}
			r = a.do(c.request+sep+"message=why", c.body, status)
			if a.Records.Revision() != revision+1 {
				t.Errorf("%d changes", a.Records.Revision()-revision)
			}
			if fmt.Sprint(a.files()) == fmt.Sprint(before) {
				t.Error("no file changed")
			}
			a.do("POST /api/v1/changes/"+r.get(t, "change.id")+"/undo", "", 200)
			if got := a.files(); fmt.Sprint(got) != fmt.Sprint(before) {
				t.Errorf("after undo: %v\nwant %v", got, before)
			}
		})
	}
}

func TestSwapExchangesAllButTheHardware(t *testing.T) {
	a := fleetOf(t)
	a.do("PATCH /api/v1/devices/"+phone, `{"reserved_ip":"10.20.0.50","serial":"S1","label":"Reception","tags":["front"]}`, 200)
	a.do("PATCH /api/v1/devices/"+second, `{"reserved_ip":"10.20.0.51","serial":"S2","label":"Kitchen"}`, 200)
	a.do("POST /api/v1/devices/"+phone+"/swap?yes=true", `{"with":"`+second+`"}`, 200)
	for mac, want := range map[string][5]string{
		phone:  {"10.20.0.51", "S1", "Kitchen", "1002", "desk"},
		second: {"10.20.0.50", "S2", "Reception", "1001", ""},
	} {
		d := a.do("GET /api/v1/devices/"+mac, "", 200)
		got := [5]string{d.get(t, "reserved_ip"), d.get(t, "serial"), d.get(t, "label"), d.get(t, "lines.0.extension"), strings.TrimSuffix(d.get(t, "profile"), "<nil>")}
		if got != want {
			t.Errorf("%s has %v, want %v", mac, got, want)
		}
	}
	a.do("POST /api/v1/devices/"+phone+"/swap", `{"with":"`+phone+`"}`, 409)
	a.do("POST /api/v1/devices/"+phone+"/swap", `{"with":"`+third+`"}`, 404)
	a.do("POST /api/v1/devices/"+phone+"/swap", `{"with":"x"}`, 422)
	a.do("PATCH /api/v1/devices/"+second, `{"enabled":false}`, 200)
	if r := a.do("POST /api/v1/devices/"+phone+"/swap", `{"with":"`+second+`"}`, 409); !strings.Contains(r.body, "is disabled") {
		t.Error(r.body)
	}
}

// TestReplaceByAnotherModelListsWhatIsLost replaces a phone by one with fewer lines and keys: without the confirmation nothing is
// changed, and what would be lost is listed, as in the dry run.
func TestReplaceByAnotherModelListsWhatIsLost(t *testing.T) {
	a := fleetOf(t)
	a.do("PATCH /api/v1/devices/"+phone, `{"model":"acme/A4","lines":[{"extension":"1001"},{"position":3,"extension":"1002"}],"keys":[{"slot":4,"type":"blf","value":"1002"}]}`, 200)
	revision := a.Records.Revision()
	const request, body = "POST /api/v1/devices/" + phone + "/replace", `{"by":"001565123458","model":"acme/A1"}`
	r := a.do(request, body, 409)
	for _, want := range []string{"would be lost", third + ": line 3 (1002@main): ", third + ": key 4=blf:1002: "} {
		if !strings.Contains(r.body, want) {
			t.Errorf("no %q in %s", want, r.body)
		}
	}
	if a.Records.Revision() != revision {
		t.Fatal("the refused operation changed something")
	}
	if r := a.do(request+"?dry_run=true", body, 200); !strings.Contains(r.get(t, "lost.0")+r.get(t, "lost.1"), "line 3") {
		t.Errorf("dry run: %s", r.body)
	}
	r = a.do(request+"?yes=true", body, 200)
	if r.get(t, "devices.0.model") != "A1" || r.get(t, "devices.0.lines.0.extension") != "1001" || strings.Contains(r.get(t, "devices.0.lines"), "1002") {
		t.Errorf("replaced: %s", r.body)
	}
}

// TestAProfileIsFilledForAllItsPhones: the phones with the profile get the keys, as far as their models have room.
func TestAProfileIsFilledForAllItsPhones(t *testing.T) {
	a := fleetOf(t)
	a.do("PUT /api/v1/profiles/wall", `{"keys":[{"slot":4,"type":"dtmf","value":"1"}]}`, 201)
	a.do("PATCH /api/v1/devices/"+phone, `{"profile":"wall"}`, 200)
	body := `{"profile":"wall","from":3,"extensions":["1001-1002"]}`
	if r := a.do("POST /api/v1/keys/fill", body, 422); !strings.Contains(r.body, "has other keys there") {
		t.Errorf("a slot that is taken: %s", r.body)
	}
	body = strings.Replace(body, `"from"`, `"overwrite":true,"from"`, 1)
	if r := a.do("POST /api/v1/keys/fill?dry_run=true", body, 200); r.get(t, "phones") != "1" {
		t.Errorf("dry run: %s", r.body)
	}
	if r := a.do("POST /api/v1/keys/fill", body, 200); r.get(t, "change.id") == "0" {
		t.Errorf("filled: %s", r.body)
	}
	if r := a.do("GET /api/v1/profiles/wall", "", 200); r.get(t, "keys.0.value") != "1001" || r.get(t, "keys.1.value") != "1002" {
		t.Errorf("keys: %s", r.body)
	}
	a.do("POST /api/v1/keys/fill", `{"profile":"wall","devices":["`+phone+`"],"from":1,"extensions":["1001"]}`, 422)
	a.do("POST /api/v1/keys/fill", `{"profile":"none","from":1,"extensions":["1001"]}`, 404)
}

// TestReplaceTakesTheRecognisedModel replaces a phone by a discovered one.
func TestReplaceTakesTheRecognisedModel(t *testing.T) {
	a := fleetOf(t)
	a.Discover(fleet.Discovered{MAC: mustMAC(t, third), Vendor: "acme", Model: "A1"})
	r := a.do("POST /api/v1/devices/"+second+"/replace?yes=true", `{"by":"`+third+`"}`, 200)
	if r.get(t, "devices.0.model") != "A1" {
		t.Errorf("replaced: %s", r.body)
	}
	if found, _ := a.DiscoveredPhones(); len(found) != 0 {
		t.Errorf("still listed as discovered: %v", found)
	}
	a.do("POST /api/v1/devices/"+phone+"/replace", `{"by":"`+third+`"}`, 409) // it has lines now
}

func TestFillKeysAreInOrderAndFollowTheNames(t *testing.T) {
	a := fleetOf(t)
	for number, name := range map[string]string{"1003": "Anna", "1004": "Zoe", "1010": "Mia"} {
		a.do("PUT /api/v1/extensions/"+number, `{"password":"x","display_name":"`+name+`"}`, 201)
	}
	a.do("PATCH /api/v1/devices/"+second, `{"keys":[]}`, 200)
	const request = "POST /api/v1/keys/fill"
	fill := func(more string) string {
		return `{"devices":["` + second + `"],"from":1,` + more + `}`
	}
	keys := func(r reply) (out string) {
		for i := range 4 {
			if k := r.get(t, fmt.Sprintf("devices.0.keys.%d.value", i)); k != "" && k != "<nil>" {
				out += r.get(t, fmt.Sprintf("devices.0.keys.%d.slot", i)) + ":" + k + " "
			}
		}
		return strings.TrimSpace(out)
	}
	r := a.do(request, fill(`"extensions":["1002-1004"],"sort":"label","skip_own":true`), 200)
	if got := keys(r); got != "1:1003 2:1004" {
		t.Errorf("keys %s in %s", got, r.body)
	}
	if a.do(request, fill(`"extensions":["1002-1004"],"sort":"label","skip_own":true`), 200).get(t, "change.id") != "0" {
		t.Error("the same fill again is a change")
	}
	a.do("PATCH /api/v1/extensions/1003", `{"display_name":"Anne"}`, 200)
	if f := a.file(mustMAC(t, second), "001565123457.cfg"); !strings.Contains(f, "Anne") {
		t.Errorf("the label does not follow the name:\n%s", f)
	}
	for body, want := range map[string]string{
		fill(`"extensions":["1001-1010","1011"]`):                            "no such extension",
		strings.Replace(fill(`"extensions":["1001-1010"]`), `:1,`, `:3,`, 1): "has 6 line keys: from 3 on there is room for 4 of 5; extension 1010",
		fill(`"extensions":["1999"]`):                                        "no such extension",
		fill(`"extensions":["1800-1999"]`):                                   "no extension has a number in this range",
		fill(`"extensions":["1001"],"area":"nowhere"`):                       "nowhere",
	} {
		if r := a.do(request, body, 422); !strings.Contains(r.body, want) {
			t.Errorf("%s: no %q in %s", body, want, r.body)
		}
	}
	a.do("PATCH /api/v1/devices/"+second, `{"keys":[{"slot":1,"type":"park","value":"701"}]}`, 200)
	if r := a.do(request, fill(`"extensions":["1001"]`), 422); !strings.Contains(r.body, "1=park:701") {
		t.Error(r.body)
	}
	if r := a.as("viewer", request, fill(`"extensions":["1001"]`)); r.status != 403 {
		t.Errorf("a viewer: %d", r.status)
	}
}

// TestTheClientMovesWhatPhonesHave calls all operations with the Go client.
func TestTheClientMovesWhatPhonesHave(t *testing.T) {
	a := fleetOf(t)
	cl, err := client.New(a.url, "operator")
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	if r, err := cl.CopyDevice(ctx, phone, client.CopyRequest{To: third, Label: "New"}); err != nil || r.Devices[0].Label != "New" || len(r.Devices[0].Lines) != 0 {
		t.Errorf("copy: %+v, %v", r, err)
	}
	if _, err := cl.SwapDevices(ctx, phone, second, true); err != nil {
		t.Error(err)
	}
	if r, err := cl.FillKeys(ctx, client.FillRequest{Devices: []string{third}, From: 1, Extensions: []string{"1001"}, Overwrite: true}); err != nil || r.Change.ID == 0 {
		t.Errorf("fill: %+v, %v", r, err)
	}
	if r, err := cl.ReplaceDevice(ctx, phone, client.ReplaceRequest{By: third}, true); err != nil || len(r.Devices) != 2 || r.Devices[1].Enabled {
		t.Errorf("replace: %+v, %v", r, err)
	}
}

// TestAReplacedPhoneGetsNoSecret fetches over the file service: the replaced phone, which still has its lease, gets a file that
// clears its accounts. Secrets that are set later do not reach it. The new phone gets them.
func TestAReplacedPhoneGetsNoSecret(t *testing.T) {
	a := fleetOf(t)
	a.do("PATCH /api/v1/devices/"+phone, `{"settings":{"admin_password":"0fThePhone"}}`, 200)
	a.do("POST /api/v1/devices/"+phone+"/replace", `{"by":"`+third+`"}`, 200)
	a.do("PATCH /api/v1/extensions/1001", `{"password":"n3wPassw0rd"}`, 200)
	a.do("PATCH /api/v1/registrars/main", `{"settings":{"admin_password":"n3wAdmin"}}`, 200)
	a.PutLease("10.20.1.7", mustMAC(t, phone))
	a.PutLease("10.20.1.8", mustMAC(t, third))
	old, now := a.fetch("10.20.1.7", "001565123456.cfg"), a.fetch("10.20.1.8", "001565123458.cfg")
	if !strings.Contains(old, "account.1.enable = 0") || strings.Contains(old, "account.1.user") {
		t.Errorf("the accounts of the replaced phone are not cleared:\n%s", old)
	}
	for _, secret := range []string{"n3wPassw0rd", "n3wAdmin", "0fThePhone", "site-admin"} {
		if strings.Contains(old, secret) {
			t.Errorf("the replaced phone gets %s:\n%s", secret, old)
		}
	}
	if !strings.Contains(now, "n3wPassw0rd") || !strings.Contains(now, "0fThePhone") {
		t.Errorf("the new phone gets:\n%s", now)
	}
	if other := a.answer("10.20.1.7", "001565123458.cfg"); other.Outcome != provision.Refused {
		t.Errorf("the replaced phone fetches the new phone's file: %s, %s", other.Outcome, other.Reason)
	}
}

func (a *api) answer(from, name string) provision.Answer {
	a.t.Helper()
	return a.Service.Answer(a.t.Context(), provision.Request{Time: admintest.Noon, Transport: fleet.HTTP, Method: http.MethodGet, Name: name, From: netip.MustParseAddr(from)})
}

// fetch returns a file as the phone with an address gets it.
func (a *api) fetch(from, name string) string {
	a.t.Helper()
	x := a.answer(from, name)
	if x.Outcome != provision.Served {
		a.t.Fatalf("%s from %s: %s, %s", name, from, x.Outcome, x.Reason)
	}
	return string(x.Body)
}
