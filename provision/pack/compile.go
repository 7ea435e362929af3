package pack

import (
	"cmp"
	"errors"
	"maps"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"plugtone/provision/packdoc"
	"plugtone/provision/phonefile"
	"plugtone/provision/render"
	"plugtone/provision/setting"
	"plugtone/provision/yamlpos"
)

var vendorID = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)

// compiler makes a vendor of a pack's document, and collects its validation errors.
type compiler struct {
	v      *Vendor
	doc    *packdoc.Document
	folder *packdoc.Folder
	caches *phonefile.Caches
	errs   []error
}

// compile makes a vendor of a folder. Its error joins every problem, each with file and place.
func compile(f *packdoc.Folder, caches *phonefile.Caches) (*Vendor, error) {
	doc, err := f.Decode()
	if err != nil {
		return nil, err
	}
	v := &Vendor{ID: doc.Vendor, Name: doc.Name, Aliases: doc.Aliases, Experimental: doc.Experimental, Dir: f.Name, doc: doc, origin: f.Origin}
	c := &compiler{v: v, doc: doc, folder: f, caches: caches}
	c.compileHead()
	if len(c.errs) > 0 {
		return nil, f.WithPlaces(c.errs)
	}
	models := modelCompiler{c}.compileModels()
	var errs []error
	v.Renderer, errs = phonefile.NewRenderer(doc, models, caches)
	c.errs = append(c.errs, errs...)
	c.checkSettings()
	files := &fileCompiler{compiler: c, templates: make(map[string]*render.Template), stated: make(map[*phonefile.File]bool)}
	v.FileList = phonefile.NewFileList(v.ID, models, files.compileFiles())
	files.chooseSettingsFiles()
	c.compileMatchers()
	c.checkOptions()
	c.checkBoot()
	c.compileResync()
	return v, f.WithPlaces(c.errs)
}

// compileHead checks the pack's name, its formats and its facts.
func (c *compiler) compileHead() {
	if !vendorID.MatchString(c.v.ID) {
		c.problem(c.pos("vendor"), "vendor %q is not made of lower case letters, digits and dashes", c.v.ID)
	}
	if c.v.Name == "" {
		c.errs = append(c.errs, errors.New("name is missing"))
	}
	for _, name := range slices.Sorted(maps.Keys(c.doc.Formats)) {
		if c.doc.Formats[name] == nil {
			c.problem(c.pos("formats", name), "format %s is empty", name)
		} else if _, ok := render.Document(name); ok {
			c.problem(c.pos("formats", name), "format %s is built in: give the pack's own another name", name)
		} else if err := c.doc.Formats[name].Check(); err != nil {
			c.problem(c.pos("formats", name), "format %s: %v", name, err)
		}
	}
	for i, fact := range c.doc.Facts {
		if fact.What == "" {
			c.problem(fact.Pos, "facts: number %d has no text", i+1)
		}
		c.checkConfidence(fact.Pos, fact.What, fact.Confidence)
		c.addFact(fact.What, fact.Source, cmp.Or(fact.Confidence, "high"))
	}
}

// problem adds a validation error of the pack, with its place in vendor.yaml where that is known.
func (c *compiler) problem(at yamlpos.Pos, format string, args ...any) {
	c.errs = append(c.errs, yamlpos.Errorf(at, format, args...))
}

// member returns the value of a member of the pack, nil when it isn't written.
func (c *compiler) member(path ...string) *yaml.Node {
	n := c.folder.Node
	for _, name := range path {
		n = yamlpos.Member(n, name)
	}
	return n
}

// pos returns the place of a member of the pack, unknown when it isn't written.
func (c *compiler) pos(path ...string) yamlpos.Pos {
	last := len(path) - 1
	return yamlpos.MemberPos(c.member(path[:last]...), path[last])
}

func (c *compiler) checkConfidence(at yamlpos.Pos, what, confidence string) {
	switch confidence {
	case "", "high", "medium", "low":
	default:
		c.problem(at, "%s: confidence %q must be one of high, medium, low", what, confidence)
	}
}

