package pack

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"

	"go.yaml.in/yaml/v4"
)

// keyTypes are the contract's words.
func keyTypeNames() []string {
	return []string{"line", "shared_line", "blf", "speed_dial", "intercom", "park", "pickup", "group_pickup", "voicemail", "dtmf",
		"url", "dnd", "forward", "transfer", "conference", "hold", "redial", "directory", "history", "multicast", "prefix", "none"}
}

// keyAreas are the areas that a model counts itself; expansion areas come from its modules.
func keyAreas() []string { return []string{"line", "memory", "programmable"} }

// fold makes names comparable: T46U, t46u and SIP-T46U aren't the same, SPA-942, spa942 and SPA 942 are.
func fold(name string) string {
	out := make([]byte, 0, len(name))
	for i := range len(name) {
		switch c := name[i]; {
		case c == '-' || c == '_' || c == ' ':
		case c >= 'A' && c <= 'Z':
			out = append(out, c+'a'-'A')
		case c >= 0x80: // no model is called so, but a phone may say anything
			return strings.ToLower(strings.NewReplacer("-", "", "_", "", " ", "").Replace(name))
		default:
			out = append(out, c)
		}
	}
	return string(out)
}

// compileModels resolves inheritance and checks what came of it.
func (v *Vendor) compileModels() []error {
	var errs []error
	bad := func(line int, format string, args ...any) {
		errs = append(errs, &lineError{line, fmt.Sprintf(format, args...)})
	}
	vars := make(map[string]*regexp.Regexp)
	for name, expr := range v.doc.Variables {
		re, err := regexp.Compile("(?i)^(?:" + expr + ")$")
		if err != nil {
			errs = append(errs, v.memberError("variables", name, "variable %s: %v", name, err))
			continue
		}
		vars[name] = re
	}
	v.byModel = make(map[string]*Model)
	for _, name := range slices.Sorted(maps.Keys(v.doc.Models)) {
		doc := v.doc.Models[name]
		m := &Model{Name: name, Keys: make(map[string]int), Vars: make(map[string]string), types: make(map[string]*keyDoc)}
		if err := v.inherit(m, doc, nil); err != nil {
			bad(doc.line, "model %s: %v", name, err)
			continue
		}
		if m.Lines < 1 {
			bad(doc.line, "model %s has no lines", name)
		}
		if e := m.Expansion; e.Modules < 0 || e.Modules > 6 || (e.Modules == 0) != (e.Keys == 0) {
			bad(doc.line, "model %s: an expansion has 1 to 6 modules and a number of keys", name)
		}
		for _, key := range slices.Sorted(maps.Keys(m.Vars)) {
			re := vars[key]
			switch {
			case v.doc.Variables[key] == "":
				bad(doc.line, "model %s: unknown member %q (neither a member of models nor one of the pack's variables)", name, key)
			case re != nil && !re.MatchString(m.Vars[key]):
				bad(doc.line, "model %s: %s %q does not match %s", name, key, m.Vars[key], v.doc.Variables[key])
			}
		}
		v.models = append(v.models, m)
		for _, n := range append([]string{name}, m.Aliases...) {
			if other := v.byModel[fold(n)]; other != nil && other != m {
				bad(doc.line, "model %s: the name %s is also that of %s", name, n, other.Name)
			}
			v.byModel[fold(n)] = m
		}
	}
	v.checkAreas("model", v.doc.Models, bad)
	v.checkAreas("family", v.doc.Families, bad)
	if len(v.models) == 0 {
		errs = append(errs, fmt.Errorf("the pack has no models"))
	}
	if _, ok := v.doc.Families[v.doc.Unknown]; !ok && v.doc.Unknown != "" {
		bad(lineOf(v.node, "unknown_model"), "unknown_model: there is no family %q", v.doc.Unknown)
	}
	errs = append(errs, v.checkKeyTypes()...)
	for _, m := range v.models {
		m.empty = sync.OnceValue(m.emptySlots)
	}
	return errs
}

// checkAreas finds key areas that there aren't, where they are written and not in every model that inherits them.
func (v *Vendor) checkAreas(what string, docs map[string]modelDoc, bad func(line int, format string, args ...any)) {
	for _, name := range slices.Sorted(maps.Keys(docs)) {
		for _, area := range slices.Sorted(maps.Keys(docs[name].Keys)) {
			if !slices.Contains(keyAreas(), area) {
				bad(docs[name].line, "%s %s: key area %q is none of %s", what, name, area, strings.Join(keyAreas(), ", "))
			}
		}
	}
}

