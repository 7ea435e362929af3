package pbx

import (
	"context"
	"strings"

	"plugtone/provision/setting"
)

// readFusionPBX reads the extensions of FusionPBX and FS PBX. The password is that of v_extensions: the one in v_device_lines is a copy.
func readFusionPBX(ctx context.Context, s Source) (Snapshot, error) {
	return readDatabase(ctx, s, func(ctx context.Context, db snapshot) error {
		domains, err := db.table(ctx, "v_domains", []string{"domain_uuid", "domain_name"}, []string{"domain_enabled"})
		if err != nil {
			return err
		}
		name := map[string]string{}
		for _, d := range domains {
			if d["domain_enabled"] == "" || isTrue(d["domain_enabled"]) {
				name[d["domain_uuid"]] = d["domain_name"]
			}
		}
		list, err := db.table(ctx, "v_extensions", []string{"domain_uuid", "extension", "password", "enabled"},
			[]string{"effective_caller_id_name", "directory_first_name", "directory_last_name"})
		if err != nil {
			return err
		}
		for _, e := range list {
			domain, ok := name[e["domain_uuid"]]
			if !ok || !isTrue(e["enabled"]) {
				continue
			}
			display := e["effective_caller_id_name"]
			if display == "" {
				display = strings.TrimSpace(e["directory_first_name"] + " " + e["directory_last_name"])
			}
			db.out.add(Account{Domain: domain, Number: e["extension"], DisplayName: display, Password: setting.Secret(e["password"])})
		}
		return nil
	})
}
