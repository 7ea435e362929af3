package pack_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"
	_ "time/tzdata"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
	. "plugtone/provision/pack"
	"plugtone/provision/packcheck"
	"plugtone/provision/phonefile"
	"plugtone/provision/setting"
)

// acme is a vendor that doesn't exist: a pack that uses most of the format.
const acme = `vendor: acme
name: Acme
aliases: [acmecorp]
sources: {MAN: "Acme manual 3.1"}
facts: [{what: "beeps twice", source: MAN, confidence: low}]
recognise:
  option60: [{match: '^Acme (?P<model>\S+)$', source: MAN}]
  user_agent: ['^Acme (?P<model>\S+) (?P<firmware>\S+) (?P<mac>[0-9a-f:]{17})$']
  hostname: ['^acme-']
  option124: ['\x00\x00\x01\x02']
  option55: ['^1,3,66,160$']
  oui: ["02:ac:3e", {match: "02:ac:3f:0", confidence: low}]
quirks: {no_client_id_echo: true}
dhcp:
  - {option: 66, text: "{url}{number}", for: big, force: true}
  - {option: 66, text: "{url}", force: true}
  - {option: 67, text: "cfg/{MAC}", nul: true}
  - {option: 150, ips: ["{server_ip}", "10.0.0.9"]}
  - {option: 132, u16: "{voice_vlan}", when: voice_vlan, confidence: low}
  - {option: 43, end: true, tlv: [{code: 66, text: "{url_bare}", nul: true}, {code: 132, text: "{voice_vlan}", when: voice_vlan}]}
  - {option: 125, enterprise: 258, tlv: [{code: 1, text: "{host}"}]}
  - {option: 128, hex: "01 0a ff"}
variables: {number: '\d{3}'}
families:
  small: {lines: 2, keys: {line: 4}}
  big: {family: small, keys: {line: 6, programmable: 2}, expansion: {name: X1, modules: 2, keys: 3}, key_types: {blf: 99, dnd: null}}
models:
  A1: {family: small, number: "001"}
  A-2: {family: big, lines: 3, number: "002", aliases: [Acme2], note: with screen}
  A3: {family: big, number: "002"}
challenge: digest
formats:
  cfg: {kind: lines, header: ["# acme"]}
files:
  - {name: "{mac}.boot", kind: none}
  - {name: "common{number}.cfg", kind: common, template: common.tmpl, format: cfg}
  - {name: "cfg/{MAC}.cfg", kind: device, template: device.tmpl, format: cfg, also: ["{mac}.cfg"]}
  - {name: "{mac}-keys.cfg", kind: device, template: keys.tmpl, format: cfg, for: big, challenge: basic}
  - {name: "{mac}.log", kind: upload, max: 2KiB}
  - {name: "pictures/{path}", kind: static}
key_types:
  line: 1
  blf: {code: 2, needs: value, refuse: ";"}
  dnd: {code: 3, areas: [programmable], by_area: {programmable: 30}}
  speed_dial: {code: 4, text: "sd={{.Value}};l={{.Line}}", areas: [line, expansion]}
maps:
  languages: {en: English, de: Deutsch}
  transport: {udp: 0, tcp: 1, tls: 2}
settings:
  language: {param: lang, values: languages}
  ntp_servers: {params: [ntp1, ntp2]}
  srtp: {param: "srtp.{n}", values: {off: 0, required: 1}}
  recheck_interval: {param: recheck, unit: m, also: {recheck.on: 1}}
  codecs: {param: codecs, join: " ", for: big}
  lldp: lldp
  admin_password: {param: admin, text: "admin:{{.}}"}
resync: {event: check-sync, plain: "reboot=false"}
`