// note stores what an entry states about itself: its source, and its confidence when that isn't high.
func (c *compiler) note(at yamlpos.Pos, what string, b packdoc.Basis) {
	c.checkConfidence(at, what, b.Confidence)
	if b.Note != "" {
		what += ": " + b.Note
	}
	if b.Confidence != "" && b.Confidence != "high" || b.Source != "" {
		c.addFact(what, b.Source, cmp.Or(b.Confidence, "high"))
	}
}

func (c *compiler) addFact(what, source, confidence string) {
	if full, ok := c.doc.Sources[source]; ok {
		source = full
	}
	fact := Fact{What: what, Source: source, Confidence: confidence}
	if !slices.Contains(c.v.facts, fact) {
		c.v.facts = append(c.v.facts, fact)
	}
}

// checkFor reports the first name that is neither a family nor a model. what is the beginning of the message.
func (c *compiler) checkFor(at yamlpos.Pos, what string, names []string) {
	for _, n := range names {
		_, family := c.doc.Families[n]
		_, model := c.doc.Models[n]
		if !family && !model {
			c.problem(at, "%sfor: %q is neither a family nor a model", what, n)
			return
		}
	}
}

// checkSettings compares the settings map with the catalogue.
func (c *compiler) checkSettings() {
	for _, name := range slices.Sorted(maps.Keys(c.doc.Settings)) {
		def, ok := setting.Lookup(name)
		for i := range c.doc.Settings[name] {
			d := &c.doc.Settings[name][i]
			if !ok {
				c.problem(d.Pos, "setting %s: there is no such setting%s", name, nearSetting(name))
				continue
			}
			c.checkSetting(name, def, d)
			c.note(d.Pos, "setting "+name, d.Basis)
		}
	}
}

func (c *compiler) checkSetting(name string, def setting.Def, d *packdoc.Setting) {
	bad := func(format string, args ...any) { c.problem(d.Pos, "setting "+name+": "+format, args...) }
	if d.Param == "" && len(d.Params) == 0 {
		bad("needs param or params")
	}
	c.checkFor(d.Pos, "setting "+name+": ", d.For)
	if d.Values.Name != "" && c.doc.Maps[d.Values.Name] == nil {
		bad("values: there is no map %q under maps", d.Values.Name)
	}
	if def.Type == setting.Time && d.Text == "" && !slices.Contains([]string{"s", "m", "h"}, d.Unit) {
		bad("is a duration and needs unit s, m or h, or a text")
	}
	if (def.Type == setting.List || def.Type == setting.Choices) && d.Text == "" && d.Join == "" && len(d.Params) == 0 && d.Each == "" {
		bad("is a list and needs params, join, each or a text")
	}
	c.checkEach(d, bad)
	for _, word := range slices.Sorted(maps.Keys(d.Values.Map)) {
		if def.Type == setting.Choice && !slices.Contains(def.Choices, word) {
			bad("values: %q must be one of %s", word, strings.Join(def.Choices, ", "))
		}
	}
}

// checkEach checks what is printed for each item of a list.
func (c *compiler) checkEach(d *packdoc.Setting, bad func(format string, args ...any)) {
	if d.Keys.Name != "" && c.doc.Maps[d.Keys.Name] == nil {
		bad("keys: there is no map %q under maps", d.Keys.Name)
	}
	if !slices.Contains([]string{"", "item", "key", "value"}, d.Each) {
		bad("each: %q must be one of item, key, value", d.Each)
	}
	names := d.Param + strings.Join(d.Params, "")
	if d.Each == "" && (strings.Contains(names, "{i}") || strings.Contains(names, "{key}")) {
		bad("{i} and {key} need each")
	}
	if d.Each != "" && len(d.Params) == 0 && !strings.Contains(names, "{i}") && !strings.Contains(names, "{key}") {
		bad("each needs {i} or {key} in param, or params")
	}
}

// nearSetting returns the settings that were probably meant, as the end of a message.
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
