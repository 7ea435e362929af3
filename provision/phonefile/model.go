package phonefile

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"plugtone/provision/fleet"
	"plugtone/provision/packdoc"
)

// Model is what phones of one model can do, all that it inherits filled in.
type Model struct {
	Name         string // "" for the generic model
	Aliases      []string
	Families     []string // nearest first
	Lines        int
	Keys         map[string]int // area to number of keys, without expansion modules
	Expansion    packdoc.Expansion
	Vars         map[string]string
	Note         string
	Types        map[string]*packdoc.KeyType
	Lacks        Lacks   // what its files do not carry, although others of the pack do
	DomainAsHost bool    // a SIP domain other than the host takes the host's place, see serverOf
	Uncertain    bool    // its numbers of lines and keys are not certain
	Minimum      Minimum // of the generic model: what every model has

	vendor    string                       // its name, for errors about the generic model
	synthetic bool                         // made for one phone
	empty     func() map[string][]*keyView // every slot of every area with nothing set; shared by all phones
}

// Minimum is how many lines and keys all models of a vendor have.
type Minimum struct {
	Lines int
	Keys  map[string]int // by area
}

// KeyTypes returns every key type that there is, in the order in which they are listed.
func KeyTypes() []string {
	return []string{"line", "shared_line", "blf", "speed_dial", "intercom", "park", "pickup", "group_pickup", "voicemail", "dtmf",
		"url", "dnd", "forward", "transfer", "conference", "hold", "redial", "directory", "history", "multicast", "prefix", "none"}
}

// KeyAreas returns the key areas that a model counts itself; expansion areas come from its modules.
func KeyAreas() []string { return []string{"line", "memory", "programmable"} }

// Is reports whether the model is called name or belongs to a family called so.
func (m *Model) Is(name string) bool {
	return m.Name == name || slices.Contains(m.Families, name)
}

// IsAny reports whether the model is one of the names, which may be families or models; no names are all models.
func (m *Model) IsAny(names []string) bool {
	return len(names) == 0 || slices.ContainsFunc(names, m.Is)
}

// title is how errors name the model.
func (m *Model) title() string { return cmp.Or(m.Name, m.vendor) }

// Areas returns the key areas of the model with their number of keys.
func (m *Model) Areas() map[string]int {
	out := maps.Clone(m.Keys)
	if out == nil {
		out = make(map[string]int)
	}
	for i := range m.Expansion.Modules {
		out[fmt.Sprintf("expansion%d", i+1)] = m.Expansion.Keys
	}
	return out
}

// KeyTypes returns the key types that the model has, in the order in which they are listed.
func (m *Model) KeyTypes() []string {
	var out []string
	for _, t := range KeyTypes() {
		if m.Types[t] != nil || t == "none" {
			out = append(out, t)
		}
	}
	return out
}

// CheckLine returns why the model can't have this line position.
func (m *Model) CheckLine(position int) error {
	if position < 1 || position > m.Lines {
		return fmt.Errorf("line %d: %s has lines 1 to %d", position, m.title(), m.Lines)
	}
	return nil
}

// CheckKey returns why the model can't have a key.
func (m *Model) CheckKey(k fleet.Key) error { return m.checkKey(k, false) }

// checkKey is CheckKey. With beyond set a key that the pack states the model's files don't carry is taken too.
func (m *Model) checkKey(k fleet.Key, beyond bool) error {
	if err := m.checkSlot(k); err != nil || k.Type == "none" {
		return err
	}
	t := m.Types[k.Type]
	if t == nil {
		return fmt.Errorf("%s has no keys of type %q, it has %s", m.title(), k.Type, strings.Join(m.KeyTypes(), ", "))
	}
	if len(t.Areas) > 0 && !slices.Contains(t.Areas, areaClass(k.Area)) {
		return fmt.Errorf("%s takes %s only on %s keys, not on %s", m.title(), k.Type, strings.Join(t.Areas, ", "), k.Area)
	}
	if why, ok := m.KeyLack(k); ok && !beyond {
		return fmt.Errorf("%s has no place for a key of type %s on %s:%d%s", m.title(), k.Type, k.Area, k.Slot, because(why))
	}
	for _, part := range []struct{ name, text string }{{"value", k.Value}, {"label", k.Label}} {
		if slices.Contains(t.Needs, part.name) && part.text == "" {
			return fmt.Errorf("a key of type %s needs a %s", k.Type, part.name)
		}
	}
	for _, part := range []struct{ name, text string }{{"value", k.Value}, {"label", k.Label}} {
		if i := strings.IndexAny(part.text, t.Refuse); t.Refuse != "" && i >= 0 {
			return fmt.Errorf("%s %.60q: a key of type %s can't hold %q on %s", part.name, part.text, k.Type, part.text[i:i+1], m.title())
		}
	}
	return nil
}

