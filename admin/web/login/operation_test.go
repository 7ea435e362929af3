package login_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"plugtone/admin/client"
	"plugtone/admin/web/webtest"
)

func TestAnAddressSignsInOnce(t *testing.T) {
	s := webtest.Empty(t)
	s.Config.Listen = []string{"unix:/nowhere", "127.0.0.1:8067"}
	s.Restart(t)
	out, err := s.API.WebLogin(t.Context())
	if err != nil || len(out.URLs) != 1 {
		t.Fatalf("%+v, %v", out, err)
	}
	path, ok := strings.CutPrefix(out.URLs[0], "http://127.0.0.1:8067")
	if !ok {
		t.Fatalf("address %s", out.URLs[0])
	}
	b := s.Tab(t)
	b.Open(path)
	b.WaitText("h1", "Overview") // the script sends the form
	if got := b.Text(".role"); got != "admin" {
		t.Errorf("role %q", got)
	}
	again := s.Tab(t)
	again.Open(path)
	again.WaitText("h1", "Not signed in")
	again.Check("used")
}

func TestWithoutATCPAddressThereIsNoAddressOfThePage(t *testing.T) {
	s := webtest.Empty(t)
	_, err := s.API.WebLogin(t.Context())
	var p *client.Problem
	if !errors.As(err, &p) || p.Status != http.StatusConflict || !strings.Contains(p.Detail, "admin.listen") {
		t.Errorf("%v", err)
	}
}
