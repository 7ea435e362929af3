package packcheck

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"plugtone/provision/fleet"
	"plugtone/provision/phonefile"
)

// examine switches everything that one model accepts on and off. Settings do not depend on the numbers of lines and keys:
// first is whether the model is the first one of its structure.
func (c *carriedCheck) examine(m *phonefile.Model, first bool) {
	x := &examination{carriedCheck: c, model: m, plain: make(map[string]switched)}
	if first || c.printsNames(m) {
		x.settings()
	}
	x.lines()
	x.keys()
}

// examination is that of one model.
type examination struct {
	*carriedCheck
	model *phonefile.Model
	plain map[string]switched // phones without settings, by line and files
}

// switched compares the files of phones with those of one.
type switched struct {
	*examination
	off  []byte
	pick func(*phonefile.File) bool
}

// from renders the phone that others are compared with. ok is false when a template refuses it.
func (x *examination) from(p phonefile.Phone, pick func(*phonefile.File) bool) (s switched, ok bool) {
	off, err := x.text(p, pick)
	return switched{x, off, pick}, err == nil
}

// to reports whether the files of a phone are others. A phone that a template refuses has none: the operator is shown the
// refusal.
func (s switched) to(p phonefile.Phone) (differ, refused bool) {
	on, err := s.text(p, s.pick)
	return err == nil && !bytes.Equal(on, s.off), err != nil
}

// settings switches every setting that the pack names for the model.
func (x *examination) settings() {
	last := min(x.model.Lines, fleet.MaxLines)
	for _, name := range x.vendor.SettingNames() {
		if name == "firmware" || !x.vendor.Names(x.model.Name, name) {
			continue // what firmware names is served: it makes a difference in the answers
		}
		differs, refused := x.setting(name, plainPhone(x.vendor, x.model, 1))
		if !differs {
			// Some count only with others, as the name of a user does with the password.
			differs, refused = x.setting(name, x.fullPhone(x.model))
		}
		if !differs && refused {
			continue
		}
		_, stated := x.model.SettingLack(name)
		x.agree(x.model, disagreement{kind: "settings", name: name, stated: stated}, differs)
		if differs && last > 1 && x.printed(name) {
			x.settingOnLines(name, last)
		}
	}
}

// printed reports whether a template of the model prints a setting. The pack's settings map is for every line.
func (x *examination) printed(name string) bool {
	return slices.ContainsFunc(x.vendor.FilesOf(x.model), func(f *phonefile.File) bool { return slices.Contains(f.TemplateSettings(), name) })
}

// settingOnLines switches a setting for the last line alone, and for every line when that makes no difference or the pack
// states that some lines lack it.
func (x *examination) settingOnLines(name string, last int) {
	first, _ := x.setting(name, plainPhone(x.vendor, x.model, 1))
	differs, _ := x.setting(name, plainPhone(x.vendor, x.model, last))
	if first == differs && len(x.model.Lacks.Settings[name]) == 0 {
		return
	}
	for n := 1; n <= last; n++ {
		differs, refused := x.setting(name, plainPhone(x.vendor, x.model, n))
		if !refused {
			_, stated := x.model.SettingLackOn(name, n)
			x.agree(x.model, disagreement{kind: "settings", name: name, where: "line " + strconv.Itoa(n), stated: stated}, differs)
		}
	}
}

// setting reports whether some value of a setting makes a difference to a phone, and whether all are refused.
func (x *examination) setting(name string, p phonefile.Phone) (differs, refused bool) {
	settings := maps.Clone(p.Settings)
	delete(settings, name)
	p.Settings = settings
	base, ok := x.without(name, p)
	if !ok {
		return false, true
	}
	refused = true
	for _, value := range x.values(x.model, name) {
		p.Settings = map[string]any{name: value}
		maps.Copy(p.Settings, settings)
		d, no := base.to(p)
		if d {
			return true, false
		}
		refused = refused && no
	}
	return false, refused
}

// without renders a phone that has no value for a setting. Phones without any setting are rendered once for each choice of
// files.
func (x *examination) without(name string, p phonefile.Phone) (switched, bool) {
	pick := filesFor(name)
	if len(p.Settings) > 0 {
		return x.from(p, pick)
	}
	key := fmt.Sprint(p.Lines[0].Position)
	for i, f := range x.vendor.Declared() {
		if pick(f) {
			key += fmt.Sprint(" ", i)
		}
	}
	if base, ok := x.plain[key]; ok {
		return switched{x, base.off, pick}, true
	}
	base, ok := x.from(p, pick)
	if ok {
		x.plain[key] = base
	}
	return base, ok
}

// lines switches every member of the first and the last line, and of those between as far as their texts are not all found
// in the files of a phone with every line.
func (x *examination) lines() {
	last := min(x.model.Lines, fleet.MaxLines)
	x.line(1, phonefile.LineMembers())
	if last > 1 {
		x.line(last, phonefile.LineMembers())
	}
	if last < 3 {
		return
	}
	p := plainPhone(x.vendor, x.model, allLines(x.model)...)
	for i := range p.Lines {
		ownTexts(&p.Lines[i])
	}
	text, err := x.text(p, ownFiles)
	if err != nil {
		return
	}
	for n := 2; n < last; n++ {
		x.line(n, slices.DeleteFunc(phonefile.LineMembers(), func(m phonefile.LineMember) bool {
			if list := x.model.Lacks.Lines[m.Name]; len(list) > 0 {
				return !list.Borders(n)
			}
			value := m.Value(p.Lines[n-1])
			return value == "" || value == "***" || bytes.Contains(text, []byte(value))
		}))
	}
}

