package admin_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

func TestAbsentMembersGetDefaults(t *testing.T) {
	a := newAPI(t)
	a.office()
	r := a.do("GET /api/v1/registrars/main", "", 200)
	for path, want := range map[string]string{"name": "main", "host": "pbx.example.com", "port": "5060", "transport": "udp", "register_expires": "1h", "revision": "1"} {
		if got := r.get(t, path); got != want {
			t.Errorf("registrar: %s is %q, want %q", path, got, want)
		}
	}
	r = a.do("GET /api/v1/extensions/1001", "", 200)
	for path, want := range map[string]string{"registrar": "main", "auth_user": "1001", "display_name": "Front Desk", "password": ""} {
		if got := r.get(t, path); got != want {
			t.Errorf("extension: %s is %q, want %q", path, got, want)
		}
	}
	r = a.do("GET /api/v1/devices/00-15-65-12-34-56", "", 200)
	for path, want := range map[string]string{"mac": phone, "vendor": "acme", "model": "A4", "enabled": "true", "lines.0.position": "1",
		"lines.0.registrar": "main", "keys.0.area": "line", "settings.language": "de", "settings.admin_password": "", "status.state": "never_seen"} {
		if got := r.get(t, path); got != want {
			t.Errorf("device: %s is %q, want %q", path, got, want)
		}
	}
}

func TestAllInvalidMembersAreNamedAtOnce(t *testing.T) {
	a := newAPI(t)
	a.office()
	for _, c := range []struct{ name, request, body, locations string }{
		{"types and unknown members", "PUT /api/v1/registrars/x", `{"hots":"a","port":"5060","host":"b"}`, "body.hots body.port"},
		{"another spelling of a member", "PUT /api/v1/extensions/1001", `{"Password":"x"}`, "body.Password"},
		{"values", "PUT /api/v1/registrars/x", `{"host":"a b","transport":"sctp","port":70000}`, "body.host body.transport body.port"},
		{"an unknown extension", "POST /api/v1/devices", `{"mac":"001565000001","model":"A4","lines":[{"extension":"1001"},{"extension":"9999"}]}`, "body.lines[1].extension"},
		{"a line position twice", "POST /api/v1/devices", `{"mac":"001565000001","model":"A4","lines":[{"position":1,"extension":"1001"},{"position":1,"extension":"1002"}]}`, "body.lines[1].position"},
		{"a label with a line break", "POST /api/v1/devices", `{"mac":"001565000001","label":"a\nb"}`, "body.label"},
		{"a 10 kB name", "PUT /api/v1/extensions/1003", `{"display_name":"` + strings.Repeat("x", 10_000) + `"}`, "body.display_name"},
		{"text that can't be parsed and invalid values", "POST /api/v1/devices", `{"mac":"001565000001","label":"a\nb","reserved_ip":"::1","other_macs":["zz","00156500000a"],"profile":5,
			"model":"acme/A4","lines":[{"extension":7},{"extension":"9999"}],"vendor_settings":{"acme":{"a.b":1}},"settings":{"time_zone":"Mars/Base"}}`,
			"body.reserved_ip body.other_macs[0] body.lines[0].extension body.profile body.vendor_settings.acme.a.b body.label body.lines[1].extension body.settings.time_zone"},
		{"an invalid MAC and an invalid label", "POST /api/v1/devices", `{"mac":"00:15","label":"a\nb"}`, "body.mac body.label"},
		{"another name and an invalid value", "PUT /api/v1/registrars/x", `{"name":"y","register_expires":"soon","transport":"sctp"}`, "body.register_expires body.name body.host body.transport"},
		{"a member of a patch", "PATCH /api/v1/registrars/main", `{"register_expires":"soon","host":"a b","port":"x"}`, "body.register_expires body.port body.host"},
		{"a mask without a stored value", "PATCH /api/v1/devices/001565123456", `{"label":"a\nb","vendor_settings":{"acme":{"sip.secret":"***"}}}`, "body.vendor_settings.acme[\"sip.secret\"] body.label"},
		{"an unknown vendor", "POST /api/v1/devices", `{"mac":"001565000001","vendor":"acmee"}`, "body.vendor"},
		{"an unknown model", "POST /api/v1/devices", `{"mac":"001565000001","model":"acme/A9"}`, "body.model"},
		{"an invalid MAC", "POST /api/v1/devices", `{"mac":"00:15"}`, "body.mac"},
		{"an invalid MAC in the path", "GET /api/v1/devices/00:15", "", "path.mac"},
		{"other MACs", "PATCH /api/v1/devices/001565123456", `{"other_macs":["zz"]}`, "body.other_macs[0]"},
		{"an invalid address", "PATCH /api/v1/devices/001565123456", `{"reserved_ip":"10.20.0"}`, "body.reserved_ip"},
		{"an invalid setting", "PATCH /api/v1/devices/001565123456", `{"settings":{"time_zone":"Mars/Base"}}`, "body.settings.time_zone"},
		{"an invalid name in the path", "PUT /api/v1/registrars/a%20b", `{"host":"h"}`, "body.name"},
		{"another name in the body", "PUT /api/v1/registrars/main", `{"name":"other","host":"h"}`, "body.name"},
		{"an unknown query parameter", "GET /api/v1/devices?lmit=1", "", "query.lmit"},
		{"a limit too large", "GET /api/v1/devices?limit=1001", "", "query.limit"},
		{"an invalid cursor", "GET /api/v1/devices?cursor=zz", "", "query.cursor"},
		{"an invalid duration", "PUT /api/v1/registrars/x", `{"host":"h","register_expires":"soon"}`, "body.register_expires"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := &api{a.Fixture, t, a.url}
			r := a.do(c.request, c.body, 422)
			var got []string
			for i := 0; r.get(t, fmt.Sprintf("errors.%d.message", i)) != ""; i++ {
				got = append(got, r.get(t, fmt.Sprintf("errors.%d.location", i)))
			}
			if strings.Join(got, " ") != c.locations {
				t.Errorf("problems at %q, want %q\n%s", strings.Join(got, " "), c.locations, r.body)
			}
			if len(r.body) > 4000 || strings.Contains(r.body, "RFC 2673") {
				t.Errorf("the answer is %d bytes: %.4000s", len(r.body), r.body)
			}
		})
	}
	if r := a.do("GET /api/v1/devices", "", 200); r.get(t, "items.1.mac") != "" {
		t.Errorf("an invalid device was stored: %s", r.body)
	}
}

