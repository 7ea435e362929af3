package admin_test

import (
	"errors"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
)

func TestEachOperationNeedsItsRole(t *testing.T) {
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

func TestATokenIsShownOnceAndCanBeRevoked(t *testing.T) {
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

func TestTheStateOfTheDaemonIsServed(t *testing.T) {
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

func TestTheDocsPageLoadsNothingFromOtherHosts(t *testing.T) {
	b, err := os.ReadFile("docs.html")
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"http://", "https://", "//unpkg", "@import", "src=", "url("} {
		if strings.Contains(string(b), bad) {
			t.Errorf("docs.html contains %q", bad)
		}
	}
}

// UPDATE=1 rewrites the list.
func TestTheOperationsAreThoseOfTheList(t *testing.T) {
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

func TestEveryOperationReportsABrokenStore(t *testing.T) {
	a := newAPI(t)
	a.office()
	a.PutLease("10.20.1.7", mustMAC(t, phone))
	a.Config.API.Log = nil
	list, err := os.ReadFile("testdata/operations.txt")
	if err != nil {
		t.Fatal(err)
	}
	a.want(a.as("admin", "POST /api/v1/resync", `{"macs":["`+phone+`"]}`), "a job", 202)
	a.Break(true)
	if r := a.as("admin", "GET /api/v1/devices", ""); r.status != 503 {
		t.Errorf("a token that can't be looked up: %d", r.status)
	}
	// Over the socket no token is looked up: the operations themselves fail.
	sock := t.TempDir() + "/admin.sock"
	h := a.Fixture
	h.Config.API.Log = quiet()
	h.Serve(t, nil, "unix:"+sock, "127.0.0.1:0") // the address of the page is one over TCP
	c := overSocket(sock)
	sound := []string{"/subnets GET", "/incidents GET", "/boots GET", "/cluster GET", "/vendors GET", "/vendors/{vendor} GET", "/status GET", "/events GET", "/enroll GET", "/jobs GET", "/jobs/{id} GET", "/pbx GET", "/pbx/{name}/sync POST", "/pbx/{name}/test POST"}
	for line := range strings.Lines(string(list)) {
		path, method, _ := strings.Cut(strings.TrimSpace(line), " ")
		if slices.Contains(sound, strings.TrimPrefix(path, "/api/v1")+" "+method) {
			continue
		}
		path = strings.NewReplacer("jobs/{id}", "jobs/1", "pbx/{name}/push", "pbx/pushed/push", "files/{name}", "files/001565123456.cfg", "{name}", "main", "{number}", "1001", "{mac}", phone, "{ip}", "10.20.1.7", "{id}", "4").Replace(path)
		body := map[string]string{"POST /api/v1/devices": `{"mac":"001565000001"}`, "POST /api/v1/tokens": `{"name":"x","role":"viewer"}`,
			"POST /api/v1/devices/" + phone + "/rollback": `{"revision":4}`, "POST /api/v1/explain": `{"mac":"001565123456"}`,
			"POST /api/v1/devices/change": `{"macs":["001565123456"],"set":{"label":"x"}}`, "POST /api/v1/enroll": `{"for":"30m"}`, "POST /api/v1/devices/" + phone + "/enroll": `{"for":"30m"}`, "POST /api/v1/resync": `{"stale":true}`,
			"POST /api/v1/devices/" + phone + "/copy": `{"to":"001565000001"}`, "POST /api/v1/devices/" + phone + "/swap": `{"with":"001565000001"}`,
			"POST /api/v1/devices/" + phone + "/replace": `{"by":"001565000001"}`, "POST /api/v1/keys/fill": `{"devices":["001565000001"],"from":1,"extensions":["1001"]}`}[method+" "+path]
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