// inherit fills m with what doc says, then with what its family says, and so on.
func (v *Vendor) inherit(m *Model, doc modelDoc, seen []string) error {
	if doc.Lines != nil && m.Lines == 0 {
		m.Lines = *doc.Lines
	}
	fill(m.Keys, doc.Keys)
	fill(m.Vars, doc.Vars)
	fill(m.types, doc.KeyTypes)
	if doc.Expansion != nil && m.Expansion == (Expansion{}) {
		m.Expansion = *doc.Expansion
	}
	if len(seen) == 0 {
		m.Aliases, m.Note = doc.Aliases, doc.Note
		v.note(doc.line, "model "+m.Name, doc.Note, doc.Source, doc.Confidence)
	}
	if doc.Family == "" {
		fill(m.types, v.doc.KeyTypes)
		return nil
	}
	if slices.Contains(seen, doc.Family) {
		return fmt.Errorf("family %s is its own ancestor", doc.Family)
	}
	family, ok := v.doc.Families[doc.Family]
	if !ok {
		return fmt.Errorf("family %q is none of %s", doc.Family, strings.Join(slices.Sorted(maps.Keys(v.doc.Families)), ", "))
	}
	m.Families = append(m.Families, doc.Family)
	return v.inherit(m, family, append(seen, doc.Family))
}

// fill adds what is missing.
func fill[T any](into, from map[string]T) {
	for k, x := range from {
		if _, ok := into[k]; !ok {
			into[k] = x
		}
	}
}

func (v *Vendor) checkKeyTypes() []error {
	var errs []error
	check := func(group *yaml.Node, types map[string]*keyDoc) {
		for _, name := range slices.Sorted(maps.Keys(types)) {
			k := types[name]
			if !slices.Contains(keyTypeNames(), name) {
				errs = append(errs, atLine(lineOf(group, name), "key type %q is none of %s", name, strings.Join(keyTypeNames(), ", ")))
			}
			if k == nil {
				continue
			}
			for _, area := range append(slices.Clone(k.Areas), slices.Sorted(maps.Keys(k.By))...) {
				if area != "expansion" && !slices.Contains(keyAreas(), area) {
					errs = append(errs, &lineError{k.line, fmt.Sprintf("key type %s: area %q is none of line, memory, programmable, expansion", name, area)})
				}
			}
			for _, need := range k.Needs {
				if need != "value" && need != "label" {
					errs = append(errs, &lineError{k.line, fmt.Sprintf("key type %s: needs %q is none of value, label", name, need)})
				}
			}
			v.note(k.line, "key type "+name, k.Note, k.Source, k.Confidence)
		}
	}
	check(member(v.node, "key_types"), v.doc.KeyTypes)
	for _, name := range slices.Sorted(maps.Keys(v.doc.Families)) {
		check(member(member(member(v.node, "families"), name), "key_types"), v.doc.Families[name].KeyTypes)
	}
	for _, name := range slices.Sorted(maps.Keys(v.doc.Models)) {
		check(member(member(member(v.node, "models"), name), "key_types"), v.doc.Models[name].KeyTypes)
	}
	return errs
}

// is reports whether m is called so or belongs to a family called so.
func (m *Model) is(name string) bool {
	return m.Name == name || slices.Contains(m.Families, name)
}

// Is reports whether a model is one of the names, which may be families or models; no names are all models.
func (m *Model) isAny(names []string) bool {
	return len(names) == 0 || slices.ContainsFunc(names, m.is)
}

// checkFor tells which names are neither families nor models.
func (v *Vendor) checkFor(names []string) error {
	for _, n := range names {
		if _, ok := v.doc.Families[n]; ok {
			continue
		}
		if _, ok := v.doc.Models[n]; ok {
			continue
		}
		return fmt.Errorf("for: %q is neither a family nor a model", n)
	}
	return nil
}

// Models lists the models by name.
func (v *Vendor) Models() []*Model { return v.models }

// Model finds a model by its name or an alias, in any case and with or without dashes.
func (v *Vendor) Model(name string) (*Model, bool) {
	m, ok := v.byModel[fold(name)]
	return m, ok
}

// Areas lists the key areas of the model with their number of keys.
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

