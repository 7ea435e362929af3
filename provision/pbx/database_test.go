package pbx_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"plugtone/dhcp/netlab"
	"plugtone/provision/pbx"
	"plugtone/provision/setting"
)

// server is a database server of the test's own.
type server struct {
	dsn      string // with %s for the database
	password string // file with the password of the user reader
	run      func(t *testing.T, database, sql string)
}

// folder returns a folder that a system user owns, and the credential of that user; none without root.
func folder(t *testing.T, name string) (string, *syscall.SysProcAttr) {
	t.Helper()
	dir, err := os.MkdirTemp("", "plugtone-"+name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	u, err := user.Lookup(name)
	if os.Getuid() != 0 || err != nil {
		return dir, nil
	}
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(u.Gid)
	if err := os.Chown(dir, uid, gid); err != nil {
		t.Fatal(err)
	}
	return dir, &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}

// program runs a program to its end.
func program(t *testing.T, as *syscall.SysProcAttr, stdin, name string, args ...string) {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.SysProcAttr, cmd.Dir, cmd.Stdin = as, os.TempDir(), strings.NewReader(stdin)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", cmd, err, out)
	}
}

// start starts a server and waits until it accepts connections. The signal stop ends it at the end of the test.
func start(t *testing.T, as *syscall.SysProcAttr, stop os.Signal, port, name string, args ...string) {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.SysProcAttr, cmd.Dir = as, os.TempDir()
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(stop)
		ended := make(chan struct{})
		go func() { _ = cmd.Wait(); close(ended) }()
		select {
		case <-ended:
		case <-time.After(20 * time.Second):
			_ = cmd.Process.Kill()
			<-ended
		}
	})
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) { // another program: nothing to wait on
		c, err := net.Dial("tcp4", "127.0.0.1:"+port)
		if err == nil {
			c.Close()
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s does not listen: %v\n%s", name, err, out.String())
		}
	}
}

