package phonefile

import (
	"fmt"
	"maps"
	"slices"

	"plugtone/provision/fleet"
	"plugtone/provision/packdoc"
)

// emptySlots makes every slot of every area of a model, with nothing set.
func (m *Model) emptySlots() map[string][]*keyView {
	out := make(map[string][]*keyView)
	unbound := &lineView{}
	index := 0
	add := func(area string, count, module int) {
		all := make([]keyView, count)
		slots := make([]*keyView, count)
		for n := range count {
			all[n] = keyView{Area: area, Slot: n + 1, Type: "none", Module: module, Index: n + 1, Account: unbound, model: m}
			if area == "line" || module > 0 {
				index++
				all[n].Index = index
			}
			if t := m.Types["none"]; t != nil {
				all[n].Code = keyCode(t, area)
			}
			slots[n] = &all[n]
		}
		out[area] = slots
	}
	for _, area := range KeyAreas() {
		add(area, m.Keys[area], 0)
	}
	for i := range m.Expansion.Modules {
		add(fmt.Sprintf("expansion%d", i+1), m.Expansion.Keys, i+1)
	}
	return out
}

// keyCode returns the code that the phone has for a key type in an area.
func keyCode(t *packdoc.KeyType, area string) string {
	if c, ok := t.ByArea[area]; ok {
		return c
	}
	if c, ok := t.ByArea[areaClass(area)]; ok {
		return c
	}
	return t.Code
}

// setKeys takes the empty slots of every area, which all phones of a model share, puts the keys in, and fills empty line
// keys with the lines that have no key.
func (v *view) setKeys(p Phone) error {
	if v.model.empty != nil {
		v.slots = maps.Clone(v.model.empty())
	} else {
		v.slots = v.model.emptySlots()
	}
	v.ownAreas = make(map[string]bool)
	if t := v.model.Types["none"]; t != nil && t.Text != "" { // what an empty slot prints depends on the phone
		for area, slots := range v.slots {
			for _, k := range slots {
				v.ownSlot(area, k.Slot)
			}
		}
	}
	if p.Enabled && p.Assigned {
		if err := v.placeKeys(p.Keys, p.Beyond); err != nil {
			return err
		}
	}
	for _, area := range KeyAreas() {
		if _, err := v.finishArea(area); err != nil {
			return err
		}
	}
	for i, area := range expansionAreas(v.model) {
		x := expansionView{N: i + 1, Name: v.model.Expansion.Name, Area: area, model: v.model, plain: !v.model.synthetic}
		var err error
		if x.Used, err = v.finishArea(area); err != nil {
			return err
		}
		x.plain = x.plain && !v.ownAreas[area]
		x.Slots = v.slots[area]
		v.Expansions = append(v.Expansions, x)
	}
	return nil
}

// ownSlot returns a slot that is this phone's alone.
func (v *view) ownSlot(area string, slot int) *keyView {
	if !v.ownAreas[area] {
		v.ownAreas[area] = true
		v.slots[area] = slices.Clone(v.slots[area])
	}
	k := *v.slots[area][slot-1]
	v.slots[area][slot-1] = &k
	return &k
}

// finishArea fills in the pack's data for the keys in an area, and reports whether there are any.
func (v *view) finishArea(area string) (used bool, err error) {
	if !v.ownAreas[area] {
		return false, nil
	}
	for _, k := range v.slots[area] {
		if err := v.finishKey(k); err != nil {
			return false, err
		}
		if k.Type != "none" {
			v.Keys = append(v.Keys, k)
			used = true
		}
	}
	return used, nil
}

// isEmpty reports whether nothing is set for a slot.
func (k *keyView) isEmpty() bool {
	return k.Type == "none" && k.Line == 0 && k.Value == "" && k.Label == "" && k.Text == "" && !k.model.synthetic
}

func expansionAreas(m *Model) []string {
	var out []string
	for i := range m.Expansion.Modules {
		out = append(out, fmt.Sprintf("expansion%d", i+1))
	}
	return out
}

// placeKeys puts the keys into their slots. With beyond set also those that the pack states the model's files don't carry.
func (v *view) placeKeys(keys []fleet.Key, beyond bool) error {
	own := make(map[int]bool) // lines that have a key of their own
	taken := make(map[int]bool)
	for _, k := range keys {
		if err := v.model.checkKey(k, beyond); err != nil {
			return err
		}
		into := v.ownSlot(k.Area, k.Slot)
		into.Type, into.Value, into.Label, into.Line = k.Type, k.Value, k.Label, k.Line
		into.PickupCode, into.Locked = k.PickupCode, k.Locked
		if k.Area == "line" {
			taken[k.Slot] = true
		}
		if k.Type == "line" || k.Type == "shared_line" {
			if into.Line == 0 {
				into.Line = 1
			}
			own[into.Line] = true
			if into.Label == "" && into.Line <= len(v.AllLines) {
				into.Label = v.AllLines[into.Line-1].Label // as it would be without a key of its own
			}
		}
	}
	if fill := v.renderer.doc.FillLines; v.model.Types["line"] == nil || fill != nil && !*fill {
		return nil
	}
	slot, most := 1, len(v.slots["line"])
	for _, l := range v.Lines {
		if own[l.N] {
			continue
		}
		for slot <= most && taken[slot] {
			slot++
		}
		if slot > most {
			break
		}
		k := v.ownSlot("line", slot)
		k.Type, k.Line, k.Label = "line", l.N, l.Label
		slot++
	}
	return nil
}

// finishKey fills in the pack's data for the key's type.
func (v *view) finishKey(k *keyView) error {
	t := v.model.Types[k.Type]
	if k.isEmpty() && (t == nil || t.Text == "") {
		return nil // one of those that phones share
	}
	if k.Line == 0 && k.Type != "none" {
		k.Line = 1
	}
	k.Account = &lineView{}
	if k.Line >= 1 && k.Line <= len(v.AllLines) {
		k.Account = v.AllLines[k.Line-1]
	}
	if t == nil {
		return nil
	}
	k.Code = keyCode(t, k.Area)
	if t.Text == "" {
		return nil
	}
	text, err := v.expand(v.renderer.keySnippets[t], k)
	if err != nil {
		return fmt.Errorf("key %s:%d: %w", k.Area, k.Slot, err)
	}
	k.Text = text
	return nil
}

// KeyCode returns what the model's files call a key: the code of its type, and the text that the pack makes of its value, label and line. Either may
// be empty. It is an error when the model has no such keys in the area.
func KeyCode(r *Renderer, m *Model, k fleet.Key) (code, text string, err error) {
	if t := m.Types[k.Type]; t != nil && (len(t.Areas) == 0 || slices.Contains(t.Areas, areaClass(k.Area))) {
		v := &view{Vendor: r.doc.Vendor, Model: m.Name, Vars: m.Vars, model: m, renderer: r, settings: make(map[string]any)}
		into := &keyView{Area: k.Area, Slot: k.Slot, Type: k.Type, Value: k.Value, Label: k.Label, Line: k.Line, Code: keyCode(t, k.Area), model: m}
		err = v.finishKey(into)
		return into.Code, into.Text, err
	}
	return "", "", fmt.Errorf("%s has no %s keys of type %q", m.title(), k.Area, k.Type)
}
