package webtest_test

import (
	"os"
	"testing"

	"plugtone/admin/web/webtest"
)

func TestMain(m *testing.M) { webtest.Main(m) }

// TestScreenshots makes the pictures of the documents: make screenshots.
func TestScreenshots(t *testing.T) {
	if os.Getenv("PLUGTONE_SCREENSHOTS") == "" {
		t.Skip("PLUGTONE_SCREENSHOTS names no folder")
	}
	s := webtest.New(t)
	for _, p := range []struct{ name, path, ready, dark string }{
		{"overview", "/", "h1", ""},
		{"phones", "/phones", "#phones tbody tr", "dark"},
		{"phone", "/phones/" + webtest.Phone(11).String(), "h1", ""},
		{"keys", "/phones/" + webtest.Phone(0).String() + "/keys", "h1", ""},
		{"new-phones", "/discovered", "h1", ""},
		{"network", "/network", "h1", ""},
	} {
		t.Run(p.name, func(t *testing.T) {
			b := s.As(t, "admin")
			b.Open(p.path)
			if !b.Has("h1") || b.Text("h1") == "Not found" {
				t.Skipf("there is no screen at %s", p.path)
			}
			b.Wait(p.ready)
			b.Scheme("light")
			b.Picture(p.name)
			if p.dark != "" {
				b.Scheme("dark")
				b.Picture(p.name + "-dark")
			}
		})
	}
}
