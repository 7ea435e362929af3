package admin_test

import (
	"errors"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"plugtone/admin/admintest"
	"plugtone/provision/fleet"
	"plugtone/provision/timeline"
)

func TestFilesOfADevice(t *testing.T) {
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
			t.Errorf("digest and size are %s, %s; the list says %s, %s", r.header.Get("Plugtone-Digest"), r.header.Get("Plugtone-Size"), digest, size)
		}
	}
	// Who may not see secrets sees a digest that tells whether files are the same, not one to try passwords with.
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
	vain := a.do("GET /api/v1/devices/"+phone+"/files/001565123456.boot", "", 204)
	if vain.header.Get("Plugtone-Outcome") != "expected" || vain.header.Get("Plugtone-Reason") == "" {
		t.Errorf("a file asked for in vain: %v", vain.header)
	}
	a.do("GET /api/v1/devices/"+phone+"/files/no%20such%20name", "", 404)
	a.do("GET /api/v1/devices/001565999999/files", "", 404)
}

func itemPath(i int, member string) string { return "items." + string(rune('0'+i)) + "." + member }

func TestDiffHistoryRollback(t *testing.T) {
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
			t.Errorf("the file that is no more is missing: %s", r.body)
		}
		for i := range 6 {
			if r.get(t, itemPath(i, "name")) == "001565123456.cfg" {
				return r.get(t, itemPath(i, "change"))
			}
		}
		return ""
	}
	if got := change(); got != "same" {
		t.Errorf("diff says %q before a change", got)
	}
	first := a.do("GET /api/v1/devices/"+phone+"/history", "", 200).get(t, "items.0.revision")
	a.do("PATCH /api/v1/devices/"+phone, `{"lines":[{"extension":"1002"}]}`, 200)
	if got := change(); got != "changed" {
		t.Errorf("diff says %q after a change", got)
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
		t.Errorf("diff says %q after the rollback", got)
	}
	a.do("POST /api/v1/devices/"+phone+"/rollback", `{"revision":4711}`, 404)
	a.do("POST /api/v1/devices/"+phone+"/rollback", `{}`, 422)
	a.do("GET /api/v1/devices/001565999999/history", "", 404)
}

func TestTimeline(t *testing.T) {
	a := newAPI(t)
	a.office()
	mac := mustMAC(t, phone)
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
	if got := a.do("GET /api/v1/devices/00:15:65:99:99:99/timeline", "", 200).get(t, "items"); got != "[]" {
		t.Errorf("a phone never heard of has %s", got)
	}
}

func TestDiscovered(t *testing.T) {
	a := newAPI(t)
	a.office()
	stray := mustMAC(t, "00:15:65:00:00:09")
	a.Discover(fleet.Discovered{MAC: stray, Vendor: "acme", Model: "A1", IP: netip.MustParseAddr("10.20.1.9")})
	a.Discover(fleet.Discovered{MAC: mustMAC(t, "00:15:65:00:00:0a"), Vendor: "acme", Model: "A77"})
	if got := a.do("GET /api/v1/discovered?q=10.20.1.9", "", 200).get(t, "items.0.mac"); got != stray.String() {
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
		t.Errorf("a model that the pack does not know: %s", r.body)
	}
	a.Discover(fleet.Discovered{MAC: mustMAC(t, "00:15:65:00:00:0b")})
	a.do("DELETE /api/v1/discovered/00156500000b", "", 204)
	a.do("DELETE /api/v1/discovered/00156500000b", "", 404)
	a.Discover(fleet.Discovered{MAC: mustMAC(t, "00:15:65:00:00:0c")})
	a.do("POST /api/v1/devices", `{"mac":"00156500000c"}`, 201)
	a.do("GET /api/v1/discovered/00156500000c", "", 404)
}

func TestLeasesAndSubnets(t *testing.T) {
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

func TestVendorsAndExplain(t *testing.T) {
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
		t.Errorf("a stranger's request is %q: %s", got, r.body)
	}
	a.do("POST /api/v1/explain", `{}`, 422)
	a.do("POST /api/v1/explain", `{"path":"x"}`, 422)
	a.do("POST /api/v1/explain", `{"mac":"x"}`, 422)
}

