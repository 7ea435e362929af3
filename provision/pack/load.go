package pack

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"text/template"

	"go.yaml.in/yaml/v4"

	"plugtone/provision/render"
	"plugtone/provision/setting"
)

var vendorID = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)

// Load reads, checks and joins all packs. Its error joins every fault, each with file and line. Packs of Dirs, and
// built-in ones that they extend, are also rendered for sample phones.
func Load(c Config) (*Set, error) {
	folders, errs := readBuiltin(c.Builtin)
	fresh := make(map[string]bool)
	for _, dir := range c.Dirs {
		errs = append(errs, readDir(dir, folders, fresh)...)
	}
	s := &Set{byName: make(map[string]*Vendor), matchers: make(map[string][]matcher), ouis: make(map[string][]matcher)}
	zones := &zoneCache{}
	for _, id := range slices.Sorted(maps.Keys(folders)) {
		v, err := compile(folders[id], zones)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		v.Recognises = !v.Experimental || slices.Contains(c.Experimental, v.ID) || slices.Contains(c.checking, v.ID)
		if fresh[id] || c.CheckBuiltin {
			errs = append(errs, v.Check())
		}
		s.vendors = append(s.vendors, v)
	}
	errs = append(errs, s.join(c, folders)...)
	prefixes, err := readOUI(c.Builtin)
	errs = append(errs, err)
	s.addOUI(prefixes)
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return s, nil
}

func readBuiltin(builtin fs.FS) (map[string]*folder, []error) {
	folders := make(map[string]*folder)
	if builtin == nil {
		return folders, nil
	}
	entries, err := fs.ReadDir(builtin, ".")
	errs := []error{err}
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		sub, err := fs.Sub(builtin, e.Name())
		if err != nil {
			errs = append(errs, err)
			continue
		}
		f, err := readFolder(sub, e.Name())
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if f.base != "" {
			errs = append(errs, fmt.Errorf("%s/vendor.yaml: extends is for packs outside the program", e.Name()))
		}
		folders[f.id] = f
		if f.id != e.Name() {
			errs = append(errs, fmt.Errorf("%s/vendor.yaml: vendor %q is not the folder's name", e.Name(), f.id))
		}
	}
	return folders, errs
}

// readDir adds the packs of one of the operator's folders; dir may also be a single pack.
func readDir(dir string, folders map[string]*folder, fresh map[string]bool) []error {
	dirs, err := packDirs(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return []error{err}
	}
	var errs []error
	for _, d := range dirs {
		errs = append(errs, readOwn(d, folders, fresh)...)
	}
	return errs
}

func readOwn(dir string, folders map[string]*folder, fresh map[string]bool) []error {
	f, err := readFolder(os.DirFS(dir), dir)
	if err != nil {
		return []error{err}
	}
	if f.id == "" {
		_, err := f.decode() // a misspelt member, or what else is wrong with it
		return []error{f.withPlaces([]error{errors.New("vendor is missing")}), err}
	}
	if !vendorID.MatchString(f.id) {
		return []error{f.withPlaces([]error{f.memberError("vendor", "vendor %q is not made of lower case letters, digits and dashes", f.id)})}
	}
	if f.base != "" {
		base, ok := folders[f.base]
		if !ok {
			return []error{f.withPlaces([]error{f.memberError("extends", "extends %q, which is none of %s", f.base, strings.Join(slices.Sorted(maps.Keys(folders)), ", "))})}
		}
		f = f.extend(base)
	}
	folders[f.id] = f
	fresh[f.id] = true
	return nil
}

