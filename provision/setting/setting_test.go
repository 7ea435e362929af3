package setting

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestParseEverySetting(t *testing.T) {
	all := samples()
	for _, d := range All() {
		s, ok := all[d.Name]
		if !ok {
			t.Errorf("no sample for %s", d.Name)
			continue
		}
		got, err := Parse(d.Name, s.text)
		if err != nil {
			t.Errorf("%v", err)
			continue
		}
		if !reflect.DeepEqual(got, s.want) {
			t.Errorf("%s=%s is %#v, want %#v", d.Name, s.text, got, s.want)
		}
		if !d.Typed(got) {
			t.Errorf("%s: %T is not the type of the catalogue", d.Name, got)
		}
		again, err := Parse(d.Name, Print(got))
		if err != nil || !reflect.DeepEqual(again, got) {
			t.Errorf("%s: printed %q reads back as %#v, %v", d.Name, Print(got), again, err)
		}
		if d.Help == "" || d.Allowed() == "" {
			t.Errorf("%s: has no help text", d.Name)
		}
	}
	if len(all) != len(All()) {
		t.Errorf("%d samples for %d settings", len(all), len(All()))
	}
}

func TestCatalogueIsInOrderAndNamedAlike(t *testing.T) {
	var names []string
	for _, d := range All() {
		names = append(names, d.Name)
		if strings.Trim(d.Name, "abcdefghijklmnopqrstuvwxyz0123456789_") != "" {
			t.Errorf("name %q", d.Name)
		}
	}
	if !slices.IsSorted(names) || len(slices.Compact(slices.Clone(names))) != len(names) {
		t.Errorf("names are not sorted, or there is a duplicate: %v", names)
	}
}

func TestParseRefuses(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"time_zone", "Europe/Berlino", "an IANA time zone such as Europe/Berlin"},
		{"time_zone", "Local", "IANA"},
		{"time_zone", "../../etc/passwd", "IANA"},
		{"language", "german", "such as de, en or fr-CA"},
		{"codecs", "g722,g722", "none twice"},
		{"codecs", "g711", "pcmu, pcma"},
		{"dns_servers", "ntp.example.net", "an IPv4 address"},
		{"dns_servers", "1.1.1.1,2.2.2.2,3.3.3.3,4.4.4.4", "1 to 3"},
		{"ntp_servers", "bad host", "host name"},
		{"ntp_servers", "10.20.300.1", "host name"},
		{"ntp_servers", "fe80::1", "IPv4"},
		{"voice_vlan", "4095", "0 to 4094"},
		{"voice_vlan", "ten", "0 to 4094"},
		{"lldp", "perhaps", "true or false"},
		{"recheck_interval", "5s", "1m to 30d, or 0s"},
		{"recheck_interval", "90", "1m to 30d"},
		{"recheck_interval", "90.5s", "1m to 30d"},
		{"dial_timeout", "0s", "1s to 1m"},
		{"dial_plan", "a\nb", "on one line"},
		{"dial_plan", strings.Repeat("x", 513), "up to 512"},
		{"phonebook_url", "ftp://x/y", "http://"},
		{"phonebook_url", "http://user:pass@x/y", "http://"},
		{"firmware", "../etc/passwd", "without folders"},
		{"wallpaper", "a/b.png", "a file name or a URL"},
		{"syslog_server", "10.0.0.1:0", "with or without a port"},
		{"multicast_listen", "239.1.1.1", "with a port"},
		{"srtp", "maybe", "off, optional, required"},
		{"country", "de", "two capital letters"},
		{"country", "DEU", "such as DE, GB or US"},
		{"emergency_numbers", "112,police", "1 to 10 times 1 to 15 digits"},
		{"forward_busy", "10 02", "without spaces"},
		{"phone_lock_pin", "12ab", "1 to 15 digits"},
		{"action_urls", "registered", "EVENT=URL"},
		{"action_urls", "up=http://pbx.example.com/", "one of boot, registered"},
		{"action_urls", "boot=ftp://pbx.example.com/", "EVENT=URL"},
		{"action_urls", "boot=http://a.example/,boot=http://b.example/", "a second time; join"},
		{"alert_rings", "external", "TEXT=RING"},
		{"alert_rings", "a=1,b=2,a=3", "a second time; join"},
		{"soft_keys", "sleeping=dnd", "one of idle, dialing"},
		{"vlan_priority", "8", "0 to 7"},
		{"feature_codes", "dnd=*78", "one of dnd_on, dnd_off"},
		{"feature_codes", "dnd_on=* 78", "FEATURE=CODE"},
		{"local_sip_port", "80", "1024 to 65535"},
	}
	for _, tt := range tests {
		_, err := Parse(tt.name, tt.text)
		if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), tt.name) {
			t.Errorf("%s=%q: %v; want the name and %q", tt.name, tt.text, err, tt.want)
		}
	}
}

