package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

func (s *shell) write(name, text string) string {
	s.t.Helper()
	file := filepath.Join(s.t.TempDir(), name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
	return file
}

const yamlFleetText = `registrars:
  - {name: main, host: pbx.example.com}
extensions:
  - {number: "1001", display_name: Front Desk, password: s3cret}
  - {number: "1002"}
profiles:
  - {name: desk, parent: base, settings: {language: de}}
  - {name: base}
devices:
  - mac: "001565123456"
    model: acme/A4
    profile: desk
    lines: [{extension: "1001"}]
    keys: [{slot: 2, type: blf, value: "1002"}]
  - {mac: 0015.6512.3457, model: acme/A1, lines: [{extension: "1002"}], reserved_ip: 10.20.0.50}
`

func TestApplyReadsYAMLAndExportReadsBack(t *testing.T) {
	s := newShell(t)
	file := s.write("fleet.yaml", yamlFleetText)
	if out := s.ok("apply -f " + file + " --dry-run"); !strings.Contains(out, "7 records (7 created) would change") || !strings.Contains(out, "the files of 2 phones would change") {
		t.Errorf("dry run:\n%s", out)
	}
	if out := s.ok("apply -f " + file + " --message 'first phones'"); !strings.Contains(out, "7 new, 0 changed, 0 the same; that is change 1") {
		t.Errorf("apply: %s", out)
	}
	if out := s.ok("apply -f " + file); !strings.Contains(out, "0 new, 0 changed, 7 the same\n") {
		t.Errorf("apply again: %s", out)
	}
	for _, format := range []string{"yaml", "json", "csv"} {
		to := filepath.Join(t.TempDir(), "export."+format)
		s.ok("export -o " + to)
		if b, _ := os.ReadFile(to); strings.Contains(string(b), "s3cret") {
			t.Errorf("a secret in %s", b)
		}
		if out := s.ok("apply -f " + to); !strings.Contains(out, "0 new, 0 changed") {
			t.Errorf("apply of the export in %s: %s", format, out)
		}
		if out := s.ok("apply -f " + to + " --dry-run"); !strings.Contains(out, "no record would change") {
			t.Errorf("dry run of the export in %s: %s", format, out)
		}
	}
	if out := s.ok("export --reveal"); !strings.Contains(out, "s3cret") || !strings.Contains(out, "private: false") {
		t.Errorf("revealed:\n%s", out)
	}
	if out := s.ok("change list"); !strings.Contains(out, "apply 7 records") || !strings.Contains(out, "first phones") {
		t.Errorf("changes:\n%s", out)
	}
	s.ok("change undo 1")
	if out := s.ok("device list"); strings.Contains(out, "00:15") {
		t.Errorf("after undo:\n%s", out)
	}
}

func TestApplyNamesEveryFaultyRow(t *testing.T) {
	s := newShell(t)
	s.office()
	bad := s.write("bad.yaml", "devices:\n  - {mac: 001565000001, model: acme/A9}\n  - {mac: 001565000002, labl: x}\n  - {mac: 001565000001}\n")
	status, out, errs := s.run("apply -f " + bad)
	for _, want := range []string{"3 problems; nothing was changed", bad + ":2:", "is not a model of acme", bad + ":3:", "near: label"} {
		if status != 1 || out != "" || !strings.Contains(errs, want) {
			t.Errorf("status %d, %q lacks %q", status, errs, want)
		}
	}
	table := s.write("bad.csv", "mac;model;line1;key:2;set:language\n"+
		"00-15-65-00-00-01;acme/A4;9999;blf:1002;de\n001565000002;acme/A4;1001;blfx:1;de\n00156500003;acme/A4;1001;;\n001565000004;acme/A4;1001;;;;x\n001565000005;acme/A4;1001;;\n001565000005;acme/A4;1001;;\n")
	status, _, errs = s.run("apply -f " + table)
	for _, want := range []string{`row 2, column line1 "9999": no such extension`, `row 3, column key:2 "blfx:1":`, `row 4, column mac "00156500003":`, "row 5: has 7 values", "row 7, column mac", "is in row 6 already"} {
		if status != 1 || !strings.Contains(errs, want) {
			t.Errorf("status %d, %s\nlacks %q", status, errs, want)
		}
	}
	if _, _, errs := s.run("apply --map modle=modell -f " + s.write("m.csv", "mac,modle\n001565000001,A4\n")); !strings.Contains(errs, `row 1, column 2 "modle": is mapped to "modell": is unknown; near: model`) {
		t.Error(errs)
	}
	if _, _, errs := s.run("apply --map model=set:langage -f " + s.write("m.csv", "mac,model\n001565000001,A4\n")); !strings.Contains(errs, `is mapped to "set:langage": setting "langage" is unknown`) {
		t.Error(errs)
	}
	if out := s.ok("device list"); strings.Contains(out, "00:15:65:00:00:0") {
		t.Errorf("something was stored:\n%s", out)
	}
	for file, want := range map[string]string{
		s.write("h.csv", "mac,modle\n001565000001,A4\n"):   `row 1, column 2 "modle": is unknown; near: model`,
		s.write("n.csv", "label,model\nx,A4\n"):            `there is no column mac`,
		s.write("q.csv", "mac,label\n001565000001,\"x\n"):  `row 2`,
		s.write("l.csv", "mac,label\n001565000001,\xff\n"): `row 2: is not UTF-8`,
		s.write("e.csv", ""):                               `empty`,
		s.write("u.yaml", "phones: []\n"):                  `phones: is unknown`,
	} {
		if status, _, errs := s.run("apply -f " + file); status != 1 || !strings.Contains(errs, want) {
			t.Errorf("status %d, %s\nlacks %q", status, errs, want)
		}
	}
	if status, _, errs := s.run("apply -f " + table + " --map nope=label"); status != 1 || !strings.Contains(errs, "no such column") {
		t.Errorf("%d %s", status, errs)
	}
}

// TestADryRunListsTheVerdictsOfRows: a conflict is an error, as it is without the dry run.
func TestADryRunListsTheVerdictsOfRows(t *testing.T) {
	s := newShell(t)
	s.office()
	s.ok("device add 001565000009 --model acme/A4 --reserve-ip 10.20.0.50")
	file := s.write("v.csv", "mac,model,reserved_ip,label\n001565000003,acme/A4,10.20.0.50,Attic\n001565000002,acme/A4,,Hall\n001565000009,acme/A4,10.20.0.50,\n")
	for flags, same := range map[string]bool{"": true, " --summary": false} {
		status, out, errs := s.run("apply -f " + file + " --dry-run" + flags)
		if status != 1 || !strings.Contains(errs, "1 of the records conflict") ||
			!strings.Contains(out, "conflict  device 00:15:65:00:00:03  row 2: reserved_ip 10.20.0.50 is reserved for device 00:15:65:00:00:09 already") ||
			strings.Contains(out, "new       device 00:15:65:00:00:02  row 3") != same || strings.Contains(out, "same      device 00:15:65:00:00:09  row 4") != same {
			t.Errorf("%s: status %d, %s\n%s", flags, status, errs, out)
		}
	}
	if status, _, errs := s.run("apply -f " + file); status != 1 || !strings.Contains(errs, `row 2, column reserved_ip "10.20.0.50": is reserved for device`) {
		t.Errorf("status %d, %s", status, errs)
	}
}

func TestTablesOfPBXsAreRecognised(t *testing.T) {
	s := newShell(t)
	s.office()
	fusion := s.write("fusion.csv", "\xef\xbb\xbf"+`"device_uuid","device_mac_address","device_label","device_vendor","device_template","device_enabled","device_description","line_number","server_address","display_name","user_id","auth_id","password","sip_port"
"x","001565000001","Kitchen","acme","acme/A4","true","by the door","1","pbx.example.com","Cook","2001","2001","geheim","5060"
"y","00:15:65:00:00:02","Hall","acme","acme/A1","false","","1","pbx.example.com","Hall","1002","1002","0ther","5060"
`)
	if out := s.ok("apply -f " + fusion); !strings.Contains(out, "3 new") {
		t.Errorf("FusionPBX: %s", out)
	}
	if out := s.ok("device show 001565000001"); !strings.Contains(out, "Kitchen") || !strings.Contains(out, "2001@main") || !strings.Contains(out, "by the door") {
		t.Errorf("%s", out)
	}
	if out := s.ok("extension show 2001 --reveal"); !strings.Contains(out, "geheim") || !strings.Contains(out, "Cook") {
		t.Errorf("%s", out)
	}
	if out := s.ok("extension show 1002 --reveal"); strings.Contains(out, "Hall") { // one that exists stays
		t.Errorf("%s", out)
	}
	fs := s.write("fs.csv", "MAC Address,Serial Number,Associated Extension\n001565000003,ABC123,1001\n")
	s.ok("apply -f " + fs)
	if out := s.ok("device show 001565000003"); !strings.Contains(out, "ABC123") || !strings.Contains(out, "1001@main") {
		t.Errorf("FS PBX: %s", out)
	}
	yeastar := s.write("yeastar.csv", "Vendor,Model,MAC Address,Template,Provisioning Method,Hot Desking Phone,Authentication First-time,Assign Extension\nAcme,A4,00-15-65-00-00-04,Acme_A4,DHCP,0,1,1002\n")
	s.ok("apply -f " + yeastar)
	if out := s.ok("device show 001565000004"); !strings.Contains(out, "acme/A4") || !strings.Contains(out, "1002@main") {
		t.Errorf("Yeastar: %s", out)
	}
}

func TestATableChangesOnlyWhatItsColumnsName(t *testing.T) {
	s := newShell(t)
	s.office()
	s.ok("device set " + desk + " --key 3=park:701 --set language=de --contact Taxi=030202020 --tag pilot")
	s.ok("apply -f " + s.write("a.csv", "mac\tRoom\tkey:2\tlabel\n001565123456\t214\t\t\n") + " --map Room=location")
	out := s.ok("device show " + desk)
	for want, is := range map[string]bool{"214": true, "park:701": true, "blf:1002": false, "language = de": true, "Taxi": true, "pilot": true, "1001@main": true, "Front Desk Phone": false} {
		if strings.Contains(out, want) != is {
			t.Errorf("%q shown: %v in\n%s", want, !is, out)
		}
	}
}

func TestDevicesOfATableSwapTheirAddresses(t *testing.T) {
	s := newShell(t)
	s.ok("apply -f " + s.write("a.csv", "mac,reserved_ip\n001565000001,10.20.0.51\n001565000002,10.20.0.52\n001565000003,10.20.0.53\n"))
	out := s.ok("apply -f " + s.write("b.csv", "mac,reserved_ip\n001565000001,10.20.0.52\n001565000002,10.20.0.53\n001565000003,10.20.0.51\n"))
	if !strings.Contains(out, "0 new, 3 changed") {
		t.Error(out)
	}
	if status, _, errs := s.run("apply -f " + s.write("c.csv", "mac,reserved_ip\n001565000004,10.20.0.53\n")); status != 1 || !strings.Contains(errs, "row 2, column reserved_ip") {
		t.Errorf("%d %s", status, errs)
	}
}

func TestPruneHasALimit(t *testing.T) {
	s := newShell(t)
	var all strings.Builder
	all.WriteString("mac,label\n")
	for i := range 20 {
		fmt.Fprintf(&all, "0015650000%02d,Phone %d\n", i, i)
	}
	s.ok("apply -f " + s.write("all.csv", all.String()))
	lines := strings.SplitAfter(all.String(), "\n")
	few := s.write("few.csv", strings.Join(lines[:16], ""))
	status, _, errs := s.run("apply -f " + few + " --prune")
	if status != 1 || !strings.Contains(errs, "prune would remove 5 of 20 devices") || !strings.Contains(errs, "--yes") {
		t.Errorf("%d %s", status, errs)
	}
	if out := s.ok("apply -f " + s.write("most.csv", strings.Join(lines[:19], "")) + " --prune"); !strings.Contains(out, "2 removed") {
		t.Error(out)
	}
	if out := s.ok("apply -f " + few + " --prune --yes --dry-run"); !strings.Contains(out, "3 records (3 deleted)") {
		t.Error(out)
	}
	if out := s.ok("apply -f " + few + " --prune --yes"); !strings.Contains(out, "3 removed") {
		t.Error(out)
	}
}

// TestExportIsWrittenInParts: many records are the same YAML as few, and an export that ends early is an error.
func TestExportIsWrittenInParts(t *testing.T) {
	document := map[string]any{"private": true, "devices": []any{}, "extensions": []any{}}
	for i := range 2*atOnce + 1 {
		document["extensions"] = append(document["extensions"].([]any), map[string]any{"number": strconv.Itoa(i), "display_name": "<A & B>: '" + strconv.Itoa(i)})
	}
	b, err := json.Marshal(document)
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	var got map[string]any
	if err := errors.Join(writeYAML(&text, bytes.NewReader(b)), yaml.Unmarshal(text.Bytes(), &got)); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, document) {
		t.Errorf("%.300s", text.String())
	}
	if strings.Count(text.String(), "extensions:") != 1 || !strings.Contains(text.String(), "\n  - display_name: '<A & B>: ''0'\n    number: \"0\"\n") {
		t.Errorf("%.300s", text.String())
	}
	for _, short := range []int{0, 1, 5, len(b) / 2, len(b) - 2, len(b) - 1} {
		if err := writeYAML(io.Discard, bytes.NewReader(b[:short])); err == nil {
			t.Errorf("the first %d of %d bytes are an export", short, len(b))
		}
	}
}