// compile turns a folder into a vendor.
func compile(f *folder, zones *zoneCache) (*Vendor, error) {
	doc, err := f.decode()
	if err != nil {
		return nil, err
	}
	v := &Vendor{ID: doc.Vendor, Name: doc.Name, Aliases: doc.Aliases, Experimental: doc.Experimental, Dir: f.name, doc: doc,
		templates: make(map[string]*render.Template), source: f.source, origin: f.origin, node: f.node, zones: zones,
		keySnippets: make(map[*keyDoc]*snippet), settingSnippets: make(map[*settingDoc]*snippet)}
	defer func() { v.node = nil }()
	var errs []error
	if !vendorID.MatchString(v.ID) {
		errs = append(errs, f.memberError("vendor", "vendor %q is not made of lower case letters, digits and dashes", v.ID))
	}
	if v.Name == "" {
		errs = append(errs, errors.New("name is missing"))
	}
	for _, name := range slices.Sorted(maps.Keys(doc.Formats)) {
		if doc.Formats[name] == nil {
			errs = append(errs, v.memberError("formats", name, "format %s is empty", name))
			continue
		}
		if err := doc.Formats[name].Check(); err != nil {
			errs = append(errs, v.memberError("formats", name, "format %s: %v", name, err))
		}
	}
	for i, fact := range doc.Facts {
		if fact.What == "" {
			errs = append(errs, atLine(items(member(f.node, "facts"))[i].Line, "facts: number %d says nothing", i+1))
		}
		v.checkConfidence(items(member(f.node, "facts"))[i].Line, fact.What, fact.Confidence)
		v.addFact(fact.What, fact.Source, cmp.Or(fact.Confidence, "high"))
	}
	if len(errs) > 0 {
		return nil, f.withPlaces(errs)
	}
	errs = append(errs, v.compileModels()...)
	v.makeGeneric()
	errs = append(errs, v.compileTexts()...)
	errs = append(errs, v.checkSettings()...)
	errs = append(errs, v.compileFiles()...)
	errs = append(errs, v.compileMatchers()...)
	errs = append(errs, v.checkOptions()...)
	errs = append(errs, v.checkBoot()...)
	errs = append(errs, v.checkResync()...)
	errs = append(errs, v.errs...)
	return v, f.withPlaces(errs)
}

// checkConfidence tells of a word that is none of those that confidence knows.
func (v *Vendor) checkConfidence(line int, what, confidence string) {
	switch confidence {
	case "", "high", "medium", "low":
	default:
		v.errs = append(v.errs, atLine(line, "%s: confidence %q is none of high, medium, low", what, confidence))
	}
}

// note keeps what an entry says of itself: its source, and its confidence when that isn't high.
func (v *Vendor) note(line int, what, note, source, confidence string) {
	v.checkConfidence(line, what, confidence)
	if note != "" {
		what += ": " + note
	}
	if confidence != "" && confidence != "high" || source != "" {
		v.addFact(what, source, cmp.Or(confidence, "high"))
	}
}

// atLine makes an error with its line, where the line is known.
func atLine(line int, format string, args ...any) error {
	if line == 0 {
		return fmt.Errorf(format, args...)
	}
	return &lineError{line, fmt.Sprintf(format, args...)}
}

// memberError makes an error about one member of a map of the pack.
func (v *Vendor) memberError(group, name, format string, args ...any) error {
	return atLine(lineOf(member(v.node, group), name), format, args...)
}

// memberError makes an error about a member of the pack itself.
func (f *folder) memberError(name, format string, args ...any) error {
	return atLine(lineOf(f.node, name), format, args...)
}

// lineOf is the line that a member of a map stands at, 0 when there is none.
func lineOf(m *yaml.Node, name string) int {
	if m != nil && m.Kind == yaml.MappingNode {
		if i := indexOf(m.Content, name); i >= 0 {
			return m.Content[i].Line
		}
	}
	return 0
}

// nearSetting names the settings that were probably meant.
func nearSetting(name string) string {
	var names []string
	for _, def := range setting.All() {
		names = append(names, def.Name)
	}
	if near := setting.Nearest(name, names); len(near) > 0 {
		return "; near: " + strings.Join(near, ", ")
	}
	return ""
}

func (v *Vendor) addFact(what, source, confidence string) {
	if full, ok := v.doc.Sources[source]; ok {
		source = full
	}
	fact := Fact{What: what, Source: source, Confidence: confidence}
	if slices.Contains(v.facts, fact) {
		return
	}
	v.facts = append(v.facts, fact)
}

