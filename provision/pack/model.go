package pack

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"plugtone/provision/packdoc"
	"plugtone/provision/phonefile"
	"plugtone/provision/yamlpos"
)

// modelCompiler makes the models of a pack.
type modelCompiler struct{ *compiler }

// compileModels resolves inheritance and checks the result.
func (c modelCompiler) compileModels() *phonefile.ModelList {
	vars := c.compileVariables()
	names := make(map[string]*phonefile.Model)
	var models []*phonefile.Model
	for _, name := range slices.Sorted(maps.Keys(c.doc.Models)) {
		doc := c.doc.Models[name]
		m := &phonefile.Model{Name: name, DomainAsHost: c.doc.DomainAsHost, Keys: make(map[string]int), Vars: make(map[string]string), Types: make(map[string]*packdoc.KeyType)}
		if err := c.inherit(m, doc, nil); err != nil {
			c.problem(doc.Pos, "model %s: %v", name, err)
			continue
		}
		c.checkModel(m, doc, vars)
		models = append(models, m)
		for _, n := range append([]string{name}, m.Aliases...) {
			if other := names[phonefile.Fold(n)]; other != nil && other != m {
				c.problem(doc.Pos, "model %s: the name %s is also that of %s", name, n, other.Name)
			}
			names[phonefile.Fold(n)] = m
		}
	}
	c.checkAreas("model", c.doc.Models)
	c.checkAreas("family", c.doc.Families)
	if len(models) == 0 {
		c.errs = append(c.errs, errors.New("the pack has no models"))
	}
	if _, ok := c.doc.Families[c.doc.Unknown]; !ok && c.doc.Unknown != "" {
		c.problem(c.pos("unknown_model"), "unknown_model: there is no family %q", c.doc.Unknown)
	}
	c.checkKeyTypes()
	c.compileLacks(models)
	return phonefile.NewModelList(c.v.Name, models, c.generic(models))
}

// compileVariables compiles the expressions that the variables of models must match.
func (c modelCompiler) compileVariables() map[string]*regexp.Regexp {
	vars := make(map[string]*regexp.Regexp)
	for name, expr := range c.doc.Variables {
		re, err := regexp.Compile("(?i)^(?:" + expr + ")$")
		if err != nil {
			c.problem(c.pos("variables", name), "variable %s: %v", name, err)
			continue
		}
		vars[name] = re
	}
	return vars
}

func (c modelCompiler) checkModel(m *phonefile.Model, doc packdoc.Model, vars map[string]*regexp.Regexp) {
	if m.Lines < 1 {
		c.problem(doc.Pos, "model %s has no lines", m.Name)
	}
	if e := m.Expansion; e.Modules < 0 || e.Modules > 6 || (e.Modules == 0) != (e.Keys == 0) {
		c.problem(doc.Pos, "model %s: an expansion has 1 to 6 modules and a number of keys", m.Name)
	}
	for _, key := range slices.Sorted(maps.Keys(m.Vars)) {
		re := vars[key]
		switch {
		case c.doc.Variables[key] == "":
			c.problem(doc.Pos, "model %s: unknown member %q (neither a member of models nor one of the pack's variables)", m.Name, key)
		case re != nil && !re.MatchString(m.Vars[key]):
			c.problem(doc.Pos, "model %s: %s %q does not match %s", m.Name, key, m.Vars[key], c.doc.Variables[key])
		}
	}
}

// checkAreas reports key areas that do not exist, where they are written and not in every model that inherits them.
func (c modelCompiler) checkAreas(kind string, docs map[string]packdoc.Model) {
	for _, name := range slices.Sorted(maps.Keys(docs)) {
		for _, area := range slices.Sorted(maps.Keys(docs[name].Keys)) {
			if !slices.Contains(phonefile.KeyAreas(), area) {
				c.problem(docs[name].Pos, "%s %s: key area %q must be one of %s", kind, name, area, strings.Join(phonefile.KeyAreas(), ", "))
			}
		}
	}
}

// inherit fills m from doc, then from its family, and so on.
func (c modelCompiler) inherit(m *phonefile.Model, doc packdoc.Model, seen []string) error {
	if doc.Lines != nil && m.Lines == 0 {
		m.Lines = *doc.Lines
	}
	fill(m.Keys, doc.Keys)
	fill(m.Vars, doc.Vars)
	fill(m.Types, doc.KeyTypes)
	if doc.Expansion != nil && m.Expansion == (packdoc.Expansion{}) {
		m.Expansion = *doc.Expansion
	}
	if len(seen) == 0 {
		m.Aliases, m.Note = doc.Aliases, doc.Note
		c.note(doc.Pos, "model "+m.Name, doc.Basis)
		m.Uncertain = c.uncertain(doc, m.Name)
	}
	if doc.Family == "" {
		fill(m.Types, c.doc.KeyTypes)
		return nil
	}
	if slices.Contains(seen, doc.Family) {
		return fmt.Errorf("family %s is its own ancestor", doc.Family)
	}
	family, ok := c.doc.Families[doc.Family]
	if !ok {
		return fmt.Errorf("family %q must be one of %s", doc.Family, strings.Join(slices.Sorted(maps.Keys(c.doc.Families)), ", "))
	}
	m.Families = append(m.Families, doc.Family)
	return c.inherit(m, family, append(seen, doc.Family))
}

