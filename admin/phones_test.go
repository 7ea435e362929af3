package admin_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"plugtone/admin/admintest"
	"plugtone/provision/fleet"
	"plugtone/provision/timeline"
)

func TestFilesAreMaskedUnlessRevealed(t *testing.T) {
	a := newAPI(t)
	a.office()
	a.PutLease("10.20.1.7", mustMAC(t, phone))
	list := a.as("admin", "GET /api/v1/devices/"+phone+"/files", "")
	if got := list.get(t, "items.0.name"); got != "001565123456.boot" {
		t.Errorf("the first file is %q", got)
	}
	i := slices.IndexFunc([]int{0, 1, 2, 3, 4}, func(i int) bool { return strings.HasPrefix(list.get(t, itemPath(i, "name")), "001565123456.cfg") })
	if i < 0 {
		t.Fatalf("no device file: %s", list.body)
	}
	digest, size := list.get(t, itemPath(i, "digest")), list.get(t, itemPath(i, "size"))

	const path = "/api/v1/devices/" + phone + "/files/001565123456.cfg"
	masked := a.as("admin", "GET "+path, "")
	if strings.Contains(masked.body, "s3cret") || strings.Contains(masked.body, "topsecret") {
		t.Errorf("secrets in a masked file:\n%s", masked.body)
	}
	a.want(a.as("operator", "GET "+path+"?reveal=true", ""), "reveal by an operator", 403)
	clear := a.as("admin", "GET "+path+"?reveal=true", "")
	if !strings.Contains(clear.body, "s3cret") {
		t.Errorf("no password in a revealed file:\n%s", clear.body)
	}
	for _, r := range []reply{masked, clear} {
		if r.header.Get("Plugtone-Digest") != digest || r.header.Get("Plugtone-Size") != size {
			t.Errorf("digest and size are %s, %s; the list has %s, %s", r.header.Get("Plugtone-Digest"), r.header.Get("Plugtone-Size"), digest, size)
		}
	}
	// Other callers get a digest that is equal for equal files and can't be used to try passwords.
	for _, role := range []string{"viewer", "operator"} {
		file, again := a.as(role, "GET "+path, ""), a.as(role, "GET /api/v1/devices/"+phone+"/files", "")
		d := file.header.Get("Plugtone-Digest")
		if len(d) != 64 || d == digest || again.get(t, itemPath(i, "digest")) != d || strings.Contains(again.body, digest) {
			t.Errorf("%s: digest %s, real %s; %s", role, d, digest, again.body)
		}
		for _, question := range []string{`{"mac":"001565123456"}`, `{"path":"001565123456.cfg","ip":"10.20.1.7"}`} {
			if r := a.as(role, "POST /api/v1/explain", question); r.status != 200 || strings.Contains(r.body, digest) || !strings.Contains(r.body, d) {
				t.Errorf("explain %s for %s: %s", question, role, r.body)
			}
		}
		if r := a.as(role, "GET /api/v1/devices/"+phone+"/diff", ""); strings.Contains(r.body, digest) {
			t.Errorf("%s: %s", role, r.body)
		}
	}
	log := a.as("admin", "GET /api/v1/audit?limit=1000", "")
	if !strings.Contains(log.body, `"action":"reveal device `+phone) || !strings.Contains(log.body, `"actor":"token:admin"`) {
		t.Errorf("the reveal is not in the audit log: %s", log.body)
	}
	expected := a.do("GET /api/v1/devices/"+phone+"/files/001565123456.boot", "", 204)
	if expected.header.Get("Plugtone-Outcome") != "expected" || expected.header.Get("Plugtone-Reason") == "" {
		t.Errorf("an expected 404: %v", expected.header)
	}
	a.do("GET /api/v1/devices/"+phone+"/files/no%20such%20name", "", 404)
	a.do("GET /api/v1/devices/001565999999/files", "", 404)
}

func itemPath(i int, member string) string { return "items." + string(rune('0'+i)) + "." + member }

