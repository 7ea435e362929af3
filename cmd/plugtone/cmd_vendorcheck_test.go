package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"plugtone/provision/provisiontest"
)

// command runs a command that needs no daemon.
func command(t *testing.T, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	status = execute(context.Background(), newRoot(), args, strings.NewReader(""), &out, &errs)
	return status, out.String(), errs.String()
}

const twoPacks = `
-- mine/vendor.yaml --
vendor: mine
name: My Phones
models: {M1: {lines: 2, keys: {line: 2}}, M2: {lines: 1}}
formats: {cfg: {kind: lines}}
files:
  - {name: "{mac}.boot", kind: none}
  - {name: "{mac}.cfg", kind: device, template: device.tmpl, format: cfg, for: M1}
  - {name: "{mac}.txt", kind: device, template: device.tmpl, format: cfg, for: M2}
  - {name: "{any}.rom", kind: firmware}
  - {name: "{mac}-book.xml", kind: private, template: book.tmpl, format: xml, when: phonebook, most: 9}
lacks:
  lines: {auth_user: no, password: no, display_name: no, label: no, voicemail: no, shared: no, host: no, port: no, tcp: no, tls: no,
    outbound_proxy: no, backup_host: no, backup_outbound_proxy: no, sip_domain: no, register_expires: no}
-- mine/book.tmpl --
<b>{{range .Contacts}}{{.Name}}{{end}}</b>
-- mine/device.tmpl --
{{range .AllLines}}
user{{.N}} = {{.Number}}
{{end}}
-- more/vendor.yaml --
vendor: digium
extends: digium
models:
  D99: {family: d6, lines: 2}
-- notes.txt --
no pack
`

func TestVendorCheckReportsWhatItRendered(t *testing.T) {
	t.Parallel()
	dir := provisiontest.Unpack(t, twoPacks)
	status, out, errs := command(t, "vendor", "check", dir)
	if status != 0 || !matches(`(?s)mine: mine: no problems; 2 models, 16 files rendered for 10 sample phones and read back, 0 goldens\n.*more: digium, extending digium: no problems; \d+ models`, out) ||
		!matches(`mine: there are no goldens in testdata; --update writes the first ones\n`, errs) {
		t.Fatalf("status %d\n%s%s", status, out, errs)
	}
	// The first goldens request every file, and hold from then on.
	status, out, errs = command(t, "vendor", "check", "--update", filepath.Join(dir, "mine"))
	if status != 0 || strings.Count(errs, "txtar written: read it before you keep it") != 2 {
		t.Fatalf("status %d\n%s%s", status, out, errs)
	}
	golden := filepath.Join(dir, "mine", "testdata", "m1.txtar")
	text, err := os.ReadFile(golden)
	if err != nil || !strings.Contains(string(text), "-- 001565123456.cfg --\nuser1 = 1001\nuser2 =\n") || !strings.Contains(string(text), "firmware example.rom\n") {
		t.Fatalf("%v\n%s", err, text)
	}
	if status, out, errs = command(t, "vendor", "check", filepath.Join(dir, "mine")); status != 0 || errs != "" || !strings.Contains(out, "2 goldens") {
		t.Fatalf("status %d\n%s%s", status, out, errs)
	}
	// What a change of the pack changes is shown by the line; --update takes it.
	if err := os.WriteFile(golden, []byte(strings.Replace(string(text), "user1 = 1001", "user1 = 1002", 1)), 0o644); err != nil {
		t.Fatal(err)
	}
	status, out, errs = command(t, "vendor", "check", dir)
	if status != 1 || out != "" || !matches(`testdata/m1.txtar:\d+: the golden has "user1 = 1002", the pack gives "user1 = 1001"`, errs) {
		t.Fatalf("status %d\n%s%s", status, out, errs)
	}
	if status, _, errs = command(t, "vendor", "check", "--update", dir); status != 0 || !strings.Contains(errs, "m1.txtar written") {
		t.Fatalf("status %d\n%s", status, errs)
	}
	if again, err := os.ReadFile(golden); err != nil || string(again) != string(text) {
		t.Errorf("%v\n%s", err, again)
	}
}

