package packcheck

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"plugtone/provision/fleet"
	"plugtone/provision/pack"
	"plugtone/provision/phonefile"
)

// CheckCarried switches every setting, type of key and member of lines that a pack accepts on and off for its models, and
// compares their files. What makes no difference must be listed under lacks, and what is listed there must make none. Its error
// joins every problem.
//
// Models with the same templates, key types and statements are examined once, by one that has at least the lines and keys
// of the others. That the others do not differ from it in anything but these numbers is found by rendering too: see alike.
func CheckCarried(v *pack.Vendor) error {
	c := &carriedCheck{vendor: v, models: make(map[disagreement][]string),
		phones: make(map[*phonefile.Model][]phonefile.Phone), outputs: make(map[*phonefile.Model][]output)}
	groups := make(map[string][]*phonefile.Model)
	for _, m := range v.Models() {
		s := structure(v, m)
		groups[s] = append(groups[s], m)
	}
	for _, s := range slices.Sorted(maps.Keys(groups)) {
		group := groups[s]
		slices.SortStableFunc(group, func(a, b *phonefile.Model) int { return cmp.Compare(size(b), size(a)) })
		var examined []*phonefile.Model
		for _, m := range group {
			if !slices.ContainsFunc(examined, func(r *phonefile.Model) bool { return c.alike(r, m) }) {
				c.examine(m, len(examined) == 0)
				examined = append(examined, m)
			}
		}
	}
	return c.err()
}

// carriedCheck examines the models of one pack.
type carriedCheck struct {
	vendor *pack.Vendor
	found  []disagreement
	models map[disagreement][]string // the models that have it

	phones  map[*phonefile.Model][]phonefile.Phone // for alike, with what is printed for them
	outputs map[*phonefile.Model][]output
}

// disagreement is one thing of which rendering found something else than the pack states.
type disagreement struct {
	kind   string // as under lacks: settings, keys, lines
	name   string
	where  string // of keys the area, of lines whether it is a further one; "" for everywhere
	stated bool   // the pack states that it makes no difference
}

// agree compares what rendering found with what the pack states.
func (c *carriedCheck) agree(m *phonefile.Model, d disagreement, differs bool) {
	if differs != d.stated {
		return
	}
	if len(c.models[d]) == 0 {
		c.found = append(c.found, d)
	}
	if !slices.Contains(c.models[d], m.Name) {
		c.models[d] = append(c.models[d], m.Name)
	}
}

// err joins what was found, one error for all that the same models have.
func (c *carriedCheck) err() error {
	var errs []error
	done := make(map[disagreement]bool)
	for _, first := range c.found {
		all := first
		all.where = ""
		if done[first] || first.kind == "lines" && first != all && len(c.models[all]) > 0 {
			continue
		}
		var names []string
		for _, d := range c.found {
			if d.kind == first.kind && d.where == first.where && d.stated == first.stated && slices.Equal(c.models[d], c.models[first]) {
				names = append(names, d.name)
				done[d] = true
			}
		}
		errs = append(errs, errors.New(c.vendor.Place(nil, first.describe(names, c.models[first]))))
	}
	return errors.Join(errs...)
}

// describe makes the error about these names of one kind.
func (d disagreement) describe(names, models []string) error {
	what := map[string]string{"settings": "settings", "keys": "key types", "lines": "members of lines"}[d.kind] + " " + strings.Join(names, ", ")
	if d.where != "" {
		what += " (" + d.where + ")"
	}
	of := models[0]
	if len(models) > 1 {
		of = strings.Join(models, ", ") + " and models like them"
	}
	if d.stated {
		return fmt.Errorf("%s are listed under lacks, and make a difference in the files of %s", what, of)
	}
	return fmt.Errorf(`%s are accepted, and make no difference in the files of %s: print them, or write lacks: {%s: {%s: "the reason"}}`,
		what, of, d.kind, strings.Join(names, `: "the reason", `))
}

// size orders models: one that comes later has no more lines and keys.
func size(m *phonefile.Model) int {
	n := m.Lines
	for _, count := range m.Areas() {
		n += count
	}
	return n
}

