package admin_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"plugtone/admin/client"
)

// TestChangeOfManyNamesWhatIsTaken: a device that can't have what the others get is no reason to leave it out without a report.
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

// TestPagesAreFullBeforeTheEnd: when few of many devices are selected, a page has as many of them as it can, wherever they are.
func TestPagesAreFullBeforeTheEnd(t *testing.T) {
	a := newAPI(t)
	const devices, every, limit = 1000, 97, 3
	var fleet strings.Builder
	selected := 0
	for i := range devices {
		rare := ""
		if i%every == every-1 {
			rare = `,"enabled":false,"label":"rare","tags":["rare"]`
			selected++
		}
		fmt.Fprintf(&fleet, `,{"mac":"001565f%05x","model":"acme/A4"%s}`, i, rare)
	}
	a.do("POST /api/v1/apply", `{"devices":[`+fleet.String()[1:]+`]}`, 200, "Content-Type: application/json")
	for _, query := range []string{"q=rare", "state=disabled", "where=state%3Ddisabled", "where=tag%3Drare", "where=tag%3Drare,state%3Ddisabled", "where=state%3Dstale"} {
		want := selected
		if strings.HasSuffix(query, "stale") {
			want = 0
		}
		for cursor, found := "", 0; ; {
			r := a.do(fmt.Sprintf("GET /api/v1/devices?limit=%d&%s&cursor=%s", limit, query, cursor), "", 200)
			var page client.Page[client.Device]
			if err := json.Unmarshal([]byte(r.body), &page); err != nil {
				t.Fatal(err)
			}
			found += len(page.Items)
			if cursor = page.NextCursor; cursor != "" && len(page.Items) < limit {
				t.Errorf("%s: a page of %d before the end", query, len(page.Items))
			}
			if cursor != "" && found <= want {
				continue
			}
			if found != want {
				t.Errorf("%s: %d devices, want %d", query, found, want)
			}
			break
		}
	}
}
