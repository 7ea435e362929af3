package pack

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"plugtone/provision/packdoc"
	"plugtone/provision/phonefile"
	"plugtone/provision/setting"
)

// compileLacks gives each model what the pack states that its files don't carry. Whether that is so is found by rendering:
// see packcheck.CheckCarried.
func (c modelCompiler) compileLacks(models []*phonefile.Model) {
	members := make([]string, 0, 16)
	for _, m := range phonefile.LineMembers() {
		members = append(members, m.Name)
	}
	c.lacksOf("settings", c.doc.Lacks.Settings, models, func(m *phonefile.Model) *map[string]phonefile.LackList { return &m.Lacks.Settings }, func(name string) string {
		if _, ok := setting.Lookup(name); !ok {
			return "there is no such setting" + nearSetting(name)
		}
		return ""
	})
	c.lacksOf("keys", c.doc.Lacks.Keys, models, func(m *phonefile.Model) *map[string]phonefile.LackList { return &m.Lacks.Keys }, oneOf(phonefile.KeyTypes()))
	c.lacksOf("lines", c.doc.Lacks.Lines, models, func(m *phonefile.Model) *map[string]phonefile.LackList { return &m.Lacks.Lines }, oneOf(members))
}

// oneOf reports a name that is not among those that there are.
func oneOf(names []string) func(string) string {
	return func(name string) string {
		if slices.Contains(names, name) {
			return ""
		}
		return "must be one of " + strings.Join(names, ", ")
	}
}

// lacksOf checks the statements of one kind and gives them to the models that they are for.
func (c modelCompiler) lacksOf(kind string, docs map[string]packdoc.LackList, models []*phonefile.Model,
	into func(*phonefile.Model) *map[string]phonefile.LackList, unknown func(name string) string) {
	for _, name := range slices.Sorted(maps.Keys(docs)) {
		for _, d := range docs[name] {
			what := fmt.Sprintf("lacks: %s: %s: ", kind, name)
			if problem := unknown(name); problem != "" {
				c.problem(d.Pos, "%s%s", what, problem)
				continue
			}
			lack, err := compileLack(kind, d)
			if err != nil {
				c.problem(d.Pos, "%s%v", what, err)
			}
			c.checkFor(d.Pos, what, d.For)
			c.note(d.Pos, strings.TrimSuffix(what, ": "), d.Basis)
			for _, m := range models {
				if !m.IsAny(d.For) {
					continue
				}
				list := into(m)
				if *list == nil {
					*list = make(map[string]phonefile.LackList)
				}
				own := lack
				if d.Keyless {
					own.Numbers.First = max(own.Numbers.First, m.Keys["line"]+1)
				}
				(*list)[name] = append((*list)[name], own)
			}
		}
	}
}

func compileLack(kind string, d packdoc.Lack) (phonefile.Lack, error) {
	out := phonefile.Lack{Keyless: d.Keyless, Areas: d.Areas, Note: d.Note}
	text := d.Lines
	if kind == "keys" {
		text = d.Slots
	}
	switch {
	case kind == "keys" && d.Lines != "":
		return out, fmt.Errorf("lines belongs to settings and lines; keys have slots")
	case kind != "keys" && (d.Slots != "" || len(d.Areas) > 0):
		return out, fmt.Errorf("slots and areas belong to keys; %s have lines", kind)
	}
	if d.Keyless && kind != "lines" {
		return out, fmt.Errorf("keyless belongs to lines")
	}
	for _, area := range d.Areas {
		if area != "expansion" && !slices.Contains(phonefile.KeyAreas(), area) {
			return out, fmt.Errorf("area %q must be one of line, memory, programmable, expansion", area)
		}
	}
	var err error
	out.Numbers, err = phonefile.ParseSpan(text)
	return out, err
}
