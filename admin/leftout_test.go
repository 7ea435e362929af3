package admin_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"plugtone/admin/admintest"
	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/provision/pbx"
	"plugtone/provision/resolve"
)

// leftOut returns the member left_out of an answer, a line for each entry.
func (r reply) leftOut(t *testing.T) string {
	t.Helper()
	var out struct {
		LeftOut []resolve.LeftOutCount `json:"left_out"`
	}
	if err := json.Unmarshal([]byte(r.body), &out); err != nil {
		t.Fatalf("%v in %s", err, r.body)
	}
	var lines []string
	for _, n := range out.LeftOut {
		lines = append(lines, fmt.Sprintf("%s %s %d %s %s", n.Vendor, n.Member, n.Phones, n.MAC, n.Text))
	}
	return strings.Join(lines, "\n")
}

// checkLeftOut compares the lines of leftOut with how they begin.
func checkLeftOut(t *testing.T, step, got string, want ...string) {
	t.Helper()
	lines := strings.Split(got, "\n")
	if got == "" {
		lines = nil
	}
	if len(lines) != len(want) || slices.ContainsFunc(want, func(w string) bool {
		return !slices.ContainsFunc(lines, func(l string) bool { return strings.HasPrefix(l, w) })
	}) {
		t.Errorf("%s: left out\n%s\nwant\n%s", step, got, strings.Join(want, "\n"))
	}
}

// TestWhatPhonesDoNotGetIsCounted changes many phones at once. What they do not get is counted by vendor and member, in dry runs and in
// earnest, and what they did not get before is no part of it.
func TestWhatPhonesDoNotGetIsCounted(t *testing.T) {
	a := fleetOf(t)
	a.do("PUT /api/v1/profiles/bare", `{}`, 201)
	const rows = 40
	table := "mac,model,profile\n"
	for i := range rows {
		table += fmt.Sprintf("00156500%04d,acme/%s,desk\n", i, []string{"A4", "A1"}[i%2])
	}
	first := "00:15:65:00:00:00"
	wallpaper := func(n int, mac, model, whose string) string {
		return fmt.Sprintf("acme setting wallpaper %d %s setting wallpaper of %s: no way is known to set it on %s", n, mac, whose, model)
	}
	key := fmt.Sprintf("acme key %d 00:15:65:00:00:01 key 3=blf:1001,label_source=extension of profile desk: ", rows/2)
	check := func(step, got string, want ...string) {
		t.Helper()
		checkLeftOut(t, step, got, want...)
	}
	csv := "Content-Type: text/csv"
	for _, query := range []string{"?dry_run=true&summary=true", ""} {
		check("apply"+query, a.do("POST /api/v1/apply"+query, table, 200, csv).leftOut(t), key)
	}
	check("apply again", a.do("POST /api/v1/apply", table, 200, csv).leftOut(t))
	check("another member", a.do("POST /api/v1/apply", strings.ReplaceAll(table, "mac,model,profile", "mac,model,label"), 200, csv).leftOut(t))

	for _, query := range []string{"?dry_run=true", ""} {
		r := a.do("PATCH /api/v1/profiles/desk"+query, `{"settings":{"wallpaper":"logo.png"}}`, 200)
		if check("profile"+query, r.leftOut(t), wallpaper(rows+1, first, "A4", "profile desk")); query == "" {
			a.do("PUT /api/v1/profiles/desk", r.body, 200) // as answered, written back
		}
	}
	check("to a profile without", a.do("POST /api/v1/devices/change", `{"where":"profile=desk","set":{"profile":"bare"}}`, 200).leftOut(t))
	for _, query := range []string{"?dry_run=true", ""} {
		check("and back"+query, a.do("POST /api/v1/devices/change"+query, `{"where":"profile=bare","set":{"profile":"desk"}}`, 200).leftOut(t),
			key, wallpaper(rows+1, first, "A4", "profile desk"))
	}

	mac := dhcp.MAC{0, 0x15, 0x65, 9, 9, 9}
	a.Discover(fleet.Discovered{MAC: mac, Vendor: "acme", Model: "A4"})
	r := a.do("POST /api/v1/discovered/"+mac.String()+"/adopt?dry_run=true", `{"profile":"desk"}`, 200)
	check("adopt, dry", r.leftOut(t), wallpaper(1, mac.String(), "A4", "profile desk"))
	r = a.do("POST /api/v1/discovered/"+mac.String()+"/adopt", `{"profile":"desk"}`, 201)
	if got := r.get(t, "status.left_out.0"); !strings.HasPrefix(got, "setting wallpaper of profile desk: ") {
		t.Errorf("adopted: %s", r.body)
	}
	r = a.do("POST /api/v1/devices/"+mac.String()+"/copy", `{"to":"00:15:65:09:09:0a"}`, 201)
	check("copy", r.leftOut(t), wallpaper(1, "00:15:65:09:09:0a", "A4", "profile desk"))
}

