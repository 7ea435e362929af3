package vendors_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"pgregory.net/rapid"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/provision/pack"
	"plugtone/provision/phonefile"
	"plugtone/provision/setting"
)

// A device is drawn as an operator would enter it, for no vendor in particular; a profile's keys and settings are part
// of what it comes to. fitted is what the vendor's model is given of it: as when the device is rendered, what the model
// can't have is left out.

// plainText is what operators mostly type.
func plainText() *rapid.Generator[string] {
	return rapid.StringMatching(`[A-Za-z0-9äöüß電話]([ ._-]?[A-Za-z0-9é]){0,12}`)
}

// wildText is what they might.
func wildText() *rapid.Generator[string] {
	return rapid.OneOf(plainText(), rapid.StringOfN(rapid.RuneFrom([]rune(printable())), 1, 40, -1))
}

// printable is every printable ASCII character, and some beyond.
func printable() string {
	var b strings.Builder
	for c := rune(0x20); c < 0x7f; c++ {
		b.WriteRune(c)
	}
	return b.String() + "äß€電😀\u00a0\u200f"
}

func drawDevice(t *rapid.T, text *rapid.Generator[string]) phonefile.Phone {
	p := phonefile.Phone{MAC: dhcp.MAC{0x02, 0, 0x5e, 1, 2, 3}, Label: text.Draw(t, "label"), Enabled: rapid.Bool().Draw(t, "enabled"), Assigned: true,
		ServerURL: rapid.SampledFrom([]string{"http://10.20.0.2/", "https://pbx.example.com:8443/prov/"}).Draw(t, "server"), Now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	for n := range rapid.IntRange(0, 20).Draw(t, "lines") {
		p.Lines = append(p.Lines, drawLine(t, text, n+1))
	}
	areas := []string{"line", "memory", "programmable", "expansion1", "expansion2", "expansion3"}
	taken := make(map[string]bool)
	for range rapid.IntRange(0, 40).Draw(t, "keys") {
		k := fleet.Key{Area: rapid.SampledFrom(areas).Draw(t, "area"), Slot: rapid.IntRange(1, 24).Draw(t, "slot"),
			Type: rapid.SampledFrom(keyTypes()).Draw(t, "type"), Line: rapid.IntRange(0, 4).Draw(t, "key's line"),
			Value: rapid.OneOf(rapid.StringMatching(`\*?[0-9]{1,6}`), text, rapid.Just("")).Draw(t, "value"), Label: rapid.OneOf(text, rapid.Just("")).Draw(t, "key's label")}
		if id := k.Area + string(rune(k.Slot)); !taken[id] {
			taken[id] = true
			p.Keys = append(p.Keys, k)
		}
	}
	slices.SortFunc(p.Keys, func(a, b fleet.Key) int {
		if a.Area != b.Area {
			return strings.Compare(a.Area, b.Area)
		}
		return a.Slot - b.Slot
	})
	for range rapid.IntRange(0, 5).Draw(t, "contacts") {
		number := func(name string) string { return rapid.StringMatching(`[+*]?[0-9]{2,12}#?`).Draw(t, name) }
		p.Contacts = append(p.Contacts, fleet.Contact{Name: text.Draw(t, "contact"), Number: number("number"), Mobile: number("mobile"),
			Home: number("home"), Group: rapid.OneOf(text, rapid.Just("")).Draw(t, "group")})
	}
	p.Settings = make(map[string]any)
	for _, d := range setting.All() {
		if rapid.Bool().Draw(t, "has "+d.Name) {
			p.Settings[d.Name] = drawSetting(t, d, text)
		}
	}
	return p
}

func drawLine(t *rapid.T, text *rapid.Generator[string], n int) phonefile.Account {
	maybe := func(name string, words ...string) string { return rapid.SampledFrom(append(words, "")).Draw(t, name) }
	number := rapid.StringMatching(`[0-9]{2,8}`).Draw(t, "number")
	return phonefile.Account{Position: n, Number: number, DisplayName: rapid.OneOf(text, rapid.Just("")).Draw(t, "display name"),
		AuthUser: rapid.OneOf(rapid.Just(number), text).Draw(t, "auth user"), Password: setting.Secret(text.Draw(t, "password")),
		Label: text.Draw(t, "line's label"), Voicemail: maybe("voicemail", "*97", "1571"), Shared: rapid.Bool().Draw(t, "shared"),
		Registrar: fleet.Registrar{Name: "main", Host: rapid.SampledFrom([]string{"pbx.example.com", "10.0.0.1"}).Draw(t, "host"), Port: rapid.IntRange(1, 65535).Draw(t, "port"),
			Transport: rapid.SampledFrom([]string{"udp", "tcp", "tls"}).Draw(t, "transport"), OutboundProxy: maybe("proxy", "proxy.example.com", "10.0.0.2:5070"),
			BackupHost: maybe("backup", "b.example.com", "10.0.0.3:5080"), RegisterExpires: setting.Duration(time.Duration(rapid.IntRange(60, 86400).Draw(t, "expires")) * time.Second)}}
}

func keyTypes() []string {
	return strings.Fields("line shared_line blf speed_dial intercom park pickup group_pickup voicemail dtmf url dnd forward transfer conference hold redial directory history multicast prefix none")
}

// drawSetting gives a value that the catalogue takes, in the form that records keep.
func drawSetting(t *rapid.T, d setting.Def, text *rapid.Generator[string]) any {
	switch d.Type {
	case setting.Bool:
		return rapid.Bool().Draw(t, d.Name)
	case setting.Int:
		return rapid.IntRange(d.Min, d.Max).Draw(t, d.Name)
	case setting.Time:
		if d.Off && rapid.Bool().Draw(t, d.Name+" off") {
			return time.Duration(0)
		}
		return time.Duration(rapid.IntRange(int(d.MinDuration/time.Second), int(d.MaxDuration/time.Second)).Draw(t, d.Name)) * time.Second
	case setting.Hidden:
		if d.Form == setting.Digits {
			return setting.Secret(rapid.StringMatching(`[0-9]{4,8}`).Draw(t, d.Name))
		}
		return setting.Secret(text.Draw(t, d.Name))
	case setting.Choice:
		return rapid.SampledFrom(d.Choices).Draw(t, d.Name)
	case setting.Choices:
		return rapid.Permutation(d.Choices).Draw(t, d.Name)[:rapid.IntRange(max(d.Min, 1), len(d.Choices)).Draw(t, d.Name+" count")]
	}
	words := map[setting.Form][]string{
		setting.Zone:        {"Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "Africa/Casablanca", "America/Sao_Paulo", "UTC", "Pacific/Auckland"},
		setting.Language:    {"de", "en", "fr", "en-GB", "fr-CA", "pt-BR"},
		setting.IPv4:        {"10.0.0.1", "192.0.2.1"},
		setting.Host:        {"time.example.com", "10.0.0.1"},
		setting.HostPort:    {"239.1.1.1:5004", "239.1.1.2:10000"},
		setting.HostOptPort: {"log.example.com", "10.0.0.9:514"},
		setting.URL:         {"http://10.0.0.1/book.xml?a=1&b=2", "https://x.example/"},
		setting.FileName:    {"fw.rom", "Ring1.wav"},
		setting.FileOrURL:   {"logo.png", "http://10.0.0.1/logo.png"},
		setting.Country:     {"DE", "GB", "US", "FR", "JP", "IS"},
		setting.Digits:      {"112", "911", "110"},
		setting.Number:      {"1002", "+4930123456", "*97"},
		setting.ActionURL:   {"registered=http://10.0.0.1/up?mac=$mac", "incoming=https://x.example/?a=1&b=2", "boot=http://10.0.0.1/"},
		setting.AlertRing:   {"external=Ring3.wav", "group a=2", "Bellcore-dr2=5"},
		setting.FeatureCode: {"dnd_on=*78", "dnd_off=*79", "forward_on=*72"},
		setting.SoftKeys:    {"idle=redial dir dnd", "held=resume"},
	}[d.Form]
	one := text
	if len(words) > 0 {
		one = rapid.SampledFrom(words)
	}
	if d.Type == setting.List {
		return rapid.SliceOfNDistinct(one, min(max(d.Min, 1), len(words)), min(d.Max, len(words)), rapid.ID).Draw(t, d.Name)
	}
	return one.Draw(t, d.Name)
}

// fitted is what a model is given of a device.
func fitted(v *pack.Vendor, model string, p phonefile.Phone) phonefile.Phone {
	p.Vendor, p.Model = v.ID, model
	p.Lines = slices.DeleteFunc(slices.Clone(p.Lines), func(l phonefile.Account) bool { return v.CheckLine(model, l.Position) != nil })
	p.Keys = slices.DeleteFunc(slices.Clone(p.Keys), func(k fleet.Key) bool { return v.CheckKey(model, k) != nil })
	settings := make(map[string]any)
	for name, val := range p.Settings {
		if v.CheckSetting(model, name, val) == nil {
			settings[name] = val
		}
	}
	p.Settings = settings
	return p
}

// proveAll renders every file of a phone and reads each back.
func proveAll(v *pack.Vendor, p phonefile.Phone) error {
	for _, n := range v.Files(p) {
		if n.File.Template == "" {
			continue
		}
		if _, err := v.RenderVerified(n.Name, p); err != nil && !errors.Is(err, phonefile.ErrNoContent) && !phonefile.IsRefusal(err) {
			return err
		}
	}
	return nil
}

// The same device as every model of every vendor: whatever it is, every file is valid.
func TestAnyDeviceAsEveryModel(t *testing.T) {
	for _, v := range load(t).Vendors() {
		t.Run(v.ID, func(t *testing.T) {
			for seed := range 3 {
				device := rapid.Custom(func(t *rapid.T) phonefile.Phone { return plainAccounts(drawDevice(t, plainText())) }).Example(seed)
				for _, m := range v.Models() {
					if err := proveAll(v, fitted(v, m.Name, device)); err != nil {
						t.Errorf("device %d: %v", seed, err)
					}
				}
			}
		})
	}
}

// plainAccounts takes spaces out of user names and passwords: some formats end a value at one, and say so when it is saved.
func plainAccounts(p phonefile.Phone) phonefile.Phone {
	for i := range p.Lines {
		l := &p.Lines[i]
		l.AuthUser = strings.ReplaceAll(l.AuthUser, " ", "_")
		l.Password = setting.Secret(strings.ReplaceAll(l.Password.Reveal(), " ", "_"))
	}
	for _, name := range []string{"admin_password", "user_password", "provisioning_user", "provisioning_password"} {
		switch v := p.Settings[name].(type) {
		case setting.Secret:
			p.Settings[name] = setting.Secret(strings.ReplaceAll(v.Reveal(), " ", "_"))
		case string:
			p.Settings[name] = strings.ReplaceAll(v, " ", "_")
		}
	}
	return p
}

func TestAnyDeviceRendersOrIsRefused(t *testing.T) {
	for _, v := range load(t).Vendors() {
		t.Run(v.ID, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				m := rapid.SampledFrom(v.Models()).Draw(t, "model")
				if err := proveAll(v, fitted(v, m.Name, plainAccounts(drawDevice(t, plainText())))); err != nil {
					t.Fatal(err)
				}
			})
		})
	}
}

