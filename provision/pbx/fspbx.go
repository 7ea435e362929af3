package pbx

import (
	"context"
	"strconv"
	"strings"
)

// neutral reads what only FS PBX has of devices: keys with words for phones of all vendors, and the names of its templates as VENDOR/NAME.
func (f *fusion) neutral(ctx context.Context) (keys map[string][]SourceKey, templates map[string]string, err error) {
	if !f.fspbx {
		return nil, nil, nil
	}
	rows, err := f.optionalTable(ctx, "provisioning_templates", []string{"template_uuid"}, []string{"vendor", "name"})
	if err != nil {
		return nil, nil, err
	}
	templates = map[string]string{}
	for _, r := range rows {
		templates[r["template_uuid"]] = strings.Trim(r["vendor"]+"/"+r["name"], "/")
	}
	keys, err = f.neutralKeys(ctx, "device_keys", "device_uuid")
	return keys, templates, err
}

// keyTemplates reads FS PBX's key templates as profiles.
func (f *fusion) keyTemplates(ctx context.Context) error {
	rows, err := f.optionalTable(ctx, "device_key_templates", []string{"device_key_template_uuid", "name"}, []string{"domain_uuid", "enabled"})
	if err != nil || rows == nil {
		return err
	}
	keys, err := f.neutralKeys(ctx, "device_key_template_keys", "device_key_template_uuid")
	if err != nil {
		return err
	}
	for _, r := range rows {
		domain, known := f.domains[r["domain_uuid"]]
		if !known && r["domain_uuid"] != "" {
			continue
		}
		id := r["device_key_template_uuid"]
		f.out.Profiles = append(f.out.Profiles, SourceProfile{ID: id, Domain: domain, Name: r["name"], Keys: keys[id]})
	}
	return nil
}

// neutralAreas are our areas by FS PBX's.
var neutralAreas = map[string]string{"": "line", "main": "line", "multi": "memory", "multi_purpose": "memory", "expansion": "expansion1"}

// neutralKeys reads a table of FS PBX's own keys, by their owner.
func (f *fusion) neutralKeys(ctx context.Context, table, owner string) (map[string][]SourceKey, error) {
	rows, err := f.optionalTable(ctx, table, []string{owner, "key_index", "key_type"}, []string{"key_area", "key_value", "key_label"})
	if err != nil {
		return nil, err
	}
	out := map[string][]SourceKey{}
	for _, r := range rows {
		n, err := strconv.Atoi(r["key_index"])
		if err != nil || n < 1 || r[owner] == "" {
			continue // FS PBX leaves it out too
		}
		out[r[owner]] = append(out[r[owner]], neutralKey(r, n))
	}
	for _, list := range out {
		sortKeys(list)
	}
	return out, nil
}

// neutralKey converts one key. FS PBX dials park+*VALUE for a parking place, watches vmVALUE for a mailbox, and has the number of a line as value.
func neutralKey(r row, slot int) SourceKey {
	k := SourceKey{Area: r["key_area"], Slot: slot, Type: strings.ToLower(strings.TrimSpace(r["key_type"])), Neutral: true, Value: strings.TrimSpace(r["key_value"]),
		Label: r["key_label"]}
	if area, ok := neutralAreas[k.Area]; ok {
		k.Area = area
	}
	switch k.Type {
	case "", "unassigned":
		k.Type, k.Value = "none", ""
	case "line":
		k.Line, k.Value = k.Value, ""
	case "park":
		if k.Value != "" {
			k.Value = "park+*" + k.Value
		}
	case "check_voicemail":
		k.Type = "blf"
		if k.Value != "" {
			k.Value = "vm" + k.Value
		}
	}
	return k
}
