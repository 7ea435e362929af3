package admin_test

import (
	"strings"
	"testing"
)

// TestOnlyAdminsSetUpstreams: an upstream makes this server send requests there, and decides what phones are given.
func TestOnlyAdminsSetUpstreams(t *testing.T) {
	a := newAPI(t)
	a.office()
	const set = `{"upstream":"http://PBX.example.net/app/provision","upstream_user":"provision","upstream_password":"hush"}`
	for _, path := range []string{"PUT /api/v1/profiles/pbx", "POST /api/v1/apply"} {
		body := set
		if strings.HasPrefix(path, "POST") {
			body = `{"profiles":[{"name":"pbx","upstream":["http://pbx.example.net/"]}]}`
		}
		r := a.as("operator", path, body)
		if r.status < 400 || !strings.Contains(r.body, "need the role admin") {
			t.Errorf("%s: %d %s", path, r.status, r.body)
		}
	}
	r := a.as("admin", "PUT /api/v1/profiles/pbx", set)
	a.want(r, "set as admin", 201)
	if r.get(t, "upstream.0") != "http://pbx.example.net/app/provision/" || strings.Contains(r.body, "hush") {
		t.Error(r.body)
	}
	a.do("PATCH /api/v1/profiles/pbx", `{"settings":{"language":"de"}}`, 200) // anything else is the operator's
	for _, role := range []string{"operator", "viewer", "admin"} {
		for _, path := range []string{"/api/v1/profiles/pbx", "/api/v1/profiles", "/api/v1/export", "/api/v1/changes/1", "/api/v1/changes/2", "/api/v1/changes/3", "/api/v1/changes/4", "/api/v1/profiles/pbx/history"} {
			if r := a.as(role, "GET "+path, ""); strings.Contains(r.body, "hush") {
				t.Errorf("%s as %s: %s", path, role, r.body)
			}
		}
	}
	if r := a.as("admin", "GET /api/v1/profiles/pbx?reveal=true", ""); !strings.Contains(r.body, "hush") {
		t.Errorf("revealed: %s", r.body)
	}
	// What an operator read is written back, and keeps the password; a changed upstream does not pass.
	read := a.as("operator", "GET /api/v1/profiles/pbx", "").body
	a.do("PUT /api/v1/profiles/pbx", read, 200)
	a.do("PUT /api/v1/profiles/pbx", strings.Replace(read, "pbx.example.net", "evil.example.net", 1), 403)
	a.do("PATCH /api/v1/profiles/pbx", `{"upstream":null,"upstream_user":null,"upstream_password":null}`, 403)
	if r := a.as("admin", "GET /api/v1/profiles/pbx?reveal=true", ""); !strings.Contains(r.body, "hush") || !strings.Contains(r.body, "pbx.example.net") {
		t.Errorf("afterwards: %s", r.body)
	}
	// An undo is a write like any other.
	a.want(a.as("admin", "PUT /api/v1/profiles/pbx", `{}`), "cleared as admin", 200)
	changes := a.as("admin", "GET /api/v1/changes?limit=1", "")
	a.do("POST /api/v1/changes/"+changes.get(t, "items.0.id")+"/undo", "", 403)
	a.want(a.as("admin", "POST /api/v1/changes/"+changes.get(t, "items.0.id")+"/undo", ""), "undo as admin", 200)
}

func TestUpstreamsAreChecked(t *testing.T) {
	a := newAPI(t)
	for _, tt := range []struct{ body, location, message string }{
		{`{"upstream":"ftp://pbx/"}`, "body.upstream[0]", "must be the URL of the PBX's provisioning"},
		{`{"upstream":"pbx.example.net"}`, "body.upstream[0]", "must be the URL of the PBX's provisioning"},
		{`{"upstream":"http://u:hush@pbx/"}`, "body.upstream[0]", "upstream_user and upstream_password"},
		{`{"upstream":["http://pbx/","http://PBX"]}`, "body.upstream[1]", "is in the list already"},
		{`{"upstream":"http://pbx/?mac=1"}`, "body.upstream[0]", "query"},
		{`{"upstream":"http://pbx:99999/"}`, "body.upstream[0]", "1 to 65535"},
		{`{"upstream":"http://169.254.169.254/latest/"}`, "body.upstream[0]", "an address that no PBX has"},
		{`{"upstream":["http://a/","http://b/","http://c/","http://d/","http://e/"]}`, "body.upstream", "more than the 4"},
		{`{"upstream_password":"hush"}`, "body.upstream_password", "needs upstream"},
		{`{"upstream":"http://pbx/","upstream_password":"hush"}`, "body.upstream_user", "is needed with upstream_password"},
		{`{"upstream":7}`, "body.upstream", "must be a list"},
	} {
		r := a.as("admin", "PUT /api/v1/profiles/pbx", tt.body)
		if r.status != 422 || !strings.Contains(r.body, `"location":"`+tt.location+`"`) || !strings.Contains(r.body, tt.message) || strings.Contains(r.body, "hush") {
			t.Errorf("%s: %d %s", tt.body, r.status, r.body)
		}
	}
}
