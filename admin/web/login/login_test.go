package login_test

import (
	"testing"

	"plugtone/admin/web/webtest"
)

func TestMain(m *testing.M) { webtest.Main(m) }

func TestATokenSignsIn(t *testing.T) {
	s := webtest.Empty(t)
	b := s.Tab(t)
	b.Open("/phones?q=x")
	b.WaitText("h1", "Sign in")
	b.Check("login")
	b.Type("#token", "wrong")
	b.Press("\r")
	b.WaitText("[role=alert]", "No token has this secret")
	b.Check("refused")
	b.Type("#token", "viewer")
	b.Press("\r")
	b.WaitFor(`location.pathname + location.search == "/phones?q=x"`)
	b.Open("/")
	b.WaitText("h1", "Overview")
	b.Click("details.menu summary")
	b.Check("menu")
}