func TestVendorCheckFaults(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ from, to, want string }{
		{"lines: 2", "lnes: 2", `mine/vendor.yaml:\d+:\d+: model M1.*lnes`},
		{"M2: {lines: 1}", "M2: {lines: 0}", `mine/vendor.yaml:\d+:\d+: model M2 has no lines`},
		{"kind: none", "kind: nothing", `mine/vendor.yaml:\d+:\d+: .*kind "nothing"`},
		{"user{{.N}} = {{.Number}}", "user = {{.Number}}", `mine/vendor.yaml:\d+:\d+: file .*duplicate parameter user: the template prints both \(model M1, `},
		{"user{{.N}} = {{.Number}}", "user{{.N}} = {{.Nmber}}", `mine/device.tmpl:2:\d+: .Nmber: there is no Nmber here`},
		{"family: d6", "family: d7", `more/vendor.yaml:\d+:\d+: model D99: family "d7" must be one of d, d6, p`},
		{"extends: digium", "extends: digum", `more/vendor.yaml:\d+:\d+: extends "digum"`},
		{"vendor: mine", "vendor: Mine", `mine/vendor.yaml:\d+:\d+: vendor "Mine"`},
		{"vendor: mine", "vender: mine", `mine/vendor.yaml:\d+:\d+: vender: unknown key: did you mean vendor`},
		{"vendor: mine", "vendor: mine\nname: a\nname: b", `mine/vendor.yaml:\d+:\d+: name: written twice`},
		{"vendor: mine", "vendor: mine\nexperimental: maybe", `mine/vendor.yaml:\d+:\d+: experimental: "maybe": true or false`},
		{"vendor: mine", "vendor: mine\naliases: {a: b}", `mine/vendor.yaml:\d+:\d+: aliases: a map where a list belongs`},
		{"vendor: mine", "\tvendor: mine", `mine/vendor.yaml:\d+:\d+: not YAML: `},
		{"M2: {lines: 1}", "M2: {lines: one}", `mine/vendor.yaml:\d+:\d+: models.M2.lines: "one": a whole number`},
		{"user{{.N}} = {{.Number}}", "user{{.N}}={{.Number}}", `mine/device.tmpl:2: line "user1=1001" is not a parameter`},
		{"user{{.N}} = {{.Number}}", "user{{.N}} = {{.Number}", `mine/device.tmpl:2: bad character`},
		{"user{{.N}} = {{.Number}}", "user{{.N}} = {{setting \"langage\"}}", `mine/device.tmpl:2: there is no setting "langage"; near: language`},
		{"user{{.N}} = {{.Number}}", "user{{.N}} = {{.Number}}{{range $.Slots \"lin\"}}{{end}}", `mine/device.tmpl:2:\d+: .*key area "lin" must be one of line, memory`},
		{"formats: {cfg: ", "formats: {xml: {kind: lines}, cfg: ", `mine/vendor.yaml:\d+:\d+: format xml is built in: give the pack's own another name`},
		{"{auth_user: no, password: no, ", "{", `mine/vendor.yaml: members of lines auth_user, password are accepted, and make no difference in the files of M2, M1 and models like them: print them, or write lacks: \{lines: \{auth_user: "the reason", `},
		{"{auth_user: no", "{number: no, auth_user: no", `mine/vendor.yaml: members of lines number are listed under lacks, and make a difference in the files of M2, M1 and models like them`},
		{"{auth_user: no", "{auth_usr: no, auth_user: no", `mine/vendor.yaml:\d+:\d+: lacks: lines: auth_usr: must be one of number, auth_user`},
		{"{name: \"{mac}.boot\", kind: none}", "{name: \"{mac}.{any}\", kind: none}", `model M1 requests 02005e100001.cfg \(\{mac\}.cfg\), which is taken for another`},
	} {
		if !strings.Contains(twoPacks, tt.from) {
			t.Errorf("%q is not in the packs", tt.from)
		}
		dir := provisiontest.Unpack(t, strings.Replace(twoPacks, tt.from, tt.to, 1))
		status, out, errs := command(t, "vendor", "check", dir)
		if status != 1 || out != "" || !matches(tt.want, errs) {
			t.Errorf("%s: status %d\n%s%swant %s", tt.to, status, out, errs, tt.want)
		}
	}
	for want, args := range map[string][]string{
		`no such file`:                   {"vendor", "check", "/nowhere"},
		`neither a pack .* nor a folder`: {"vendor", "check", t.TempDir()},
	} {
		if status, _, errs := command(t, args...); status != 1 || !matches(want, errs) {
			t.Errorf("%v: status %d\n%s", args, status, errs)
		}
	}
	if status, _, errs := command(t, "vendor", "check"); status != 2 || !strings.Contains(errs, "usage: plugtone vendor check DIR") {
		t.Errorf("status %d\n%s", status, errs)
	}
}

// A golden that does not request every file, and a row that is not recognised, are validation errors of the pack.
func TestVendorCheckTestdata(t *testing.T) {
	t.Parallel()
	dir := provisiontest.Unpack(t, twoPacks+`
-- mine/testdata/one.txtar --
no phone
-- mine/testdata/recognise.csv --
kind,value,model,firmware,mac,origin
option60,mine M1,M1,,,synthetic
`)
	status, _, errs := command(t, "vendor", "check", dir, "--json")
	if status != 1 {
		t.Errorf("status %d", status)
	}
	for _, want := range []string{"mine/testdata/one.txtar: the first file of a golden is phone.yaml", `recognise.csv:2: option60 "mine M1" is not recognised`} {
		if !strings.Contains(errs, want) {
			t.Errorf("no %q in\n%s", want, errs)
		}
	}
	_, out, _ := command(t, "vendor", "check", dir, "--json")
	var got struct {
		Packs  []struct{ Vendor string }
		Faults []string
	}
	if err := json.Unmarshal([]byte(out), &got); err != nil || len(got.Packs) != 2 || len(got.Faults) != 2 {
		t.Errorf("%v\n%s", err, out)
	}
}

