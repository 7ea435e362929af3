package pack

import (
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"plugtone/provision/packdoc"
	"plugtone/provision/phonefile"
	"plugtone/provision/render"
	"plugtone/provision/setting"
	"plugtone/provision/yamlpos"
)

// kindChecksum is written in packs only: such a file has the kind of the file that it is the checksum of.
const kindChecksum phonefile.Kind = "checksum"

// maxPhonebookNumbers bounds what a pack may state as a phonebook's size: files are rendered in memory.
const maxPhonebookNumbers = 10000

// fileCompiler makes the files of a pack.
type fileCompiler struct {
	*compiler
	templates map[string]*render.Template // by template, format and kind of file
	stated    map[*phonefile.File]bool    // files of which the pack states whether settings go into them
}

func (c *fileCompiler) compileFiles() []*phonefile.File {
	var files []*phonefile.File
	for i := range c.doc.Files {
		d := &c.doc.Files[i]
		f, err := c.compileFile(d)
		if err != nil {
			if !packdoc.InTemplate(err) {
				err = yamlpos.Errorf(d.Pos, "%v", err)
			}
			c.errs = append(c.errs, err)
			continue
		}
		files = append(files, f)
		c.note(d.Pos, "file "+f.Name, d.Basis)
	}
	c.linkChecksums(files)
	return files
}