func TestARollbackRestoresTheFilesOfARevision(t *testing.T) {
	a := newAPI(t)
	a.office()
	mac := mustMAC(t, phone)
	digest := ""
	list := a.as("admin", "GET /api/v1/devices/"+phone+"/files", "")
	for i := range 6 {
		if list.get(t, itemPath(i, "name")) == "001565123456.cfg" {
			digest = list.get(t, itemPath(i, "digest"))
		}
	}
	a.Fetched(fleet.Fetch{MAC: mac, File: "/001565123456.CFG", Digest: digest, Time: admintest.Noon, Size: 10, Transport: fleet.HTTP, Kind: "device"})
	a.Fetched(fleet.Fetch{MAC: mac, File: "gone.cfg", Digest: "00", Time: admintest.Noon, Transport: fleet.HTTP})
	change := func() string {
		r := a.do("GET /api/v1/devices/"+phone+"/diff", "", 200)
		if !strings.Contains(r.body, `"name":"gone.cfg","change":"gone"`) {
			t.Errorf("the deleted file is missing: %s", r.body)
		}
		for i := range 6 {
			if r.get(t, itemPath(i, "name")) == "001565123456.cfg" {
				return r.get(t, itemPath(i, "change"))
			}
		}
		return ""
	}
	if got := change(); got != "same" {
		t.Errorf("diff is %q before a change", got)
	}
	first := a.do("GET /api/v1/devices/"+phone+"/history", "", 200).get(t, "items.0.revision")
	a.do("PATCH /api/v1/devices/"+phone, `{"lines":[{"extension":"1002"}]}`, 200)
	if got := change(); got != "changed" {
		t.Errorf("diff is %q after a change", got)
	}
	h := a.do("GET /api/v1/devices/"+phone+"/history", "", 200)
	if h.get(t, "items.1.revision") != first || h.get(t, "items.0.actor") != "token:operator" || strings.Contains(h.body, "topsecret") {
		t.Errorf("history: %s", h.body)
	}
	back := a.do("POST /api/v1/devices/"+phone+"/rollback", `{"revision":`+first+`}`, 200)
	if got := back.get(t, "lines.0.extension"); got != "1001" {
		t.Errorf("rolled back to line %q", got)
	}
	if got := change(); got != "same" {
		t.Errorf("diff is %q after the rollback", got)
	}
	a.do("POST /api/v1/devices/"+phone+"/rollback", `{"revision":4711}`, 404)
	a.do("POST /api/v1/devices/"+phone+"/rollback", `{}`, 422)
	a.do("GET /api/v1/devices/001565999999/history", "", 404)
}

func TestATimelineEndsWithTheNewestEntryAndHasADiagnosis(t *testing.T) {
	a := newAPI(t)
	a.office()
	mac := mustMAC(t, phone)
	a.Happened(timeline.Entry{Time: admintest.Noon.Add(-time.Hour), MAC: mac, Source: "http", Event: "get", Verdict: "served", File: "001565123456.cfg", Kind: "device", Addr: netip.MustParseAddr("10.20.1.7")})
	for i := range 5 {
		a.Happened(timeline.Entry{Time: admintest.Noon.Add(time.Duration(i) * time.Second), MAC: mac, Source: "dhcp", Event: "discover", Verdict: "offered", Addr: netip.MustParseAddr("10.20.1.7")})
	}
	r := a.as("viewer", "GET /api/v1/devices/"+phone+"/timeline?limit=2", "")
	a.want(r, "timeline", 200)
	if r.get(t, "items.0.time") != "2026-11-22T12:00:03Z" || r.get(t, "items.2.time") != "" {
		t.Errorf("not the newest two, newest last: %s", r.body)
	}
	if r.get(t, "diagnosis.0.text") == "" {
		t.Errorf("no diagnosis: %s", r.body)
	}
	// It rests on the whole timeline, however many entries are requested: here on the file that was served first.
	all := a.do("GET /api/v1/devices/"+phone+"/timeline", "", 200).get(t, "diagnosis")
	if one := a.do("GET /api/v1/devices/"+phone+"/timeline?limit=1", "", 200).get(t, "diagnosis"); one != all || !strings.Contains(all, "it fetched 001565123456.cfg") {
		t.Errorf("the diagnosis of one entry is %s\nthat of all is %s", one, all)
	}
	if got := a.do("GET /api/v1/devices/00:15:65:99:99:99/timeline", "", 200).get(t, "items"); got != "[]" {
		t.Errorf("an unknown phone has %s", got)
	}
}

