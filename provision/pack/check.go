package pack

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"path"
	"slices"
	"strings"
	"time"

	"plugtone/dhcp"
	"plugtone/provision/setting"
)

// Check renders every file of every model for sample phones and parses the results. Its error joins every fault.
// A fault that several models have is told once.
func (v *Vendor) Check() error {
	type finding struct {
		what, sample string
		models       []string
	}
	var found []*finding
	for _, m := range append(slices.Clone(v.models), v.generic) {
		for _, s := range v.Samples(m) {
			err := v.checkPhone(m, s.Phone, s.Name == "least")
			if err == nil {
				continue
			}
			name := cmp.Or(m.Name, "unknown")
			what := v.located(err)
			i := slices.IndexFunc(found, func(f *finding) bool { return f.what == what && f.sample == s.Name })
			if i >= 0 {
				found[i].models = append(found[i].models, name)
			} else if len(found) < 20 {
				found = append(found, &finding{what, s.Name, []string{name}})
			}
			break // the next sample would mostly tell the same
		}
	}
	var errs []error
	for _, f := range found {
		models := "model " + f.models[0]
		if n := len(f.models) - 1; n > 0 {
			models += fmt.Sprintf(" and %d more", n)
		}
		errs = append(errs, fmt.Errorf("%s (%s, sample phone %q)", f.what, models, f.sample))
	}
	return errors.Join(errs...)
}

// fileError is an error in rendering one file of a pack.
type fileError struct {
	file *File
	err  error
}

func (e *fileError) Error() string { return "file " + e.file.Name + ": " + e.err.Error() }
func (e *fileError) Unwrap() error { return e.err }

// located puts the file and the line before what is wrong: of the template where it is known, else of vendor.yaml.
func (v *Vendor) located(err error) string {
	yaml := path.Join(v.Dir, "vendor.yaml")
	var f *fileError
	if !errors.As(err, &f) {
		return yaml + ": " + err.Error()
	}
	if placed, ok := templatePath(v.origin, f.err.Error()); ok {
		return placed
	}
	if f.file.line == 0 {
		return yaml + ": " + f.Error()
	}
	return fmt.Sprintf("%s:%d: %s", yaml, f.file.line, f.Error())
}

// checkPhone renders all files of a phone. The least phone must not be refused by a template.
func (v *Vendor) checkPhone(m *Model, p Phone, least bool) error {
	for _, f := range v.Files(p) {
		if !f.File.renders() {
			continue
		}
		out, params, err := v.renderFile(f.File, m, p)
		if IsRefusal(err) && !least || errors.Is(err, ErrNoContent) {
			continue // the template says what a phone can't be; it must be able to be something
		}
		if err != nil {
			return &fileError{f.File, err}
		}
		if err := f.File.verify(out, params); err != nil {
			return &fileError{f.File, err}
		}
	}
	site := dhcp.Site{NextServer: netip.AddrFrom4([4]byte{10, 20, 0, 2}), ProvisioningURL: p.ServerURL, VoiceVLAN: 20}
	_, err := v.Options(m.Name, p.MAC, site)
	return err
}

// Sample is a phone made up for trying a pack.
type Sample struct {
	Name  string
	Phone Phone
}

