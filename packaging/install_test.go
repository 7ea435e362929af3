package packaging

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"plugtone/dhcp/netlab"
)

// build returns the path of a plugtone that was built for the test.
func build(t *testing.T) string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "plugtone")
	if out, err := exec.Command("go", "build", "-o", bin, "../cmd/plugtone").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return bin
}

// TestProgramCompilesFor32Bit: there is a package for armv7. What differs between the architectures are the sizes of types.
func TestProgramCompilesFor32Bit(t *testing.T) {
	c := exec.Command("go", "build", "-o", os.DevNull, "../cmd/plugtone")
	c.Env = append(os.Environ(), "GOOS=linux", "GOARCH=arm", "GOARM=7", "CGO_ENABLED=0")
	if out, err := c.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// makeTarget runs a target of the Makefile in the repository's root.
func makeTarget(t *testing.T, args ...string) (string, error) {
	t.Helper()
	c := exec.Command(program(t, "make", "make"), args...)
	c.Dir = ".."
	out, err := c.CombinedOutput()
	return string(out), err
}

func TestInstallBuildsNothing(t *testing.T) {
	root := t.TempDir()
	out, err := makeTarget(t, "install", "DESTDIR="+root, "BIN="+filepath.Join(root, "missing"))
	if err == nil || !strings.Contains(out, "run make build first") {
		t.Errorf("got %v, %s", err, out)
	}
	if left, err := os.ReadDir(root); err != nil || len(left) > 0 {
		t.Errorf("a refused install leaves %v, %v", left, err)
	}
}

func TestInstallPutsEverythingInItsPlace(t *testing.T) {
	root := t.TempDir()
	bin := build(t)
	for range 2 { // a second time too
		if out, err := makeTarget(t, "install", "DESTDIR="+root, "BIN="+bin); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	for path, mode := range map[string]os.FileMode{
		"usr/bin/plugtone": 0o755, "usr/lib/systemd/system/plugtone.service": 0o644, "usr/lib/sysusers.d/plugtone.conf": 0o644,
		"usr/lib/tmpfiles.d/plugtone.conf": 0o644, "usr/lib/sysctl.d/60-plugtone.conf": 0o644, "usr/share/man/man5/plugtone.yaml.5": 0o644, "etc/plugtone/plugtone.yaml": 0o640, "etc/plugtone/vendors": 0o755 | os.ModeDir,
		"usr/share/man/man1/plugtone.1": 0o644, "usr/share/bash-completion/completions/plugtone": 0o644,
		"usr/share/zsh/vendor-completions/_plugtone": 0o644, "usr/share/fish/vendor_completions.d/plugtone.fish": 0o644,
		"usr/share/plugtone/prometheus/alerts.yaml": 0o644, "usr/share/plugtone/prometheus/alerts_test.yaml": 0o644, "usr/share/plugtone/grafana/plugtone.json": 0o644,
	} {
		info, err := os.Stat(filepath.Join(root, path))
		if err != nil || info.Mode() != mode || !info.IsDir() && info.Size() == 0 {
			t.Errorf("%s: %v, %v, want mode %v", path, info, err, mode)
		}
	}
	for shell, path := range map[string]string{"bash": "usr/share/bash-completion/completions/plugtone", "zsh": "usr/share/zsh/vendor-completions/_plugtone",
		"fish": "usr/share/fish/vendor_completions.d/plugtone.fish"} {
		if text := read(t, filepath.Join(root, path)); !strings.Contains(text, shell+" completion") || !strings.Contains(text, "for plugtone") {
			t.Errorf("%s is no completion for %s: %.100s", path, shell, text)
		}
	}
}

// What "sudo plugtone serve" left in the data directory belongs to the service's user afterwards, at any depth, with its mode.
func TestTmpfilesHandsOverTheDataDirectory(t *testing.T) {
	tmpfiles := program(t, "systemd-tmpfiles", "systemd")
	if me, err := user.Current(); err != nil || me.Uid != "0" {
		netlab.Missing(t, errors.New("only root can give files away"))
	}
	const uid, gid = 4711, 4712
	root := t.TempDir()
	put := func(path, text string, mode os.FileMode) {
		t.Helper()
		path = filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(os.WriteFile(path, []byte(text), mode), os.Chmod(path, mode)); err != nil { // whatever the umask
			t.Fatal(err)
		}
	}
	put("etc/passwd", "root:x:0:0::/:/bin/sh\nplugtone:x:"+strconv.Itoa(uid)+":"+strconv.Itoa(gid)+"::/:/bin/false\n", 0o644)
	put("etc/group", "root:x:0:\nplugtone:x:"+strconv.Itoa(gid)+":\n", 0o644)
	put("etc/plugtone/plugtone.yaml", "", 0o600)
	put("usr/lib/tmpfiles.d/plugtone.conf", read(t, "tmpfiles.conf"), 0o644)
	left := map[string]os.FileMode{"var/lib/plugtone/plugtone.db": 0o600, "var/lib/plugtone/tls/ca.key": 0o600, "var/lib/plugtone/files/logo.png": 0o644}
	for path, mode := range left {
		put(path, "x", mode)
	}
	if out, err := exec.Command(tmpfiles, "--root="+root, "--create", "plugtone.conf").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for path, mode := range left {
		for at := path; at != "var/lib"; at = filepath.Dir(at) {
			info, err := os.Lstat(filepath.Join(root, at))
			if err != nil {
				t.Fatal(err)
			}
			if s := info.Sys().(*syscall.Stat_t); s.Uid != uid || s.Gid != gid {
				t.Errorf("%s belongs to %d:%d, want the service's user", at, s.Uid, s.Gid)
			}
			if at == path && info.Mode() != mode {
				t.Errorf("%s has mode %v, want %v", at, info.Mode(), mode)
			}
		}
	}
	info, err := os.Stat(filepath.Join(root, "etc/plugtone/plugtone.yaml"))
	if err != nil || info.Mode() != 0o640 || info.Sys().(*syscall.Stat_t).Gid != gid {
		t.Errorf("plugtone.yaml: %v, %v", info, err)
	}
}

// The unit shows the daemon only the parts of /proc that belong to processes (ProcSubset=pid): it starts with them, finds its
// interfaces, and names the program that has a port that it needs.
func TestDaemonRunsWithTheUnitsProc(t *testing.T) {
	if me, err := user.Current(); err != nil || me.Uid != "0" {
		netlab.Missing(t, errors.New("only root can mount /proc"))
	}
	unshare := program(t, "unshare", "util-linux")
	taken, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	bin, dir := build(t), t.TempDir()
	config := filepath.Join(dir, "plugtone.yaml")
	text := fmt.Sprintf("data_dir: %s/data\ndhcp: {mode: off}\nprovisioning: {vendor_dirs: []}\ntftp: {enabled: false}\nhttp: {listen: [%q]}\nadmin: {listen: [\"unix:%s/admin.sock\"]}\n",
		dir, taken.Addr(), dir)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	// Another server has the port, so the daemon ends by itself once it has opened everything before it.
	out, err := exec.Command(unshare, "--mount", "sh", "-c", `mount -t proc -o subset=pid,hidepid=invisible proc /proc && [ ! -e /proc/meminfo ] && exec "$0" serve --config "$1"`,
		bin, config).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "is taken") || !strings.Contains(string(out), fmt.Sprintf("process %d", os.Getpid())) {
		t.Errorf("got %v\n%s", err, out)
	}
}