// TestNothingIsLeftOutOfFilesThatAPBXRenders: nothing of the record is in them.
func TestNothingIsLeftOutOfFilesThatAPBXRenders(t *testing.T) {
	a := fleetOf(t)
	a.want(a.as("admin", "PUT /api/v1/profiles/pbx", `{"upstream":["https://pbx.example.net/app/"],"settings":{"wallpaper":"logo.png"}}`), "a profile", 201)
	r := a.do("POST /api/v1/apply", `{"devices":[{"mac":"001565000001","model":"acme/A4","profile":"pbx"}]}`, 200, "Content-Type: application/json")
	if got := r.leftOut(t); got != "" {
		t.Errorf("left out %s", got)
	}
}

// TestEveryWriteNamesWhatItLeavesOut: writes of registrars and extensions, undos, a document, a push of a PBX, imported reservations. Each has the
// same list in its dry run and in its answer.
func TestEveryWriteNamesWhatItLeavesOut(t *testing.T) {
	h := admintest.New(t)
	h.Config.PBX = admintest.Sources(h, pbx.Take{Extensions: true, Devices: true, Profiles: true})
	a := newAPIOf(t, h)
	a.office()
	a.do("PUT /api/v1/registrars/plain", `{"host":"b.example.com"}`, 201)
	a.do("POST /api/v1/devices", `{"mac":"001565123457","model":"acme/A1","lines":[{"extension":"1002","registrar":"main"}]}`, 201)
	const wallpaper = "setting wallpaper of registrar main: no way is known to set it on "
	both := "acme setting wallpaper 2 " + phone + " " + wallpaper + "A4"
	one := "acme setting wallpaper 1 00:15:65:12:34:57 " + wallpaper + "A1"
	json := "Content-Type: application/json"
	write := func(request, body string, want ...string) {
		t.Helper()
		sep := map[bool]string{true: "&", false: "?"}[strings.Contains(request, "?")]
		for _, query := range []string{sep + "dry_run=true", ""} {
			checkLeftOut(t, request+query, a.do(request+query, body, 200, json).leftOut(t), want...)
		}
	}
	undo := func() string {
		return "POST /api/v1/changes/" + a.do("GET /api/v1/changes?limit=1", "", 200).get(t, "items.0.id") + "/undo"
	}
	set, clear := `{"settings":{"wallpaper":"logo.png"}}`, `{"settings":{"wallpaper":null}}`
	write("PATCH /api/v1/registrars/main", set, both)
	write("PATCH /api/v1/registrars/main", `{"sip_domain":"example.com"}`)
	write("PATCH /api/v1/registrars/main", clear)
	write(undo(), "", both)
	write(undo(), "")
	write("POST /api/v1/apply", `{"registrars":[{"name":"main",`+set[1:]+`]}`, both)
	write("PATCH /api/v1/extensions/1002@main", `{"registrar":"plain"}`)
	write(undo(), "", one)
	write("PATCH /api/v1/extensions/1002", `{"registrar":"plain"}`)
	write("PATCH /api/v1/extensions/1002", `{"registrar":"main"}`, one)

	a.do("PUT /api/v1/profiles/keys", `{"keys":[{"slot":6,"type":"blf","value":"1001"}]}`, 201)
	a.do("PATCH /api/v1/devices/"+second, `{"profile":"keys"}`, 200)
	a.do("PUT /api/v1/profiles/keys", `{}`, 200)
	key := "acme key 1 00:15:65:12:34:57 key 6=blf:1001 of profile keys: A1 has line keys 1 to 2, not 6"
	write(undo(), "", key)

	pushed := "acme key 1 00:15:65:00:00:07 key 5=blf:1003 of profile Front-Desk: A1 has line keys 1 to 2, not 5"
	const snapshot = `{"extensions":[{"domain":"pbx.example.com","number":"1003","password":"n3w"}],"problems":[],
		"profiles":[{"id":"p","domain":"pbx.example.com","name":"Front Desk","keys":[{"area":"line","slot":5,"vendor":"acme","type":"16","value":"1003"}]}],
		"devices":[{"mac":"00:15:65:00:00:07","vendor":"acme","model":"a1","enabled":true,"profiles":["p"],"lines":[{"position":1,"domain":"pbx.example.com","number":"1003"}]}]}`
	write("POST /api/v1/pbx/pushed/push", snapshot, pushed)
	write("POST /api/v1/pbx/pushed/push", snapshot)
	write(undo(), "")

	mac := dhcp.MAC{0, 4, 0xf2, 0, 0, 9}
	a.Discover(fleet.Discovered{MAC: mac, Vendor: "bolt", Model: "B1"})
	reservation := `{"reservations":[{"ip":"10.20.2.9","mac":"` + mac.String() + `","hostname":"kitchen"}]`
	for _, end := range []string{`,"dry_run":true}`, `}`} {
		r := a.as("admin", "POST /api/v1/leases/import", reservation+end)
		checkLeftOut(t, "import"+end, r.leftOut(t), "bolt setting admin_password 1 "+mac.String(), "bolt time zone 1 "+mac.String())
	}
	if r := a.as("push", "POST /api/v1/pbx/pushed/push", snapshot); r.status != 200 || r.leftOut(t) != "" {
		t.Errorf("the role push gets %d %s", r.status, r.body)
	}
}