// uncertain reports whether the numbers of a model are not certain: what it states of them, else of itself, else what the
// nearest of its families does.
func (c modelCompiler) uncertain(doc packdoc.Model, name string) bool {
	c.checkConfidence(doc.Pos, "model "+name+": counts", doc.Counts)
	for seen := 0; seen <= len(c.doc.Families); seen++ {
		if words := cmp.Or(doc.Counts, doc.Confidence); words != "" {
			return words != "high"
		}
		family, ok := c.doc.Families[doc.Family]
		if !ok {
			break
		}
		doc = family
	}
	return false
}

// fill adds the entries of from whose keys into does not have.
func fill[T any](into, from map[string]T) {
	for k, x := range from {
		if _, ok := into[k]; !ok {
			into[k] = x
		}
	}
}

func (c modelCompiler) checkKeyTypes() {
	c.checkKeyTypeMap(c.member("key_types"), c.doc.KeyTypes)
	for _, name := range slices.Sorted(maps.Keys(c.doc.Families)) {
		c.checkKeyTypeMap(c.member("families", name, "key_types"), c.doc.Families[name].KeyTypes)
	}
	for _, name := range slices.Sorted(maps.Keys(c.doc.Models)) {
		c.checkKeyTypeMap(c.member("models", name, "key_types"), c.doc.Models[name].KeyTypes)
	}
}

func (c modelCompiler) checkKeyTypeMap(group *yaml.Node, types map[string]*packdoc.KeyType) {
	for _, name := range slices.Sorted(maps.Keys(types)) {
		k := types[name]
		if !slices.Contains(phonefile.KeyTypes(), name) {
			c.problem(yamlpos.MemberPos(group, name), "key type %q must be one of %s", name, strings.Join(phonefile.KeyTypes(), ", "))
		}
		if k == nil {
			continue
		}
		for _, area := range append(slices.Clone(k.Areas), slices.Sorted(maps.Keys(k.ByArea))...) {
			if area != "expansion" && !slices.Contains(phonefile.KeyAreas(), area) {
				c.problem(k.Pos, "key type %s: area %q must be one of line, memory, programmable, expansion", name, area)
			}
		}
		for _, need := range k.Needs {
			if need != "value" && need != "label" {
				c.problem(k.Pos, "key type %s: needs %q must be one of value, label", name, need)
			}
		}
		c.note(k.Pos, "key type "+name, k.Basis)
	}
}

// generic makes the model of a phone of which only the vendor is known: it has everything that some model has.
func (c modelCompiler) generic(models []*phonefile.Model) *phonefile.Model {
	g := &phonefile.Model{DomainAsHost: c.doc.DomainAsHost, Keys: make(map[string]int), Vars: make(map[string]string), Types: make(map[string]*packdoc.KeyType)}
	if c.doc.Unknown != "" {
		models = slices.DeleteFunc(slices.Clone(models), func(m *phonefile.Model) bool { return !m.Is(c.doc.Unknown) })
		for name := c.doc.Unknown; name != "" && !slices.Contains(g.Families, name); name = c.doc.Families[name].Family {
			g.Families = append(g.Families, name)
			fill(g.Vars, c.doc.Families[name].Vars)
		}
	}
	fill(g.Types, c.doc.KeyTypes)
	for i, m := range models {
		if i == 0 {
			g.Minimum = phonefile.Minimum{Lines: m.Lines, Keys: maps.Clone(m.Keys)}
		}
		g.Minimum.Lines = min(g.Minimum.Lines, m.Lines)
		for a := range g.Minimum.Keys {
			g.Minimum.Keys[a] = min(g.Minimum.Keys[a], m.Keys[a])
		}
		g.Lines = max(g.Lines, m.Lines)
		for a, n := range m.Keys {
			g.Keys[a] = max(g.Keys[a], n)
		}
		if m.Expansion.Modules*m.Expansion.Keys > g.Expansion.Modules*g.Expansion.Keys {
			g.Expansion = m.Expansion
		}
		fill(g.Types, m.Types)
	}
	return g
}
