package pack_test

import (
	"strings"
	"testing"
	"testing/fstest"

	. "plugtone/provision/pack"
	"plugtone/provision/packcheck"
)

// TestEachItemBecomesAParameter tests the parameters of a list that is printed item by item.
func TestEachItemBecomesAParameter(t *testing.T) {
	files := acmeFS()
	files["acme/vendor.yaml"] = &fstest.MapFile{Data: []byte(strings.Replace(acme, "  lldp: lldp\n", `  lldp: lldp
  alert_rings: [{param: "ring.{i}.text", each: key}, {param: "ring.{i}.file", each: value}]
  action_urls: {param: "action.{key}", each: value, keys: {registered: log_on, off_hook: offhook}}
  soft_keys: {param: "keys.{key}", each: value, join: ",", text: "{{.}}!"}
  emergency_numbers: {params: [sos1, sos2, sos3], each: item}
`, 1))}
	s, err := packcheck.Load(Config{Builtin: files, CheckBuiltin: true})
	if err != nil {
		t.Fatal(err)
	}
	v, _ := s.Vendor("acme")
	for _, tt := range []struct {
		name  string
		items []string
		want  string // lines of the file; or the error
	}{
		{"alert_rings", []string{"a=1", "b c=x=y"}, "ring.1.text = a|ring.1.file = 1|ring.2.text = b c|ring.2.file = x=y"},
		{"action_urls", []string{"off_hook=http://h/?a=b"}, "action.offhook = http://h/?a=b"},
		{"soft_keys", []string{"idle=dnd  dir"}, "keys.idle = dnd,dir!"},
		{"action_urls", []string{"mute=http://h/"}, `no action_urls "mute", it has off_hook, registered`},
		{"emergency_numbers", []string{"112"}, "sos1 = 112|sos2 =|sos3 ="},
		{"emergency_numbers", []string{"1", "2", "3", "4"}, "takes 3 of emergency_numbers at most, not 4"},
	} {
		if err := v.CheckSetting("A1", tt.name, tt.items); err != nil {
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%s %v: %v, want %s", tt.name, tt.items, err, tt.want)
			}
			continue
		}
		p := acmePhone("A1")
		p.Settings = map[string]any{tt.name: tt.items}
		body, err := v.Render("cfg/{MAC}.cfg", p)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range strings.Split(tt.want, "|") {
			if !strings.Contains(strings.ReplaceAll(string(body), " \n", "\n"), line+"\n") {
				t.Errorf("%s %v: no line %q in\n%s", tt.name, tt.items, line, body)
			}
		}
	}
}

func TestEachRejectsInvalidUse(t *testing.T) {
	for _, tt := range []struct{ to, want string }{
		{"codecs, each: item,", "each needs {i} or {key}"},
		{"\"codec.{i}\", join: x,", "{i} and {key} need each"},
		{"\"codec.{i}\", each: word,", `each: "word" must be one of item, key, value`},
		{"\"codec.{key}\", each: value, keys: codes,", `keys: there is no map "codes"`},
	} {
		files := acmeFS()
		files["acme/vendor.yaml"] = &fstest.MapFile{Data: []byte(strings.Replace(acme, "codecs, join: \" \",", tt.to, 1))}
		_, err := packcheck.Load(Config{Builtin: files, CheckBuiltin: true})
		if err == nil || !strings.Contains(err.Error(), "acme/vendor.yaml:") || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %s", tt.to, err, tt.want)
		}
	}
}

func TestFilesAreFetchedFromTheServer(t *testing.T) {
	files := acmeFS()
	files["acme/vendor.yaml"] = &fstest.MapFile{Data: []byte(strings.Replace(acme, "  lldp: lldp\n", "  lldp: lldp\n  logo: {param: logo, text: \"{{fileURL .}}\"}\n", 1))}
	s, err := packcheck.Load(Config{Builtin: files, CheckBuiltin: true})
	if err != nil {
		t.Fatal(err)
	}
	v, _ := s.Vendor("acme")
	for logo, want := range map[string]string{"logo.png": "logo = http://10.20.0.2/logo.png\n", "https://example.com/a.png": "logo = https://example.com/a.png\n"} {
		p := acmePhone("A1")
		p.Settings = map[string]any{"logo": logo}
		if body, err := v.Render("cfg/{MAC}.cfg", p); err != nil || !strings.Contains(string(body), want) {
			t.Errorf("%s: %v, no %q in\n%s", logo, err, want, body)
		}
	}
}
