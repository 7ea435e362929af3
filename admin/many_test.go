package admin_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"plugtone/admin/client"
	"plugtone/provision/pack"
	"plugtone/provision/vendors"
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

// newAPIWithVendors returns an API with the packs of plugtone and a registrar.
func newAPIWithVendors(t *testing.T) *api {
	t.Helper()
	a := newAPI(t)
	packs, err := pack.Load(pack.Config{Builtin: vendors.FS})
	if err != nil {
		t.Fatal(err)
	}
	a.Packs = packs
	a.do("PUT /api/v1/registrars/main", `{"host":"pbx.example.com"}`, 201)
	return a
}

// TestAnApplyNamesTheRowsThatCanNotBeRendered applies phones of one model of which some have a name that their format can't hold.
func TestAnApplyNamesTheRowsThatCanNotBeRendered(t *testing.T) {
	a := newAPIWithVendors(t)
	for i, name := range []string{"Front", "Hall", "Lab; left", "Attic"} {
		a.do(fmt.Sprintf("PUT /api/v1/extensions/%d", 1001+i), fmt.Sprintf(`{"display_name":"%s","password":"s3cret"}`, name), 201)
	}
	revision := a.Records.Revision()
	table := "mac,model,line1\n02:00:00:00:00:01,sipnetic/Sipnetic,1001\n02:00:00:00:00:02,sipnetic/Sipnetic,1002\n02:00:00:00:00:03,sipnetic/Sipnetic,1003\n02:00:00:00:00:04,sipnetic/Sipnetic,1004\n"
	for _, query := range []string{"", "?dry_run=true"} {
		r := a.as("operator", "POST /api/v1/apply"+query, table, "Content-Type: text/csv")
		if r.status != 422 || strings.Count(r.body, "can't be rendered") != 1 || !strings.Contains(r.body, "row 4, device 02:00:00:00:00:03, files") || a.Records.Revision() != revision {
			t.Errorf("%d, revision %d after %d: %s", r.status, a.Records.Revision(), revision, r.body)
		}
	}
	for i := range 3 {
		number := []int{1001, 1002, 1004}[i]
		a.do("POST /api/v1/devices", fmt.Sprintf(`{"mac":"02000000000%d","model":"sipnetic/Sipnetic","lines":[{"extension":"%d"}]}`, i+1, number), 201)
	}
	r := a.as("operator", "PATCH /api/v1/extensions/1002", `{"display_name":"Hall; right"}`, "Content-Type: application/merge-patch+json")
	if r.status != 422 || !strings.Contains(r.body, "can't be rendered") {
		t.Errorf("a name of another line: %d: %s", r.status, r.body)
	}
}

// A phone whose files can't be rendered is named when another record is written, also where it is the only one, and not in a write of itself.
func TestAPhoneThatCanNotBeRenderedIsNamed(t *testing.T) {
	a := newAPIWithVendors(t)
	a.do("PUT /api/v1/registrars/backed", `{"host":"pbx.example.com","backup_host":"b.example.com"}`, 201)
	a.do("PUT /api/v1/extensions/1001@main", `{"password":"s3cret"}`, 201)
	a.do("PUT /api/v1/extensions/1002@backed", `{"password":"s3cret"}`, 201)
	a.do("PUT /api/v1/devices/"+phone, `{"model":"sipnetic/Sipnetic","lines":[{"extension":"1001@main"}]}`, 201)
	for _, c := range []struct{ request, body, location string }{
		{"PUT /api/v1/registrars/main", `{"host":"pbx.example.com","backup_host":"b.example.com"}`, "body.device " + phone + " model"},
		{"PUT /api/v1/extensions/1001@main", `{"display_name":"Lab; left","password":"s3cret"}`, "body.device " + phone + " files"},
		{"PUT /api/v1/devices/" + phone, `{"model":"sipnetic/Sipnetic","lines":[{"extension":"1002@backed"}]}`, "body.model"},
		{"POST /api/v1/devices", `{"mac":"020000000001","model":"sipnetic/Sipnetic","lines":[{"extension":"1002@backed"}]}`, "body.model"},
	} {
		if r := a.do(c.request, c.body, 422); r.get(t, "errors.0.location") != c.location {
			t.Errorf("%s: want %s in %s", c.request, c.location, r.body)
		}
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

// TestAConflictListsTheFirstRecords: thousands of phones that use a profile are counted, and the first 100 named.
func TestAConflictListsTheFirstRecords(t *testing.T) {
	a := newAPI(t)
	a.do("PUT /api/v1/profiles/desk", `{}`, 201)
	table := "mac,model,profile\n"
	for i := range 150 {
		table += fmt.Sprintf("00156500%04d,acme/A4,desk\n", i)
	}
	a.do("POST /api/v1/apply", table, 200, "Content-Type: text/csv")
	r := a.do("DELETE /api/v1/profiles/desk", "", 409)
	if !strings.Contains(r.get(t, "detail"), "and 140 more") || r.get(t, "errors.99.message") != "device 00:15:65:00:00:99" || r.get(t, "errors.100.message") != "" {
		t.Errorf("%s", r.body)
	}
}
