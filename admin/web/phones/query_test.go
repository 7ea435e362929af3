package phones

import (
	"net/http/httptest"
	"net/url"
	"testing"

	"plugtone/admin/client"
)

// TestValuesWithCommasAreOneCondition: they stay one in the address, and the menus name them.
func TestValuesWithCommasAreOneCondition(t *testing.T) {
	const where = `location="Berlin, room 214",tag=pilot`
	q := readQuery(httptest.NewRequest("GET", "/phones?"+url.Values{"where": {where}}.Encode(), nil))
	if len(q.Where) != 2 || q.where() != where || q.Where[0].Text() != "Berlin, room 214" {
		t.Errorf("%q is %q", where, q.Where)
	}
	m := menu(q, "tag", "Tag", []client.ValueCount{{Value: "a,*b", Count: 1}, {Value: "pilot", Count: 2}})
	want := "/phones?" + url.Values{"where": {`location="Berlin, room 214",tag="a,\*b"`}}.Encode()
	if len(m.Choices) != 2 || !m.Choices[1].Here || m.Choices[0].URL != want {
		t.Errorf("%+v", m)
	}
}