func TestAPhoneWithARecordIsNotDiscovered(t *testing.T) {
	a := newAPI(t)
	a.office()
	unknown := mustMAC(t, "00:15:65:00:00:09")
	a.Discover(fleet.Discovered{MAC: unknown, Vendor: "acme", Model: "A1", IP: netip.MustParseAddr("10.20.1.9")})
	a.Discover(fleet.Discovered{MAC: mustMAC(t, "00:15:65:00:00:0a"), Vendor: "acme", Model: "A77"})
	if got := a.do("GET /api/v1/discovered?q=10.20.1.9", "", 200).get(t, "items.0.mac"); got != unknown.String() {
		t.Errorf("found %q", got)
	}
	a.do("GET /api/v1/discovered/001565000009", "", 200)
	a.do("POST /api/v1/discovered/001565000009/adopt", `{"lines":[{"extension":"777"}]}`, 422)
	r := a.do("POST /api/v1/discovered/001565000009/adopt", `{"lines":[{"extension":"1002"}],"label":"Kitchen"}`, 201)
	if r.get(t, "model") != "A1" || r.get(t, "lines.0.extension") != "1002" || r.get(t, "label") != "Kitchen" {
		t.Errorf("adopted %s", r.body)
	}
	a.do("POST /api/v1/discovered/001565000009/adopt", "", 404)
	r = a.do("POST /api/v1/discovered/00156500000a/adopt", "", 201)
	if r.get(t, "vendor") != "acme" || r.get(t, "model") != "" {
		t.Errorf("a model that the pack does not have: %s", r.body)
	}
	a.Discover(fleet.Discovered{MAC: mustMAC(t, "00:15:65:00:00:0b")})
	a.do("DELETE /api/v1/discovered/00156500000b", "", 204)
	a.do("DELETE /api/v1/discovered/00156500000b", "", 404)
	a.Discover(fleet.Discovered{MAC: mustMAC(t, "00:15:65:00:00:0c")})
	a.do("POST /api/v1/devices", `{"mac":"00156500000c"}`, 201)
	a.do("GET /api/v1/discovered/00156500000c", "", 404)
}

func TestLeasesAreListedByAddressAndDeleted(t *testing.T) {
	a := newAPI(t)
	a.office()
	a.PutLease("10.20.1.10", mustMAC(t, phone))
	a.PutLease("10.20.1.9", mustMAC(t, "02:00:00:00:00:01"))
	r := a.do("GET /api/v1/leases", "", 200)
	for path, want := range map[string]string{"items.0.ip": "10.20.1.9", "items.0.device": "false", "items.1.ip": "10.20.1.10", "items.1.device": "true",
		"items.1.mac": phone, "items.1.circuit_id": "0x0001", "items.1.subnet": "10.20.0.0/22", "items.1.state": "active"} {
		if got := r.get(t, path); got != want {
			t.Errorf("%s is %q, want %q", path, got, want)
		}
	}
	first := a.do("GET /api/v1/leases?limit=1", "", 200)
	if got := a.do("GET /api/v1/leases?limit=1&cursor="+first.get(t, "next_cursor"), "", 200).get(t, "items.0.ip"); got != "10.20.1.10" {
		t.Errorf("the second page has %q", got)
	}
	if got := a.do("GET /api/v1/leases?subnet=10.30.0.0/24", "", 422).body; !strings.Contains(got, "10.20.0.0/22") {
		t.Errorf("a subnet that is not configured is answered without the ones that are: %s", got)
	}
	a.do("GET /api/v1/leases?subnet=10.30", "", 422)
	a.do("DELETE /api/v1/leases/10.20.1.9", "", 204)
	a.do("DELETE /api/v1/leases/10.20.1.9", "", 404)
	a.do("DELETE /api/v1/leases/nine", "", 422)
	if got := a.do("GET /api/v1/subnets", "", 200).get(t, "items.0.addresses"); got != "763" {
		t.Errorf("the pool has %q addresses", got)
	}
}

func TestVendorsAreListedAndExplainShowsNoSecrets(t *testing.T) {
	a := newAPI(t)
	a.office()
	r := a.do("GET /api/v1/vendors", "", 200)
	if r.get(t, "items.0.vendor") != "acme" || r.get(t, "items.0.models.0.model") != "A1" || r.get(t, "items.0.models.0.lines") != "2" {
		t.Errorf("vendors: %s", r.body)
	}
	if got := a.do("GET /api/v1/vendors/acmecorp", "", 200).get(t, "vendor"); got != "acme" {
		t.Errorf("the alias leads to %q", got)
	}
	a.do("GET /api/v1/vendors/acm", "", 404)
	r = a.do("POST /api/v1/explain", `{"mac":"001565123456"}`, 200)
	if r.get(t, "recorded") != "true" || r.get(t, "files.0.name") == "" || strings.Contains(r.body, "site-admin") {
		t.Errorf("explain: %s", r.body)
	}
	r = a.do("POST /api/v1/explain", `{"path":"001565123456.cfg","ip":"10.20.1.99"}`, 200)
	if got := r.get(t, "answer.outcome"); got != "refused" {
		t.Errorf("a request from an unknown address is %q: %s", got, r.body)
	}
	a.do("POST /api/v1/explain", `{}`, 422)
	a.do("POST /api/v1/explain", `{"path":"x"}`, 422)
	a.do("POST /api/v1/explain", `{"mac":"x"}`, 422)
}