func TestRoles(t *testing.T) {
	a := newAPI(t)
	a.office()
	for _, c := range []struct {
		request, body             string
		viewer, operator, adminOK bool
	}{
		{"GET /api/v1/devices", "", true, true, true},
		{"GET /api/v1/status", "", true, true, true},
		{"PATCH /api/v1/devices/" + phone, `{"notes":"x"}`, false, true, true},
		{"PUT /api/v1/profiles/p", `{}`, false, true, true},
		{"GET /api/v1/extensions/1001?reveal=true", "", false, false, true},
		{"GET /api/v1/devices/" + phone + "?reveal=true", "", false, false, true},
		{"GET /api/v1/profiles/p?reveal=true", "", false, false, true},
		{"GET /api/v1/registrars/main?reveal=true", "", false, false, true},
		{"GET /api/v1/tokens", "", false, false, true},
		{"GET /api/v1/audit", "", false, false, true},
		{"GET /api/v1/backup", "", false, false, true},
		{"POST /api/v1/reload", "", false, false, true},
		{"POST /api/v1/enroll", `{"for":"30m"}`, false, false, true},
		{"POST /api/v1/enroll", `{"for":"30m","from":"198.51.100.0/24"}`, false, false, true},
		{"POST /api/v1/enroll", `{"for":"0s"}`, false, false, true},
		{"POST /api/v1/devices/" + phone + "/enroll", `{"for":"30m"}`, false, false, true},
		{"POST /api/v1/devices/" + phone + "/enroll", `{"for":"30m","from":"0.0.0.0/0"}`, false, false, true},
		{"POST /api/v1/devices/" + phone + "/enroll", `{"for":"30m","from":"0.0.0.0/1"}`, false, false, true},
		{"POST /api/v1/devices/" + phone + "/enroll", `{"for":"30m","from":"198.51.100.0/24"}`, false, true, true},
		{"POST /api/v1/devices/" + phone + "/enroll", `{"for":"0s"}`, false, true, true},
	} {
		for role, ok := range map[string]bool{"admin": c.adminOK, "operator": c.operator, "viewer": c.viewer} {
			r := a.as(role, c.request, c.body)
			if (r.status == 403) == ok || ok && r.status >= 300 {
				t.Errorf("%s as %s: %d %s", c.request, role, r.status, r.body)
			}
		}
		for _, token := range []string{"", "wrong"} {
			r := a.as(token, c.request, c.body)
			a.want(r, c.request, 401)
			if !strings.HasPrefix(r.header.Get("WWW-Authenticate"), "Bearer") {
				t.Errorf("401 without a challenge")
			}
		}
	}
	a.do("PATCH /api/v1/devices/"+phone, `{"vendor_settings":{"acme":{"sip.secret":"hush"}}}`, 200)
	for _, path := range []string{"/api/v1/devices", "/api/v1/devices/" + phone, "/api/v1/devices/" + phone + "/history"} {
		if r := a.as("viewer", "GET "+path, ""); strings.Contains(r.body, "hush") || !strings.Contains(r.body, "sip.secret") {
			t.Errorf("a viewer sees at %s: %s", path, r.body)
		}
	}
}

func TestTokens(t *testing.T) {
	a := newAPI(t)
	r := a.as("admin", "POST /api/v1/tokens", `{"name":"ci","role":"viewer"}`)
	a.want(r, "new token", 201)
	secret := r.get(t, "token")
	if len(secret) < 50 {
		t.Errorf("token %q is short", secret)
	}
	a.want(a.as(secret, "GET /api/v1/devices", ""), "with the new token", 200)
	a.want(a.as(secret, "DELETE /api/v1/devices/"+phone, ""), "a viewer's change", 403)
	if l := a.as("admin", "GET /api/v1/tokens", ""); strings.Contains(l.body, secret) || !strings.Contains(l.body, `"ci"`) || strings.Contains(l.body, "ash") {
		t.Errorf("tokens: %s", l.body)
	}
	a.want(a.as("admin", "POST /api/v1/tokens", `{"name":"ci","role":"viewer"}`), "the same name", 409)
	a.want(a.as("admin", "POST /api/v1/tokens", `{"name":"x","role":"root"}`), "no such role", 422)
	a.want(a.as("admin", "POST /api/v1/tokens", `{"role":"viewer"}`), "no name", 422)
	a.want(a.as("admin", "DELETE /api/v1/tokens/ci", ""), "revoke", 204)
	a.want(a.as(secret, "GET /api/v1/devices", ""), "with the revoked token", 401)
	a.want(a.as("admin", "DELETE /api/v1/tokens/ci", ""), "revoke again", 404)
}

