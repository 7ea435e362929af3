package admin_test

import (
	"strings"
	"testing"

	"plugtone/provision/fleet"
)

func TestAnEnrollmentWindowIsListedUntilItIsClosed(t *testing.T) {
	a := newAPI(t)
	a.office()
	w := a.do("POST /api/v1/devices/"+phone+"/enroll", `{"for":"30m","from":"198.51.100.7/24"}`, 200)
	if w.get(t, "mac") != phone || w.get(t, "from") != "198.51.100.0/24" || w.get(t, "until") == "" {
		t.Errorf("window %s", w.body)
	}
	a.want(a.as("admin", "POST /api/v1/enroll", `{"for":"1h"}`), "a window for all", 200)
	list := a.do("GET /api/v1/enroll", "", 200)
	if strings.Count(list.body, `"until"`) != 2 {
		t.Errorf("windows %s", list.body)
	}
	a.want(a.as("admin", "POST /api/v1/enroll", `{"for":"0s"}`), "closing it", 200)
	if list := a.do("GET /api/v1/enroll", "", 200); strings.Count(list.body, `"until"`) != 1 {
		t.Errorf("windows after one was closed %s", list.body)
	}
	a.want(a.as("admin", "POST /api/v1/devices/001565999999/enroll", `{"for":"30m"}`), "a window for an unknown phone", 404)
	for _, body := range []string{`{"for":"soon"}`, `{"for":"3d"}`, `{"for":"30m","from":"somewhere"}`} {
		a.want(a.as("admin", "POST /api/v1/enroll", body), body, 422)
	}
	a.want(a.as("viewer", "POST /api/v1/enroll", `{"for":"1h"}`), "a window by a viewer", 403)
	if log := a.as("admin", "GET /api/v1/audit?limit=1000", ""); !strings.Contains(log.body, `"action":"enroll `+phone+` for 30m"`) {
		t.Errorf("the window is not in the audit log: %s", log.body)
	}
}

func TestCredentialsAreShownOnlyWhenRevealed(t *testing.T) {
	a := newAPI(t)
	a.office()
	var secret string
	if err := a.Records.View(func(f fleet.View) error {
		d, err := f.Device(mustMAC(t, phone))
		secret = d.Credentials.Password.Reveal()
		return err
	}); err != nil || len(secret) < 12 {
		t.Fatalf("password %q, %v", secret, err)
	}
	const path = "/api/v1/devices/" + phone
	for _, p := range []string{path, path + "/credentials", "/api/v1/devices", path + "/history"} {
		if r := a.do("GET "+p, "", 200); strings.Contains(r.body, secret) {
			t.Errorf("%s shows the password", p)
		}
	}
	a.want(a.as("operator", "GET "+path+"/credentials?reveal=true", ""), "reveal by an operator", 403)
	r := a.as("admin", "GET "+path+"/credentials?reveal=true", "")
	if r.get(t, "password") != secret || r.get(t, "user") != "001565123456" || r.get(t, "url") != "http://10.20.0.2/" {
		t.Errorf("revealed: %s", r.body)
	}
	a.want(a.as("operator", "GET /api/v1/credentials", ""), "export by an operator", 403)
	csv := a.as("admin", "GET /api/v1/credentials", "")
	if !strings.HasPrefix(csv.header.Get("Content-Type"), "text/csv") || !strings.Contains(csv.body, "001565123456,"+secret) {
		t.Errorf("%s %s", csv.header, csv.body)
	}
	if log := a.as("admin", "GET /api/v1/audit?limit=1000", ""); !strings.Contains(log.body, `"action":"reveal credentials all"`) {
		t.Errorf("the export is not in the audit log")
	}
	// What a client reads it may write back: the password stays.
	dev := a.do("GET "+path, "", 200)
	a.do("PUT "+path, dev.body, 200)
	a.do("PATCH "+path, `{"label":"New","credentials":{"user":"x","password":"chosen-by-hand"}}`, 200)
	if r := a.as("admin", "GET "+path+"/credentials?reveal=true", ""); r.get(t, "password") != secret {
		t.Errorf("a write of the record changed the password: %s", r.body)
	}
	rotated := a.do("POST "+path+"/credentials/rotate", "", 200)
	if rotated.get(t, "changing") != "true" || strings.Contains(rotated.body, `"password"`) {
		t.Errorf("rotated: %s", rotated.body)
	}
	if r := a.as("admin", "GET "+path+"/credentials?reveal=true", ""); r.get(t, "password") == secret {
		t.Error("rotation changed nothing")
	}
	a.do("POST /api/v1/devices/001565999999/credentials/rotate", "", 404)
}