func TestInvalidBodiesAreRefused(t *testing.T) {
	a := newAPI(t)
	a.do("PUT /api/v1/registrars/x", "", 400)
	a.do("PUT /api/v1/registrars/x", "{", 400)
	a.do("PUT /api/v1/registrars/x", "[]", 400)
	a.do("PUT /api/v1/registrars/x", "null", 400)
	a.do("PUT /api/v1/registrars/x", "{} {}", 400)
	a.do("PUT /api/v1/registrars/x", "host=a", 415, "Content-Type: application/x-www-form-urlencoded")
	a.do("PUT /api/v1/registrars/x", `{"host":"`+strings.Repeat("x", 2<<20)+`"}`, 413)
	a.do("GET /api/v1/nothing", "", 404)
	if r := a.do("POST /api/v1/registrars/x", "{}", 405); !strings.Contains(r.header.Get("Allow"), "PUT") {
		t.Errorf("405 with Allow %q", r.header.Get("Allow"))
	}
}

func TestAbsentSecretsAreKept(t *testing.T) {
	a := newAPI(t)
	a.office()
	password := func() string {
		r := a.as("admin", "GET /api/v1/extensions/1001?reveal=true", "")
		a.want(r, "reveal", 200)
		return r.get(t, "password")
	}
	setting := func() string {
		r := a.as("admin", "GET /api/v1/devices/"+phone+"?reveal=true", "")
		a.want(r, "reveal", 200)
		return r.get(t, "settings.admin_password")
	}
	for _, c := range []struct{ request, body, password, setting string }{
		{"PUT /api/v1/extensions/1001", `{"display_name":"A"}`, "s3cret", "topsecret"},
		{"PATCH /api/v1/extensions/1001", `{"display_name":"B"}`, "s3cret", "topsecret"},
		{"PUT /api/v1/devices/" + phone, `{"model":"acme/A4","settings":{"language":"en"}}`, "s3cret", "topsecret"},
		{"PUT /api/v1/devices/" + phone, `{"model":"acme/A4"}`, "s3cret", "topsecret"},
		{"PATCH /api/v1/devices/" + phone, `{"settings":{"language":null}}`, "s3cret", "topsecret"},
		{"PATCH /api/v1/extensions/1001", `{"password":null}`, "", "topsecret"},
		{"PATCH /api/v1/extensions/1001", `{"password":"new"}`, "new", "topsecret"},
		{"PUT /api/v1/extensions/1001", `{"password":null}`, "", "topsecret"},
		{"PUT /api/v1/devices/" + phone, `{"model":"acme/A4","settings":{"admin_password":null}}`, "", ""},
	} {
		r := a.do(c.request, c.body, 200)
		if strings.Contains(r.body, "s3cret") || strings.Contains(r.body, "topsecret") {
			t.Errorf("%s %s: a secret in the answer: %s", c.request, c.body, r.body)
		}
		if got := password(); got != c.password {
			t.Errorf("%s %s: password %q, want %q", c.request, c.body, got, c.password)
		}
		if got := setting(); got != c.setting {
			t.Errorf("%s %s: admin_password %q, want %q", c.request, c.body, got, c.setting)
		}
	}
}

