package tftp

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"plugtone/dhcp/netlab"
	"plugtone/provision"
)

// fetch runs tftp-hpa or atftp and returns the saved file and the output.
func fetch(t *testing.T, s *running, client, name string, opts ...string) ([]byte, string, error) {
	t.Helper()
	out := filepath.Join(t.TempDir(), "got")
	port := fmt.Sprint(s.addr.Port())
	var cmd *exec.Cmd
	if client == "tftp" {
		cmd = exec.CommandContext(t.Context(), client, append(opts, "127.0.0.1", port, "-c", "get", name, out)...)
	} else {
		cmd = exec.CommandContext(t.Context(), client, append(opts, "-g", "-r", name, "-l", out, "127.0.0.1", port)...)
	}
	output, err := cmd.CombinedOutput()
	got, _ := os.ReadFile(out)
	return got, string(output), err
}

func TestInstalledClientsFetchFiles(t *testing.T) {
	t.Parallel()
	big := bytes.Repeat([]byte("0123456789abcde\n"), 640) // 10 kB
	for _, c := range []struct {
		client, debian string
		opts           []string
		body, want     []byte
	}{
		{"tftp", "tftp-hpa", []string{"-m", "octet"}, big, big},
		{"tftp", "tftp-hpa", []string{"-m", "octet"}, nil, nil},
		{"tftp", "tftp-hpa", []string{"-m", "netascii"}, big, big}, // sent with CR LF, saved as it was
		{"atftp", "atftp", nil, big, big},
		{"atftp", "atftp", []string{"--option", "blksize 1428", "--option", "tsize 0"}, big, big},
		{"atftp", "atftp", []string{"--option", "blksize 512", "--option", "windowsize 4"}, big, big},
		{"atftp", "atftp", []string{"--option", "blksize 8192", "--option", "windowsize 8", "--option", "timeout 2"}, big, big},
	} {
		name := strings.TrimSpace(c.client + " " + strings.Join(c.opts, " "))
		if c.body == nil {
			name += ", an empty file"
		}
		t.Run(name, func(t *testing.T) {
			netlab.RequirePrograms(t, c.client+"="+c.debian)
			a := file(string(c.body))
			s := start(t, Config{}, a)
			got, output, err := fetch(t, s, c.client, "001565123456.cfg", c.opts...)
			if err != nil || !bytes.Equal(got, c.want) {
				t.Errorf("%v %q, %d bytes, want %d", err, output, len(got), len(c.want))
			}
			if r := s.reported(t); r.err != nil || r.req.Name != "001565123456.cfg" || r.sent != int64(len(c.body)) {
				t.Errorf("%+v", r)
			}
		})
	}
}

func TestForeignClientsRefused(t *testing.T) {
	t.Parallel()
	for client, debian := range map[string]string{"tftp": "tftp-hpa", "atftp": "atftp"} {
		t.Run(client, func(t *testing.T) {
			netlab.RequirePrograms(t, client+"="+debian)
			s := start(t, Config{}, outcome(provision.Refused))
			got, output, _ := fetch(t, s, client, "001565123456.cfg")
			if len(got) != 0 || !strings.Contains(strings.ToLower(output), "file not found") {
				t.Errorf("%q, saved %q", output, got)
			}
		})
	}
}

func TestForeignClientUploads(t *testing.T) {
	t.Parallel()
	netlab.RequirePrograms(t, "tftp=tftp-hpa")
	s := start(t, Config{}, file("secret"))
	from := filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(from, []byte("log"), 0o600); err != nil {
		t.Fatal(err)
	}
	output, _ := exec.CommandContext(t.Context(), "tftp", "127.0.0.1", fmt.Sprint(s.addr.Port()), "-c", "put", from, "x.log").CombinedOutput()
	if !strings.Contains(string(output), "uploads are not accepted") {
		t.Errorf("%q", output)
	}
}

// curl sends tsize, blksize and timeout of its own accord, in both directions.
func TestCurlFetchesAndUploads(t *testing.T) {
	t.Parallel()
	netlab.RequirePrograms(t, "curl")
	body := bytes.Repeat([]byte("0123456789abcde\n"), 640)
	for _, size := range []string{"512", "1428", "65464"} {
		s := start(t, Config{}, file(string(body)))
		got, err := exec.CommandContext(t.Context(), "curl", "-sS", "--tftp-blksize", size, fmt.Sprintf("tftp://127.0.0.1:%d/001565123456.cfg", s.addr.Port())).Output()
		if err != nil || !bytes.Equal(got, body) {
			t.Errorf("blksize %s: %v, %d bytes of %d", size, err, len(got), len(body))
		}
		if r := s.reported(t); r.err != nil || r.sent != int64(len(body)) {
			t.Errorf("blksize %s: %+v", size, r)
		}
	}
	from := filepath.Join(t.TempDir(), "log")
	must(t, os.WriteFile(from, body, 0o600))
	a, dir := uploadStore(t, 1<<20)
	s := start(t, Config{}, a)
	out, err := exec.CommandContext(t.Context(), "curl", "-sS", "--tftp-blksize", "1428", "-T", from, fmt.Sprintf("tftp://127.0.0.1:%d/x.log", s.addr.Port())).CombinedOutput()
	if got := stored(t, dir); err != nil || got != "x.log=10240" {
		t.Errorf("upload: %v %q, stored %q", err, out, got)
	}
}