func passwordFile(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(path, []byte("r3ader\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// postgres starts PostgreSQL with the database pbx, which the user reader may read.
func postgres(t *testing.T) server {
	t.Helper()
	bin, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if len(bin) == 0 {
		netlab.Missing(t, errors.New("PostgreSQL is missing: install postgresql"))
	}
	home := filepath.Dir(bin[len(bin)-1])
	dir, as := folder(t, "postgres")
	data, port := filepath.Join(dir, "data"), freePort(t)
	program(t, as, "", bin[len(bin)-1], "-D", data, "-U", "root", "-A", "trust", "--auth-host=scram-sha-256", "-N", "-E", "UTF8", "--locale=C")
	start(t, as, os.Interrupt, port, filepath.Join(home, "postgres"), "-D", data, "-p", port, "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-k", dir)
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) { // it listens before it answers
		if exec.Command(filepath.Join(home, "pg_isready"), "-q", "-h", dir, "-p", port).Run() == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("PostgreSQL does not get ready")
		}
	}
	s := server{dsn: "postgres://reader@127.0.0.1:" + port + "/%s", password: passwordFile(t)}
	s.run = func(t *testing.T, database, sql string) {
		program(t, as, sql, filepath.Join(home, "psql"), "-q", "-v", "ON_ERROR_STOP=1", "-h", dir, "-p", port, "-U", "root", "-d", database)
	}
	s.run(t, "postgres", "CREATE ROLE reader LOGIN PASSWORD 'r3ader'; ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO reader;")
	return s
}

// mariadb starts MariaDB.
func mariadb(t *testing.T) server {
	t.Helper()
	daemon, err := exec.LookPath("/usr/sbin/mariadbd")
	if err != nil {
		netlab.Missing(t, errors.New("MariaDB is missing: install mariadb-server"))
	}
	dir, as := folder(t, "mysql")
	data, port, socket := filepath.Join(dir, "data"), freePort(t), filepath.Join(dir, "socket")
	program(t, as, "", "mariadb-install-db", "--no-defaults", "--datadir="+data, "--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve")
	start(t, as, syscall.SIGTERM, port, daemon, "--no-defaults", "--datadir="+data, "--port="+port, "--bind-address=127.0.0.1", "--socket="+socket, "--innodb-flush-log-at-trx-commit=0", "--skip-name-resolve")
	s := server{dsn: "mysql://reader@127.0.0.1:" + port + "/%s", password: passwordFile(t)}
	s.run = func(t *testing.T, database, sql string) {
		program(t, nil, sql, "mariadb", "--no-defaults", "-S", socket, "-u", "root", database)
	}
	s.run(t, "mysql", "CREATE USER reader@'127.0.0.1' IDENTIFIED BY 'r3ader'; GRANT SELECT ON *.* TO reader@'127.0.0.1';")
	return s
}

// read reads the database of a server as a source of a type.
func (s server) read(t *testing.T, typ, database string) pbx.Snapshot {
	t.Helper()
	got, err := pbx.Source{Type: typ, DSN: fmt.Sprintf(s.dsn, database), PasswordFile: s.password}.Read(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if got.Server == "" {
		t.Error("no version of the server")
	}
	got.Server = ""
	return got
}

// problemsOf returns the problems of a snapshot and of its accounts.
func problemsOf(s pbx.Snapshot) []pbx.SourceProblem {
	problems := slices.Clone(s.Problems)
	for _, a := range s.Extensions {
		if why := a.Problem(); why != "" {
			problems = append(problems, pbx.SourceProblem{Record: a.String(), Message: why})
		}
	}
	return problems
}

// compare compares snapshots with their passwords in clear. The accounts that want names are those that can be used; the others are among its problems.
func compare(t *testing.T, got, want pbx.Snapshot) {
	t.Helper()
	got.Problems = problemsOf(got)
	got.Extensions = slices.DeleteFunc(slices.Clone(got.Extensions), func(a pbx.Account) bool { return a.Problem() != "" })
	clear := cmp.Transformer("clear", func(s setting.Secret) string { return s.Reveal() })
	if diff := cmp.Diff(want, got, clear); diff != "" {
		t.Errorf("snapshot (-want +got):\n%s", diff)
	}
}

const fusionPBX = `
CREATE TABLE v_domains (domain_uuid uuid PRIMARY KEY, domain_name text, domain_enabled text);
CREATE TABLE v_extensions (extension_uuid uuid PRIMARY KEY, domain_uuid uuid, extension text, number_alias text, password text, effective_caller_id_name text,
  directory_first_name text, directory_last_name text, mwi_account text, enabled text);
INSERT INTO v_domains VALUES ('11111111-1111-1111-1111-111111111111','pbx.example.com','true'),('22222222-2222-2222-2222-222222222222','old.example.com','false');
INSERT INTO v_extensions VALUES
 (gen_random_uuid(),'11111111-1111-1111-1111-111111111111','1001',NULL,'s3cret','Front Desk','','','1001@pbx.example.com','true'),
 (gen_random_uuid(),'11111111-1111-1111-1111-111111111111','1002',NULL,'t0psecret',NULL,'Ann','Lee',NULL,'true'),
 (gen_random_uuid(),'11111111-1111-1111-1111-111111111111','1003',NULL,NULL,'No Password',NULL,NULL,NULL,'true'),
 (gen_random_uuid(),'11111111-1111-1111-1111-111111111111','1004',NULL,'x','Switched off',NULL,NULL,NULL,'false'),
 (gen_random_uuid(),'22222222-2222-2222-2222-222222222222','1005',NULL,'x','Of a domain that is off',NULL,NULL,NULL,'true');
`

func TestPostgreSQL(t *testing.T) {
	t.Parallel()
	s := postgres(t)
	t.Run("FusionPBX", func(t *testing.T) {
		s.run(t, "postgres", "CREATE DATABASE fusionpbx")
		s.run(t, "fusionpbx", "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO reader;"+fusionPBX)
		for _, typ := range []string{"fusionpbx", "fspbx"} {
			compare(t, s.read(t, typ, "fusionpbx"), pbx.Snapshot{
				Extensions: []pbx.Account{{Domain: "pbx.example.com", Number: "1001", DisplayName: "Front Desk", Password: "s3cret"},
					{Domain: "pbx.example.com", Number: "1002", DisplayName: "Ann Lee", Password: "t0psecret"}},
				Problems: []pbx.SourceProblem{{"extension 1003@pbx.example.com", "has no password in clear, so no phone can be given it"}},
			})
		}
	})
	t.Run("FusionPBX of an older version", func(t *testing.T) {
		s.run(t, "postgres", "CREATE DATABASE older")
		s.run(t, "older", "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO reader;"+fusionPBX+"ALTER TABLE v_extensions DROP COLUMN directory_last_name; ALTER TABLE v_domains DROP COLUMN domain_enabled;")
		got := s.read(t, "fusionpbx", "older")
		if n, problems := got.Usable(), problemsOf(got); n != 3 || len(problems) != 3 || got.Problems[0].String() != "table v_domains: has no column domain_enabled in this version" {
			t.Errorf("%d extensions, %v", len(got.Extensions), got.Problems)
		}
	})
	t.Run("a schema that is not of FusionPBX", func(t *testing.T) {
		_, err := pbx.Source{Type: "fusionpbx", DSN: fmt.Sprintf(s.dsn, "postgres"), PasswordFile: s.password}.Read(context.Background())
		if err == nil || !strings.Contains(err.Error(), "there is no table v_domains, or this user may not read it") {
			t.Error(err)
		}
	})
	t.Run("a wrong password", func(t *testing.T) {
		_, err := pbx.Source{Type: "fusionpbx", DSN: fmt.Sprintf(s.dsn, "fusionpbx")}.Read(context.Background())
		if err == nil || !strings.Contains(err.Error(), "reader") {
			t.Error(err)
		}
	})
	t.Run("Asterisk realtime", func(t *testing.T) {
		s.run(t, "postgres", "CREATE DATABASE realtime")
		s.run(t, "realtime", "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO reader;"+realtime)
		compare(t, s.read(t, "asterisk-realtime", "realtime"), wantRealtime)
	})
	t.Run("Kamailio", func(t *testing.T) {
		s.run(t, "postgres", "CREATE DATABASE kamailio")
		s.run(t, "kamailio", "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO reader;"+kamailio)
		compare(t, s.read(t, "kamailio", "kamailio"), wantKamailio)
	})
	t.Run("devices", func(t *testing.T) { devicesOfPostgreSQL(t, s) })
	t.Run("registrations in the table location", func(t *testing.T) { registrationsOfPostgreSQL(t, s) })
}

const realtime = `
CREATE TABLE ps_endpoints (id varchar(40), auth varchar(40), aors varchar(200), callerid varchar(40), mailboxes varchar(40), from_domain varchar(40));
CREATE TABLE ps_auths (id varchar(40), auth_type varchar(10), username varchar(40), password varchar(80), realm varchar(40), md5_cred varchar(40));
INSERT INTO ps_endpoints VALUES ('1001','auth1001','1001','"Front Desk" <1001>','1001@default',NULL),('1002','auth1002','1002',NULL,NULL,NULL);
INSERT INTO ps_auths VALUES ('auth1001','userpass','desk','s3cret',NULL,NULL),('auth1002','md5','1002',NULL,'asterisk','d41d8cd98f00b204e9800998ecf8427e');
`

var wantRealtime = pbx.Snapshot{
	Extensions: []pbx.Account{{Number: "1001", DisplayName: "Front Desk", AuthUser: "desk", Password: "s3cret"}},
	Problems:   []pbx.SourceProblem{{"extension 1002", "has no password in clear, so no phone can be given it"}},
}

const kamailio = `
CREATE TABLE subscriber (id integer, username varchar(64), domain varchar(64), password varchar(64), ha1 varchar(128), ha1b varchar(128));
INSERT INTO subscriber VALUES (1,'1001','sip.example.com','s3cret','x','x'),(2,'1002','sip.example.com','','x','x');
`

var wantKamailio = pbx.Snapshot{
	Extensions: []pbx.Account{{Domain: "sip.example.com", Number: "1001", Password: "s3cret"}},
	Problems:   []pbx.SourceProblem{{"extension 1002@sip.example.com", "has no password in clear, so no phone can be given it"}},
}

func TestMariaDB(t *testing.T) {
	t.Parallel()
	s := mariadb(t)
	t.Run("FreePBX", func(t *testing.T) {
		s.run(t, "mysql", `CREATE DATABASE asterisk; USE asterisk;
CREATE TABLE devices (id varchar(20), tech varchar(10), dial varchar(255), devicetype varchar(5), user varchar(50), description varchar(50));
CREATE TABLE users (extension varchar(20), password varchar(20), name varchar(50), voicemail varchar(50));
CREATE TABLE sip (id varchar(20), keyword varchar(30), data varchar(255), flags int);
INSERT INTO devices VALUES ('1001','pjsip','','fixed','1001','Desk phone'),('1002','sip','','fixed','none','Door'),('1003','dahdi','','fixed','1003','Fax'),('1004','pjsip','','fixed','1004','');
INSERT INTO users VALUES ('1001','','Front Desk','default'),('1004','','Attic','novm');
INSERT INTO sip VALUES ('1001','secret','s3cret',0),('1001','callerid','x',0),('1002','secret','d00r',0);`)
		compare(t, s.read(t, "freepbx", "asterisk"), pbx.Snapshot{
			Extensions: []pbx.Account{{Number: "1001", DisplayName: "Front Desk", Password: "s3cret"}, {Number: "1002", DisplayName: "Door", Password: "d00r"}},
			Problems:   []pbx.SourceProblem{{"extension 1004", "has no password in clear, so no phone can be given it"}},
		})
	})
	t.Run("Asterisk realtime", func(t *testing.T) {
		s.run(t, "mysql", "CREATE DATABASE realtime; USE realtime;"+realtime)
		compare(t, s.read(t, "asterisk-realtime", "realtime"), wantRealtime)
	})
	t.Run("Kamailio", func(t *testing.T) {
		s.run(t, "mysql", "CREATE DATABASE kamailio; USE kamailio;"+kamailio)
		compare(t, s.read(t, "kamailio", "kamailio"), wantKamailio)
	})
	t.Run("devices", func(t *testing.T) { devicesOfMariaDB(t, s) })
	t.Run("registrations in the table location", func(t *testing.T) { registrationsOfMariaDB(t, s) })
}

func TestSourcesThatCanNotBeReadSayWhy(t *testing.T) {
	for want, s := range map[string]pbx.Source{
		`type "fusion" must be one of asterisk-files, asterisk-realtime`: {Type: "fusion"},
		"needs a dsn, such as postgres://":                               {Type: "fusionpbx"},
		"needs files":                                                    {Type: "asterisk-files"},
		"dsn must be postgres://USER@HOST/DATABASE":                      {Type: "freepbx", DSN: "localhost"},
		"the password belongs into password_file":                        {Type: "freepbx", DSN: "mysql://a:b@localhost/x"},
		"password_file: open /nowhere":                                   {Type: "freepbx", DSN: "mysql://a@localhost/x", PasswordFile: "/nowhere"},
		"/nowhere: there is no such file":                                {Type: "freeswitch-xml", Files: []string{"/nowhere"}},
		"connect to mysql://a@127.0.0.1:1/x":                             {Type: "freepbx", DSN: "mysql://a@127.0.0.1:1/x"},
	} {
		if _, err := s.Read(context.Background()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %s", s, err, want)
		}
	}
}