func TestARecordCanBeWrittenBackAsRead(t *testing.T) {
	a := newAPI(t)
	a.office()
	for _, path := range []string{"/api/v1/registrars/main", "/api/v1/extensions/1001", "/api/v1/devices/" + phone} {
		was := a.do("GET "+path, "", 200)
		now := a.do("PUT "+path, was.body, 200, "If-Match: "+was.header.Get("ETag"))
		if now.header.Get("ETag") != was.header.Get("ETag") {
			t.Errorf("%s: writing back made revision %s of %s", path, now.header.Get("ETag"), was.header.Get("ETag"))
		}
		if was.body != now.body {
			t.Errorf("%s: written back\n%s became\n%s", path, was.body, now.body)
		}
	}
}

func TestPreconditionsMustFitTheRecord(t *testing.T) {
	a := newAPI(t)
	a.office()
	first := a.do("GET /api/v1/extensions/1001", "", 200)
	tag := "If-Match: " + first.header.Get("ETag")
	next := a.do("PATCH /api/v1/extensions/1001", `{"voicemail":"*97"}`, 200, tag)
	if next.header.Get("ETag") == first.header.Get("ETag") {
		t.Error("a change kept the ETag")
	}
	if next.get(t, "created_at") != first.get(t, "created_at") {
		t.Errorf("a change made created_at %s of %s", next.get(t, "created_at"), first.get(t, "created_at"))
	}
	a.do("PATCH /api/v1/extensions/1001", `{"voicemail":"*98"}`, 412, tag)
	a.do("PUT /api/v1/extensions/1001", `{}`, 412, tag)
	a.do("DELETE /api/v1/extensions/1002", "", 412, tag)
	a.do("PUT /api/v1/extensions/1001", `{}`, 412, "If-None-Match: *")
	a.do("PUT /api/v1/extensions/1777", `{}`, 412, "If-Match: *")
	a.do("PUT /api/v1/extensions/1777", `{}`, 201, "If-None-Match: *")
	a.do("PATCH /api/v1/extensions/1778", `{}`, 404)
	a.do("DELETE /api/v1/extensions/1777", "", 204, "If-Match: *")
	a.do("GET /api/v1/extensions/1777", "", 404)
	a.do("POST /api/v1/devices", `{"mac":"00:15:65:12:34:56"}`, 409)
}

func TestAMergePatchChangesOnlyItsMembers(t *testing.T) {
	a := newAPI(t)
	a.office()
	r := a.do("PATCH /api/v1/devices/"+phone, `{"label":null,"enabled":false,"reserved_ip":"10.20.0.50","vendor_settings":{"acme":{"x":"1","y":"2"}}}`, 200,
		"Content-Type: application/merge-patch+json")
	for path, want := range map[string]string{"label": "", "enabled": "false", "reserved_ip": "10.20.0.50", "vendor_settings.acme.y": "2", "keys.0.value": "1002"} {
		if got := r.get(t, path); got != want {
			t.Errorf("%s is %q, want %q", path, got, want)
		}
	}
	r = a.do("PATCH /api/v1/devices/"+phone, `{"vendor_settings":{"acme":{"x":null}},"reserved_ip":"","enabled":null}`, 200)
	for path, want := range map[string]string{"vendor_settings.acme.x": "", "vendor_settings.acme.y": "2", "reserved_ip": "", "enabled": "true"} {
		if got := r.get(t, path); got != want {
			t.Errorf("%s is %q, want %q", path, got, want)
		}
	}
}

func TestANumberOnTwoRegistrarsNeedsTheRegistrar(t *testing.T) {
	a := newAPI(t)
	a.office()
	a.do("PUT /api/v1/registrars/branch", `{"host":"pbx2.example.com"}`, 201)
	a.do("PUT /api/v1/extensions/1003", `{}`, 422) // which registrar?
	a.do("PUT /api/v1/extensions/1001@branch", `{"password":"other"}`, 201)
	r := a.do("GET /api/v1/extensions/1001", "", 409)
	if d := r.get(t, "detail"); !strings.Contains(d, "1001@main") || !strings.Contains(d, "1001@branch") {
		t.Errorf("not both are named: %s", d)
	}
	a.do("PATCH /api/v1/extensions/1001", `{}`, 409)
	a.do("DELETE /api/v1/extensions/1001", "", 409)
	if got := a.do("GET /api/v1/extensions/1001%40branch", "", 200).get(t, "registrar"); got != "branch" {
		t.Errorf("registrar is %q", got)
	}
	a.do("PUT /api/v1/extensions/1002", `{"display_name":"kept where it is"}`, 200)
	a.do("PUT /api/v1/extensions/1002@main", `{"registrar":"branch"}`, 422)
	if got := a.do("PATCH /api/v1/extensions/1002", `{"registrar":"branch"}`, 200).get(t, "registrar"); got != "branch" {
		t.Errorf("the extension is on %q", got)
	}
	a.do("GET /api/v1/extensions/1002@main", "", 404)
}

