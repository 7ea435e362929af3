package admin_test

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// needs has the operations that need another role than the rule has: viewer to read, operator to change.
var needs = map[string]string{
	"GET /api/v1/audit":            "admin",
	"GET /api/v1/backup":           "admin",
	"GET /api/v1/credentials":      "admin",
	"GET /api/v1/tokens":           "admin",
	"POST /api/v1/tokens":          "admin",
	"DELETE /api/v1/tokens/{name}": "admin",
	"POST /api/v1/web/login":       "admin",
	"POST /api/v1/reload":          "admin",
	"POST /api/v1/enroll":          "admin",
	"POST /api/v1/leases/import":   "admin",
	"POST /api/v1/pbx/{name}/push": "push",
	"POST /api/v1/explain":         "viewer", // a dry run
}

// TestEveryOperationNeedsTheRoleOfTheTable sends every operation in the name of every role, and without a token. What a role may not do is
// refused before anything of the request is read.
func TestEveryOperationNeedsTheRoleOfTheTable(t *testing.T) {
	a := newAPI(t)
	a.office()
	list, err := os.ReadFile("testdata/operations.txt")
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	rank := map[string]int{"viewer": 1, "operator": 2, "admin": 3}
	for line := range strings.Lines(string(list)) {
		path, method, _ := strings.Cut(strings.TrimSpace(line), " ")
		operation := method + " " + path
		need, ok := needs[operation]
		switch {
		case ok:
		case method == "GET":
			need = "viewer"
		default:
			need = "operator"
		}
		known[operation] = true
		target := strings.NewReplacer("{mac}", "001565999999", "{number}", "9999", "{name}", "none", "{vendor}", "none", "{ip}", "10.20.9.9", "{id}", "9999").Replace(path)
		for _, role := range []string{"viewer", "operator", "admin", "push", ""} {
			if strings.HasSuffix(path, "/events") && role != "" && role != "push" {
				continue // it does not end
			}
			allowed := rank[role] >= rank[need]
			switch {
			case role == "push":
				allowed = need == "push"
			case need == "push":
				allowed = role == "operator" || role == "admin"
			}
			r := a.as(role, method+" "+target, "")
			switch {
			case role == "" && r.status != 401:
				t.Errorf("%s without a token: %d", operation, r.status)
			case role != "" && (r.status == 403) == allowed:
				t.Errorf("%s as %s: %d %s", operation, role, r.status, r.body)
			}
		}
	}
	for operation := range needs {
		if !known[operation] {
			t.Errorf("%s is no operation", operation)
		}
	}
}

// TestOfTwoWritersWithOneETagOneWins has writers that have read the same record change it at the same time.
func TestOfTwoWritersWithOneETagOneWins(t *testing.T) {
	a := newAPI(t)
	a.office()
	a.do("PUT /api/v1/profiles/desk", `{}`, 201)
	for _, path := range []string{"/api/v1/devices/" + phone, "/api/v1/extensions/1001", "/api/v1/registrars/main", "/api/v1/profiles/desk"} {
		read := a.do("GET "+path, "", 200)
		body := func(n int) string {
			switch {
			case strings.Contains(path, "devices"):
				return fmt.Sprintf(`{"label":"writer %d"}`, n)
			case strings.Contains(path, "extensions"):
				return fmt.Sprintf(`{"display_name":"writer %d"}`, n)
			case strings.Contains(path, "profiles"):
				return fmt.Sprintf(`{"settings":{"ring_volume":%d}}`, n)
			}
			return fmt.Sprintf(`{"host":"pbx%d.example.com"}`, n)
		}
		status := make(chan int)
		const writers = 8
		for n := range writers {
			go func() {
				status <- a.as("operator", "PATCH "+path, body(n), "If-Match: "+read.header.Get("ETag")).status
			}()
		}
		got := map[int]int{}
		for range writers {
			got[<-status]++
		}
		if got[200] != 1 || got[412] != writers-1 {
			t.Errorf("%s: %v", path, got)
		}
		if r := a.do("GET "+path, "", 200); r.header.Get("ETag") == read.header.Get("ETag") {
			t.Errorf("%s: the ETag is the same", path)
		}
	}
}

// notRecords are the operations that change something else than records, or nothing.
var notRecords = []string{
	"/api/v1/devices/{mac}/credentials/rotate", "/api/v1/devices/{mac}/enroll", "/api/v1/devices/{mac}/resync", "/api/v1/discovered/{mac}", "/api/v1/enroll", "/api/v1/explain",
	"/api/v1/jobs/{id}", "/api/v1/leases/{ip}", "/api/v1/pbx/{name}/push", "/api/v1/pbx/{name}/test", "/api/v1/reload", "/api/v1/resync", "/api/v1/tokens", "/api/v1/tokens/{name}", "/api/v1/web/login",
}

// TestEveryWritingRequestHasADryRun looks at every operation that changes records.
func TestEveryWritingRequestHasADryRun(t *testing.T) {
	a := newAPI(t)
	r := a.as("", "GET /openapi.json", "")
	var doc struct {
		Paths map[string]map[string]struct {
			Parameters []struct{ Name string }
		}
	}
	if err := json.Unmarshal([]byte(r.body), &doc); err != nil {
		t.Fatal(err)
	}
	seen := 0
	for path, operations := range doc.Paths {
		for method, o := range operations {
			if method == "get" || slices.Contains(notRecords, path) {
				continue
			}
			seen++
			for _, name := range []string{"dry_run", "message"} {
				if !slices.ContainsFunc(o.Parameters, func(p struct{ Name string }) bool { return p.Name == name }) {
					t.Errorf("%s %s has no %s", method, path, name)
				}
			}
		}
	}
	if seen < 20 {
		t.Errorf("only %d operations change records", seen)
	}
}
