package pack_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/fstest"

	"plugtone/dhcp"
	. "plugtone/provision/pack"
	"plugtone/provision/phonefile"
)

func TestResolveFilesOfARequestedName(t *testing.T) {
	s := acmeSet(t)
	show := func(ms []phonefile.Match) string {
		var out []string
		for _, m := range ms {
			s := fmt.Sprintf("%s %s %s", m.Vendor, m.Kind, m.File.Name)
			if !m.MAC.IsZero() {
				s += " " + m.MAC.String()
			}
			if m.Models != nil {
				s += " " + strings.Join(m.Models, "+")
			}
			if m.Model != "" {
				s += " =" + m.Model
			}
			out = append(out, s)
		}
		return strings.Join(out, "; ")
	}
	for name, want := range map[string]string{
		"02ac3e00001f.cfg":                "acme device cfg/{MAC}.cfg 02:ac:3e:00:00:1f; other device {mac}.cfg 02:ac:3e:00:00:1f",
		"/02AC3E00001F.CFG":               "acme device cfg/{MAC}.cfg 02:ac:3e:00:00:1f; other device {mac}.cfg 02:ac:3e:00:00:1f",
		"//cfg\\02ac3e00001f.cfg":         "acme device cfg/{MAC}.cfg 02:ac:3e:00:00:1f",
		"cfg//02ac3e00001f.cfg":           "acme device cfg/{MAC}.cfg 02:ac:3e:00:00:1f",
		"Common001.cfg":                   "acme common common{number}.cfg A1 =A1",
		"common002.cfg":                   "acme common common{number}.cfg A-2+A3",
		"common003.cfg":                   "",
		"02ac3e00001f-keys.cfg":           "acme device {mac}-keys.cfg 02:ac:3e:00:00:1f A-2+A3",
		"pictures/a/b.png":                "acme static pictures/{path}",
		"onions.cfg":                      "other none o{any}.cfg",
		"000000000000.cfg":                "",
		"ffffffffffff.cfg":                "",
		"02ac3e00001.cfg":                 "",
		"x02ac3e00001f.cfg":               "",
		"02ac3e00001f.cfg\n":              "",
		"../02ac3e00001f.cfg":             "",
		"":                                "",
		"///":                             "",
		strings.Repeat("o", 600) + ".cfg": "",
	} {
		if got := show(s.Resolve(name)); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}

func FuzzResolve(f *testing.F) {
	f.Add("/02ac3e00001f.cfg")
	f.Add("a\\..//\x00%2f")
	s := acmeSet(f)
	f.Fuzz(func(t *testing.T, name string) {
		for _, m := range s.Resolve(name) {
			if strings.HasPrefix(m.Name, "/") || strings.Contains(m.Name, `\`) || strings.Contains(m.Name, "//") {
				t.Errorf("%q is not clean: %q", name, m.Name)
			}
		}
	})
}

func TestIdentifyByEveryKindOfEvidence(t *testing.T) {
	s := acmeSet(t)
	for _, tt := range []struct {
		name                        string
		e                           Evidence
		vendor, model, reported, fw string
		conflicts                   int
		reason                      string
	}{
		{"nothing", Evidence{}, "", "", "", "", 0, ""},
		{"a laptop", Evidence{MAC: dhcp.MAC{0x02, 0, 0, 0, 0, 1}, VendorClass: "MSFT 5.0", Hostname: "laptop"}, "", "", "", "", 0, ""},
		{"option 60", Evidence{VendorClass: "Acme a-2"}, "acme", "A-2", "A-2", "", 0, `recognised as acme by option60 "Acme a-2"`},
		{"with NUL", Evidence{VendorClass: "Acme A1\x00"}, "acme", "A1", "A1", "", 0, ""},
		{"unknown model", Evidence{VendorClass: "Acme A77"}, "acme", "", "A77", "", 0, ""},
		{"user agent", Evidence{MAC: testMAC, UserAgent: "Acme A1 1.2.3 02:ac:3e:00:00:1f"}, "acme", "A1", "A1", "1.2.3", 0, "by user_agent"},
		{"models differ", Evidence{VendorClass: "Acme A-2", UserAgent: "Acme A1 1.2.3 02:ac:3e:00:00:1f"}, "acme", "A1", "A1", "1.2.3", 1, ""},
		{"MACs differ", Evidence{MAC: dhcp.MAC{2, 0xac, 0x3e, 9, 9, 9}, UserAgent: "Acme A1 1.2.3 02:ac:3e:00:00:1f"}, "acme", "A1", "A1", "1.2.3", 1, ""},
		{"vendors differ", Evidence{VendorClass: "other", UserAgent: "Acme A1 1.2.3 02:ac:3e:00:00:1f"}, "acme", "A1", "A1", "1.2.3", 1, ""},
		{"OUI alone", Evidence{MAC: testMAC}, "acme", "", "", "", 0, `by oui "02:ac:3e"`},
		{"half byte OUI", Evidence{MAC: dhcp.MAC{2, 0xac, 0x3f, 0x0f, 0, 1}}, "acme", "", "", "", 0, ""},
		{"other half", Evidence{MAC: dhcp.MAC{2, 0xac, 0x3f, 0x1f, 0, 1}}, "", "", "", "", 0, ""},
		{"OUI of another", Evidence{MAC: testMAC, VendorClass: "other"}, "other", "", "", "", 0, ""},
		{"shared name, OUI decides", Evidence{MAC: testMAC, FileName: "/02ac3e00001f.cfg"}, "acme", "", "", "", 0, "by filename"},
		{"shared name, other OUI", Evidence{MAC: dhcp.MAC{2, 0xaa, 0xaa, 0, 0, 1}, FileName: "02aaaa000001.cfg"}, "other", "", "", "", 0, ""},
		{"shared name alone", Evidence{FileName: "02bbbb000001.cfg"}, "", "", "", "", 0, ""},
		{"own name", Evidence{FileName: "common001.cfg"}, "acme", "A1", "A1", "", 0, ""},
		{"host name", Evidence{Hostname: "acme-77"}, "acme", "", "", "", 0, ""},
		{"option 124", Evidence{VIVC: "\x00\x00\x01\x02\x04abcd"}, "acme", "", "", "", 0, ""},
		{"option 55", Evidence{Params: []uint8{1, 3, 66, 160}}, "acme", "", "", "", 0, ""},
	} {
		id := s.Identify(tt.e)
		if id.Vendor != tt.vendor || id.Model != tt.model || id.ReportedModel != tt.reported || id.Firmware != tt.fw || len(id.Conflicts) != tt.conflicts || !strings.Contains(id.Reason, tt.reason) {
			t.Errorf("%s: %+v", tt.name, id)
		}
	}
}

// What the network sends is shown without control characters and never at length.
func TestIdentifyShowsSafely(t *testing.T) {
	id := acmeSet(t).Identify(Evidence{VendorClass: "Acme \x1b[31m" + strings.Repeat("x", 500)})
	if strings.ContainsRune(id.Reason, 0x1b) || len(id.Reason) > 300 {
		t.Errorf("%q", id.Reason)
	}
}

func TestOptionsOfAModelInASubnet(t *testing.T) {
	v := acmeVendor(t)
	show := func(model string, site dhcp.Site) string {
		o, err := v.Options(model, testMAC, site)
		if err != nil {
			return err.Error()
		}
		var out []string
		for _, opt := range o.List {
			s := fmt.Sprintf("%d=%q", opt.Code, opt.Data)
			if opt.Force {
				s += "!"
			}
			out = append(out, s)
		}
		if !o.Quirks.NoClientIDEcho || o.Quirks.NULTerminate {
			t.Errorf("quirks %+v", o.Quirks)
		}
		return strings.Join(out, " ")
	}
	site := dhcp.Site{NextServer: netip.MustParseAddr("10.20.0.2"), ProvisioningURL: "http://pbx:8080/p/"}
	tail := `150="\n\x14\x00\x02\n\x00\x00\t" 43="B\x12http://pbx:8080/p\x00\xff" 125="\x00\x00\x01\x02\x05\x01\x03pbx" 128="\x01\n\xff"`
	head := `67="cfg/02AC3E00001F\x00" `
	for _, tt := range []struct {
		model string
		vlan  int
		want  string
	}{
		{"A1", 0, `66="http://pbx:8080/p/"! ` + head + tail},
		{"A-2", 0, `66="http://pbx:8080/p/002"! ` + head + tail},
		{"", 0, `66="http://pbx:8080/p/"! ` + head + tail},
		{"A1", 20, `66="http://pbx:8080/p/"! ` + head + `150="\n\x14\x00\x02\n\x00\x00\t" 132="\x00\x14" 43="B\x12http://pbx:8080/p\x00\x84\x0220\xff" 125="\x00\x00\x01\x02\x05\x01\x03pbx" 128="\x01\n\xff"`},
	} {
		site.VoiceVLAN = tt.vlan
		if got := show(tt.model, site); got != tt.want {
			t.Errorf("%s vlan %d:\n%s\nwant\n%s", tt.model, tt.vlan, got, tt.want)
		}
	}
	if got := show("A1", dhcp.Site{ProvisioningURL: "http://pbx/"}); strings.Contains(got, "150=") {
		t.Errorf("an unknown address: %s", got)
	}
	if got := show("A1", dhcp.Site{ProvisioningURL: "pbx"}); !strings.Contains(got, "must be a URL") {
		t.Error(got)
	}
	if got := show("A1", dhcp.Site{ProvisioningURL: "http://" + strings.Repeat("x", 250) + "/"}); !strings.Contains(got, "at most 255") {
		t.Error(got)
	}
}

// The table of prefixes has the lowest rank, counts only for vendors that have a pack, and is parsed strictly.
func TestOUITableHasTheLowestRank(t *testing.T) {
	files := acmeFS()
	files["oui.csv"] = &fstest.MapFile{Data: []byte("# of a day\n0a0b0c,acme\n0a0b0d,missing\n0a0b0c1,other\n")}
	s, err := Load(Config{Builtin: files})
	if err != nil {
		t.Fatal(err)
	}
	for mac, want := range map[string]string{"0a:0b:0c:00:00:01": "acme", "0a:0b:0d:00:00:01": "", "0a:0b:0e:00:00:01": ""} {
		m, err := dhcp.ParseMAC(mac)
		if err != nil {
			t.Fatal(err)
		}
		if id := s.Identify(Evidence{MAC: m}); id.Vendor != want || want != "" && (id.Rank != RankOUI || id.Clues[0].Confidence != "medium") {
			t.Errorf("%s: %+v", mac, id)
		}
	}
	for text, want := range map[string]string{"0a0b,acme\n": `row 1: "0a0b" must be a prefix`, "0a0b0c\n": "oui.csv: "} {
		files["oui.csv"] = &fstest.MapFile{Data: []byte(text)}
		if _, err := Load(Config{Builtin: files}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
}
