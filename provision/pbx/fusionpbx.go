package pbx

import (
	"context"
	"strings"

	"plugtone/provision/setting"
)

// fusion reads the database of FusionPBX or FS PBX.
type fusion struct {
	snapshot
	fspbx    bool
	domains  map[string]string // enabled ones, by id
	numbers  map[account]string
	accounts map[account]Account
	names    map[[2]string]string // of the vendors' codes, by vendor and code; nil: not read
}

// account is an account of a PBX with several domains.
type account struct{ domain, number string }

// readFusionPBX reads FusionPBX and FS PBX.
func readFusionPBX(ctx context.Context, s Source) (Snapshot, error) {
	return readDatabase(ctx, s, func(ctx context.Context, db snapshot) error {
		f := fusion{snapshot: db, fspbx: s.Type == "fspbx", domains: map[string]string{}, numbers: map[account]string{}, accounts: map[account]Account{}}
		if err := f.readExtensions(ctx); err != nil {
			return err
		}
		if s.Take.Profiles {
			if err := f.readProfiles(ctx); err != nil {
				return err
			}
		}
		if !s.Take.Devices {
			return nil
		}
		return f.readDevices(ctx)
	})
}

// readExtensions reads domains and extensions. The password is that of v_extensions: the one in v_device_lines is a copy.
func (f *fusion) readExtensions(ctx context.Context) error {
	domains, err := f.table(ctx, "v_domains", []string{"domain_uuid", "domain_name"}, []string{"domain_enabled"})
	if err != nil {
		return err
	}
	for _, d := range domains {
		if d["domain_enabled"] == "" || isTrue(d["domain_enabled"]) {
			f.domains[d["domain_uuid"]] = d["domain_name"]
		}
	}
	list, err := f.table(ctx, "v_extensions", []string{"domain_uuid", "extension", "password", "enabled"},
		[]string{"number_alias", "effective_caller_id_name", "directory_first_name", "directory_last_name"})
	if err != nil {
		return err
	}
	for _, e := range list {
		domain, ok := f.domains[e["domain_uuid"]]
		if !ok || !isTrue(e["enabled"]) {
			continue
		}
		display := e["effective_caller_id_name"]
		if display == "" {
			display = strings.TrimSpace(e["directory_first_name"] + " " + e["directory_last_name"])
		}
		a := Account{Domain: domain, Number: e["extension"], DisplayName: display, Password: setting.Secret(e["password"])}
		f.out.add(a)
		f.accounts[account{domain, a.Number}] = a
		if alias := e["number_alias"]; alias != "" {
			f.numbers[account{domain, alias}] = a.Number
		}
	}
	return nil
}
