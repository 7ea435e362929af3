package page_test

import (
	"os"
	"path/filepath"
	"testing"

	"plugtone/admin/web/assets"
	"plugtone/admin/web/page"
	"plugtone/admin/web/preview"
	"plugtone/admin/web/record"
)

// TestEveryTemplateParses: the daemon parses a file when it is shown first, so a mistake in it would not be seen at start.
func TestEveryTemplateParses(t *testing.T) {
	a, err := assets.New()
	if err != nil {
		t.Fatal(err)
	}
	f, err := page.New(page.Config{Assets: a})
	if err != nil {
		t.Fatal(err)
	}
	dirs, err := filepath.Glob("../*/templates")
	if err != nil || len(dirs) < 10 {
		t.Fatalf("%d folders, %v", len(dirs), err)
	}
	for _, dir := range dirs {
		screen, err := f.Templates(os.DirFS(filepath.Dir(dir)), record.Parts, preview.Parts)
		if err == nil {
			err = screen.Parse()
		}
		if err != nil {
			t.Errorf("%s: %v", dir, err)
		}
	}
}
