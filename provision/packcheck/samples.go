package packcheck

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/provision/pack"
	"plugtone/provision/phonefile"
	"plugtone/provision/setting"
)

// Sample is a phone made up for trying a pack.
type Sample struct {
	Name  string
	Phone phonefile.Phone
}

// Samples makes phones that try a model's files: the least, everything at once, disabled, and waiting for a record.
func Samples(v *pack.Vendor, m *phonefile.Model) []Sample {
	least := phonefile.Phone{MAC: dhcp.MAC{0x02, 0, 0x5e, 0x10, 0, 1}, Vendor: v.ID, Model: m.Name, Label: "Phone", Enabled: true, Assigned: true,
		ServerURL: "http://10.20.0.2/", Server: "10.20.0.2", Lines: []phonefile.Account{sampleLine(1, "udp")}, Now: referenceTime()}
	full := least
	full.Label = `Front "Desk" & <Süd> 'B' 電話 😀`
	full.ServerURL, full.Server = "https://pbx.example.com:8443/prov/", "pbx.example.com"
	full.Lines = nil
	password := setting.Secret(withoutRefused(v, `p&a<s>s"w'o;r=d#1\`))
	for n := range m.Lines {
		l := sampleLine(n+1, []string{"udp", "tcp", "tls"}[n%3])
		l.DisplayName, l.Password = `Ann "O'Neil" & Söhne <1>`, password
		l.Label, l.Voicemail, l.Shared = "Büro & Co", "*97", n%2 == 1
		l.Registrar.OutboundProxy, l.Registrar.BackupHost = "proxy.example.com:5070", "backup.example.com"
		full.Lines = append(full.Lines, l)
	}
	full.Keys = sampleKeys(v, m)
	full.Settings = sampleSettings(v, m)
	full.Contacts = []fleet.Contact{{Name: "Bob", Number: "1002"}, {Name: `Ann "O'Neil" & Söhne <1> 😀`, Number: "+4930123456", Mobile: "*1#", Home: "99", Group: "R&D <2>"}}
	tls := full
	tls.Keys = nil
	tls.Settings = maps.Clone(full.Settings)
	tls.Settings["time_zone"] = "Asia/Kolkata"
	disabled, hold := full, least
	disabled.Enabled = false
	hold.Assigned, hold.Lines = false, nil
	return []Sample{{"least", least}, {"full", full}, {"no daylight saving", tls}, {"disabled", disabled}, {"on hold", hold}}
}

// withoutRefused removes from a password the characters that a format of the pack refuses: an operator who enters one gets an error. Texts for
// the display keep all characters, which templates must escape.
func withoutRefused(v *pack.Vendor, s string) string {
	for _, f := range v.Document().Formats {
		s = strings.Map(func(r rune) rune {
			if strings.ContainsRune(f.Refuse, r) {
				return -1
			}
			return r
		}, s)
	}
	return s
}

func sampleLine(n int, transport string) phonefile.Account {
	number := fmt.Sprint(1000 + n)
	return phonefile.Account{Position: n, Number: number, AuthUser: number, Password: "secret", Label: number,
		Registrar: fleet.Registrar{Name: "main", Host: "pbx.example.com", Port: 5060, Transport: transport, RegisterExpires: setting.Duration(time.Hour)}}
}

// sampleKeys fills the model's areas with its key types in turn.
func sampleKeys(v *pack.Vendor, m *phonefile.Model) []fleet.Key {
	var out []fleet.Key
	types := m.KeyTypes()
	next := 0
	areas := m.Areas()
	for _, area := range slices.Sorted(maps.Keys(areas)) {
		for slot := range min(areas[area], len(types)+2) {
			for range types {
				k := fleet.Key{Area: area, Slot: slot + 1, Type: types[next%len(types)], Value: "1234", Label: "Key"}
				next++
				if t := m.Types[k.Type]; t != nil && !strings.ContainsAny("&<ü", t.Refuse) {
					k.Label = "K & <ü>"
				}
				if k.Type == "url" {
					k.Value = "http://example.com/a?b=c"
				}
				if k.Type == "line" || k.Type == "shared_line" {
					k.Line = slot%m.Lines + 1
				}
				if v.CheckKey(m.Name, k) == nil {
					out = append(out, k)
					break
				}
			}
		}
	}
	return out
}

// sampleSettings gives every setting of the catalogue a value that the vendor takes.
func sampleSettings(v *pack.Vendor, m *phonefile.Model) map[string]any {
	out := make(map[string]any)
	for _, def := range setting.All() {
		for _, val := range sampleValues(def) {
			if v.CheckSetting(m.Name, def.Name, val) == nil {
				out[def.Name] = val
				break
			}
		}
	}
	return out
}

func sampleValues(def setting.Def) []any {
	switch def.Type {
	case setting.Bool:
		return []any{true}
	case setting.Int:
		return []any{max(def.Min, 1)}
	case setting.Time:
		return []any{max(def.MinDuration, time.Hour)}
	case setting.Hidden:
		if def.Form != "" {
			return []any{setting.Secret(def.Form.Example())}
		}
		return []any{setting.Secret(`s3cr<&>et`), setting.Secret("s3cret")}
	case setting.Choice:
		out := make([]any, len(def.Choices))
		for i, c := range def.Choices {
			out[i] = c
		}
		return out
	case setting.Choices:
		return []any{def.Choices, def.Choices[:max(def.Min, 2)], def.Choices[:1]}
	case setting.List:
		return []any{[]string{def.Form.Example()}}
	}
	switch def.Form {
	case setting.Language:
		return []any{"de", "en"}
	case setting.Country:
		return []any{"DE", "US"}
	case setting.HostOptPort:
		return []any{"10.20.0.3:514", "10.20.0.3"}
	}
	return []any{def.Form.Example()}
}

// referenceTime is "now" where a sample phone needs a time.
func referenceTime() time.Time { return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC) }