func TestSecretsAreNeverRepeated(t *testing.T) {
	const secret = "hunter2\n"
	_, err := Parse("admin_password", secret)
	if err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("error %v", err)
	}
	_, problems := Values{"admin_password": secret}.Check()
	if len(problems) != 1 || problems[0].Value != "" || strings.Contains(problems[0].Message, "hunter2") {
		t.Errorf("problems %+v", problems)
	}
	v := Values{"admin_password": Secret("hunter2"), "dnd": true}
	if s := fmt.Sprintf("%v %+v %#v", v, v, v); strings.Contains(s, "hunter2") {
		t.Errorf("printed values show the secret: %s", s)
	}
	if p := v.Public(); len(p) != 1 || p["dnd"] != true || v["admin_password"] != Secret("hunter2") {
		t.Errorf("public values %v", p)
	}
	// As read by a version whose catalogue had no such type.
	if p := (Values{"admin_password": "hunter2"}).Public(); len(p) != 0 {
		t.Errorf("public values %v", p)
	}
}

func TestUnknownNamesTheNearest(t *testing.T) {
	tests := []struct{ name, near string }{
		{"timezone", "time_zone"}, {"ntp_server", "ntp_servers"}, {"admin_pasword", "admin_password"}, {"dns", "dns_servers"}, {"TIME_ZONE", "time_zone"},
	}
	for _, tt := range tests {
		_, err := Parse(tt.name, "x")
		if err == nil || !strings.Contains(err.Error(), tt.near) || !strings.Contains(err.Error(), tt.name) {
			t.Errorf("%s: %v; want %s named", tt.name, err, tt.near)
		}
	}
	if err := Unknown("qqqqqqqqqqqqqq"); strings.Contains(err.Error(), "near") {
		t.Errorf("nothing is near, but: %v", err)
	}
	if err := Unknown(strings.Repeat("x", 10_000)); len(err.Error()) > 200 {
		t.Errorf("a long name is repeated in full: %d bytes", len(err.Error()))
	}
}

func TestAssignmentsAreReadByTheTypeOfTheirSetting(t *testing.T) {
	tests := []struct {
		in, name string
		value    any
		bad      bool
	}{
		{"voice_vlan=10", "voice_vlan", 10, false},
		{"dial_plan=a=b", "dial_plan", "a=b", false},
		{"dnd=", "dnd", nil, false},
		{"dnd", "", nil, true},
		{"nothing=1", "nothing", nil, true},
		{"nothing=", "nothing", nil, true},
	}
	for _, tt := range tests {
		name, value, err := ParseAssignment(tt.in)
		if name != tt.name || value != tt.value || (err != nil) != tt.bad {
			t.Errorf("%s is %q, %v, %v", tt.in, name, value, err)
		}
	}
}

func TestCanonicalTakesWhatJSONAndYAMLGive(t *testing.T) {
	tests := []struct {
		name string
		in   any
		want any
	}{
		{"voice_vlan", float64(10), 10}, {"voice_vlan", int64(10), 10}, {"voice_vlan", uint64(10), 10}, {"voice_vlan", json.Number("10"), 10},
		{"codecs", []any{"g722", "PCMA"}, []string{"g722", "pcma"}}, {"ntp_servers", "a.example", []string{"a.example"}},
		{"recheck_interval", time.Hour, Duration(time.Hour)}, {"srtp", false, "off"}, {"web_interface", false, "off"},
	}
	for _, tt := range tests {
		got, err := catalogue()[tt.name].Canonical(tt.in)
		if err != nil || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: %#v is %#v, %v; want %#v", tt.name, tt.in, got, err, tt.want)
		}
	}
	bad := []struct {
		name string
		in   any
	}{
		{"voice_vlan", 10.5}, {"voice_vlan", "10"}, {"voice_vlan", uint64(1 << 63)}, {"dnd", "true"}, {"codecs", []any{1}}, {"codecs", 7},
		{"recheck_interval", 60}, {"srtp", true}, {"dtmf", false}, {"time_zone", 1}, {"codecs", []any{}}, {"dns_servers", map[string]any{}},
	}
	for _, tt := range bad {
		if got, err := catalogue()[tt.name].Canonical(tt.in); err == nil {
			t.Errorf("%s: %#v is taken as %#v", tt.name, tt.in, got)
		}
	}
}

func TestValuesKeepTheirTypesThroughJSON(t *testing.T) {
	v := Values{}
	for name, s := range samples() {
		v[name] = s.want
	}
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var got Values
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, v) {
		for name := range v {
			if !reflect.DeepEqual(got[name], v[name]) {
				t.Errorf("%s: %#v, want %#v", name, got[name], v[name])
			}
		}
	}
}

