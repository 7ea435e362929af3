package web_test

import (
	"net/url"
	"testing"

	"plugtone/admin/web/webtest"
)

func TestMain(m *testing.M) { webtest.Main(m) }

// screens are the pages that open without a parameter.
func screens() []string {
	return []string{"/", "/phones", "/phones?sort=-last_fetch&limit=100", "/discovered", "/profiles", "/import", "/pbx", "/network", "/activity", "/phones/" + webtest.Phone(0).String()}
}

// TestEachScreenOpensForEachRole: what a role may not see is left out or refused with a page of its own, never an error of the server.
func TestEachScreenOpensForEachRole(t *testing.T) {
	s := webtest.New(t)
	for _, role := range []string{"viewer", "operator", "admin"} {
		t.Run(role, func(t *testing.T) {
			b := s.As(t, role)
			for _, path := range screens() {
				b.Open(path)
				b.Wait("h1")
				if got := b.Text(".role"); got != role {
					t.Errorf("%s: role %q", path, got)
				}
				if got := b.Text(".error-page .code"); got >= "500" {
					t.Errorf("%s answers %s: %s", path, got, b.Text("main"))
				}
			}
		})
	}
}

// TestPhonesWorkWithoutJavaScript: filters, search, sorting, pages, colours and signing out are forms and links.
func TestPhonesWorkWithoutJavaScript(t *testing.T) {
	b := webtest.New(t).Plain(t, "operator")
	b.Sees("Overview")
	b.Follow("Phones")
	b.Sees("48 phones")
	b.Send("/phones", url.Values{"q": {"hoffmann"}})
	b.Sees("2 phones")
	b.Follow("Clear all")
	b.Follow("Refused")
	b.Sees("Lucas Meyer")
	b.Sees("2 phones")
	b.Follow("MAC")
	if b.Path() != "/phones?sort=mac&where=state%3Drefused" {
		t.Errorf("sorted at %s", b.Path())
	}
	b.Open("/phones?limit=20")
	b.Follow("Next")
	b.Sees("21–40 of 48")
	b.Follow("Next")
	b.Sees("41–48 of 48")
	b.Follow("Previous")
	b.Follow("Previous")
	b.Sees("1–20 of 48")
	b.Send("/theme", url.Values{"theme": {"dark"}})
	b.Sees("48")
	b.Send("/logout", nil)
	b.Sees("Sign in")
	b.Open("/phones")
	b.Sees("Sign in")
}
