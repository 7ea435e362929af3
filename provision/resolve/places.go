package resolve

import (
	"bytes"
	"maps"
	"sync"
	"time"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/provision/pack"
	"plugtone/provision/phonefile"
	"plugtone/provision/setting"
	"plugtone/provision/tz"
)

// Places remembers what the files of phones have a place for. That is found by rendering several times: time zones are the same for all
// phones with the same model and settings, labels and lines of keys for all keys of a type in a slot of a model. It may be used from any
// goroutine. nil remembers nothing.
type Places struct {
	mu    sync.Mutex
	packs *pack.Set // what is known is of these
	has   map[any]bool
}

// zoneKey is what decides whether a time zone has a place in a phone's files: all that settings can do, and not who the phone is.
type zoneKey struct {
	settings    uint64 // shape of modelAndSettings
	lines, year int
}

// keyPlace is what decides whether a member of keys has a place in a phone's files.
type keyPlace struct {
	vendor, model, area, kind, member string
	slot                              int
}

// maxPlaces is how many results are remembered.
const maxPlaces = 16384

// remember returns what find returned for the key before, or returns now. What find does not know isn't stored.
func (m *Places) remember(packs *pack.Set, key any, find func() (has, known bool)) bool {
	if m == nil {
		has, _ := find()
		return has
	}
	m.mu.Lock()
	if m.packs != packs || len(m.has) >= maxPlaces {
		m.packs, m.has = packs, map[any]bool{}
	}
	has, known := m.has[key]
	m.mu.Unlock()
	if known {
		return has
	}
	has, known = find()
	m.mu.Lock()
	defer m.mu.Unlock()
	if known && m.packs == packs {
		m.has[key] = has
	}
	return has
}

// zone is ZoneLeftOut.
func (m *Places) zone(packs *pack.Set, vendor *pack.Vendor, p phonefile.Phone) []string {
	name, _ := p.Settings["time_zone"].(string)
	z, err := tz.Load(name)
	if err != nil {
		return nil
	}
	key := zoneKey{shape(modelAndSettings(p)), min(len(p.Lines), 1), p.Now.UTC().Year()}
	return zoneLeftOut(vendor, z, name, m.remember(packs, key, func() (bool, bool) { return hasZone(vendor, p, z) }))
}

// lacksLabel reports whether the files of a key's model have no place for its label.
func (m *Places) lacksLabel(packs *pack.Set, vendor *pack.Vendor, model string, k fleet.Key) bool {
	return m.lacks(packs, vendor, model, k, "label", func(k *fleet.Key) { k.Label = "Other" })
}

// lacksLine reports whether the files of a key's model have no place for its line.
func (m *Places) lacksLine(packs *pack.Set, vendor *pack.Vendor, model string, k fleet.Key) bool {
	return m.lacks(packs, vendor, model, k, "line", func(k *fleet.Key) { k.Line = 2 })
}

// lacks reports whether a member of a key makes no difference in the files of a phone that has two lines and this key alone.
func (m *Places) lacks(packs *pack.Set, vendor *pack.Vendor, model string, k fleet.Key, member string, set func(*fleet.Key)) bool {
	return !m.remember(packs, keyPlace{vendor.ID, model, k.Area, k.Type, member, k.Slot}, func() (has, known bool) {
		p := withServer(phonefile.Phone{MAC: dhcp.MAC{0x02, 0, 0x5e, 0x10, 0, 1}, Vendor: vendor.ID, Model: model, Enabled: true, Assigned: true, Beyond: true,
			Settings: map[string]any{}, Now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)})
		for _, n := range []string{"1001", "1002"} {
			p.Lines = append(p.Lines, phonefile.Account{Position: len(p.Lines) + 1, Number: n, AuthUser: n, Label: n, Registrar: fleet.Registrar{Name: "main", Host: "pbx.example.com", Port: 5060, Transport: "udp"}})
		}
		k.Label, k.Line = "Key", 1
		p.Keys = []fleet.Key{k}
		plain := filesOf(vendor, p, phonefile.KindDevice)
		set(&k)
		p.Keys = []fleet.Key{k}
		return plain == nil || !bytes.Equal(plain, filesOf(vendor, p, phonefile.KindDevice)), plain != nil
	})
}

// modelAndSettings returns a phone with the vendor, model, settings and parameters of p alone, without secrets and its own name for the server: no
// time zone depends on the rest.
func modelAndSettings(p phonefile.Phone) phonefile.Phone {
	settings := maps.Clone(p.Settings)
	maps.DeleteFunc(settings, func(name string, v any) bool {
		_, secret := v.(setting.Secret)
		return secret || name == "provisioning_user"
	})
	return phonefile.Phone{Vendor: p.Vendor, Model: p.Model, Settings: settings, Extra: p.Extra}
}