// structure is everything that the files of a model depend on apart from its names, its variables and its numbers of lines
// and keys.
func structure(v *pack.Vendor, m *phonefile.Model) string {
	var b strings.Builder
	named := func(names []string) { fmt.Fprint(&b, m.IsAny(names), " ") }
	for _, f := range v.Declared() {
		named(f.For)
		for _, field := range f.Fields() {
			if name, ok := strings.CutPrefix(field, ".Is "); ok {
				fmt.Fprint(&b, m.Is(name) || name == "?" && m.Name != "", name, " ")
			}
		}
	}
	d := v.Document()
	for _, name := range slices.Sorted(maps.Keys(d.Settings)) {
		for i := range d.Settings[name] {
			named(d.Settings[name][i].For)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(m.Types)) {
		t := m.Types[name]
		if t == nil {
			continue
		}
		fmt.Fprintf(&b, "%s %q %q %q %q %q %q ", name, t.Code, t.Text, t.Areas, t.ByArea, t.Needs, t.Refuse)
		if strings.Contains(t.Text, ".Is") {
			fmt.Fprintf(&b, "%q ", m.Families)
		}
	}
	fmt.Fprintf(&b, "%v %q", m.Lacks, slices.Sorted(maps.Keys(m.Areas())))
	return b.String()
}

// alike reports whether what was found for the model r holds for m, which has the same structure: r has every line and key
// of m, and what their files differ in is the same for a phone with one line alone and for one with everything.
func (c *carriedCheck) alike(r, m *phonefile.Model) bool {
	areas, own := r.Areas(), m.Areas()
	for area, n := range own {
		if areas[area] < n {
			return false
		}
	}
	if r.Lines < m.Lines {
		return false
	}
	if r.Lines == m.Lines && maps.Equal(areas, own) && r.Expansion == m.Expansion && !c.printsNames(m) {
		return true
	}
	if c.phones[m] == nil {
		c.phones[m] = []phonefile.Phone{plainPhone(c.vendor, m, 1), c.fullPhone(m)}
		for _, p := range c.phones[m] {
			out, _ := c.output(p)
			c.outputs[m] = append(c.outputs[m], out)
		}
	}
	var first map[string]int
	for i, p := range c.phones[m] {
		p.Model = r.Name
		for slot := m.Keys["line"]; slot < r.Keys["line"]; slot++ { // or lines would fill what m does not have
			p.Keys = append(p.Keys[:len(p.Keys):len(p.Keys)], fleet.Key{Area: "line", Slot: slot + 1, Type: "none"})
		}
		other, err := c.output(p)
		if err != nil || c.outputs[m][i] == nil {
			return false
		}
		d := difference(other, c.outputs[m][i])
		if i == 0 {
			first = d
		} else if !maps.Equal(first, d) {
			return false
		}
	}
	return true
}

// printsNames reports whether the files of a model print its name or a variable of its own.
func (c *carriedCheck) printsNames(m *phonefile.Model) bool {
	return slices.ContainsFunc(c.vendor.FilesOf(m), func(f *phonefile.File) bool {
		return slices.Contains(f.Fields(), ".Model") || slices.Contains(f.Fields(), ".Vars")
	})
}

// output is how often each line is in a phone's files; the names of the files are lines too.
type output map[string]int

// text renders the files of a phone of which pick is true, one after another.
func (c *carriedCheck) text(p phonefile.Phone, pick func(*phonefile.File) bool) ([]byte, error) {
	var out []byte
	for _, n := range c.vendor.Files(p) {
		if n.File.Template == "" || !pick(n.File) {
			continue
		}
		text, err := c.vendor.Render(n.Name, p)
		if errors.Is(err, phonefile.ErrNoContent) {
			continue
		}
		if err != nil {
			return nil, err
		}
		out = append(append(append(out, n.Name...), '\n'), text...)
	}
	return out, nil
}

// everyFile picks all files.
func everyFile(*phonefile.File) bool { return true }

// ownFiles picks the files that can print something of lines and keys.
func ownFiles(f *phonefile.File) bool { return f.Kind != phonefile.KindCommon }

// filesFor picks the files that can print a setting.
func filesFor(name string) func(*phonefile.File) bool {
	return func(f *phonefile.File) bool {
		return f.Settings || f.MaxNumbers > 0 || slices.Contains(f.TemplateSettings(), name)
	}
}

func (c *carriedCheck) output(p phonefile.Phone) (output, error) {
	text, err := c.text(p, everyFile)
	if err != nil {
		return nil, err
	}
	out := make(output)
	for line := range strings.Lines(string(text)) {
		out[line]++
	}
	return out, nil
}

// difference returns how often each line is in a more than in b.
func difference(a, b output) map[string]int {
	out := make(map[string]int)
	for line, n := range a {
		if d := n - b[line]; d != 0 {
			out[line] = d
		}
	}
	for line, n := range b {
		if _, ok := a[line]; !ok {
			out[line] = -n
		}
	}
	return out
}