func TestOperation(t *testing.T) {
	a := newAPI(t)
	for path, want := range map[string]string{"/healthz": "ok", "/readyz": "ready", "/metrics": "plugtone_build_info 1", "/docs": "openapi.json"} {
		if r := a.as("", "GET "+path, ""); r.status != 200 || !strings.Contains(r.body, want) {
			t.Errorf("%s without a token: %d %s", path, r.status, r.body)
		}
	}
	if r := a.as("admin", "GET /api/v1/backup", ""); r.body != "a whole backup" {
		t.Errorf("backup is %q", r.body)
	}
	a.want(a.as("admin", "POST /api/v1/reload", ""), "reload", 204)
	a.ReloadAs = errors.New("plugtone.yaml:3:5: nonsense")
	if r := a.as("admin", "POST /api/v1/reload", ""); r.status != 409 || !strings.Contains(r.body, "plugtone.yaml:3:5") {
		t.Errorf("a reload that fails: %d %s", r.status, r.body)
	}
	if a.Reloads != 2 {
		t.Errorf("%d reloads", a.Reloads)
	}
	a.NotReady = errors.New("leases.db: no space left on device")
	a.want(a.as("", "GET /readyz", ""), "readyz", 503)
	if r := a.as("viewer", "GET /api/v1/status", ""); r.get(t, "ready") != "false" || !strings.Contains(r.get(t, "faults.0"), "leases.db") {
		t.Errorf("status: %s", r.body)
	}
}

// TestDocsNeedNothingElse holds the page to this machine.
func TestDocsNeedNothingElse(t *testing.T) {
	b, err := os.ReadFile("docs.html")
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"http://", "https://", "//unpkg", "@import", "src=", "url("} {
		if strings.Contains(string(b), bad) {
			t.Errorf("docs.html has %q in it", bad)
		}
	}
}

// TestOperations keeps the list of methods and paths. -update rewrites it.
func TestOperations(t *testing.T) {
	a := newAPI(t)
	var list []string
	for path, methods := range a.openAPI().Paths {
		for method, op := range methods {
			if op.OperationID == "" {
				t.Errorf("%s %s has no operationId", method, path)
			}
			list = append(list, path+" "+strings.ToUpper(method))
		}
	}
	slices.Sort(list)
	got := strings.Join(list, "\n") + "\n"
	const golden = "testdata/operations.txt"
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	equalBytes(t, golden, []byte(got), want)
}

// TestBrokenStore tries every operation with a store that fails: each must say so, and none may end the daemon.
func TestBrokenStore(t *testing.T) {
	a := newAPI(t)
	a.office()
	a.PutLease("10.20.1.7", mustMAC(t, phone))
	a.Config.API.Log = nil
	list, err := os.ReadFile("testdata/operations.txt")
	if err != nil {
		t.Fatal(err)
	}
	a.Break(true)
	if r := a.as("admin", "GET /api/v1/devices", ""); r.status != 503 {
		t.Errorf("a token that can't be looked up: %d", r.status)
	}
	// Over the socket no token is looked up: the operations themselves meet the fault.
	sock := t.TempDir() + "/admin.sock"
	h := a.Fixture
	h.Config.API.Log = quiet()
	h.Serve(t, nil, "unix:"+sock)
	c := overSocket(sock)
	sound := []string{"/subnets GET", "/vendors GET", "/vendors/{vendor} GET", "/status GET", "/events GET", "/enroll GET"}
	for line := range strings.Lines(string(list)) {
		path, method, _ := strings.Cut(strings.TrimSpace(line), " ")
		if slices.Contains(sound, strings.TrimPrefix(path, "/api/v1")+" "+method) {
			continue
		}
		path = strings.NewReplacer("files/{name}", "files/001565123456.cfg", "{name}", "main", "{number}", "1001", "{mac}", phone, "{ip}", "10.20.1.7").Replace(path)
		body := map[string]string{"POST /api/v1/devices": `{"mac":"001565000001"}`, "POST /api/v1/tokens": `{"name":"x","role":"viewer"}`,
			"POST /api/v1/devices/" + phone + "/rollback": `{"revision":4}`, "POST /api/v1/explain": `{"mac":"001565123456"}`,
			"POST /api/v1/enroll": `{"for":"30m"}`, "POST /api/v1/devices/" + phone + "/enroll": `{"for":"30m"}`}[method+" "+path]
		if body == "" && method != "GET" {
			body = "{}"
		}
		req, err := http.NewRequest(method, "http://plugtone"+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		res, err := c.Do(req)
		if err != nil {
			t.Errorf("%s %s: %v", method, path, err)
			continue
		}
		res.Body.Close()
		if (res.StatusCode != 500 && res.StatusCode != 503) || res.Header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s %s: %d %s", method, path, res.StatusCode, res.Header.Get("Content-Type"))
		}
	}
}
