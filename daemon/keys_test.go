package daemon

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Passwords of every kind are entered, changed, served to the phone and looked at. Nothing on the disk, in the log, the metrics, the audit log, the
// changes or the timeline has one in clear, also while the daemon runs, as after a crash.
func TestNoSecretIsWrittenInClear(t *testing.T) {
	secrets := []string{"pl4nted-sip", "pl4nted-admin", "pl4nted-wifi", "pl4nted-ldap", "pl4nted-profile", "pl4nted-registrar"}
	r := start(t, testConfig)
	r.must("PUT", "/api/v1/registrars/main", `{"name":"main","host":"pbx.example.com","settings":{"admin_password":"pl4nted-registrar"}}`)
	r.must("PUT", "/api/v1/profiles/desk", `{"name":"desk","settings":{"admin_password":"pl4nted-profile"}}`)
	for _, name := range []string{"Front Desk", "Reception"} {
		r.must("PUT", "/api/v1/extensions/1001", `{"number":"1001","password":"pl4nted-sip","display_name":"`+name+`"}`)
	}
	r.must("POST", "/api/v1/devices", `{"mac":"00:15:65:12:34:56","vendor":"yealink","model":"T46U","profile":"desk","lines":[{"position":1,"extension":"1001"}],
		"settings":{"admin_password":"pl4nted-admin","wifi_password":"pl4nted-wifi","ldap_server":"ldap.example.com","ldap_base":"dc=x","ldap_user":"cn=y","ldap_password":"pl4nted-ldap"}}`)
	r.must("PATCH", "/api/v1/devices/00:15:65:12:34:56", `{"label":"Kitchen"}`)
	status, file := r.get("http://" + r.address("http") + "/001565123456.cfg")
	if status != 200 || !strings.Contains(file, "pl4nted-sip") || !strings.Contains(file, "pl4nted-admin") {
		t.Fatalf("the phone's file: %d, with its passwords: %v", status, strings.Contains(file, "pl4nted-sip"))
	}
	if err := r.store.Snapshot(); err != nil {
		t.Fatal(err)
	}
	seen := map[string]string{"log": r.log.String()}
	_, seen["metrics"] = r.get("http://" + r.address("metrics") + "/metrics")
	for _, path := range []string{"audit", "changes", "devices/00:15:65:12:34:56/timeline", "devices/00:15:65:12:34:56/history", "status", "export"} {
		seen[path] = r.must("GET", "/api/v1/"+path, "")
	}
	seen["backup"] = r.must("GET", "/api/v1/backup", "")
	err := filepath.WalkDir(filepath.Join(r.dir, "data"), func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) { // the daemon runs
			return nil
		}
		seen[path] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for where, text := range seen {
		for _, secret := range secrets {
			if strings.Contains(text, secret) {
				t.Errorf("%s has %s", where, secret)
			}
		}
	}
}

// Without its key the daemon is not ready and says which key is missing. A phone with a record gets an error, and never what a phone without one gets.
func TestWithoutTheKeyPhonesGetNoFiles(t *testing.T) {
	first := start(t, testConfig)
	first.addPhone()
	first.stop()
	<-first.ended
	data := filepath.Join(first.dir, "data")
	if err := os.Remove(filepath.Join(data, "plugtone.key")); err != nil {
		t.Fatal(err)
	}
	r := start(t, strings.Replace(testConfig, "DIR/data", data, 1))
	if status, text := r.get("http://" + r.address("http") + "/001565123456.cfg"); status != 503 {
		t.Errorf("the phone's file: %d %.100s", status, text)
	}
	if status, text := r.api("GET", "/readyz", ""); status != 503 || !strings.Contains(text, "degraded: ") || !strings.Contains(text, "its key is missing") {
		t.Errorf("readyz: %d %s", status, text)
	}
	if text := r.must("GET", "/api/v1/status", ""); !strings.Contains(text, "plugtone.key") || strings.Contains(text, "internal error") {
		t.Errorf("status: %s", text)
	}
	for _, list := range []string{"devices", "devices/counts?by=state", "registrars", "extensions", "export"} {
		if status, text := r.api("GET", "/api/v1/"+list, ""); status < 500 || !strings.Contains(text, "its key is missing") {
			t.Errorf("GET %s: %d %s", list, status, text)
		}
	}
	if status, text := r.api("PUT", "/api/v1/registrars/other", `{"name":"other","host":"x.example.com"}`); status != 503 {
		t.Errorf("a change: %d %s", status, text)
	}
	if status, _ := r.api("GET", "/healthz", ""); status != 200 || bytes.Contains([]byte(r.log.String()), []byte("pa55w0rd")) {
		t.Errorf("healthz: %d", status)
	}
}
