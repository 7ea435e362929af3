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
	Name      string // "" for the generic model
	Aliases   []string
	Families  []string // nearest first
	Lines     int
	Keys      map[string]int // area to number of keys, without expansion modules
	Expansion packdoc.Expansion
	Vars      map[string]string
	Note      string
	Types     map[string]*packdoc.KeyType
	Minimum   Minimum // of the generic model: what every model has

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
func (m *Model) CheckKey(k fleet.Key) error {
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
	out.Lines, out.Keys = m.Minimum.Lines, make(map[string]int)
	maps.Copy(out.Keys, m.Minimum.Keys)
	for _, l := range p.Lines {
		out.Lines = max(out.Lines, min(l.Position, m.Lines))
	}
	modules := 0
	for _, k := range p.Keys {
		out.Lines = max(out.Lines, min(k.Line, m.Lines))
		if n, ok := strings.CutPrefix(k.Area, "expansion"); ok {
			module, _ := strconv.Atoi(n)
			modules = max(modules, min(module, m.Expansion.Modules))
			continue
		}
		out.Keys[k.Area] = max(out.Keys[k.Area], min(k.Slot, m.Keys[k.Area]))
	}
	out.Keys["line"] = max(out.Keys["line"], min(out.Lines, m.Keys["line"]))
	out.Expansion.Modules = modules
	if modules == 0 {
		out.Expansion = packdoc.Expansion{}
	}
	return &out
}
