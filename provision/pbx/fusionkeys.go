package pbx

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"

	"plugtone/provision/setting"
)

// keyColumns are the columns of a table of keys, without what their names begin with.
var keyColumns = []string{"vendor", "line", "value", "extension", "label", "protected"}

// keyTable is where keys are: device_key_ and profile_key_ are the beginnings of its columns.
type keyTable struct{ name, prefix, owner string }

// keys reads the keys of devices.
func (f *fusion) keys(ctx context.Context) (map[string][]SourceKey, error) {
	return f.keysIn(ctx, keyTable{"v_device_keys", "device_key_", "device_uuid"})
}

// keysIn reads a table of keys, by their owner.
func (f *fusion) keysIn(ctx context.Context, t keyTable) (map[string][]SourceKey, error) {
	names, err := f.functions(ctx)
	if err != nil {
		return nil, err
	}
	var optional []string
	for _, c := range keyColumns {
		optional = append(optional, t.prefix+c)
	}
	rows, err := f.table(ctx, t.name, []string{t.owner, t.prefix + "id", t.prefix + "category", t.prefix + "type"}, optional)
	if err != nil {
		return nil, err
	}
	out := map[string][]SourceKey{}
	for _, r := range rows {
		if r[t.owner] == "" {
			continue
		}
		get := func(column string) string { return strings.TrimSpace(r[t.prefix+column]) }
		k := SourceKey{Area: areaOf(get("category")), Vendor: strings.ToLower(get("vendor")), Type: get("type"), Line: get("line"), Value: get("value"),
			Extension: get("extension"), Label: get("label"), Locked: isTrue(get("protected"))}
		if k.Slot, err = strconv.Atoi(get("id")); err != nil {
			f.problem(t.name+" "+r[t.owner], "the key with the id %.20q in the category %.20q has no number", get("id"), get("category"))
			continue
		}
		k.Function = names[[2]string{k.Vendor, k.Type}]
		out[r[t.owner]] = append(out[r[t.owner]], k)
	}
	for _, list := range out {
		sortKeys(list)
	}
	return out, nil
}

func sortKeys(list []SourceKey) {
	slices.SortFunc(list, func(a, b SourceKey) int {
		return cmp.Or(cmp.Compare(a.Area, b.Area), cmp.Compare(a.Slot, b.Slot), cmp.Compare(a.Vendor, b.Vendor), cmp.Compare(a.Type, b.Type), cmp.Compare(a.Value, b.Value))
	})
}

// areaOf returns our name for an area of keys, or the PBX's where there is none.
func areaOf(category string) string {
	category = strings.ToLower(category)
	if category == "expansion" {
		return "expansion1"
	}
	return strings.Replace(category, "expansion-", "expansion", 1)
}

// functions reads what the PBX calls the vendors' codes.
func (f *fusion) functions(ctx context.Context) (map[[2]string]string, error) {
	if f.names != nil {
		return f.names, nil
	}
	vendors, err := f.optionalTable(ctx, "v_device_vendors", []string{"device_vendor_uuid", "name"}, nil)
	if err != nil {
		return nil, err
	}
	rows, err := f.optionalTable(ctx, "v_device_vendor_functions", []string{"device_vendor_uuid", "value"}, []string{"type"})
	if err != nil {
		return nil, err
	}
	vendor := map[string]string{}
	for _, v := range vendors {
		vendor[v["device_vendor_uuid"]] = strings.ToLower(v["name"])
	}
	f.names = map[[2]string]string{}
	for _, r := range rows {
		f.names[[2]string{vendor[r["device_vendor_uuid"]], r["value"]}] = r["type"]
	}
	return f.names, nil
}

// ofVendor returns the keys that the PBX gives the device: those of its vendor, and those of none.
func ofVendor(keys []SourceKey, d SourceDevice) []SourceKey {
	template, _, _ := strings.Cut(d.Template, "/")
	vendor := strings.ToLower(cmp.Or(d.Vendor, template))
	return slices.DeleteFunc(slices.Clone(keys), func(k SourceKey) bool {
		return k.Vendor != "" && k.Vendor != vendor && !strings.HasPrefix(k.Vendor, vendor+" ")
	})
}

// merge puts keys over others: of two at the same place the second counts.
func merge(below, above []SourceKey) []SourceKey {
	type place struct {
		area string
		slot int
	}
	taken := map[place]bool{}
	for _, k := range above {
		taken[place{k.Area, k.Slot}] = true
	}
	out := slices.DeleteFunc(slices.Clone(below), func(k SourceKey) bool { return taken[place{k.Area, k.Slot}] })
	out = append(out, above...)
	if len(above) > 0 {
		sortKeys(out)
	}
	return out
}

// neutralSettings are names of FusionPBX for what has another name here. The second value of a list has a name of its own.
var neutralSettings = map[string]string{"ntp_server_primary": "ntp_servers", "ntp_server_secondary": "ntp_servers", "dns_server_primary": "dns_servers", "dns_server_secondary": "dns_servers"}

// settings reads a table of settings, by their owner. Those that are off are left out, as the PBX does.
func (f *fusion) settings(ctx context.Context, table, owner, name, value, enabled string) (map[string][]SourceSetting, error) {
	rows, err := f.optionalTable(ctx, table, []string{owner, name, value}, []string{enabled})
	if err != nil {
		return nil, err
	}
	values := map[string]map[string]string{}
	for _, r := range rows {
		if r[owner] == "" || r[name] == "" || r[enabled] != "" && !isTrue(r[enabled]) {
			continue
		}
		if values[r[owner]] == nil {
			values[r[owner]] = map[string]string{}
		}
		values[r[owner]][r[name]] = r[value]
	}
	out := map[string][]SourceSetting{}
	for id, have := range values {
		lists := map[string][]string{}
		for _, name := range slices.Sorted(maps.Keys(have)) {
			if list, ok := neutralSettings[name]; ok {
				lists[list] = append(lists[list], have[name])
				continue
			}
			out[id] = append(out[id], SourceSetting{name, setting.Secret(have[name])})
		}
		for _, name := range slices.Sorted(maps.Keys(lists)) {
			out[id] = append(out[id], SourceSetting{name, setting.Secret(strings.Join(lists[name], ","))})
		}
	}
	return out, nil
}