// CheckLine tells why a model can't have this line position; nil when it can.
func (v *Vendor) CheckLine(model string, position int) error {
	most := v.generic.Lines
	name := v.Name
	if m, ok := v.Model(model); ok {
		most, name = m.Lines, m.Name
	}
	if position < 1 || position > most {
		return fmt.Errorf("line %d: %s has lines 1 to %d", position, name, most)
	}
	return nil
}

// CheckKey tells why a model can't have a key; nil when it can. model may be "": then any model's keys will do.
func (v *Vendor) CheckKey(model string, k Key) error {
	m, ok := v.Model(model)
	if !ok {
		m = v.generic
	}
	name := m.Name
	if name == "" {
		name = v.Name
	}
	areas := m.Areas()
	most := areas[k.Area]
	if most == 0 {
		if len(areas) == 0 {
			return fmt.Errorf("%s has no keys", name)
		}
		return fmt.Errorf("%s has no %s keys, it has %s", name, k.Area, areaList(areas))
	}
	if k.Slot < 1 || k.Slot > most {
		return fmt.Errorf("%s has %s keys 1 to %d, not %d", name, k.Area, most, k.Slot)
	}
	if k.Line < 0 || k.Line > m.Lines {
		return fmt.Errorf("key %s:%d: line %d: %s has lines 1 to %d", k.Area, k.Slot, k.Line, name, m.Lines)
	}
	if k.Type == "none" {
		return nil
	}
	t := m.types[k.Type]
	if t == nil {
		return fmt.Errorf("%s has no keys of type %q, it has %s", name, k.Type, strings.Join(m.KeyTypes(), ", "))
	}
	class := areaClass(k.Area)
	if len(t.Areas) > 0 && !slices.Contains(t.Areas, class) {
		return fmt.Errorf("%s takes %s only on %s keys, not on %s", name, k.Type, strings.Join(t.Areas, ", "), k.Area)
	}
	if slices.Contains(t.Needs, "value") && k.Value == "" {
		return fmt.Errorf("a key of type %s needs a value", k.Type)
	}
	if slices.Contains(t.Needs, "label") && k.Label == "" {
		return fmt.Errorf("a key of type %s needs a label", k.Type)
	}
	for what, text := range map[string]string{"value": k.Value, "label": k.Label} {
		if i := strings.IndexAny(text, t.Refuse); t.Refuse != "" && i >= 0 {
			return fmt.Errorf("%s %.60q: a key of type %s can't hold %q on %s", what, text, k.Type, text[i:i+1], name)
		}
	}
	return nil
}

// KeyTypes lists the key types that the model has, in the contract's order.
func (m *Model) KeyTypes() []string {
	var out []string
	for _, t := range keyTypeNames() {
		if m.types[t] != nil || t == "none" {
			out = append(out, t)
		}
	}
	return out
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

// minimum is how many lines and keys all models of a vendor have.
type minimum struct {
	lines int
	keys  map[string]int // by area
}

// makeGeneric makes the model that stands for a phone of which only the vendor is known: everything that some model has.
func (v *Vendor) makeGeneric() {
	g := &Model{Keys: make(map[string]int), Vars: make(map[string]string), types: make(map[string]*keyDoc)}
	models := v.models
	if v.doc.Unknown != "" {
		models = slices.DeleteFunc(slices.Clone(models), func(m *Model) bool { return !m.is(v.doc.Unknown) })
		for name := v.doc.Unknown; name != "" && !slices.Contains(g.Families, name); name = v.doc.Families[name].Family {
			g.Families = append(g.Families, name)
			fill(g.Vars, v.doc.Families[name].Vars)
		}
	}
	fill(g.types, v.doc.KeyTypes)
	for i, m := range models {
		if i == 0 {
			g.minimum = minimum{m.Lines, maps.Clone(m.Keys)}
		}
		g.minimum.lines = min(g.minimum.lines, m.Lines)
		for a := range g.minimum.keys {
			g.minimum.keys[a] = min(g.minimum.keys[a], m.Keys[a])
		}
		g.Lines = max(g.Lines, m.Lines)
		for a, n := range m.Keys {
			g.Keys[a] = max(g.Keys[a], n)
		}
		if m.Expansion.Modules*m.Expansion.Keys > g.Expansion.Modules*g.Expansion.Keys {
			g.Expansion = m.Expansion
		}
		fill(g.types, m.types)
	}
	v.generic = g
}

// model gives the named model, or the one that stands for any.
func (v *Vendor) model(name string) *Model {
	if m, ok := v.Model(name); ok {
		return m
	}
	return v.generic
}
