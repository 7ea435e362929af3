package resolve

import (
	"errors"
	"maps"
	"slices"
	"strconv"

	"plugtone/provision/fleet"
	"plugtone/provision/pack"
	"plugtone/provision/setting"
)

// unknown reports a vendor or model that no pack has. The problem names the value already.
func unknown(bad *fleet.ValidationError, field, value string, err error) {
	message := err.Error()
	var u *pack.Unknown
	if errors.As(err, &u) && u.Name == value {
		message = u.Message
	}
	bad.Add(field, value, "%s", message)
}

// checkSettings returns the settings in canonical form and reports those that the model can't have. vendor may be nil.
func checkSettings(bad *fleet.ValidationError, values setting.Values, vendor *pack.Vendor, model string) setting.Values {
	out := bad.Settings(values)
	if vendor == nil {
		return out
	}
	for _, name := range slices.Sorted(maps.Keys(out)) {
		var err error
		if name != "firmware" { // firmware is what may be fetched, also where no file names it
			err = vendor.CheckSupport(model, name)
		}
		if err == nil {
			err = vendor.CheckSetting(model, name, TemplateValue(out[name]))
		}
		if err != nil {
			value := setting.Print(out[name])
			if d, _ := setting.Lookup(name); d.IsSecret() {
				value = ""
			}
			bad.Add("settings."+name, value, "%s", err)
		}
	}
	return out
}

// checkVendorSettings brings vendor_settings into canonical form and reports what can't be. vendor and model are those of the device.
func checkVendorSettings(bad *fleet.ValidationError, in map[string]map[string]string, packs *pack.Set, vendor, model string) map[string]map[string]string {
	out := map[string]map[string]string{}
	total := 0
	for _, name := range slices.Sorted(maps.Keys(in)) {
		path := "vendor_settings." + name
		v, err := packs.FindVendor(name)
		if err != nil {
			unknown(bad, path, name, err)
			continue
		}
		if out[v.ID] == nil {
			out[v.ID] = map[string]string{}
		}
		of := ""
		if v.ID == vendor {
			of = model
		}
		for _, param := range slices.Sorted(maps.Keys(in[name])) {
			value := in[name][param]
			at := path + "[" + strconv.Quote(param) + "]"
			if total++; total > fleet.MaxVendorSettings {
				bad.Add("vendor_settings", "", "there are more than the %d allowed", fleet.MaxVendorSettings)
				return out
			}
			if param == "" || len(param) > 255 || setting.OneLine(param) != nil {
				bad.Add(at, "", "the parameter's name is not 1 to 255 printable characters")
				continue
			}
			before := len(*bad)
			if bad.Text(at, value, 4096); len(*bad) > before {
				continue
			}
			if err := v.CheckExtra(of, param, value); err != nil {
				bad.Add(at, value, "%s", err)
				continue
			}
			out[v.ID][param] = value
		}
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

// CheckProfile brings the profile into its canonical form and reports every problem as ValidationError.
func CheckProfile(view fleet.View, packs *pack.Set, p *fleet.Profile) error {
	var bad fleet.ValidationError
	if err := fleet.CheckProfile(view, p); err != nil && !errors.As(err, &bad) {
		return err
	}
	p.VendorSettings = checkVendorSettings(&bad, p.VendorSettings, packs, "", "")
	return bad.Err()
}