func acmeFS() fstest.MapFS {
	return fstest.MapFS{
		"acme/vendor.yaml": {Data: []byte(acme)},
		"acme/common.tmpl": {Data: []byte("url = {{.URL}}\nmodel = {{.Model}}\n")},
		"acme/_line.tmpl":  {Data: []byte(`{{define "line"}}user.{{.N}} = {{.Number}}` + "\n" + `pass.{{.N}} = {{.Password}}{{end}}`)},
		"acme/device.tmpl": {Data: []byte("label = {{.Label}}\n{{range .AllLines}}{{template \"line\" .}}\n{{if .Bound}}tr.{{.N}} = {{map \"transport\" .Transport}}\n{{end}}{{end}}" +
			"{{range .Slots \"line\"}}key.{{.Slot}} = {{.Code}} {{.Value}}{{.Text}}\n{{end}}{{with .TZ}}tz = {{.POSIX}}\n{{end}}")},
		"acme/keys.tmpl": {Data: []byte("{{range .Expansions}}{{range .Slots}}x{{.Module}}.{{.Slot}} = {{.Code}} {{.Index}}\n{{end}}{{end}}{{range .Slots \"programmable\"}}p{{.Slot}} = {{.Code}}\n{{end}}")},
		"other/vendor.yaml": {Data: []byte("vendor: other\nname: Other\nrecognise: {option60: ['^other'], oui: [\"02:aa:aa\"]}\nmodels: {O1: {lines: 1}, A1: {lines: 1}}\nformats: {f: {kind: lines}}\n" +
			"files: [{name: \"{mac}.cfg\", kind: device, template: d.tmpl, format: f}, {name: \"o{any}.cfg\", kind: none}]\n")},
		"other/d.tmpl": {Data: []byte("a = {{.Label}}\n")},
	}
}

