package main

import (
	"encoding/pem"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestPushTrustsTheAuthorityOfCAFile: a certificate of an own authority is accepted with --ca-file, and only with it.
func TestPushTrustsTheAuthorityOfCAFile(t *testing.T) {
	s := newShell(t)
	s.ok("registrar set main --host pbx.example.com")
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: "plugtone"})
	proxy.Transport = adminTransport(s.sock)
	srv := httptest.NewUnstartedServer(proxy)
	srv.Config.ErrorLog = nil
	srv.StartTLS()
	defer srv.Close()

	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	ca := write("ca.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw})))
	push := "pbx push --type asterisk-files --name pushed --to " + srv.URL + " --files " + write("sip.conf", "[1001]\ntype=friend\nhost=dynamic\nsecret=s3cret\n") +
		" --token-file " + write("token", "x\n")
	for _, x := range []struct{ flags, want string }{
		{"", "certificate"},
		{" --ca-file " + write("none.pem", "x"), "none.pem: holds no certificate in PEM form"},
		{" --ca-file /nowhere.pem", "open /nowhere.pem"},
	} {
		if status, _, errs := s.run(push + x.flags); status == 0 || !strings.Contains(errs, x.want) {
			t.Errorf("%q: status %d, %s, want %s", x.flags, status, errs, x.want)
		}
	}
	if out := s.ok(push + " --ca-file " + ca); !strings.Contains(out, "pushed: 1 added") {
		t.Error(out)
	}
}