// TestFaultInALargeYAMLFileIsNamedByItsLine: such a file is read in parts, and a fault in a later one has its place.
func TestFaultInALargeYAMLFileIsNamedByItsLine(t *testing.T) {
	s := newShell(t)
	var text strings.Builder
	text.WriteString("devices:\n")
	want := 0
	for i := range 600 {
		model := "acme/A4"
		if i == 550 {
			model = "acme/A9"
			want = strings.Count(text.String(), "\n") + 3
		}
		fmt.Fprintf(&text, "  # %s\n  - mac: 00:15:65:00:%02x:%02x\n    model: %s\n", strings.Repeat("x", 2000), i>>8, i&0xff, model)
	}
	file := s.write("large.yaml", text.String())
	place := fmt.Sprintf("large.yaml:%d:5: devices[550].model", want)
	if status, _, errs := s.run("apply -f " + file); status != 1 || !strings.Contains(errs, place) || !strings.Contains(errs, "A9") {
		t.Errorf("status %d, %s\nlacks %s", status, errs, place)
	}
	file = s.write("large.yaml", strings.Replace(text.String(), "A9", "A4\n    model: acme/A4", 1))
	place = fmt.Sprintf("large.yaml:%d:5: devices[550].model: written twice: first on line %d", want+1, want)
	if status, _, errs := s.run("apply -f " + file); status != 1 || !strings.Contains(errs, place) {
		t.Errorf("status %d, %s\nlacks %s", status, errs, place)
	}
	if out := s.ok("apply -f " + s.write("large.yaml", strings.Replace(text.String(), "A9", "A4", 1))); !strings.Contains(out, "600 new") {
		t.Error(out)
	}
}
