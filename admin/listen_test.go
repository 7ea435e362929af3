package admin_test

import (
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/user"
	"strings"
	"testing"

	"plugtone/admin"
	"plugtone/admin/admintest"
)

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func overSocket(path string) *http.Client {
	return &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}}
}

func TestSocketNeedsNoToken(t *testing.T) {
	h := admintest.New(t)
	sock := t.TempDir() + "/admin.sock"
	// A socket without a listener, as a killed daemon leaves it.
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: sock, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	h.Serve(t, nil, "unix:"+sock, "127.0.0.1:0")
	st, err := os.Stat(sock)
	if err != nil {
		t.Fatal(err)
	}
	if st.Mode().Perm() != 0o660 {
		t.Errorf("the socket's mode is %v", st.Mode())
	}
	c := overSocket(sock)
	req, err := http.NewRequest("PUT", "http://plugtone/api/v1/registrars/main", strings.NewReader(`{"host":"pbx"}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []*http.Request{req, must(http.NewRequest("GET", "http://plugtone/api/v1/audit", nil))} {
		res, err := c.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if res.StatusCode >= 300 {
			t.Errorf("%s: %s", r.URL, res.Status)
		}
		if r.Method == "GET" {
			b, err := io.ReadAll(res.Body)
			me, uerr := user.Current()
			if err != nil || uerr != nil {
				t.Fatal(err, uerr)
			}
			if !strings.Contains(string(b), `"actor":"local:`+me.Username+`"`) {
				t.Errorf("the audit log does not name %s: %s", me.Username, b)
			}
		}
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestASocketInUseIsNotTaken(t *testing.T) {
	dir := t.TempDir()
	h := admintest.New(t)
	h.Serve(t, nil, "unix:"+dir+"/admin.sock")
	h2 := admintest.New(t)
	h2.Config.Listen = []string{"unix:" + dir + "/admin.sock"}
	err := h2.Server(t).Run(context.Background(), func() {})
	if err == nil || !strings.Contains(err.Error(), "another daemon") {
		t.Errorf("a second daemon: %v", err)
	}
	if err := os.WriteFile(dir+"/file", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	h2.Config.Listen = []string{"unix:" + dir + "/file"}
	err = h2.Server(t).Run(context.Background(), func() {})
	if err == nil || !strings.Contains(err.Error(), "not a socket") {
		t.Errorf("a file in the socket's place: %v", err)
	}
	if _, err := os.Stat(dir + "/file"); err != nil {
		t.Errorf("the file in the socket's place: %v", err)
	}
}

func TestOnlySafeListenAddressesAreAccepted(t *testing.T) {
	for _, c := range []struct {
		listen string
		tls    bool
		want   string // part of the error; "": none
	}{
		{"unix:/run/x.sock", false, ""},
		{"127.0.0.1:8067", false, ""},
		{"[::1]:8067", false, ""},
		{"localhost:8067", false, ""},
		{"10.20.0.2:8067", true, ""},
		{"10.20.0.2:8067", false, "admin.tls_cert_file"},
		{":8067", false, "admin.tls_cert_file"},
		{"0.0.0.0:8067", false, "admin.tls_cert_file"},
		{"unix:", false, "no path"},
		{"8067", false, "neither"},
		{"127.0.0.1:http", false, "port"},
	} {
		h := admintest.New(t)
		h.Config.Listen = []string{c.listen}
		if c.tls {
			h.Config.TLS = &tls.Config{}
		}
		_, err := admin.New(h.Config)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s, TLS %v: %v, want %q", c.listen, c.tls, err, c.want)
		}
	}
	h := admintest.New(t)
	h.Config.Listen = []string{"8067", ":8067"}
	if _, err := admin.New(h.Config); err == nil || strings.Count(err.Error(), "admin listener") != 2 {
		t.Errorf("not both errors are returned: %v", err)
	}
}
