package pbx

import (
	"cmp"
	"context"
	"slices"
)

// readProfiles reads the profiles of devices, with their keys and settings, and the key templates of FS PBX.
func (f *fusion) readProfiles(ctx context.Context) error {
	f.out.Profiles = []SourceProfile{}
	rows, err := f.table(ctx, "v_device_profiles", []string{"device_profile_uuid", "device_profile_name"}, []string{"domain_uuid"})
	if err != nil {
		return err
	}
	keys, settings, err := f.profileContents(ctx)
	if err != nil {
		return err
	}
	for _, r := range rows {
		id := r["device_profile_uuid"]
		domain, known := f.domains[r["domain_uuid"]]
		if !known && r["domain_uuid"] != "" {
			continue
		}
		f.out.Profiles = append(f.out.Profiles, SourceProfile{ID: id, Domain: domain, Name: r["device_profile_name"], Keys: keys[id], Settings: settings[id]})
	}
	if f.fspbx {
		if err := f.keyTemplates(ctx); err != nil {
			return err
		}
	}
	slices.SortFunc(f.out.Profiles, func(a, b SourceProfile) int {
		return cmp.Or(cmp.Compare(a.Domain, b.Domain), cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID))
	})
	return nil
}

// profileContents reads keys and settings of profiles. Before FusionPBX 4.5 they were in the tables of devices.
func (f *fusion) profileContents(ctx context.Context) (keys map[string][]SourceKey, settings map[string][]SourceSetting, err error) {
	have, err := f.columns(ctx, "v_device_profile_keys")
	if err != nil {
		return nil, nil, err
	}
	if len(have) == 0 {
		f.problem("table v_device_profile_keys", "is not there in this version: the keys of profiles are read from v_device_keys")
		if keys, err = f.keysIn(ctx, keyTable{"v_device_keys", "device_key_", "device_profile_uuid"}); err != nil {
			return nil, nil, err
		}
		settings, err = f.settings(ctx, "v_device_settings", "device_profile_uuid", "device_setting_subcategory", "device_setting_value", "device_setting_enabled")
		return keys, settings, err
	}
	if keys, err = f.keysIn(ctx, keyTable{"v_device_profile_keys", "profile_key_", "device_profile_uuid"}); err != nil {
		return nil, nil, err
	}
	settings, err = f.settings(ctx, "v_device_profile_settings", "device_profile_uuid", "profile_setting_name", "profile_setting_value", "profile_setting_enabled")
	return keys, settings, err
}