// Samples makes phones that try a model's files: the least, everything at once, disabled, and waiting for a record.
func (v *Vendor) Samples(m *Model) []Sample {
	least := Phone{MAC: dhcp.MAC{0x02, 0, 0x5e, 0x10, 0, 1}, Vendor: v.ID, Model: m.Name, Label: "Phone", Enabled: true, Assigned: true,
		ServerURL: "http://10.20.0.2/", Server: "10.20.0.2", Lines: []Line{sampleLine(1, "udp")}, Now: referenceTime()}
	full := least
	full.Label = `Front "Desk" & <Süd> 'B' 電話 😀`
	full.ServerURL, full.Server = "https://pbx.example.com:8443/prov/", "pbx.example.com"
	full.Lines = nil
	password := Secret(v.withoutRefused(`p&a<s>s"w'o;r=d#1\`))
	for n := range m.Lines {
		l := sampleLine(n+1, []string{"udp", "tcp", "tls"}[n%3])
		l.DisplayName, l.Password = `Ann "O'Neil" & Söhne <1>`, password
		l.Label, l.Voicemail, l.Shared = "Büro & Co", "*97", n%2 == 1
		l.Registrar.OutboundProxy, l.Registrar.BackupHost = "proxy.example.com:5070", "backup.example.com"
		full.Lines = append(full.Lines, l)
	}
	full.Keys = v.sampleKeys(m)
	full.Settings = v.sampleSettings(m)
	full.Contacts = []Contact{{Name: "Bob", Number: "1002"}, {Name: `Ann "O'Neil" & Söhne <1> 😀`, Number: "+4930123456", Mobile: "*1#", Home: "99", Group: "R&D <2>"}}
	tls := full
	tls.Keys = nil
	tls.Settings = maps.Clone(full.Settings)
	tls.Settings["time_zone"] = "Asia/Kolkata"
	disabled, hold := full, least
	disabled.Enabled = false
	hold.Assigned, hold.Lines = false, nil
	return []Sample{{"least", least}, {"full", full}, {"no daylight saving", tls}, {"disabled", disabled}, {"on hold", hold}}
}

// withoutRefused takes out of a password what some format of the pack refuses: there the operator is told so. Texts for the
// display stay wild, templates have to cope with them.
func (v *Vendor) withoutRefused(s string) string {
	for _, f := range v.doc.Formats {
		s = strings.Map(func(r rune) rune {
			if strings.ContainsRune(f.Refuse, r) {
				return -1
			}
			return r
		}, s)
	}
	return s
}

func sampleLine(n int, transport string) Line {
	number := fmt.Sprint(1000 + n)
	return Line{Position: n, Number: number, AuthUser: number, Password: "secret", Label: number,
		Registrar: Registrar{Name: "main", Host: "pbx.example.com", Port: 5060, Transport: transport, RegisterExpires: time.Hour}}
}

// sampleKeys fills the model's areas with its key types in turn.
func (v *Vendor) sampleKeys(m *Model) []Key {
	var out []Key
	types := m.KeyTypes()
	next := 0
	areas := m.Areas()
	for _, area := range slices.Sorted(maps.Keys(areas)) {
		for slot := range min(areas[area], len(types)+2) {
			for range types {
				k := Key{Area: area, Slot: slot + 1, Type: types[next%len(types)], Value: "1234", Label: "Key"}
				next++
				if t := m.types[k.Type]; t != nil && !strings.ContainsAny("&<ü", t.Refuse) {
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
func (v *Vendor) sampleSettings(m *Model) map[string]any {
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
		return []any{Secret(`s3cr<&>et`), Secret("s3cret")}
	case setting.Choice:
		out := make([]any, len(def.Choices))
		for i, c := range def.Choices {
			out[i] = c
		}
		return out
	case setting.Choices:
		return []any{def.Choices, def.Choices[:max(def.Min, 2)], def.Choices[:1]}
	case setting.List:
		texts := map[string]string{"dns_servers": "10.20.0.1", "multicast_listen": "239.1.1.1:5004", "firmware": "fw.rom"}
		item := texts[def.Name]
		if item == "" {
			item = "time.example.com"
		}
		return []any{[]string{item}}
	}
	switch def.Name {
	case "time_zone":
		return []any{"Europe/Berlin"}
	case "language":
		return []any{"de", "en"}
	case "phonebook_url":
		return []any{"http://10.20.0.2/book.xml?a=1&b=2"}
	case "syslog_server":
		return []any{"10.20.0.3:514", "10.20.0.3"}
	}
	return []any{"x"}
}