func TestValuesKeepWhatTheyDoNotKnow(t *testing.T) {
	var v Values
	if err := json.Unmarshal([]byte(`{"from_the_future":{"a":1},"voice_vlan":"ten","codecs":[1]}`), &v); err != nil {
		t.Fatal(err)
	}
	out, problems := v.Check()
	if len(out) != 0 || len(problems) != 3 {
		t.Fatalf("checked %v, problems %+v; want all three named", out, problems)
	}
	want := []string{"codecs", "from_the_future", "voice_vlan"}
	for i, f := range problems {
		if f.Field != want[i] || f.Message == "" {
			t.Errorf("problem %d is %+v, want %s", i, f, want[i])
		}
	}
	if err := json.Unmarshal([]byte(`[1]`), &v); err == nil {
		t.Error("a list is taken for settings")
	}
	if err := json.Unmarshal([]byte(`null`), &v); err != nil || v != nil {
		t.Errorf("null is %v, %v", v, err)
	}
}

func TestCheckLeavesItsInputAlone(t *testing.T) {
	v := Values{"codecs": []string{"G722"}, "dnd": nil, "srtp": "OFF"}
	before := maps.Clone(v)
	out, problems := v.Check()
	if problems != nil || !reflect.DeepEqual(out, Values{"codecs": []string{"g722"}, "srtp": "off"}) {
		t.Errorf("checked %v, %+v", out, problems)
	}
	if !reflect.DeepEqual(v, before) {
		t.Errorf("the input was changed to %v", v)
	}
	c := out.Clone()
	c["codecs"].([]string)[0] = "scribbled"
	if out["codecs"].([]string)[0] != "g722" {
		t.Error("a clone shares its lists")
	}
}

func TestDurationsAreReadAndPrinted(t *testing.T) {
	tests := []struct{ in, out string }{{"8d", "8d"}, {"90s", "1m30s"}, {"24h", "1d"}, {"1h30m", "1h30m"}, {"0s", "0s"}, {"25h", "25h"}, {"1h0m5s", "1h0m5s"}}
	for _, tt := range tests {
		d, err := ParseDuration(tt.in)
		if err != nil || d.String() != tt.out {
			t.Errorf("%s is %s, %v; want %s", tt.in, d, err, tt.out)
		}
		if again, err := ParseDuration(d.String()); err != nil || again != d {
			t.Errorf("%s reads back as %s, %v", d, again, err)
		}
	}
	for _, bad := range []string{"", "d", "-1d", "-5s", "1.5d", "99999d", "5", "1 h"} {
		if d, err := ParseDuration(bad); err == nil {
			t.Errorf("%q is taken as %s", bad, d)
		}
	}
}

func TestHostsAreTakenOrRefused(t *testing.T) {
	for _, good := range []string{"10.0.0.1", "pbx", "pbx.example.com", "pbx.example.com.", "_sip._udp.example.com", "a-b.c1"} {
		if !IsHost(good) {
			t.Errorf("%q is refused", good)
		}
	}
	for _, bad := range []string{"", "10.0.0", "10.0.0.256", "0.0.0.0", "::1", "-a.b", "a-.b", "a..b", "a b", "a/b", "pbx:5060", strings.Repeat("a", 64), strings.Repeat("a.", 127) + "aa", "ä.de"} {
		if IsHost(bad) {
			t.Errorf("%q is taken", bad)
		}
	}
	for in, want := range map[string]int{"pbx": 0, "pbx:5060": 5060} {
		if _, port, ok := SplitHostPort(in); !ok || port != want {
			t.Errorf("%s: port %d, %v", in, port, ok)
		}
	}
	for _, bad := range []string{"pbx:", "pbx:0", "pbx:+1", "pbx:65536", "pbx:05060", ":5060", "a:1:2"} {
		if _, _, ok := SplitHostPort(bad); ok {
			t.Errorf("%q is taken", bad)
		}
	}
}

func TestOneLineRefusesControlCharacters(t *testing.T) {
	for _, good := range []string{"", "Bob", "Büro Nord", "会議室", "🙂 <a & b> \"x\""} {
		if err := OneLine(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for in, want := range map[string]string{"a\nb": "line break", "a\rb": "line break", "a\u2028b": "line break", "a\u0085b": "line break", "a\x00b": "U+0000", "a\tb": "U+0009", "\x7f": "U+007F", "\xff": "UTF-8"} {
		if err := OneLine(in); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", in, err, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for name, s := range samples() {
		f.Add(name, s.text)
	}
	f.Fuzz(func(t *testing.T, name, text string) {
		v, err := Parse(name, text)
		if err != nil {
			if v != nil {
				t.Errorf("%v beside error %v", v, err)
			}
			return
		}
		again, err := Parse(name, Print(v))
		if err != nil || !reflect.DeepEqual(again, v) {
			t.Errorf("%s: %#v prints as %q, which reads as %#v, %v", name, v, Print(v), again, err)
		}
		b, err := json.Marshal(Values{name: v})
		if err != nil {
			t.Fatal(err)
		}
		var back Values
		if err := errors.Join(json.Unmarshal(b, &back)); err != nil || !reflect.DeepEqual(back[name], v) {
			t.Errorf("%s: %#v is %#v after JSON, %v", name, v, back[name], err)
		}
	})
}