// An error in a golden or in a row is reported with its line.
func TestVendorCheckTestdataFaults(t *testing.T) {
	t.Parallel()
	const one, rows = "one.txtar", "recognise.csv"
	for _, tt := range []struct{ file, text, want string }{
		{one, "a comment\n-- phone.yaml --\nmodel: M1\n", `no golden requests {mac}.txt, {any}.rom`},
		{one, "a comment\n-- phone.yaml --\nmodl: M1\n", `mine/testdata/one.txtar:3: phone.yaml: modl: unknown key: did you mean model`},
		{one, "a comment\n-- phone.yaml --\nmodel: M1\nlabel: [a\n", `mine/testdata/one.txtar:5: phone.yaml: not YAML: `},
		{one, "a comment\n-- phone.yaml --\nmodel: M7\n", `mine/testdata/one.txtar:3: phone.yaml: model "M7" is not a model of mine`},
		{one, "a comment\n-- phone.yaml --\nmodel: M1\nkeys:\n  - {slot: 1, typ: blf}\n", `mine/testdata/one.txtar:5: phone.yaml: keys[0].typ: unknown key: did you mean type`},
		{one, "a comment\n-- phone.yaml --\nmodel: M1\nkeys:\n  - {slot: 99, type: blf}\n", `mine/testdata/one.txtar:5: phone.yaml: M1 has`},
		{one, "a comment\n-- phone.yaml --\nmodel: M1\nsettings:\n  time_zne: x\n", `mine/testdata/one.txtar:5: phone.yaml: setting time_zne: is unknown; near: time_zone`},
		{one, "a comment\n-- phone.yaml --\nmodel: M1\nlines: [{number: '1', expires: soon}]\n", `mine/testdata/one.txtar:4: phone.yaml: expires "soon" must be a duration`},
		{one, "a comment\n-- phone.yaml --\nmodel: M1\n", `phones request the phonebook {mac}-book.xml while it is on: write phonebook: all`},
		{rows, "kind,value\n", `mine/testdata/recognise.csv:1: the first line is not kind,value,model,firmware,mac,origin`},
		{rows, "kind,value,model,firmware,mac,origin\noption60,mine M1,M1\n", `mine/testdata/recognise.csv:2: 3 fields`},
		{rows, "kind,value,model,firmware,mac,origin\noption60,mine M1,M1,,,heard\n", `mine/testdata/recognise.csv:2: origin "heard"`},
	} {
		dir := provisiontest.Unpack(t, twoPacks)
		file := filepath.Join(dir, "mine/testdata", tt.file)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(tt.text), 0o644)); err != nil {
			t.Fatal(err)
		}
		status, _, errs := command(t, "vendor", "check", dir)
		if status != 1 || !strings.Contains(errs, tt.want) {
			t.Errorf("status %d\n%swant %s", status, errs, tt.want)
		}
	}
}

// The packs on the page "a new phone in ten minutes" are complete, as they are printed there.
func TestPacksOfThePageOnTenMinutesAreComplete(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(root, "provision/vendors/TEN-MINUTES.md"))
	if err != nil {
		t.Fatal(err)
	}
	var blocks []string
	for i, part := range strings.Split(string(page), "\n```") {
		if i%2 == 1 {
			_, text, _ := strings.Cut(part, "\n")
			blocks = append(blocks, text+"\n")
		}
	}
	if len(blocks) < 3 {
		t.Fatalf("the page has %d blocks", len(blocks))
	}
	dir := provisiontest.Unpack(t, "-- digium-own/vendor.yaml --\n"+blocks[0]+"-- zephyr/vendor.yaml --\n"+blocks[1]+"-- zephyr/device.tmpl --\n"+blocks[2])
	status, out, errs := command(t, "vendor", "check", "--update", dir)
	if status != 0 || !strings.Contains(errs, "zephyr/testdata/z100.txtar written") || !strings.Contains(out, "extending digium: no problems") {
		t.Errorf("status %d\n%s%s", status, out, errs)
	}
	// A key type more and a setting more are a line each, as on the page.
	dir = provisiontest.Unpack(t, "-- digium-own/vendor.yaml --\n"+blocks[0]+"settings: {dnd: own_dnd}\nkey_types: {park: 10}\n")
	if status, out, errs := command(t, "vendor", "check", dir); status != 0 || !strings.Contains(string(page), "`settings: {dnd: own_dnd}`") || !strings.Contains(string(page), "`key_types: {park: 10}`") {
		t.Errorf("status %d\n%s%s", status, out, errs)
	}
	script, err := os.ReadFile("testdata/script/vendor_packs.txtar")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(script), "-- vendors/zephyr/device.tmpl --\n"+blocks[2]) || !strings.Contains(string(script), "-- vendors/digium-own/vendor.yaml --\n"+blocks[0][:40]) {
		t.Error("the script does not use the page's packs")
	}
}
