package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/rogpeppe/go-internal/testscript"
)

// database is a PostgreSQL server of a script.
type database struct {
	bin, dir string
	as       *syscall.Credential
}

// postgresql HOST ADDR starts PostgreSQL on a host, without any database of its own but postgres. Users log in by password; the role root, without one, by the command sql.
func (s *scriptEnv) postgresql(ts *testscript.TestScript, _ bool, args []string) error {
	if len(args) != 2 {
		return errors.New("usage: postgresql HOST ADDR")
	}
	bin, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	u, err := user.Lookup("postgres")
	if len(bin) == 0 || err != nil {
		return errors.New("PostgreSQL is missing: install postgresql")
	}
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(u.Gid)
	db := &database{bin: filepath.Dir(bin[len(bin)-1]), as: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
	if db.dir, err = os.MkdirTemp("", "plugtone-postgres"); err != nil {
		return err
	}
	ts.Defer(func() { os.RemoveAll(db.dir) })
	if err := os.Chown(db.dir, uid, gid); err != nil {
		return err
	}
	data := filepath.Join(db.dir, "data")
	if _, err := db.run("", "initdb", "-D", data, "-U", "root", "-A", "trust", "--auth-host=scram-sha-256", "-N", "-E", "UTF8", "--locale=C"); err != nil {
		return err
	}
	hba := "local all all trust\nhost all all 0.0.0.0/0 scram-sha-256\n"
	if err := os.WriteFile(filepath.Join(data, "pg_hba.conf"), []byte(hba), 0o644); err != nil {
		return err
	}
	// Only root can enter the namespace.
	server := s.hosts[args[0]].ns.Command(context.Background(), "setpriv", "--reuid="+u.Uid, "--regid="+u.Gid, "--clear-groups",
		filepath.Join(db.bin, "postgres"), "-D", data, "-c", "listen_addresses="+args[1], "-c", "fsync=off", "-k", db.dir)
	server.Dir = db.dir
	if err := server.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Wait() }()
	ts.Defer(func() { // before its folder is removed
		_ = server.Process.Signal(syscall.SIGQUIT)
		<-ended
	})
	s.db = db
	return poll(false, func() error {
		_, err := db.run("", "pg_isready", "-q", "-h", db.dir)
		return err
	})
}

// run runs one of PostgreSQL's programs as its user.
func (d *database) run(stdin, program string, args ...string) (string, error) {
	cmd := exec.Command(filepath.Join(d.bin, program), args...)
	cmd.Dir, cmd.Stdin, cmd.SysProcAttr = d.dir, strings.NewReader(stdin), &syscall.SysProcAttr{Credential: d.as, Pdeathsig: syscall.SIGKILL}
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s: %w\n%s", program, err, out)
	}
	return string(out), nil
}

// sql DATABASE FILE|STATEMENT runs SQL, and prints the rows without a header.
func (d *database) sql(ts *testscript.TestScript, _ bool, args []string) error {
	if d == nil || len(args) != 2 {
		return errors.New("usage: sql DATABASE FILE|STATEMENT, after postgresql")
	}
	text := args[1]
	if fileExists(ts.MkAbs(text)) {
		text = ts.ReadFile(text)
	}
	out, err := d.run(text, "psql", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", d.dir, "-U", "root", "-d", args[0])
	fmt.Fprint(ts.Stdout(), out)
	return err
}
