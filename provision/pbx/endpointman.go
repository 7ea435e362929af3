package pbx

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"plugtone/dhcp"
	"plugtone/provision/setting"
)

// endpointManager reads the tables of OSS Endpoint Manager in the database of FreePBX.
type endpointManager struct{ snapshot }

// read reads devices, and templates as profiles.
func (x endpointManager) read(ctx context.Context, t Take) error {
	if t.Profiles {
		if err := x.profiles(ctx); err != nil {
			return err
		}
	}
	if !t.Devices {
		return nil
	}
	x.out.Devices = []SourceDevice{}
	macs, err := x.table(ctx, "endpointman_mac_list", []string{"id", "mac", "model"}, []string{"template_id", "global_custom_cfg_data"})
	if err != nil {
		return err
	}
	models, err := x.models(ctx)
	if err != nil {
		return err
	}
	lines, err := x.table(ctx, "endpointman_line_list", []string{"mac_id", "line", "ext"}, []string{"description"})
	if err != nil {
		return err
	}
	of := byColumn(lines, "mac_id")
	for _, r := range macs {
		d := SourceDevice{Vendor: models[r["model"]][0], Model: models[r["model"]][1], Enabled: true}
		if d.MAC, err = dhcp.ParseMAC(r["mac"]); err != nil {
			x.problem("device "+r["id"], "%.40q is not a MAC address", r["mac"])
			continue
		}
		if d.Model == "" {
			x.problem(d.String(), "its model %.20q is not in endpointman_model_list", r["model"])
		}
		d.Lines = x.lines(d, of[r["id"]])
		if template := r["template_id"]; template != "" && template != "0" {
			d.Profiles = []string{template}
		} else {
			d.Keys, d.Settings = x.contents(d.String(), r["global_custom_cfg_data"])
		}
		x.out.Devices = append(x.out.Devices, d)
	}
	slices.SortStableFunc(x.out.Devices, func(a, b SourceDevice) int { return slices.Compare(a.MAC[:], b.MAC[:]) })
	return nil
}

// models reads brand and model by the id of the model.
func (x endpointManager) models(ctx context.Context) (map[string][2]string, error) {
	brands, err := x.table(ctx, "endpointman_brand_list", []string{"id", "name"}, nil)
	if err != nil {
		return nil, err
	}
	models, err := x.table(ctx, "endpointman_model_list", []string{"id", "brand", "model"}, nil)
	if err != nil {
		return nil, err
	}
	brand, out := map[string]string{}, map[string][2]string{}
	for _, b := range brands {
		brand[b["id"]] = b["name"]
	}
	for _, m := range models {
		out[m["id"]] = [2]string{brand[m["brand"]], m["model"]}
	}
	return out, nil
}

// lines converts the lines of a device.
func (x endpointManager) lines(d SourceDevice, rows []row) (out []SourceLine) {
	for _, r := range rows {
		n, err := strconv.Atoi(r["line"])
		if err != nil || r["ext"] == "" {
			x.problem(d.String()+", line "+r["line"], "has no number or no extension")
			continue
		}
		out = append(out, SourceLine{Position: n, Number: r["ext"], Label: r["description"]})
	}
	slices.SortStableFunc(out, func(a, b SourceLine) int { return a.Position - b.Position })
	return out
}

// profiles reads the templates.
func (x endpointManager) profiles(ctx context.Context) error {
	x.out.Profiles = []SourceProfile{}
	rows, err := x.table(ctx, "endpointman_template_list", []string{"id", "name"}, []string{"global_custom_cfg_data"})
	if err != nil {
		return err
	}
	for _, r := range rows {
		p := SourceProfile{ID: r["id"], Name: r["name"]}
		p.Keys, p.Settings = x.contents(p.String(), r["global_custom_cfg_data"])
		x.out.Profiles = append(x.out.Profiles, p)
	}
	slices.SortFunc(x.out.Profiles, func(a, b SourceProfile) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID))
	})
	return nil
}

// loopMember is how the data names a member of a numbered key: loop|linekey_type_2.
var loopMember = regexp.MustCompile(`^loop\|([A-Za-z0-9]+)_([A-Za-z0-9_]+)_(\d+)$`)

// contents converts the data of a template or a device: serialized by PHP, {data: {NAME: VALUE}}. Numbered groups with a type are keys, names alone are
// settings.
func (x endpointManager) contents(what, data string) (keys []SourceKey, settings []SourceSetting) {
	if data == "" {
		return nil, nil
	}
	value, err := unserialize(data)
	if err != nil {
		x.problem(what, "its data can't be read: %s", err)
		return nil, nil
	}
	top, _ := value.(map[string]any)
	values, _ := top["data"].(map[string]any)
	groups := map[string]map[string]string{} // key by its group and number
	for _, name := range slices.Sorted(maps.Keys(values)) {
		text := fmt.Sprint(values[name])
		m := loopMember.FindStringSubmatch(name)
		switch {
		case m != nil:
			at := m[1] + " " + m[3]
			if groups[at] == nil {
				groups[at] = map[string]string{}
			}
			groups[at][m[2]] = text
		case text != "":
			settings = append(settings, SourceSetting{strings.TrimPrefix(name, "$"), setting.Secret(text)})
		}
	}
	for _, at := range slices.Sorted(maps.Keys(groups)) {
		group, number, _ := strings.Cut(at, " ")
		k := SourceKey{Area: loopArea(group), Type: groups[at]["type"], Line: groups[at]["line"], Value: groups[at]["value"], Extension: groups[at]["extension"],
			Label: groups[at]["label"]}
		k.Slot, _ = strconv.Atoi(number)
		if _, ok := groups[at]["type"]; !ok {
			x.problem(what, "the group %s is not known as keys: it is left out", at)
			continue
		}
		keys = append(keys, k)
	}
	sortKeys(keys)
	return keys, settings
}

// loopArea returns our area for a group of keys, or its name where the area is not known.
func loopArea(group string) string {
	for _, x := range []struct{ part, area string }{{"exp", "expansion1"}, {"mem", "memory"}, {"pro", "programmable"}, {"line", "line"}} {
		if strings.Contains(strings.ToLower(group), x.part) {
			return x.area
		}
	}
	return group
}
