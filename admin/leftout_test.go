package admin_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
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
	csv := "Content-Type: text/csv"
	for _, query := range []string{"?dry_run=true&summary=true", ""} {
		check("apply"+query, a.do("POST /api/v1/apply"+query, table, 200, csv).leftOut(t), key)
	}
	check("apply again", a.do("POST /api/v1/apply", table, 200, csv).leftOut(t))
	check("another member", a.do("POST /api/v1/apply", strings.ReplaceAll(table, "mac,model,profile", "mac,model,label"), 200, csv).leftOut(t))

	for _, query := range []string{"?dry_run=true", ""} {
		r := a.do("PATCH /api/v1/profiles/desk"+query, `{"settings":{"wallpaper":"logo.png"}}`, 200)
		check("profile"+query, r.leftOut(t), wallpaper(rows+1, first, "A4", "profile desk"))
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
