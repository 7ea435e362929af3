package packcheck

import (
	"fmt"
	"slices"
	"time"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/provision/pack"
	"plugtone/provision/phonefile"
	"plugtone/provision/setting"
)

// plainPhone is a phone with these lines bound and nothing else set.
func plainPhone(v *pack.Vendor, m *phonefile.Model, lines ...int) phonefile.Phone {
	p := phonefile.Phone{MAC: dhcp.MAC{0x02, 0, 0x5e, 0x10, 0, 1}, Vendor: v.ID, Model: m.Name, Label: "Phone", Enabled: true, Assigned: true, Beyond: true,
		ServerURL: "http://10.20.0.2/", Server: "10.20.0.2", Now: referenceTime(), Contacts: []fleet.Contact{{Name: "Bob", Number: "1002"}}}
	for _, n := range lines {
		number := fmt.Sprint(1000 + n)
		p.Lines = append(p.Lines, phonefile.Account{Position: n, Number: number, DisplayName: "Name " + number, AuthUser: "auth" + number,
			Password: setting.Secret("password" + number), Label: "Label " + number,
			Registrar: fleet.Registrar{Name: "main", Host: "pbx.example.com", Port: 5060, Transport: "udp", RegisterExpires: setting.Duration(time.Hour)}})
	}
	return p
}

// allLines are the positions of a model's lines, as far as devices can have them.
func allLines(m *phonefile.Model) []int {
	out := make([]int, min(m.Lines, fleet.MaxLines))
	for i := range out {
		out[i] = i + 1
	}
	return out
}

// fullPhone is a phone with everything that the model accepts: every line with every member, a key in every slot, every
// setting.
func (c *carriedCheck) fullPhone(m *phonefile.Model) phonefile.Phone {
	p := plainPhone(c.vendor, m, allLines(m)...)
	for i := range p.Lines {
		for _, member := range phonefile.LineMembers() {
			if member.Name != "tls" { // some templates refuse it
				member.Switch(&p.Lines[i])
			}
		}
	}
	types := m.KeyTypes()
	next := 0
	for _, area := range sortedAreas(m) {
		for slot := range m.Areas()[area] {
			for range types {
				next++
				if k, ok := keyFor(m, area, slot+1, types[next%len(types)]); ok && k.Type != "none" {
					p.Keys = append(p.Keys, k)
					break
				}
			}
		}
	}
	p.Settings = make(map[string]any)
	for _, name := range c.vendor.SettingNames() {
		if values := c.values(m, name); len(values) > 0 {
			p.Settings[name] = values[0]
		}
	}
	return p
}

// values returns values of a setting that the model accepts.
func (c *carriedCheck) values(m *phonefile.Model, name string) []any {
	def, _ := setting.Lookup(name)
	values := sampleValues(def)
	switch def.Type {
	case setting.Bool:
		values = append(values, false)
	case setting.Time:
		values = append(values, def.MinDuration)
	case setting.Int:
		values = append(values, def.Max)
	case setting.Text:
		values = slices.Concat(c.vendor.Words(name), values)
	}
	return slices.DeleteFunc(values, func(val any) bool { return c.vendor.CheckSetting(m.Name, name, val) != nil })
}

// keyFor makes a key of a type in a slot; ok is false when the model has none there.
func keyFor(m *phonefile.Model, area string, slot int, kind string) (k fleet.Key, ok bool) {
	k = fleet.Key{Area: area, Slot: slot, Type: kind, Value: "1234", Label: "Key", Line: 1}
	switch kind {
	case "none":
		k.Value, k.Label, k.Line = "", "", 0
	case "url":
		k.Value = "http://example.com/a"
	case "multicast":
		k.Value = "239.1.1.1:5004"
	}
	return k, m.AcceptsKey(k)
}
