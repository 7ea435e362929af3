package pack

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"plugtone/provision/render"
	"plugtone/provision/setting"
)

// pattern is one spelling of a file's name.
type pattern struct {
	text string
	re   *regexp.Regexp
	vars []string // placeholders in order
}

var placeholder = regexp.MustCompile(`\{([A-Za-z0-9_]+)\}`)

// compilePattern makes the expression that names as phones ask for them are matched with.
func (v *Vendor) compilePattern(text string) (pattern, error) {
	p := pattern{text: text}
	if text == "" || strings.HasPrefix(text, "/") || strings.Contains(text, "//") || strings.ContainsRune(text, '\\') {
		return p, fmt.Errorf("file name %q is empty, begins with a slash, or holds // or a backslash", text)
	}
	var b strings.Builder
	rest := 0
	for _, m := range placeholder.FindAllStringSubmatchIndex(text, -1) {
		b.WriteString(regexp.QuoteMeta(text[rest:m[0]]))
		rest = m[1]
		name := text[m[2]:m[3]]
		expr := v.doc.Variables[name]
		switch name {
		case "mac", "MAC":
			expr = "[0-9a-f]{12}|[0-9a-f]{2}(?:-[0-9a-f]{2}){5}|[0-9a-f]{2}(?::[0-9a-f]{2}){5}" // as phones of all times write it
		case "model":
			expr = `[^/]+?`
		case "any":
			expr = `[^/]+`
		case "path":
			expr = `.+`
		default:
			if expr == "" {
				return p, fmt.Errorf("file name %q: {%s} is none of mac, MAC, model, any, path and the pack's variables", text, name)
			}
		}
		p.vars = append(p.vars, name)
		b.WriteString("((?:" + expr + "))")
	}
	b.WriteString(regexp.QuoteMeta(text[rest:]))
	re, err := regexp.Compile("(?i)^" + b.String() + "$")
	if err != nil {
		return p, fmt.Errorf("file name %q: %w", text, err)
	}
	if re.NumSubexp() != len(p.vars) {
		return p, fmt.Errorf("file name %q: the expression of a variable holds a group, write (?:...)", text)
	}
	p.re = re
	return p, nil
}

func (v *Vendor) compileFiles() []error {
	var errs []error
	for _, d := range v.doc.Files {
		f, err := v.compileFile(d)
		if err != nil {
			if !inTemplate.MatchString(err.Error()) {
				err = &lineError{d.line, err.Error()}
			}
			errs = append(errs, err)
			continue
		}
		v.files = append(v.files, f)
		v.note(d.line, "file "+f.Name, d.Note, d.Source, d.Confidence)
	}
	errs = append(errs, v.compileChecksums()...)
	v.linkPhonebooks()
	return append(errs, v.chooseSettingsFiles()...)
}

func (v *Vendor) compileFile(d fileDoc) (*File, error) {
	f := &File{Name: d.Name, Also: d.Also, Kind: d.Kind, Template: d.Template, Format: d.Format, MediaType: d.MediaType,
		Missing: d.Missing, Challenge: d.Challenge, For: d.For, Note: d.Note, Of: d.Of, MaxNumbers: d.Most, digest: d.Digest, line: d.line}
	switch f.Kind {
	case KindDevice, KindPrivate, KindCommon:
		if f.Template == "" || f.Format == "" {
			return nil, fmt.Errorf("file %s: kind %s needs a template and a format", d.Name, d.Kind)
		}
	case KindFirmware, KindStatic, KindNone, KindUpload:
		if f.Template != "" || f.Format != "" {
			return nil, fmt.Errorf("file %s: kind %s has no template and no format", d.Name, d.Kind)
		}
	case kindChecksum:
		if err := f.checkChecksum(); err != nil {
			return nil, err
		}
	default:
		return nil, fmt.Errorf("file %s: kind %q is none of device, private, common, firmware, static, none, upload, checksum", d.Name, d.Kind)
	}
	if d.Of != "" && f.Kind != kindChecksum {
		return nil, fmt.Errorf("file %s: of belongs to kind checksum", d.Name)
	}
	switch {
	case d.When == "phonebook" && f.Kind == KindPrivate:
		f.OnlyWithPhonebook = true
	case d.When != "":
		return nil, fmt.Errorf("file %s: when %q: only phonebook is known, for kind private", d.Name, d.When)
	}
	if f.Challenge == "" {
		f.Challenge = v.doc.Challenge
	}
	switch f.Challenge {
	case "":
		f.Challenge = "digest" // what most phones know; a pack says so when its phones know another, or none
	case "digest", "digest-sha256", "basic", "none":
	default:
		return nil, fmt.Errorf("challenge %q is none of digest, digest-sha256, basic, none", f.Challenge)
	}
	if err := v.checkFor(f.For); err != nil {
		return nil, err
	}
	var err error
	if f.Max, err = parseSize(d.Max); err != nil {
		return nil, err
	}
	if f.Kind == KindUpload && f.Max == 0 {
		return nil, fmt.Errorf("file %s: an upload needs max, such as 256KiB", d.Name)
	}
	for _, name := range append([]string{d.Name}, d.Also...) {
		p, err := v.compilePattern(name)
		if err != nil {
			return nil, err
		}
		f.patterns = append(f.patterns, p)
	}
	if (f.Kind == KindDevice) && !slices.ContainsFunc(f.patterns, func(p pattern) bool { return slices.Contains(p.vars, "mac") || slices.Contains(p.vars, "MAC") }) {
		f.Note = strings.TrimSpace(f.Note + " (its name has no MAC: it belongs to who asks)")
	}
	if f.Template != "" {
		if err := v.compileTemplate(f, d.Settings); err != nil {
			return nil, err
		}
	}
	return f, nil
}