// compileTexts parses the short templates of key types and settings.
func (v *Vendor) compileTexts() []error {
	var errs []error
	parse := func(line int, name, text string) *snippet {
		t, err := template.New(name).Option("missingkey=error").Funcs(render.Funcs()).Funcs(v.funcs()).Parse(text)
		if err != nil {
			_, fault, _ := strings.Cut(strings.TrimPrefix(err.Error(), "template: "), name+":1: ") // a text of one line
			errs = append(errs, atLine(line, "%s: %s", name, cmp.Or(fault, err.Error())))
		}
		return &snippet{t: t}
	}
	add := func(types map[string]*keyDoc) {
		for _, name := range slices.Sorted(maps.Keys(types)) {
			if k := types[name]; k != nil && k.Text != "" {
				v.keySnippets[k] = parse(k.line, "text of key type "+name, k.Text)
			}
		}
	}
	add(v.doc.KeyTypes)
	for _, d := range v.doc.Families {
		add(d.KeyTypes)
	}
	for _, d := range v.doc.Models {
		add(d.KeyTypes)
	}
	for _, name := range slices.Sorted(maps.Keys(v.doc.Settings)) {
		for i := range v.doc.Settings[name] {
			if d := &v.doc.Settings[name][i]; d.Text != "" {
				v.settingSnippets[d] = parse(d.line, "text of setting "+name, d.Text)
			}
		}
	}
	return errs
}

// checkSettings compares the settings map with the catalogue.
func (v *Vendor) checkSettings() []error {
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(v.doc.Settings)) {
		def, ok := setting.Lookup(name)
		for i := range v.doc.Settings[name] {
			d := &v.doc.Settings[name][i]
			bad := func(format string, args ...any) {
				errs = append(errs, &lineError{d.line, "setting " + name + ": " + fmt.Sprintf(format, args...)})
			}
			if !ok {
				bad("there is no such setting%s", nearSetting(name))
				continue
			}
			if d.Param == "" && len(d.Params) == 0 {
				bad("needs param or params")
			}
			if err := v.checkFor(d.For); err != nil {
				bad("%v", err)
			}
			if d.Values.Name != "" && v.doc.Maps[d.Values.Name] == nil {
				bad("values: there is no map %q under maps", d.Values.Name)
			}
			if def.Type == setting.Time && d.Text == "" && !slices.Contains([]string{"s", "m", "h"}, d.Unit) {
				bad("is a duration and needs unit s, m or h, or a text")
			}
			if (def.Type == setting.List || def.Type == setting.Choices) && d.Text == "" && d.Join == "" && len(d.Params) == 0 {
				bad("is a list and needs params, join or a text")
			}
			for _, word := range slices.Sorted(maps.Keys(d.Values.Map)) {
				if def.Type == setting.Choice && !slices.Contains(def.Choices, word) {
					bad("values: %q is none of %s", word, strings.Join(def.Choices, ", "))
				}
			}
			v.note(d.line, "setting "+name, d.Note, d.Source, d.Confidence)
		}
	}
	return errs
}

// join makes the set of all vendors and finds names that two of them claim.
func (s *Set) join(c Config, folders map[string]*folder) []error {
	var errs []error
	for _, v := range s.vendors {
		for _, name := range append([]string{v.ID}, v.Aliases...) {
			if other := s.byName[name]; other != nil && other != v {
				errs = append(errs, fmt.Errorf("%s: the name %s is also that of %s", path.Join(v.Dir, "vendor.yaml"), name, other.ID))
			}
			s.byName[name] = v
		}
		if v.Recognises {
			s.addMatchers(v.matchers)
		}
	}
	for _, id := range c.Experimental {
		if len(s.vendors) > 0 && s.byName[id] == nil && folders[id] == nil {
			errs = append(errs, fmt.Errorf("experimental_packs: there is no vendor %q", id))
		}
	}
	return errs
}