func acmeSet(t testing.TB) *Set {
	t.Helper()
	s, err := packcheck.Load(Config{Builtin: acmeFS(), CheckBuiltin: true})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func acmeVendor(t testing.TB) *Vendor {
	t.Helper()
	v, ok := acmeSet(t).Vendor("acmecorp")
	if !ok {
		t.Fatal("no acme")
	}
	return v
}

var testMAC = dhcp.MAC{0x02, 0xac, 0x3e, 0, 0, 0x1f}

func acmePhone(model string) phonefile.Phone {
	return phonefile.Phone{MAC: testMAC, Vendor: "acme", Model: model, Label: "Desk", Enabled: true, Assigned: true, ServerURL: "http://10.20.0.2/", Lines: []phonefile.Account{
		{Position: 1, Number: "1001", Password: "s3cret", Label: "1001", Registrar: fleet.Registrar{Host: "pbx", Port: 5060, Transport: "tls", RegisterExpires: setting.Duration(time.Hour)}},
		{Position: 2, Number: "1002", Password: "s4cret", Label: "1002", Registrar: fleet.Registrar{Host: "pbx", Port: 5060, Transport: "udp", RegisterExpires: setting.Duration(time.Hour)}}}}
}

func TestRenderWritesLinesKeysAndSettings(t *testing.T) {
	v := acmeVendor(t)
	p := acmePhone("A-2")
	p.Keys = []fleet.Key{{Area: "line", Slot: 1, Type: "blf", Value: "1005"}, {Area: "line", Slot: 3, Type: "line", Line: 2}, {Area: "line", Slot: 5, Type: "speed_dial", Value: "9", Line: 2},
		{Area: "expansion2", Slot: 1, Type: "blf", Value: "7"}}
	p.Settings = map[string]any{"time_zone": "Europe/Berlin", "language": "de-AT", "ntp_servers": []string{"a"}, "srtp": "required", "recheck_interval": time.Hour,
		"codecs": []string{"pcma", "g722"}, "lldp": true, "admin_password": setting.Secret("x1y2"), "dtmf": "info"}
	p.Extra = map[string]string{"user.2": "two", "zz": "last", "p1": "77"}
	got, err := v.Render("cfg/{MAC}.cfg", p)
	want := `# acme
label = Desk
user.1 = 1001
pass.1 = s3cret
tr.1 = 2
user.2 = two
pass.2 = s4cret
tr.2 = 0
user.3 =
pass.3 =
key.1 = 99 1005
key.2 = 1
key.3 = 1
key.4 =
key.5 = 4 9sd=9;l=2
key.6 =
tz = CET-1CEST,M3.5.0,M10.5.0/3
admin = admin:x1y2
codecs = pcma g722
lang = Deutsch
lldp = 1
ntp1 = a
ntp2 =
recheck = 60
recheck.on = 1
srtp.1 = 1
srtp.2 = 1
p1 = 77
zz = last
`
	if err != nil || string(got) != want {
		t.Errorf("%v\n%s\nwant\n%s", err, got, want)
	}
	// The same file under the name that the phone requests.
	again, err := v.Render("/"+testMAC.Hex()+".cfg", p)
	if err != nil || string(again) != want {
		t.Errorf("%v\n%s", err, again)
	}
	// Another device file takes the operator's parameters only where it has them.
	keys, err := v.Render(testMAC.Hex()+"-keys.cfg", p)
	if want := "# acme\nx1.1 = 7\n"; err != nil || strings.Contains(string(keys), "zz") || !strings.Contains(string(keys), "x2.1 = 99 10\n") || !strings.Contains(string(keys), "p1 = 77\n") {
		t.Errorf("%v\n%s\n%s", err, keys, want)
	}
}

// A disabled phone, and one on hold, get files without accounts and keys.
func TestRenderClearsDisabledAndUnassignedPhones(t *testing.T) {
	v := acmeVendor(t)
	for _, change := range []func(*phonefile.Phone){func(p *phonefile.Phone) { p.Enabled = false }, func(p *phonefile.Phone) { p.Assigned = false }} {
		p := acmePhone("A1")
		p.Keys = []fleet.Key{{Area: "line", Slot: 2, Type: "blf", Value: "1005"}}
		change(&p)
		got, err := v.Render("cfg/{MAC}.cfg", p)
		want := "# acme\nlabel = Desk\nuser.1 =\npass.1 =\nuser.2 =\npass.2 =\nkey.1 =\nkey.2 =\nkey.3 =\nkey.4 =\n"
		if err != nil || string(got) != want {
			t.Errorf("%v\n%s", err, got)
		}
	}
}

func TestRenderReportsInvalidPhones(t *testing.T) {
	v := acmeVendor(t)
	for _, tt := range []struct {
		name   string
		change func(*phonefile.Phone)
		want   string
	}{
		{"cfg/{MAC}.cfg", func(p *phonefile.Phone) { p.Label = "a\nb" }, "acme A1 02:ac:3e:00:00:1f: cfg/{MAC}.cfg: parameter label: its value holds a line break"},
		{"cfg/{MAC}.cfg", func(p *phonefile.Phone) { p.Lines[0].Registrar.Transport = "sctp" }, `map transport has no entry for "sctp"`},
		{"cfg/{MAC}.cfg", func(p *phonefile.Phone) { p.Lines[0].Position = 9 }, "line 9: A1 has lines 1 to 2"},
		{"cfg/{MAC}.cfg", func(p *phonefile.Phone) { p.Lines[0].Position = 2 }, "duplicate line 2"},
		{"cfg/{MAC}.cfg", func(p *phonefile.Phone) { p.Keys = []fleet.Key{{Area: "line", Slot: 9, Type: "blf"}} }, "keys 1 to 4, not 9"},
		{"cfg/{MAC}.cfg", func(p *phonefile.Phone) { p.Settings = map[string]any{"srtp": "optional"} }, `has no srtp "optional", it has off, required`},
		{"cfg/{MAC}.cfg", func(p *phonefile.Phone) { p.Settings = map[string]any{"time_zone": "Mars/Base"} }, "Mars/Base"},
		{"cfg/{MAC}.cfg", func(p *phonefile.Phone) { p.Extra = map[string]string{"a b": "x"} }, `parameter name "a b"`},
		{"cfg/{MAC}.cfg", func(p *phonefile.Phone) { p.ServerURL = "10.20.0.2" }, "must be a URL"},
	} {
		p := acmePhone("A1")
		tt.change(&p)
		_, err := v.Render(tt.name, p)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%v, want %s", err, tt.want)
		}
		if err != nil && strings.Contains(err.Error(), "s3cret") {
			t.Errorf("the error has a secret: %v", err)
		}
	}
	if _, err := v.Render("{mac}.boot", acmePhone("A1")); !errors.Is(err, phonefile.ErrNoContent) {
		t.Error(err)
	}
	if _, err := v.Render("nope", acmePhone("A1")); !errors.Is(err, phonefile.ErrUnknownFile) {
		t.Error(err)
	}
	if _, err := v.Render("{mac}-keys.cfg", acmePhone("A1")); !errors.Is(err, phonefile.ErrUnknownFile) {
		t.Errorf("a file of other models: %v", err)
	}
}

