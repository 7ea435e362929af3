package advice_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"plugtone/admin/advice"
	"plugtone/provision/pack"
	"plugtone/provision/resolve"
	"plugtone/provision/vendors"
)

// TestFilesOfEverySettingAreLookedFor names files by each setting that names some, on a phone of a vendor that has them all.
func TestFilesOfEverySettingAreLookedFor(t *testing.T) {
	packs, err := pack.Load(pack.Config{Builtin: vendors.FS})
	if err != nil {
		t.Fatal(err)
	}
	yealink, _ := packs.Vendor("yealink")
	dir := t.TempDir()
	folder, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { folder.Close() })
	settings := []resolve.Origin{{Name: "firmware", Value: []string{"a.rom", "b.rom"}, From: "profile desk"}, {Name: "logo", Value: "logo.dob", From: "device"},
		{Name: "wallpaper", Value: "w.png", From: "site"}, {Name: "vpn_config", Value: "vpn.tar", From: "device"}, {Name: "ring_tone", Value: "Ring1.wav", From: "device"}}
	var names []string
	for _, o := range settings {
		if o.Name == "firmware" || o.Name != "ring_tone" && yealink.CheckSupport("T46U", o.Name) == nil {
			names = append(names, o.Name)
		}
	}
	check := func(want int) {
		t.Helper()
		if got := advice.Files(folder, yealink, "T46U", settings); len(got) != want {
			t.Errorf("%d warnings, want %d: %q", len(got), want, got)
		}
	}
	if !slices.Contains(names, "wallpaper") || !slices.Contains(names, "vpn_config") {
		t.Fatalf("the phone has only %v", names)
	}
	check(len(names) + 1)
	for _, place := range []string{"fw/a.rom", "b.rom", "logo.dob", "yealink/w.png", "vpn.tar"} {
		path := filepath.Join(dir, place)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	check(0)
	settings = []resolve.Origin{{Name: "wallpaper", Value: "https://pbx.example.com/none.png", From: "device"}}
	check(0)
	settings[0].Value = "../outside.png"
	if got := advice.Files(folder, yealink, "T46U", settings); len(got) != 1 || !strings.Contains(got[0], "the setting wallpaper of the device names ../outside.png") {
		t.Errorf("%q", got)
	}
	settings[0].Name = "logo"
	if got := advice.Files(folder, yealink, "W60B", settings); len(got) != 0 {
		t.Errorf("a model without the setting: %q", got)
	}
}
