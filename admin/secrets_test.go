package admin_test

import (
	"strings"
	"testing"
)

// TestVendorSettingsAreMasked reads a vendor's parameters by every way there is, and writes back what was read.
func TestVendorSettingsAreMasked(t *testing.T) {
	a := newAPI(t)
	a.office()
	const params = `{"vendor_settings":{"acmecorp":{"sip.secret":"hush","sip.x":"plain"}}}`
	a.do("PATCH /api/v1/devices/"+phone, params, 200)
	a.do("PUT /api/v1/profiles/desk", params, 201)
	paths := []string{"/api/v1/devices/" + phone, "/api/v1/profiles/desk"}
	for _, path := range append([]string{"/api/v1/devices", "/api/v1/devices/" + phone + "/history", "/api/v1/profiles"}, paths...) {
		for _, role := range []string{"admin", "operator", "viewer"} {
			r := a.as(role, "GET "+path, "")
			a.want(r, path, 200)
			if strings.Contains(r.body, "hush") || !strings.Contains(r.body, `"sip.secret":"***"`) {
				t.Errorf("%s as %s: %s", path, role, r.body)
			}
			if strings.Contains(r.body, "plain") == (role == "viewer") {
				t.Errorf("%s as %s: %s", path, role, r.body)
			}
		}
	}
	for _, query := range []string{"", "?format=csv"} {
		for _, role := range []string{"admin", "operator", "viewer"} {
			r := a.as(role, "GET /api/v1/export"+query, "")
			a.want(r, "export", 200)
			if strings.Contains(r.body, "hush") || strings.Contains(r.body, "plain") == (role == "viewer") {
				t.Errorf("export%s as %s: %s", query, role, r.body)
			}
		}
	}
	stored := func(path, want string) {
		t.Helper()
		r := a.as("admin", "GET "+path+"?reveal=true", "")
		a.want(r, "reveal", 200)
		if !strings.Contains(r.body, want) {
			t.Errorf("%s keeps %s, want %s", path, r.body, want)
		}
	}
	const both = `{"acme":{"sip.secret":"hush","sip.x":"plain"}}`
	for _, path := range paths {
		stored(path, both)
		for _, role := range []string{"operator", "viewer"} {
			for _, method := range []string{"PUT ", "PATCH "} {
				read := a.as(role, "GET "+path, "")
				r := a.do(method+path, read.body, 200)
				if strings.Contains(r.body, "hush") || r.header.Get("ETag") != read.header.Get("ETag") {
					t.Errorf("%s%s with what a %s read: %s", method, path, role, r.body)
				}
				stored(path, both)
			}
		}
		a.do("PATCH "+path, `{"vendor_settings":{"acmecorp":{"sip.secret":"***","sip.x":"new"}}}`, 200)
		a.do("PATCH "+path, `{"vendor_settings":{"acmecorp":null,"acme":{"sip.secret":"***","sip.x":"new"}}}`, 200)
		stored(path, `{"acme":{"sip.secret":"hush","sip.x":"new"}}`)
		a.do("PATCH "+path, `{"vendor_settings":{"acme":{"sip.secret":"changed"}}}`, 200)
		stored(path, `"sip.secret":"changed"`)
		if r := a.do("PATCH "+path, `{"vendor_settings":{"acme":{"sip.secret":"hu\nsh"}}}`, 422); strings.Contains(r.body, "hu") {
			t.Errorf("an invalid secret is repeated: %s", r.body)
		}
	}
}

// TestLongValuesAreShortened sends 10 kB wherever a value goes.
func TestLongValuesAreShortened(t *testing.T) {
	a := newAPI(t)
	a.office()
	long := strings.Repeat("x y", 3500)
	word := strings.Repeat("x", 10_000)
	for _, c := range []struct{ request, body string }{
		{"PATCH /api/v1/devices/" + phone, `{"label":"` + long + `"}`},
		{"PATCH /api/v1/devices/" + phone, `{"model":"` + long + `"}`},
		{"PATCH /api/v1/devices/" + phone, `{"enabled":"` + long + `"}`},
		{"PATCH /api/v1/devices/" + phone, `{"vendor":"` + word + `"}`},
		{"PATCH /api/v1/devices/" + phone, `{"` + word + `":1}`},
		{"PATCH /api/v1/devices/" + phone, `{"profile":"` + long + `","reserved_ip":"` + long + `"}`},
		{"PUT /api/v1/registrars/x", `{"host":"` + word + `","register_expires":"` + long + `"}`},
		{"GET /api/v1/devices?limit=" + word, ""},
		{"GET /api/v1/devices?state=" + word, ""},
		{"GET /api/v1/registrars/" + word, ""},
		{"GET /api/v1/extensions/" + word, ""},
		{"GET /api/v1/devices/" + word, ""},
	} {
		r := a.as("operator", c.request, c.body)
		if r.status < 400 || r.status >= 500 || len(r.body) > 1000 {
			t.Errorf("%.60s %.60s: %d with %d bytes: %.500s", c.request, c.body, r.status, len(r.body), r.body)
		}
	}
}