// AcceptsKey reports whether the model has a key, whether or not its files carry it.
func (m *Model) AcceptsKey(k fleet.Key) bool { return m.checkKey(k, true) == nil }

// CheckKeyBeyond returns why the model can't have a key although its numbers of lines and keys be as large as the key needs.
func (m *Model) CheckKeyBeyond(k fleet.Key) error {
	return m.extendedFor(Phone{Keys: []fleet.Key{k}}).checkKey(k, false)
}

// checkSlot returns why the model has no such slot, or no such line for a key.
func (m *Model) checkSlot(k fleet.Key) error {
	areas := m.Areas()
	count := areas[k.Area]
	switch {
	case count == 0 && len(areas) == 0:
		return fmt.Errorf("%s has no keys", m.title())
	case count == 0:
		return fmt.Errorf("%s has no %s keys, it has %s", m.title(), k.Area, areaList(areas))
	case k.Slot < 1 || k.Slot > count:
		return fmt.Errorf("%s has %s keys 1 to %d, not %d", m.title(), k.Area, count, k.Slot)
	case k.Line < 0 || k.Line > m.Lines:
		return fmt.Errorf("key %s:%d: line %d: %s has lines 1 to %d", k.Area, k.Slot, k.Line, m.title(), m.Lines)
	}
	return nil
}

// areaClass is expansion for every module.
func areaClass(area string) string {
	if strings.HasPrefix(area, "expansion") {
		return "expansion"
	}
	return area
}

func areaList(areas map[string]int) string {
	var out []string
	for _, a := range slices.Sorted(maps.Keys(areas)) {
		out = append(out, fmt.Sprintf("%s (%d)", a, areas[a]))
	}
	return strings.Join(out, ", ")
}

// syntheticFor gives the generic model the lines and keys that every model has, and
// those that the phone uses, and no more: clearing what the largest model has would fill the file with parameters that
// the phone does not have.
func (m *Model) syntheticFor(p Phone) *Model {
	out := *m
	out.synthetic, out.empty = true, nil
	out.Lines, out.Keys, out.Expansion.Modules = m.Minimum.Lines, maps.Clone(m.Minimum.Keys), 0
	if out.Keys == nil {
		out.Keys = make(map[string]int)
	}
	out.use(p, m)
	out.Keys["line"] = max(out.Keys["line"], min(out.Lines, m.Keys["line"]))
	if out.Expansion.Modules == 0 {
		out.Expansion = packdoc.Expansion{}
	}
	return &out
}

// extendedFor gives the model the lines, keys and modules that the phone uses beyond those that the pack states; m itself
// when there are none.
func (m *Model) extendedFor(p Phone) *Model {
	out := *m
	out.Keys = maps.Clone(m.Keys)
	out.use(p, nil)
	if out.Lines == m.Lines && maps.Equal(out.Keys, m.Keys) && out.Expansion == m.Expansion {
		return m
	}
	out.synthetic, out.empty = true, nil
	return &out
}

// use adds the lines, keys and modules that a phone uses, as far as within has them; within may be nil.
func (m *Model) use(p Phone, within *Model) {
	fit := func(n int, most func(*Model) int) int {
		if within != nil {
			n = min(n, most(within))
		}
		return n
	}
	lines := func(w *Model) int { return w.Lines }
	for _, l := range p.Lines {
		m.Lines = max(m.Lines, fit(l.Position, lines))
	}
	for _, k := range p.Keys {
		m.Lines = max(m.Lines, fit(k.Line, lines))
		if n, ok := strings.CutPrefix(k.Area, "expansion"); ok {
			module, _ := strconv.Atoi(n)
			m.Expansion.Modules = max(m.Expansion.Modules, fit(module, func(w *Model) int { return w.Expansion.Modules }))
			m.Expansion.Keys = max(m.Expansion.Keys, fit(k.Slot, func(w *Model) int { return w.Expansion.Keys }))
			continue
		}
		m.Keys[k.Area] = max(m.Keys[k.Area], fit(k.Slot, func(w *Model) int { return w.Keys[k.Area] }))
	}
}
