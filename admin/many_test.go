package admin_test

import (
	"strings"
	"testing"
)

// TestChangeOfManyNamesWhatIsTaken: a device that can't have what the others get is no reason to leave it out and to say nothing.
func TestChangeOfManyNamesWhatIsTaken(t *testing.T) {
	a := newAPI(t)
	a.office()
	const other = "00:15:65:00:00:02"
	a.do("POST /api/v1/devices", `{"mac":"`+other+`","model":"acme/A4"}`, 201)
	revision := a.Records.Revision()
	r := a.as("operator", "POST /api/v1/devices/change", `{"macs":["`+phone+`","`+other+`"],"set":{"reserved_ip":"10.20.1.50"}}`)
	if r.status != 422 || !strings.Contains(r.body, "is reserved for device "+phone) || a.Records.Revision() != revision {
		t.Errorf("%d, revision %d after %d: %s", r.status, a.Records.Revision(), revision, r.body)
	}
}

func TestConditionsOfEmptyVariablesSelectNothing(t *testing.T) {
	a := newAPI(t)
	a.office()
	a.want(a.as("operator", "POST /api/v1/keys/fill", `{"where":",","from":3,"extensions":["1001"]}`), "fill", 422)
	a.want(a.as("operator", "POST /api/v1/keys/fill", `{"from":3,"extensions":["1001"]}`), "fill", 422)
	for _, body := range []string{`{"where":",","delete":true}`, `{"where":"","delete":true}`, `{"where":" , ","delete":true}`} {
		a.want(a.as("operator", "POST /api/v1/devices/change", body), body, 422)
	}
	a.want(a.as("viewer", "GET /api/v1/devices/"+phone, ""), "the device", 200)
}
