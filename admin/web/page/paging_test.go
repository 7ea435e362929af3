package page_test

import (
	"net/url"
	"testing"

	"plugtone/admin/web/page"
)

func TestPagingLeadsBack(t *testing.T) {
	first := page.ReadPaging(url.Values{})
	second := throughAddress(first.Next("b", 50))
	third := throughAddress(second.Next("c", 50))
	if third.Cursor != "c" || third.From != 101 {
		t.Fatalf("the third page is %+v", third)
	}
	back, ok := third.Previous(50)
	back = throughAddress(back)
	if !ok || back.Cursor != "b" || back.From != 51 {
		t.Fatalf("before the third page comes %+v, %v", back, ok)
	}
	back, ok = back.Previous(50)
	back = throughAddress(back)
	if !ok || back.Cursor != "" || back.From != 1 {
		t.Fatalf("before the second page comes %+v, %v", back, ok)
	}
	if _, ok = back.Previous(50); ok {
		t.Error("a page comes before the first")
	}
}

// throughAddress returns what a browser sends back for the address of a page.
func throughAddress(p page.Paging) page.Paging {
	v := url.Values{}
	p.Fill(v)
	return page.ReadPaging(v)
}