// ownTexts gives a line texts that no other line has.
func ownTexts(a *phonefile.Account) {
	n := strconv.Itoa(a.Position)
	a.Voicemail, a.Registrar.Host = "*97"+n, "host"+n+".example.com"
	a.Registrar.OutboundProxy, a.Registrar.BackupHost = "proxy"+n+".example.com", "backup"+n+".example.com"
}

// line switches members of one line of a phone that has the first line too. Lines fill line keys in their order: where a
// member needs a key, all lines before it are bound.
func (x *examination) line(n int, members []phonefile.LineMember) {
	keyless := func(m phonefile.LineMember) bool {
		return slices.ContainsFunc(x.model.Lacks.Lines[m.Name], func(l phonefile.Lack) bool { return l.Keyless })
	}
	x.lineOf(plainPhone(x.vendor, x.model, allLines(x.model)[:n]...), n, slices.DeleteFunc(slices.Clone(members), func(m phonefile.LineMember) bool { return !keyless(m) }))
	x.lineOf(plainPhone(x.vendor, x.model, slices.Compact([]int{1, n})...), n, slices.DeleteFunc(members, keyless))
}

// lineOf switches members of the last line of a phone, which is at position n.
func (x *examination) lineOf(p phonefile.Phone, n int, members []phonefile.LineMember) {
	if len(members) == 0 {
		return
	}
	base, ok := x.from(p, ownFiles)
	if !ok {
		return
	}
	plain := p.Lines[len(p.Lines)-1]
	p.Lines = slices.Clone(p.Lines)
	for _, member := range members {
		own := plain
		member.Switch(&own)
		p.Lines[len(p.Lines)-1] = own
		differs, refused := base.to(p)
		if refused {
			continue
		}
		where := ""
		if n > 1 {
			where = "of lines after the first"
		}
		_, stated := x.model.LineLack(member.Name, n)
		x.agree(x.model, disagreement{kind: "lines", name: member.Name, where: where, stated: stated}, differs)
	}
}

// keys switches a key of every type in the first slot of every area, a line in the last one too, and keys of one type in
// all slots.
func (x *examination) keys() {
	for _, area := range sortedAreas(x.model) {
		last := x.model.Areas()[area]
		kinds := x.model.KeyTypes()
		if area == "expansion1" || !strings.HasPrefix(area, "expansion") {
			x.area(area, 1, kinds)
		}
		if last > 1 {
			x.area(area, last, []string{"line", "shared_line"})
		}
		x.everySlot(area, last)
	}
}

// everySlot switches keys in all slots of an area: those of types that the pack states some slots lack, and one of a plain
// type where its value is not found in the files of a phone with a key in every slot.
func (x *examination) everySlot(area string, last int) {
	var kinds []string
	for kind, list := range x.model.Lacks.Keys {
		if _, whole := list.Whole(); !whole {
			kinds = append(kinds, kind)
		}
	}
	plain := ""
	for _, kind := range []string{"speed_dial", "blf", "dtmf"} {
		if k, ok := keyFor(x.model, area, 1, kind); ok && len(x.model.Lacks.Keys[kind]) == 0 {
			plain = k.Type
		}
	}
	p := plainPhone(x.vendor, x.model, 1)
	value := func(slot int) string { return strconv.Itoa(7770000 + slot) }
	for slot := 1; slot <= last && plain != ""; slot++ {
		k, _ := keyFor(x.model, area, slot, plain)
		k.Value = value(slot)
		p.Keys = append(p.Keys, k)
	}
	text, _ := x.text(p, ownFiles)
	for slot := 1; slot <= last; slot++ {
		x.area(area, slot, kinds)
		if plain != "" && !bytes.Contains(text, []byte(value(slot))) {
			x.area(area, slot, []string{plain})
		}
	}
}

// area switches keys of some types in one slot.
func (x *examination) area(area string, slot int, kinds []string) {
	kinds = slices.DeleteFunc(slices.Clone(kinds), func(kind string) bool {
		_, ok := keyFor(x.model, area, slot, kind)
		return !ok || kind == "none"
	})
	if len(kinds) == 0 {
		return
	}
	p := plainPhone(x.vendor, x.model, 1)
	p.Keys = x.empty(fleet.Key{Area: area, Slot: slot})
	base, ok := x.from(p, ownFiles)
	if !ok {
		return
	}
	at := slices.IndexFunc(p.Keys, func(k fleet.Key) bool { return k.Area == area && k.Slot == slot })
	for _, kind := range kinds {
		k, _ := keyFor(x.model, area, slot, kind)
		p.Keys[at] = k
		differs, refused := base.to(p)
		if refused {
			continue
		}
		_, stated := x.model.KeyLack(k)
		x.agree(x.model, disagreement{kind: "keys", name: kind, where: area + ":" + strconv.Itoa(slot), stated: stated}, differs)
	}
}

// empty is the slots that lines would fill by themselves, with nothing in them, and the slot of a key.
func (x *examination) empty(k fleet.Key) []fleet.Key {
	var out []fleet.Key
	for slot := range x.model.Keys["line"] {
		out = append(out, fleet.Key{Area: "line", Slot: slot + 1, Type: "none"})
	}
	if k.Area != "line" {
		out = append(out, fleet.Key{Area: k.Area, Slot: k.Slot, Type: "none"})
	}
	return out
}

// sortedAreas are the areas of a model in the order of their names.
func sortedAreas(m *phonefile.Model) []string { return slices.Sorted(maps.Keys(m.Areas())) }
