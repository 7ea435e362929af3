package resolve

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"sync"

	"plugtone/provision/pack"
	"plugtone/provision/phonefile"
	"plugtone/provision/setting"
	"plugtone/provision/tz"
)

// ZoneMemo remembers in which files time zones have a place. That is found by rendering several times, and is the same for all
// phones with the same model and settings. It may be used from any goroutine.
type ZoneMemo struct {
	mu    sync.Mutex
	packs *pack.Set // what is known is of these
	has   map[zoneKey]bool
}

// zoneKey is what decides whether a time zone has a place in a phone's files: all that settings can do, and not who the phone is.
type zoneKey struct {
	vendor, model string
	settings      [sha256.Size]byte
	lines, year   int
}

// maxZones is how many results are remembered.
const maxZones = 8192

// leftOut is ZoneLeftOut.
func (m *ZoneMemo) leftOut(packs *pack.Set, vendor *pack.Vendor, p phonefile.Phone) []string {
	name, _ := p.Settings["time_zone"].(string)
	z, err := tz.Load(name)
	if err != nil || m == nil {
		return ZoneLeftOut(vendor, p)
	}
	key := zoneKey{vendor.ID, p.Model, settingsDigest(p), min(len(p.Lines), 1), p.Now.UTC().Year()}
	m.mu.Lock()
	if m.packs != packs || len(m.has) >= maxZones {
		m.packs, m.has = packs, map[zoneKey]bool{}
	}
	has, known := m.has[key]
	m.mu.Unlock()
	if !known {
		has = hasZone(vendor, p, z)
		m.mu.Lock()
		if m.packs == packs {
			m.has[key] = has
		}
		m.mu.Unlock()
	}
	return zoneLeftOut(vendor, z, name, has)
}

// settingsDigest returns a digest of the settings of a phone. The values of secrets, and its own name and password for the server,
// are left out: no time zone depends on them.
func settingsDigest(p phonefile.Phone) [sha256.Size]byte {
	h := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(p.Settings)) {
		v := p.Settings[name]
		if _, secret := v.(setting.Secret); secret || name == "provisioning_user" {
			v = ""
		}
		fmt.Fprintf(h, "%s=%v\x00", name, v)
	}
	for _, name := range slices.Sorted(maps.Keys(p.Extra)) {
		fmt.Fprintf(h, "\x01%s=%s\x00", name, p.Extra[name])
	}
	return [sha256.Size]byte(h.Sum(nil))
}
