package admin_test

import (
	"strings"
	"testing"

	"plugtone/provision/fleet"
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
