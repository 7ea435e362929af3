package admin_test

import (
	"encoding/json"
	"strings"
	"testing"

	"plugtone/admin/client"
)

func TestListOfDevicesIsSortedAndCounted(t *testing.T) {
	a := newAPI(t)
	a.office()
	a.do("POST /api/v1/apply", `{"devices":[{"mac":"001565f00001","model":"acme/A4","label":"Zebra","tags":["pilot"]},{"mac":"001565f00002","model":"acme/A4","label":"ant","enabled":false}]}`, 200, "Content-Type: application/json")
	read := func(query string) (page client.DevicePage) {
		if err := json.Unmarshal([]byte(a.do("GET /api/v1/devices?"+query, "", 200).body), &page); err != nil {
			t.Fatal(err)
		}
		return page
	}
	first := read("q=001565f&sort=label&limit=1")
	if len(first.Items) != 1 || first.Items[0].Label != "ant" || first.Total != 2 || first.Pending != 0 || first.NextCursor == "" {
		t.Fatalf("%+v", first)
	}
	if second := read("q=001565f&sort=label&limit=1&cursor=" + first.NextCursor); len(second.Items) != 1 || second.Items[0].Label != "Zebra" || second.NextCursor != "" {
		t.Errorf("%+v", second)
	}
	if last := read("q=001565f&sort=-label"); last.Items[0].Label != "Zebra" {
		t.Errorf("%+v", last)
	}
	for query, want := range map[string]string{"sort=colour": "query.sort", "sort=-label&cursor=" + first.NextCursor: "query.cursor", "wait=never": "query.wait", "wait=2m": "query.wait", "cursor=AA": "query.cursor"} {
		if r := a.as("viewer", "GET /api/v1/devices?"+query, ""); r.status != 422 || !strings.Contains(r.body, want) {
			t.Errorf("%s: %d %s", query, r.status, r.body)
		}
	}
	var counts client.DeviceCounts
	if err := json.Unmarshal([]byte(a.do("GET /api/v1/devices/counts?q=001565f", "", 200).body), &counts); err != nil {
		t.Fatal(err)
	}
	if counts.Total != 2 || len(counts.State) != 2 || len(counts.Vendor) != 1 || counts.Vendor[0].Count != 2 || len(counts.Tag) != 2 || counts.Model[0].Value != "acme/A4" {
		t.Errorf("%+v", counts)
	}
	if r := a.do("GET /api/v1/devices/counts?by=state&where=tag%3Dpilot", "", 200); r.get(t, "total") != "1" || strings.Contains(r.body, "vendor") {
		t.Errorf("%s", r.body)
	}
	a.want(a.as("viewer", "GET /api/v1/devices/counts?by=colour", ""), "an unknown facet", 422)
}