// Any text in a field arrives as it is or is refused by name; it never breaks a file.
func TestAnyTextArrivesOrIsRefused(t *testing.T) {
	for _, v := range load(t).Vendors() {
		t.Run(v.ID, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				m := rapid.SampledFrom(v.Models()).Draw(t, "model")
				err := proveAll(v, fitted(v, m.Name, drawDevice(t, wildText())))
				if err != nil && !refusal(err) {
					t.Fatal(err)
				}
			})
		})
	}
}

// refusal reports whether an error names a value that a format can't carry.
func refusal(err error) bool {
	return strings.Contains(err.Error(), "which this file can't carry") || strings.Contains(err.Error(), "bytes long, allowed are")
}

// Each hostile character in each field of its own: what is refused is refused by name, what is taken reads back.
func TestEveryCharacterInEveryField(t *testing.T) {
	texts := []string{"a\nb", "a\r\nb", "a\tb", "a\x00b", "a\xffb", " a", "a ", "]]>", "<!--", "${x}", "%NULL%", "{{.Password}}", `\`, "😀"}
	for _, r := range printable() {
		if !strings.ContainsRune("0123456789", r) && !unicode.IsLetter(r) {
			texts = append(texts, "a"+string(r)+"b")
		}
	}
	texts = append(texts, "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz0123456789", "äß電")
	fields := map[string]func(*phonefile.Phone, string){
		"label":        func(p *phonefile.Phone, s string) { p.Label = s },
		"display name": func(p *phonefile.Phone, s string) { p.Lines[0].DisplayName = s },
		"line's label": func(p *phonefile.Phone, s string) { p.Lines[0].Label = s },
		"auth user":    func(p *phonefile.Phone, s string) { p.Lines[0].AuthUser = s },
		"password":     func(p *phonefile.Phone, s string) { p.Lines[0].Password = setting.Secret(s) },
		"voicemail":    func(p *phonefile.Phone, s string) { p.Lines[0].Voicemail = s },
		"key":          func(p *phonefile.Phone, s string) { p.Keys[0].Value, p.Keys[0].Label = s, s },
		"setting": func(p *phonefile.Phone, s string) {
			p.Settings = make(map[string]any)
			for _, d := range setting.All() {
				switch {
				case d.Type == setting.Hidden:
					p.Settings[d.Name] = setting.Secret(s)
				case d.Type == setting.Text && d.Form == "":
					p.Settings[d.Name] = s
				}
			}
		},
		"contact": func(p *phonefile.Phone, s string) {
			p.Settings = map[string]any{"phonebook": "all", "phonebook_name": s}
			p.Contacts = []fleet.Contact{{Name: s, Number: "1", Group: s}}
		},
		"parameter": func(p *phonefile.Phone, s string) { p.Extra = map[string]string{"x.y": s} },
	}
	for _, v := range load(t).Vendors() {
		t.Run(v.ID, func(t *testing.T) {
			for _, m := range coveringModels(v) {
				everyCharacter(t, v, m, texts, fields)
			}
		})
	}
}

// coveringModels are models that together have every template and format of a pack.
func coveringModels(v *pack.Vendor) []string {
	var out []string
	seen := make(map[string]bool)
	for _, m := range v.Models() {
		p := phonefile.Phone{MAC: dhcp.MAC{2, 0, 0, 0, 0, 1}, Vendor: v.ID, Model: m.Name, Enabled: true, Assigned: true, ServerURL: "http://10.20.0.2/",
			Settings: map[string]any{"phonebook": "all"}}
		fresh := false
		for _, n := range v.Files(p) {
			key := n.File.Template + " " + n.File.Format
			fresh = fresh || n.File.Template != "" && !seen[key]
			seen[key] = true
		}
		if fresh {
			out = append(out, m.Name)
		}
	}
	return out
}

func everyCharacter(t *testing.T, v *pack.Vendor, m string, texts []string, fields map[string]func(*phonefile.Phone, string)) {
	for name, set := range fields {
		taken := 0
		for _, text := range texts {
			p := phonefile.Phone{MAC: dhcp.MAC{2, 0, 0, 0, 0, 1}, Label: "x", Enabled: true, Assigned: true, ServerURL: "http://10.20.0.2/",
				Lines: []phonefile.Account{{Position: 1, Number: "1001", AuthUser: "1001", Password: "x", Label: "x", Registrar: fleet.Registrar{Host: "h", Port: 5060, Transport: "udp", RegisterExpires: setting.Duration(time.Hour)}}},
				Keys:  []fleet.Key{{Area: "line", Slot: 1, Type: "blf", Value: "1", Label: "l"}}}
			set(&p, text)
			if name == "parameter" && v.CheckExtra(m, "x.y", text) != nil {
				p.Extra = nil
			}
			err := proveAll(v, fitted(v, m, p))
			switch {
			case err == nil:
				taken++
			case !refusal(err) && !strings.Contains(err.Error(), "control character") && !strings.Contains(err.Error(), "not valid UTF-8"):
				t.Errorf("%s %q: %v", name, text, err)
			case strings.Contains(err.Error(), "secret") && name == "password":
				t.Errorf("%s %q: the error shows it: %v", name, text, err)
			}
		}
		if taken < len(texts)/3 {
			t.Errorf("%s: %s: only %d of %d texts are taken", m, name, taken, len(texts))
		}
	}
}
