package pbx

import (
	"context"
	"strconv"
	"strings"
	"time"
)

// Registration is a row of the table location, where Kamailio and OpenSIPS keep who is registered when usrloc's db_mode is not 0.
type Registration struct {
	User, Domain string // Domain is "" where use_domain is off
	Contact      string // SIP URI
	Received     string // SIP URI of the address that the REGISTER came from, behind NAT; "" where that is not noted
	Agent        string
}

// ReadRegistrations reads the table location of a database.
//
// An expired row is left out. Kamailio writes local time without a zone, so its rows are left out a day later: it removes them itself. OpenSIPS writes Unix time.
func ReadRegistrations(ctx context.Context, dsn, passwordFile string) (out []Registration, err error) {
	_, err = readDatabase(ctx, Source{DSN: dsn, PasswordFile: passwordFile}, func(ctx context.Context, db snapshot) error {
		now, err := db.now(ctx)
		if err != nil {
			return err
		}
		list, err := db.table(ctx, "location", []string{"username", "contact", "expires"}, []string{"domain", "received", "user_agent"})
		for _, r := range list {
			if !expired(r["expires"], now) {
				out = append(out, Registration{r["username"], r["domain"], r["contact"], r["received"], r["user_agent"]})
			}
		}
		return err
	})
	return out, err
}

// CheckDSN returns an error for a text that names no database that can be read.
func CheckDSN(dsn string) error {
	_, err := parseDSN(dsn)
	return err
}

// now returns the time of the server: the two clocks need not agree.
func (s snapshot) now(ctx context.Context) (time.Time, error) {
	query := "SELECT UNIX_TIMESTAMP()"
	if s.postgres {
		query = "SELECT extract(epoch FROM now())::bigint"
	}
	var seconds int64
	err := s.tx.QueryRowContext(ctx, query).Scan(&seconds)
	return time.Unix(seconds, 0).UTC(), err
}

// expired reports whether a registration has ended, by its column expires. Permanent ones have 0, which is 1970 in Kamailio's form. What can't be read does not count
// as expired.
func expired(column string, now time.Time) bool {
	if seconds, err := strconv.ParseInt(column, 10, 64); err == nil {
		return seconds != 0 && seconds < now.Unix()
	}
	column, _, _ = strings.Cut(strings.Replace(column, "T", " ", 1), ".")
	at, err := time.Parse(time.DateTime, strings.TrimSuffix(column, "Z"))
	return err == nil && at.Year() > 1970 && at.Add(24*time.Hour).Before(now)
}
