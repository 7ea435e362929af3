package pbx

import (
	"context"
	"slices"

	"plugtone/provision/setting"
)

// readFreePBX reads FreePBX, and OSS Endpoint Manager where devices or profiles are taken. Extensions are devices by technology, names in users, and
// the secret in the key-value table sip, for pjsip too.
func readFreePBX(ctx context.Context, s Source) (Snapshot, error) {
	return readDatabase(ctx, s, func(ctx context.Context, db snapshot) error {
		devices, err := db.table(ctx, "devices", []string{"id", "tech"}, []string{"user", "description"})
		if err != nil {
			return err
		}
		users, err := db.table(ctx, "users", []string{"extension", "name"}, nil)
		if err != nil {
			return err
		}
		values, err := db.table(ctx, "sip", []string{"id", "keyword", "data"}, nil)
		if err != nil {
			return err
		}
		secret, user := map[string]string{}, map[string]row{}
		for _, v := range values {
			if v["keyword"] == "secret" {
				secret[v["id"]] = v["data"]
			}
		}
		for _, u := range users {
			user[u["extension"]] = u
		}
		for _, d := range devices {
			if !slices.Contains([]string{"pjsip", "sip"}, d["tech"]) {
				continue
			}
			e := Account{Number: d["id"], DisplayName: d["description"], Password: setting.Secret(secret[d["id"]])}
			if u, ok := user[d["user"]]; ok {
				e.DisplayName = u["name"]
			}
			db.out.add(e)
		}
		return endpointManager{db}.read(ctx, s.Take)
	})
}