// A common file is the same for every phone of the model, with any content.
func TestCommonFileIsTheSameForEveryPhone(t *testing.T) {
	v := acmeVendor(t)
	p := acmePhone("A1")
	p.Extra = map[string]string{"url": "x"}
	got, err := v.Render("common{number}.cfg", p)
	if want := "# acme\nurl = http://10.20.0.2/\nmodel = A1\n"; err != nil || string(got) != want {
		t.Errorf("%v\n%s", err, got)
	}
	for text, want := range map[string]string{
		"a = {{.Label}}\n":                                         ".Label is not for a common file, which needs no proof",
		"{{range .Lines}}a = {{.Number}}\n{{end}}":                 ".Lines is not for",
		`{{with setting "admin_password"}}a = {{.}}` + "\n{{end}}": "is secret and can't be",
	} {
		files := acmeFS()
		files["acme/common.tmpl"] = &fstest.MapFile{Data: []byte(text)}
		if _, err := packcheck.Load(Config{Builtin: files, CheckBuiltin: true}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}

func TestAPhoneOfAnUnknownModelIsRendered(t *testing.T) {
	v := acmeVendor(t)
	p := acmePhone("")
	got, err := v.Render("{mac}.cfg", p)
	if want := "# acme\nlabel = Desk\nuser.1 = 1001\npass.1 = s3cret\ntr.1 = 2\nuser.2 = 1002\npass.2 = s4cret\ntr.2 = 0\nkey.1 = 1\nkey.2 = 1\nkey.3 =\nkey.4 =\n"; err != nil || string(got) != want {
		t.Errorf("%v\n%s", err, got)
	}
	var names []string
	for _, f := range v.Files(p) {
		names = append(names, f.Name)
	}
	if got := strings.Join(names, " "); got != "02ac3e00001f.boot cfg/02AC3E00001F.cfg 02ac3e00001f.log" {
		t.Errorf("it requests %s", got)
	}
}

func TestFilesOfAPhoneInOrder(t *testing.T) {
	v := acmeVendor(t)
	var got []string
	for _, f := range v.Files(acmePhone("A-2")) {
		got = append(got, fmt.Sprintf("%s %s %s %d", f.File.Kind, f.Name, f.File.Challenge, f.File.Max))
	}
	want := "none 02ac3e00001f.boot digest 0,common common002.cfg digest 0,device cfg/02AC3E00001F.cfg digest 0,device 02ac3e00001f-keys.cfg basic 0,upload 02ac3e00001f.log digest 2048"
	if strings.Join(got, ",") != want {
		t.Errorf("%s", strings.Join(got, ","))
	}
}

func TestCheckKeyAgainstTheModel(t *testing.T) {
	v := acmeVendor(t)
	for _, tt := range []struct {
		model string
		key   fleet.Key
		want  string
	}{
		{"A1", fleet.Key{Area: "line", Slot: 4, Type: "blf", Value: "1"}, ""},
		{"A1", fleet.Key{Area: "line", Slot: 5, Type: "blf", Value: "1"}, "A1 has line keys 1 to 4, not 5"},
		{"A1", fleet.Key{Area: "line", Slot: 0, Type: "blf", Value: "1"}, "not 0"},
		{"A1", fleet.Key{Area: "memory", Slot: 1, Type: "blf"}, "A1 has no memory keys, it has line (4)"},
		{"A1", fleet.Key{Area: "line", Slot: 1, Type: "park"}, `no keys of type "park", it has line, blf, speed_dial, dnd, none`},
		{"A1", fleet.Key{Area: "line", Slot: 1, Type: "blf"}, "needs a value"},
		{"A1", fleet.Key{Area: "line", Slot: 1, Type: "blf", Value: "a;b"}, `can't hold ";"`},
		{"A1", fleet.Key{Area: "line", Slot: 1, Type: "blf", Value: "1", Line: 3}, "A1 has lines 1 to 2"},
		{"A1", fleet.Key{Area: "line", Slot: 1, Type: "none"}, ""},
		{"A-2", fleet.Key{Area: "expansion2", Slot: 3, Type: "blf", Value: "1"}, ""},
		{"A-2", fleet.Key{Area: "expansion3", Slot: 1, Type: "blf", Value: "1"}, "no expansion3 keys"},
		{"A-2", fleet.Key{Area: "programmable", Slot: 1, Type: "speed_dial"}, "only on line, expansion keys"},
		{"A-2", fleet.Key{Area: "programmable", Slot: 1, Type: "dnd"}, `no keys of type "dnd"`},
		{"", fleet.Key{Area: "programmable", Slot: 2, Type: "dnd"}, ""},
		{"", fleet.Key{Area: "line", Slot: 7, Type: "blf", Value: "1"}, "Acme has line keys 1 to 6"},
	} {
		err := v.CheckKey(tt.model, tt.key)
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s %+v: %v, want %q", tt.model, tt.key, err, tt.want)
		}
	}
	if err := v.CheckLine("A-2", 4); err == nil || !strings.Contains(err.Error(), "A-2 has lines 1 to 3") {
		t.Error(err)
	}
	if err := v.CheckLine("A-2", 3); err != nil {
		t.Error(err)
	}
}

func TestSettingsAndExtra(t *testing.T) {
	v := acmeVendor(t)
	if !v.Supports("A1", "time_zone") || !v.Supports("A1", "lldp") || v.Supports("A1", "codecs") || !v.Supports("A3", "codecs") || v.Supports("A1", "dtmf") {
		t.Error("supported settings")
	}
	for _, tt := range []struct {
		name string
		val  any
		ok   bool
	}{{"srtp", "off", true}, {"srtp", "optional", false}, {"language", "de-CH", true}, {"language", "fr", false}, {"dtmf", "x", true}, {"admin_password", setting.Secret("a\nb"), false}} {
		if err := v.CheckSetting("A1", tt.name, tt.val); (err == nil) != tt.ok {
			t.Errorf("%s %v: %v", tt.name, tt.val, err)
		}
	}
	if v.CheckExtra("A1", "a.b", "x") != nil || v.CheckExtra("A1", "a b", "x") == nil || v.CheckExtra("A1", "a", "x\ny") == nil {
		t.Error("vendor settings")
	}
}

// Equal phones get equal bytes, also from many goroutines.
func TestRenderAtOnceGivesEqualBytes(t *testing.T) {
	v := acmeVendor(t)
	p := acmePhone("A-2")
	p.Settings = map[string]any{"time_zone": "Asia/Tokyo"}
	want, err := v.Render("{mac}.cfg", p)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	for range 8 {
		go func() {
			for range 50 {
				if got, err := v.Render("{mac}.cfg", p); err != nil || string(got) != string(want) {
					done <- fmt.Errorf("%v %s", err, got)
					return
				}
			}
			done <- nil
		}()
	}
	for range 8 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func BenchmarkRender(b *testing.B) {
	s, err := packcheck.Load(Config{Dirs: []string{filepath.Join("..", "vendors", "yealink")}})
	if err != nil {
		b.Fatal(err)
	}
	v := s.Vendors()[0]
	p := acmePhone("T46U")
	p.Vendor = "yealink"
	for b.Loop() {
		if _, err := v.Render("{mac}.cfg", p); err != nil {
			b.Fatal(err)
		}
	}
}

func writeTree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}
