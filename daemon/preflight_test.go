package daemon

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A phone fetches its file from a daemon. A copy of the data shows nothing to change under the same program and configuration, and names the
// phone and its file when the rendering differs.
func TestPreflightNamesThePhonesThatAnUpgradeChanges(t *testing.T) {
	r := start(t, testConfig)
	r.addPhone()
	if status, text := r.get("http://" + r.address("http") + "/001565123456.cfg"); status != 200 {
		t.Fatalf("%d %s", status, text)
	}
	options := func(config, data string) Options {
		return Options{Config: writeConfig(t, t.TempDir(), config), DataDir: data, Version: "next", Log: &logBuffer{}}
	}
	if _, err := Preflight(t.Context(), options(testConfig, filepath.Join(r.dir, "data"))); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("of a running daemon's data: %v, want that it is in use", err)
	}
	r.stop()
	<-r.ended
	copied := func() string {
		dir := filepath.Join(t.TempDir(), "copy")
		if err := os.CopyFS(dir, os.DirFS(filepath.Join(r.dir, "data"))); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	same, err := Preflight(t.Context(), options(testConfig, copied()))
	if err != nil {
		t.Fatal(err)
	}
	if same.Devices != 1 || len(same.Changed) != 0 || same.States["in_sync"] != 1 || len(same.Damage) != 0 {
		t.Errorf("nothing differs, but the report is %+v", same)
	}
	other := strings.Replace(testConfig, "Europe/Berlin", "America/New_York", 1)
	changed, err := Preflight(t.Context(), options(other, copied()))
	if err != nil {
		t.Fatal(err)
	}
	if len(changed.Changed) != 1 || strings.Join(changed.Changed[0].Files, " ") != "001565123456.cfg" || changed.Changed[0].Error != "" {
		t.Errorf("another rendering, but the report is %+v", changed)
	}
}

func TestPreflightNeedsACopy(t *testing.T) {
	_, err := Preflight(t.Context(), Options{Config: writeConfig(t, t.TempDir(), testConfig)})
	if err == nil || !strings.Contains(err.Error(), "--data-dir") {
		t.Errorf("got %v", err)
	}
}