func (c *fileCompiler) compileFile(d *packdoc.File) (*phonefile.File, error) {
	f := &phonefile.File{Name: d.Name, Also: d.Also, Kind: phonefile.Kind(d.Kind), Template: d.Template, Format: d.Format, MediaType: d.MediaType,
		Missing: d.Missing, Challenge: d.Challenge, For: d.For, Note: d.Note, Of: d.Of, Digest: d.Digest, MaxNumbers: d.MaxNumbers, Pos: d.Pos}
	if err := checkKind(f); err != nil {
		return nil, err
	}
	switch {
	case d.When == "phonebook" && f.Kind == phonefile.KindPrivate:
		f.OnlyWithPhonebook = true
	case d.When != "":
		return nil, fmt.Errorf("file %s: when %q: only phonebook is known, for kind private", d.Name, d.When)
	}
	if f.Challenge == "" {
		f.Challenge = c.doc.Challenge
	}
	switch f.Challenge {
	case "":
		f.Challenge = "digest" // what most phones support; a pack names another where its phones need one
	case "digest", "digest-sha256", "basic", "none":
	default:
		return nil, fmt.Errorf("challenge %q must be one of digest, digest-sha256, basic, none", f.Challenge)
	}
	c.checkFor(d.Pos, "", f.For)
	err := checkOverrides(f, d.Overrides)
	if err != nil {
		return nil, err
	}
	if f.Max, err = parseSize(d.Max); err != nil {
		return nil, err
	}
	if f.Kind == phonefile.KindUpload && f.Max == 0 {
		return nil, fmt.Errorf("file %s: an upload needs max, such as 256KiB", d.Name)
	}
	if err := f.SetPatterns(c.doc.Variables); err != nil {
		return nil, err
	}
	if f.Kind == phonefile.KindDevice && !f.HasMAC() {
		f.Note = strings.TrimSpace(f.Note + " (its name has no MAC: each requester gets its own)")
	}
	if f.Template != "" {
		if err := c.compileTemplate(f, d.Settings); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// checkKind checks that a file has the members that its kind needs, and no others.
func checkKind(f *phonefile.File) error {
	switch f.Kind {
	case phonefile.KindDevice, phonefile.KindPrivate, phonefile.KindCommon:
		if f.Template == "" || f.Format == "" {
			return fmt.Errorf("file %s: kind %s needs a template and a format", f.Name, f.Kind)
		}
	case phonefile.KindFirmware, phonefile.KindStatic, phonefile.KindNone, phonefile.KindUpload:
		if f.Template != "" || f.Format != "" {
			return fmt.Errorf("file %s: kind %s has no template and no format", f.Name, f.Kind)
		}
	case kindChecksum:
		return checkChecksum(f)
	default:
		return fmt.Errorf("file %s: kind %q must be one of device, private, common, firmware, static, none, upload, checksum", f.Name, f.Kind)
	}
	if f.Of != "" {
		return fmt.Errorf("file %s: of belongs to kind checksum", f.Name)
	}
	return nil
}

// checkOverrides sets how an uploaded file lists what was changed on the phone, when it does.
func checkOverrides(f *phonefile.File, o *packdoc.Overrides) error {
	switch {
	case o == nil:
		return nil
	case f.Kind != phonefile.KindUpload:
		return fmt.Errorf("file %s: overrides belong to kind upload", f.Name)
	case o.Format != phonefile.OverrideAttributes && o.Format != phonefile.OverrideLines:
		return fmt.Errorf("file %s: format %q of overrides must be one of %s, %s", f.Name, o.Format, phonefile.OverrideAttributes, phonefile.OverrideLines)
	case len(o.Secret) == 0:
		return fmt.Errorf("file %s: overrides need secret: patterns of the parameters that hold secrets, such as *password*", f.Name)
	}
	for _, p := range o.Secret {
		if _, err := path.Match(p, ""); err != nil || p != strings.ToLower(p) || strings.Contains(p, "/") {
			return fmt.Errorf("file %s: secret %q must be a pattern in lower case without slashes, such as *password*", f.Name, p)
		}
	}
	f.Overrides = &phonefile.Overrides{Format: o.Format, Secret: o.Secret}
	return nil
}

// checkChecksum checks the declaration of a checksum, and fills in its digest. A checksum reveals something of its file's
// contents, and so needs the same proof.
func checkChecksum(f *phonefile.File) error {
	if f.Template != "" || f.Format != "" || f.Of == "" {
		return fmt.Errorf("file %s: kind checksum has no template and no format, but of: the file that it is the checksum of", f.Name)
	}
	if f.Digest == "" {
		f.Digest = "md5"
	}
	if !slices.Contains([]string{"md5", "sha1", "sha256"}, f.Digest) {
		return fmt.Errorf("file %s: digest %q must be one of md5, sha1, sha256", f.Name, f.Digest)
	}
	if f.MediaType == "" {
		f.MediaType = "text/plain; charset=utf-8"
	}
	return nil
}

// linkChecksums finds the file of each checksum.
func (c *fileCompiler) linkChecksums(files []*phonefile.File) {
	for _, f := range files {
		if f.Kind != kindChecksum {
			continue
		}
		found := false
		for _, of := range files {
			if of.Name != f.Of && !slices.Contains(of.Also, f.Of) || of.Template == "" || of.Of != "" {
				continue
			}
			if found && of.Kind != f.Kind {
				c.problem(f.Pos, "file %s: %s is of kind %s for some models and %s for others", f.Name, f.Of, f.Kind, of.Kind)
			}
			found = true
			f.SameAs(of)
		}
		if !found {
			c.problem(f.Pos, "file %s: of %q must be one of the files with a template", f.Name, f.Of)
		}
	}
}

// compileTemplate compiles a file's template in the file's format. settings is what the pack states about settings in it.
func (c *fileCompiler) compileTemplate(f *phonefile.File, settings *bool) error {
	format, ok := c.doc.Formats[f.Format]
	if !ok {
		if format, ok = render.Document(f.Format); !ok {
			return fmt.Errorf("file %s: format %q must be one of xml, json, text and the pack's own", f.Name, f.Format)
		}
	}
	if f.MediaType == "" {
		f.MediaType = format.MediaType
	}
	if settings != nil {
		f.Settings, c.stated[f] = *settings, true
		if f.Settings && (f.Kind != phonefile.KindDevice || !format.HasParams()) {
			return fmt.Errorf("file %s: settings go into a device file of a parameter format", f.Name)
		}
	}
	key := f.Template + "\x00" + f.Format + "\x00" + string(f.Kind)
	t := c.templates[key]
	if t == nil {
		var err error
		if t, err = c.parseTemplate(f, format); err != nil {
			return err
		}
	}
	f.SetTemplate(t)
	if err := c.checkSettingNames(f.TemplateSettings()); err != nil {
		return err
	}
	c.templates[key] = t
	return checkContacts(f)
}

// parseTemplate parses a file's template with the partial templates of the pack.
func (c *fileCompiler) parseTemplate(f *phonefile.File, format *render.Format) (*render.Template, error) {
	text, ok := c.folder.Templates[f.Template]
	if !ok {
		return nil, fmt.Errorf("file %s: there is no template %s", f.Name, f.Template)
	}
	t, err := render.Compile(render.Source{Name: f.Template, Text: text}, c.partials(), format, c.v.Funcs(), f.Kind != phonefile.KindCommon)
	if err != nil {
		return nil, err
	}
	t.ShareBudget(c.caches.Fragments)
	if f.Kind != phonefile.KindCommon {
		return t, nil
	}
	for _, field := range t.Fields() {
		if slices.Contains(deviceFields(), field) {
			return nil, fmt.Errorf("%s: %s is not for a common file, which needs no proof", f.Template, field)
		}
	}
	return t, nil
}

// checkSettingNames reports a setting that a template prints and that does not exist: it would always be unset.
func (c *fileCompiler) checkSettingNames(names []string) error {
	for _, name := range names {
		if _, ok := setting.Lookup(name); ok {
			continue
		}
		for _, t := range slices.Sorted(maps.Keys(c.folder.Templates)) {
			if before, _, ok := strings.Cut(c.folder.Templates[t], strconv.Quote(name)); ok {
				return fmt.Errorf("%s:%d: there is no setting %q%s", t, strings.Count(before, "\n")+1, name, nearSetting(name))
			}
		}
	}
	return nil
}

// checkContacts reports a phonebook without a bound, and a bound without a phonebook.
func checkContacts(f *phonefile.File) error {
	uses := slices.Contains(f.Fields(), ".Contacts")
	switch {
	case uses && f.Kind != phonefile.KindPrivate:
		return fmt.Errorf("%s: .Contacts is for files of kind private", f.Template)
	case uses && (f.MaxNumbers < 1 || f.MaxNumbers > maxPhonebookNumbers):
		return fmt.Errorf("file %s: a phonebook needs most: how many numbers the phone takes, from 1 to %d", f.Name, maxPhonebookNumbers)
	case !uses && (f.MaxNumbers != 0 || f.OnlyWithPhonebook):
		return fmt.Errorf("file %s: most and when: phonebook are for templates that print .Contacts", f.Name)
	}
	return nil
}

// deviceFields returns the fields that a common file can't print, because it is the same for all phones of a model.
func deviceFields() []string {
	return []string{".MAC", ".MACUpper", ".MACColon", ".Label", ".Lines", ".AllLines", ".Line", ".Keys", ".Slots", ".Expansions", ".Password", ".AuthUser", ".Contacts"}
}

func (c *fileCompiler) partials() []render.Source {
	var out []render.Source
	for _, name := range slices.Sorted(maps.Keys(c.folder.Templates)) {
		if strings.HasPrefix(name, "_") {
			out = append(out, render.Source{Name: name, Text: c.folder.Templates[name]})
		}
	}
	return out
}

// chooseSettingsFiles marks the first device file of parameters of each model, unless the pack names one, and checks that
// the pack names one at most.
func (c *fileCompiler) chooseSettingsFiles() {
	for _, m := range c.v.Models() {
		var chosen []string
		var at yamlpos.Pos
		var first *phonefile.File
		for _, f := range c.v.Declared() {
			if !m.IsAny(f.For) || f.Kind != phonefile.KindDevice || !f.HasParams() {
				continue
			}
			if c.stated[f] && f.Settings {
				chosen = append(chosen, f.Name)
				at = f.Pos
			} else if first == nil && !c.stated[f] {
				first = f
			}
		}
		switch {
		case len(chosen) > 1:
			c.problem(at, "model %s: settings are to go into %s: write settings: true only once", m.Name, strings.Join(chosen, " and "))
		case len(chosen) == 0 && first != nil:
			first.Settings = true
		}
	}
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
		return 0, errors.New("max " + strconv.Quote(s) + " must be a size such as 256KiB")
	}
	return n * unit, nil
}
