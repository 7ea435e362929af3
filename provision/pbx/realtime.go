package pbx

import (
	"context"
	"strings"

	"plugtone/provision/setting"
)

// readRealtime reads the endpoints of Asterisk's realtime tables. Passwords that are stored as a digest can't be given to a phone.
func readRealtime(ctx context.Context, s Source) (Snapshot, error) {
	return readDatabase(ctx, s, func(ctx context.Context, db snapshot) error {
		endpoints, err := db.table(ctx, "ps_endpoints", []string{"id", "auth"}, []string{"callerid", "from_domain"})
		if err != nil {
			return err
		}
		auths, err := db.table(ctx, "ps_auths", []string{"id", "username", "password"}, []string{"auth_type"})
		if err != nil {
			return err
		}
		auth := map[string]row{}
		for _, a := range auths {
			auth[a["id"]] = a
		}
		for _, e := range endpoints {
			a := auth[e["auth"]]
			db.out.add(Account{Domain: e["from_domain"], Number: e["id"], DisplayName: callerName(e["callerid"]), AuthUser: a["username"],
				Password: setting.Secret(a["password"])})
		}
		return nil
	})
}

// callerName returns the name in a caller id: "Front Desk" <1001>.
func callerName(callerid string) string {
	name, _, _ := strings.Cut(callerid, "<")
	return strings.Trim(strings.TrimSpace(name), `"`)
}

// readKamailio reads the subscribers of Kamailio and OpenSIPS. Where calculate_ha1 is off, password is empty and only the digest is there.
func readKamailio(ctx context.Context, s Source) (Snapshot, error) {
	return readDatabase(ctx, s, func(ctx context.Context, db snapshot) error {
		list, err := db.table(ctx, "subscriber", []string{"username", "domain", "password"}, nil)
		if err != nil {
			return err
		}
		for _, x := range list {
			db.out.add(Account{Domain: x["domain"], Number: x["username"], Password: setting.Secret(x["password"])})
		}
		return nil
	})
}
