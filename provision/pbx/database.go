package pbx

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// connectTime is how long a connection to a database may take.
const connectTime = 10 * time.Second

// snapshot reads a database in one read-only transaction that sees one state of it.
type snapshot struct {
	tx       *sql.Tx
	postgres bool
	out      *Snapshot
}

// row is one row by column. A NULL is "".
type row map[string]string

// readDatabase connects and runs read in a snapshot.
func readDatabase(ctx context.Context, s Source, read func(context.Context, snapshot) error) (Snapshot, error) {
	var out Snapshot
	db, postgres, err := open(s)
	if err != nil {
		return out, err
	}
	defer db.Close()
	tx, err := db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true})
	if err != nil {
		return out, fmt.Errorf("connect to %s: %w", redacted(s.DSN), err)
	}
	defer func() { _ = tx.Rollback() }() // nothing is written
	version := "SELECT version()"
	if err := tx.QueryRowContext(ctx, version).Scan(&out.Server); err != nil {
		return out, fmt.Errorf("read the version of the server: %w", err)
	}
	if postgres {
		out.Server, _, _ = strings.Cut(out.Server, " on ")
	}
	return out, read(ctx, snapshot{tx, postgres, &out})
}

// redacted returns a DSN without its parameters, and without a password that is in it against the manual.
func redacted(dsn string) string {
	u, err := url.Parse(dsn)
	if err != nil {
		return "the database"
	}
	u.RawQuery = ""
	return u.Redacted()
}

func parseDSN(dsn string) (*url.URL, error) {
	u, err := url.Parse(dsn)
	if err != nil || !slices.Contains([]string{"postgres", "postgresql", "mysql", "mariadb"}, u.Scheme) || strings.Trim(u.Path, "/") == "" {
		return nil, errors.New("dsn must be postgres://USER@HOST/DATABASE or mysql://USER@HOST/DATABASE")
	}
	if _, ok := u.User.Password(); ok || u.Query().Has("password") {
		return nil, errors.New("dsn: the password belongs into password_file")
	}
	return u, nil
}

// open prepares a connection. Nothing is sent yet.
func open(s Source) (db *sql.DB, postgres bool, err error) {
	u, err := parseDSN(s.DSN)
	if err != nil {
		return nil, false, err
	}
	password := ""
	if s.PasswordFile != "" {
		b, err := os.ReadFile(s.PasswordFile)
		if err != nil {
			return nil, false, fmt.Errorf("password_file: %w", err)
		}
		password = strings.TrimRight(string(b), "\r\n")
	}
	if strings.HasPrefix(u.Scheme, "postgres") {
		c, err := pgx.ParseConfig(s.DSN)
		if err != nil {
			return nil, false, fmt.Errorf("dsn: %w", err)
		}
		c.Password, c.ConnectTimeout = password, connectTime
		return stdlib.OpenDB(*c), true, nil
	}
	c := mysql.NewConfig()
	c.User, c.Passwd, c.DBName, c.Timeout = u.User.Username(), password, strings.Trim(u.Path, "/"), connectTime
	c.Net, c.Addr = "tcp", u.Host
	if socket := u.Query().Get("socket"); socket != "" {
		c.Net, c.Addr = "unix", socket
	} else if u.Port() == "" {
		c.Addr = net.JoinHostPort(u.Hostname(), "3306")
	}
	c.TLSConfig = u.Query().Get("tls") // true, skip-verify or preferred; none without
	connector, err := mysql.NewConnector(c)
	if err != nil {
		return nil, false, fmt.Errorf("dsn: %w", err)
	}
	return sql.OpenDB(connector), false, nil
}

// table reads columns of a table. A column in optional that this version of the schema lacks is "" in every row and reported once; the
// names of tables and columns are constants of this package.
func (s snapshot) table(ctx context.Context, name string, required, optional []string) ([]row, error) {
	have, err := s.columns(ctx, name)
	if err != nil {
		return nil, err
	}
	if len(have) == 0 {
		return nil, fmt.Errorf("there is no table %s, or this user may not read it", name)
	}
	columns := slices.Clone(required)
	for _, c := range required {
		if !have[c] {
			return nil, fmt.Errorf("table %s has no column %s", name, c)
		}
	}
	for _, c := range optional {
		if have[c] {
			columns = append(columns, c)
		} else {
			s.out.Problems = append(s.out.Problems, SourceProblem{"table " + name, "has no column " + c + " in this version"})
		}
	}
	return s.rows(ctx, name, columns)
}

// optionalTable is table for one that need not be there: then that is reported, and there are no rows.
func (s snapshot) optionalTable(ctx context.Context, name string, required, optional []string) ([]row, error) {
	have, err := s.columns(ctx, name)
	if err != nil {
		return nil, err
	}
	if len(have) == 0 {
		s.out.Problems = append(s.out.Problems, SourceProblem{"table " + name, "is not there in this version, or this user may not read it"})
		return nil, nil
	}
	return s.table(ctx, name, required, optional)
}

// columns returns the columns of a table, none when there is no such table.
func (s snapshot) columns(ctx context.Context, name string) (map[string]bool, error) {
	query := "SELECT column_name FROM information_schema.columns WHERE table_name = ? AND table_schema = DATABASE()"
	if s.postgres {
		query = "SELECT column_name FROM information_schema.columns WHERE table_name = $1 AND table_schema = ANY(current_schemas(false))"
	}
	rows, err := s.tx.QueryContext(ctx, query, name)
	if err != nil {
		return nil, fmt.Errorf("read the columns of %s: %w", name, err)
	}
	defer rows.Close()
	out := map[string]bool{}
	for rows.Next() {
		var c string
		if err := rows.Scan(&c); err != nil {
			return nil, err
		}
		out[c] = true
	}
	return out, rows.Err()
}

func (s snapshot) rows(ctx context.Context, name string, columns []string) ([]row, error) {
	quote := "`"
	if s.postgres {
		quote = `"`
	}
	list := make([]string, len(columns))
	for i, c := range columns {
		list[i] = quote + c + quote
		if s.postgres {
			list[i] += "::text" // uuids and booleans too
		}
	}
	rows, err := s.tx.QueryContext(ctx, "SELECT "+strings.Join(list, ", ")+" FROM "+quote+name+quote)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	defer rows.Close()
	var out []row
	for rows.Next() {
		cells := make([]sql.NullString, len(columns))
		into := make([]any, len(columns))
		for i := range cells {
			into[i] = &cells[i]
		}
		if err := rows.Scan(into...); err != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
		r := row{}
		for i, c := range columns {
			r[c] = cells[i].String
		}
		out = append(out, r)
	}
	return out, rows.Err()
}

// isTrue reports whether a column means true: FusionPBX writes words, and booleans since 5.3.
func isTrue(s string) bool {
	return slices.Contains([]string{"true", "t", "1", "yes"}, strings.ToLower(s))
}