func (v *Vendor) compileTemplate(f *File, settings *bool) error {
	format, ok := v.doc.Formats[f.Format]
	if !ok {
		if format, ok = render.Document(f.Format); !ok {
			return fmt.Errorf("file %s: format %q is none of xml, json, text and the pack's own", f.Name, f.Format)
		}
	}
	if f.MediaType == "" {
		f.MediaType = format.MediaType
	}
	if settings != nil {
		f.Settings = *settings
		f.fixed = true
		if f.Settings && (f.Kind != KindDevice || !format.HasParams()) {
			return fmt.Errorf("file %s: settings go into a device file of a parameter format", f.Name)
		}
	}
	key := f.Template + "\x00" + f.Format + "\x00" + string(f.Kind)
	f.pool = &templatePool{}
	if f.compiled = v.templates[key]; f.compiled != nil {
		f.settings = templateSettings(f.compiled)
		return f.checkContacts()
	}
	text, ok := v.source[f.Template]
	if !ok {
		return fmt.Errorf("file %s: there is no template %s", f.Name, f.Template)
	}
	t, err := render.Compile(render.Source{Name: f.Template, Text: text}, v.partials(), format, v.funcs(), f.Kind != KindCommon)
	if err != nil {
		return err
	}
	if f.Kind == KindCommon {
		for _, field := range t.Fields() {
			if slices.Contains(deviceFields(), field) {
				return fmt.Errorf("%s: %s is not for a file that anybody may fetch", f.Template, field)
			}
		}
	}
	f.compiled = t
	f.settings = templateSettings(t)
	if err := v.checkNames(f.settings); err != nil {
		return err
	}
	v.templates[key] = t
	return f.checkContacts()
}

// checkNames finds a setting that a template asks for and that there isn't: it would always be unset.
func (v *Vendor) checkNames(names []string) error {
	for _, name := range names {
		if _, ok := setting.Lookup(name); ok {
			continue
		}
		for _, t := range slices.Sorted(maps.Keys(v.source)) {
			if before, _, ok := strings.Cut(v.source[t], strconv.Quote(name)); ok {
				return fmt.Errorf("%s:%d: there is no setting %q%s", t, strings.Count(before, "\n")+1, name, nearSetting(name))
			}
		}
	}
	return nil
}

// templateSettings lists the settings that a template prints itself.
func templateSettings(t *render.Template) []string {
	var out []string
	for _, field := range t.Fields() {
		for _, f := range []string{"setting ", "settingOr "} {
			if name, ok := strings.CutPrefix(field, f); ok {
				out = append(out, name)
			}
		}
		switch field {
		case ".TZ":
			out = append(out, "time_zone")
		case "language":
			out = append(out, "language")
		}
	}
	return out
}

// deviceFields are what a common file can't print: it is the same for all phones of a model.
func deviceFields() []string {
	return []string{".MAC", ".MACUpper", ".MACColon", ".Label", ".Lines", ".AllLines", ".Line", ".Keys", ".Slots", ".Expansions", ".Password", ".AuthUser", ".Contacts"}
}

func (v *Vendor) partials() []render.Source {
	var out []render.Source
	for _, name := range slices.Sorted(maps.Keys(v.source)) {
		if strings.HasPrefix(name, "_") {
			out = append(out, render.Source{Name: name, Text: v.source[name]})
		}
	}
	return out
}

// chooseSettingsFiles marks the first device file of parameters, and checks that each model has one at most.
func (v *Vendor) chooseSettingsFiles() []error {
	var errs []error
	for _, m := range v.models {
		var chosen []string
		line := 0
		var first *File
		for _, f := range v.files {
			if !m.isAny(f.For) || f.Kind != KindDevice || f.compiled == nil || !f.compiled.Format.HasParams() {
				continue
			}
			if f.fixed && f.Settings {
				chosen = append(chosen, f.Name)
				line = f.line
			} else if first == nil && !f.fixed {
				first = f
			}
		}
		switch {
		case len(chosen) > 1:
			errs = append(errs, atLine(line, "model %s: settings are to go into %s: say settings: true only once", m.Name, strings.Join(chosen, " and ")))
		case len(chosen) == 0 && first != nil:
			first.Settings = true
		}
	}
	return errs
}

func parseSize(s string) (int64, error) {
	if s == "" {
		return 0, nil
	}
	unit := int64(1)
	digits := s
	for suffix, n := range map[string]int64{"KiB": 1 << 10, "MiB": 1 << 20} {
		if d, ok := strings.CutSuffix(s, suffix); ok {
			digits, unit = d, n
		}
	}
	n, err := strconv.ParseInt(strings.TrimSpace(digits), 10, 32)
	if err != nil || n <= 0 {
		return 0, fmt.Errorf("max %q is no size such as 256KiB", s)
	}
	return n * unit, nil
}
