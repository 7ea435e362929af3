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
