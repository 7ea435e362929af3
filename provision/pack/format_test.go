package pack_test

import (
	"crypto/md5"
	"encoding/hex"
	"strings"
	"testing"
	"testing/fstest"

	. "plugtone/provision/pack"
	"plugtone/provision/packcheck"
	"plugtone/provision/phonefile"
)

// changed loads the acme pack with other text in vendor.yaml, or with another template.
func changed(t *testing.T, files map[string]string, replace ...string) (*Vendor, error) {
	t.Helper()
	fsys := acmeFS()
	doc := string(fsys["acme/vendor.yaml"].Data)
	for i := 0; i < len(replace); i += 2 {
		if !strings.Contains(doc, replace[i]) {
			t.Fatalf("acme has no %q", replace[i])
		}
		doc = strings.Replace(doc, replace[i], replace[i+1], 1)
	}
	fsys["acme/vendor.yaml"] = &fstest.MapFile{Data: []byte(doc)}
	for name, text := range files {
		fsys["acme/"+name] = &fstest.MapFile{Data: []byte(text)}
	}
	s, err := packcheck.Load(Config{Builtin: fsys, CheckBuiltin: true})
	if err != nil {
		return nil, err
	}
	v, _ := s.Vendor("acme")
	return v, nil
}

// A checksum is that of the file as the phone gets it, and as well guarded.
func TestChecksumIsThatOfTheFileAsSent(t *testing.T) {
	v, err := changed(t, nil, "\nfiles:\n", "\nfiles:\n  - {name: \"{mac}.md5\", kind: checksum, of: \"{mac}.cfg\"}\n")
	if err != nil {
		t.Fatal(err)
	}
	p := acmePhone("A1")
	body, err := v.Render("{mac}.cfg", p)
	if err != nil {
		t.Fatal(err)
	}
	sum, err := v.RenderVerified("02ac3e00001f.md5", p)
	want := md5.Sum(body)
	if err != nil || strings.TrimSpace(string(sum)) != hex.EncodeToString(want[:]) {
		t.Errorf("%v %q, want %x", err, sum, want)
	}
	m, ok := v.Resolve("02AC3E00001F.md5")
	if !ok || m.Kind != phonefile.KindDevice || m.File.Template == "" {
		t.Errorf("it is taken for %s", m.Kind)
	}
	for line, want := range map[string]string{
		`{name: "x.md5", kind: checksum}`:                                         "of: the file that it is the checksum of",
		`{name: "x.md5", kind: checksum, of: "nothing.cfg"}`:                      "must be one of the files with a template",
		`{name: "x.md5", kind: checksum, of: "{mac}.cfg", digest: crc}`:           "must be one of md5, sha1, sha256",
		`{name: "x.cfg", kind: static, of: "{mac}.cfg"}`:                          "of belongs to kind checksum",
		`{name: "x.md5", kind: checksum, of: "{mac}.cfg", template: common.tmpl}`: "no template and no format",
	} {
		_, err := changed(t, nil, "\nfiles:\n", "\nfiles:\n  - "+line+"\n")
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "vendor.yaml:") {
			t.Errorf("%s: %v", line, err)
		}
	}
}

// Which NOTIFY a phone takes may hang on its model and firmware.
func TestNotifyDependsOnModelAndFirmware(t *testing.T) {
	doc := string(acmeFS()["acme/vendor.yaml"].Data)
	_, line, _ := strings.Cut(doc, "\nresync:")
	line, _, _ = strings.Cut(line, "\n")
	v, err := changed(t, nil, "\nresync:"+line, `
resync:
  - {for: A-2}
  - {event: old-sync, firmware: '^1\.', note: "until 1.9"}
  - {event: check-sync, plain: "reboot=false"}`)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ model, firmware, want string }{
		{"A1", "1.7", "old-sync"}, {"A1", "2.1", "check-sync"}, {"A1", "", "check-sync"}, {"A-2", "1.7", ""}, {"", "", "check-sync"},
	} {
		r, ok := v.Resync(c.model, c.firmware)
		if r.Event != c.want || ok != (c.want != "") {
			t.Errorf("%s %s: %q %v", c.model, c.firmware, r.Event, ok)
		}
	}
	if words := v.Describe().Resync; words != `none (A-2); NOTIFY old-sync with firmware ^1\.; NOTIFY check-sync;reboot=false` {
		t.Errorf("got %q", words)
	}
	for bad, want := range map[string]string{"{event: x, for: A9}": "A9", "{event: x, firmware: '('}": "firmware", "{event: x, later: 1}": "resync.later: unknown key"} {
		if _, err := changed(t, nil, "\nresync:"+line, "\nresync: "+bad); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

// The error of a template that refuses a phone has the template's reason; no template may refuse the plainest phone.
func TestRefusedPhoneGetsTheTemplatesReason(t *testing.T) {
	text := string(acmeFS()["acme/device.tmpl"].Data)
	v, err := changed(t, map[string]string{"device.tmpl": `{{range .Lines}}{{if eq .Transport "tls"}}{{refuse "an A1 can't do TLS"}}{{end}}{{end}}` + "\n" + text})
	if err != nil {
		t.Fatal(err)
	}
	p := acmePhone("A1")
	p.Lines[0].Registrar.Transport = "tls"
	_, err = v.Render("{mac}.cfg", p)
	if !phonefile.IsRefusal(err) || !strings.HasSuffix(err.Error(), ": an A1 can't do TLS") {
		t.Errorf("%v", err)
	}
	p.Lines[0].Registrar.Transport = "udp"
	if _, err := v.Render("{mac}.cfg", p); err != nil {
		t.Errorf("%v", err)
	}
	if _, err := changed(t, map[string]string{"device.tmpl": `{{refuse "never"}}` + "\n" + text}); err == nil || !strings.Contains(err.Error(), ": never (model A-2 and 3 more") {
		t.Errorf("a template that refuses everything: %v", err)
	}
}

// A phone of unknown model is cleared of what every model has.
func TestUnknownModelIsCleared(t *testing.T) {
	v := acmeVendor(t)
	p := acmePhone("")
	p.Lines, p.Keys, p.Assigned = nil, nil, false
	got, err := v.Render("{mac}.cfg", p)
	if err != nil || !strings.Contains(string(got), "user.1 =\n") || !strings.Contains(string(got), "key.1 =\n") {
		t.Errorf("%v\n%s", err, got)
	}
}
