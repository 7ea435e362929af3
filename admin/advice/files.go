package advice

import (
	"fmt"
	"io/fs"
	"os"
	"strings"

	"plugtone/provision/pack"
	"plugtone/provision/resolve"
	"plugtone/provision/setting"
)

// fileSettings are the settings that name files which the phone fetches from here.
var fileSettings = []string{"firmware", "logo", "vpn_config", "wallpaper"}

// Files returns a warning for each file that a phone's settings name and the folder of files does not have, where its model has the
// setting. A file is in the vendor's folder or beside it; URLs are other servers'. folder is data_dir/files; nil: there is none.
func Files(folder *os.Root, vendor *pack.Vendor, model string, settings []resolve.Origin) (warnings []string) {
	if folder == nil {
		return nil
	}
	for _, name := range fileSettings {
		for _, o := range settings {
			if o.Name != name || name != "firmware" && vendor.CheckSupport(model, name) != nil {
				continue
			}
			for _, file := range filesNamed(o.Value) {
				if !strings.Contains(file, "://") && !hasFile(folder, vendor.ID, file, name == "firmware") {
					warnings = append(warnings, fmt.Sprintf("the setting %s of %s names %s, which is neither files/%s/%s nor files/%s in data_dir", name, ownerOf(o.From), file, vendor.ID, file, file))
				}
			}
		}
	}
	return warnings
}

// SettingFiles returns a warning for each file that the settings of a profile or registrar name and that is nowhere in the folder of files: no
// phone could fetch it.
func SettingFiles(folder *os.Root, settings setting.Values) (warnings []string) {
	if folder == nil {
		return nil
	}
	for _, name := range fileSettings {
		for _, file := range filesNamed(settings[name]) {
			if !strings.Contains(file, "://") && !hasFile(folder, "", file, true) {
				warnings = append(warnings, fmt.Sprintf("the setting %s names %s, which is in no folder of files in data_dir", name, file))
			}
		}
	}
	return warnings
}

func filesNamed(v any) []string {
	switch v := v.(type) {
	case string:
		return []string{v}
	case []string:
		return v
	}
	return nil
}

func ownerOf(from string) string {
	if from == "device" {
		return "the device"
	}
	return from
}

// hasFile reports whether a regular file is there. Firmware may be in any folder of files: phones name those in their own ways.
func hasFile(folder *os.Root, vendor, name string, anywhere bool) bool {
	regular := func(place string) bool {
		info, err := folder.Stat(place)
		return err == nil && info.Mode().IsRegular()
	}
	name = strings.TrimLeft(name, "/")
	if vendor != "" && regular(vendor+"/"+name) || regular(name) {
		return true
	}
	if !anywhere {
		return false
	}
	top, err := fs.ReadDir(folder.FS(), ".")
	if err != nil {
		return false
	}
	for _, e := range top {
		if e.IsDir() && regular(e.Name()+"/"+name) {
			return true
		}
	}
	return false
}