func TestARecordInUseIsDeletedOnlyByForce(t *testing.T) {
	a := newAPI(t)
	a.office()
	a.do("PUT /api/v1/profiles/desk", `{"settings":{"language":"fr"}}`, 201)
	a.do("PATCH /api/v1/devices/"+phone, `{"profile":"desk"}`, 200)
	for path, user := range map[string]string{"/api/v1/extensions/1001": "device " + phone, "/api/v1/registrars/main": "extension 1001", "/api/v1/profiles/desk": "device " + phone} {
		r := a.do("DELETE "+path, "", 409)
		if got := r.get(t, "errors.0.message"); got != user {
			t.Errorf("%s is used by %q, want %q", path, got, user)
		}
	}
	a.do("DELETE /api/v1/extensions/1001?force=true", "", 204)
	a.do("DELETE /api/v1/profiles/desk?force=true", "", 204)
	r := a.do("GET /api/v1/devices/"+phone, "", 200)
	if r.get(t, "lines.0.extension") != "" || r.get(t, "profile") != "" {
		t.Errorf("still bound: %s", r.body)
	}
	a.do("DELETE /api/v1/registrars/main?force=true", "", 204)
	if got := a.do("GET /api/v1/extensions/1002", "", 200).get(t, "registrar"); got != "" {
		t.Errorf("extension 1002 is on %q", got)
	}
	a.do("PUT /api/v1/registrars/second", `{"host":"pbx"}`, 201)
	if got := a.do("PUT /api/v1/extensions/1002", `{"registrar":"second"}`, 200).get(t, "registrar"); got != "second" {
		t.Errorf("extension 1002 was not taken over: %q", got)
	}
	a.do("DELETE /api/v1/devices/"+phone, "", 204)
	a.do("GET /api/v1/devices/"+phone, "", 404)
}

func TestListsAreCompleteOverAllPages(t *testing.T) {
	a := newAPI(t)
	a.office()
	for i := range 150 {
		a.do(fmt.Sprintf("PUT /api/v1/extensions/2%03d", i), `{}`, 201)
		a.do("POST /api/v1/devices", fmt.Sprintf(`{"mac":"02000000%04x","label":"room %d","model":"bolt/B1"}`, i, i), 201)
	}
	for path, want := range map[string]int{"/api/v1/extensions?": 152, "/api/v1/devices?": 151, "/api/v1/devices?vendor=bolt&": 150,
		"/api/v1/devices?q=room%201&": 61, "/api/v1/devices?q=0200.0000.0001&": 1, "/api/v1/devices?q=1001&": 1, "/api/v1/extensions?q=Desk&": 1,
		"/api/v1/devices?state=never_seen&": 151, "/api/v1/devices?state=in_sync&": 0, "/api/v1/registrars?": 1, "/api/v1/profiles?": 0,
		"/api/v1/extensions?registrar=other&": 0} {
		for _, limit := range []string{"", "limit=7&", "limit=1000&"} {
			items, cursor, pages := map[string]bool{}, "", 0
			for {
				r := a.do("GET "+path+limit+"cursor="+cursor, "", 200)
				if r.get(t, "items") == "" {
					t.Fatalf("%s: no list of items: %s", path, r.body)
				}
				var page struct{ Items []json.RawMessage }
				if err := json.Unmarshal([]byte(r.body), &page); err != nil {
					t.Fatal(err)
				}
				for _, item := range page.Items {
					items[string(item)] = true
				}
				if limit == "" && len(page.Items) > 100 || limit == "limit=7&" && len(page.Items) > 7 {
					t.Errorf("%s%s: a page of %d", path, limit, len(page.Items))
				}
				pages++
				if cursor = r.get(t, "next_cursor"); cursor == "" {
					break
				}
			}
			if len(items) != want {
				t.Errorf("%s%s: %d items on %d pages, want %d", path, limit, len(items), pages, want)
			}
		}
	}
}
