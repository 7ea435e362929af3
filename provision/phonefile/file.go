package phonefile

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"plugtone/dhcp"
	"plugtone/provision/render"
	"plugtone/provision/yamlpos"
)

// Kind is what a file is and so which phones may receive it.
type Kind string

// The kinds of files.
const (
	KindDevice   Kind = "device"   // may hold secrets; only on proof
	KindPrivate  Kind = "private"  // any proven phone
	KindCommon   Kind = "common"   // can't hold secrets
	KindFirmware Kind = "firmware" // what a phone would install on sight
	KindStatic   Kind = "static"   // from the files folder
	KindNone     Kind = "none"     // an expected 404
	KindUpload   Kind = "upload"   // written by the phone
)

// File is one file that phones of a vendor request.
type File struct {
	Name              string   // pattern as written in the pack: {mac}.cfg; names the file within the pack
	Also              []string // other spellings of the same file
	Kind              Kind
	Template          string // "" when nothing is rendered
	Format            string
	MediaType         string
	Max               int64  // upload: largest accepted size in bytes
	Missing           string // what the phone does without the file
	Challenge         string // HTTP challenge that phones answer for it: digest, digest-sha256, basic, none
	Settings          bool   // settings and vendor settings go here
	For               []string
	Note              string
	Of                string     // of a checksum: the pattern of the file that it is the checksum of
	Digest            string     // of a checksum: md5, sha1 or sha256
	MaxNumbers        int        // largest number of contacts' numbers in it; 0 unless it is a phonebook
	PhonebookFile     *File      // of an upload: what the phone gets under this name instead while its phonebook is on
	Overrides         *Overrides // of an upload: it has what the phone's user changed on the phone
	OnlyWithPhonebook bool       // requested only by phones whose phonebook is on; for others it is an expected 404
	Pos               yamlpos.Pos

	patterns []pattern
	template *boundTemplates
	settings []string // settings that the template prints itself
}

// Overrides is how a file lists what was changed on the phone. Package overrides reads it.
type Overrides struct {
	Format string
	Secret []string // patterns of the parameters that hold secrets, in lower case
}

// The formats of overrides.
const (
	OverrideAttributes = "attributes" // XML, each attribute of the elements within the root a parameter
	OverrideLines      = "lines"      // NAME = VALUE, with comments (#, ;) and sections ([NAME]), whose name goes before the parameter's
)

// FileName is one file that a phone requests, as it requests it.
type FileName struct {
	Name string // with the phone's MAC and variables filled in
	File *File
}

// Match is one reading of a file name.
type Match struct {
	Vendor string
	Kind   Kind
	File   *File
	Name   string            // cleaned: no leading slash, no backslash, no doubled slashes
	MAC    dhcp.MAC          // zero when the name has none
	Model  string            // "" when the name belongs to no model or more than one
	Models []string          // all models the name may belong to; nil: any
	Vars   map[string]string // what the pattern's variables matched
}

// pattern is one spelling of a file's name.
type pattern struct {
	re         *regexp.Regexp
	vars       []string // placeholders in order
	head, tail string   // before the first of them, and after the last
}

// mayMatch reports whether a name of ASCII characters begins and ends as the pattern does, in any case, with room for what is
// between. Most names are none of most vendors' files, and this is a hundredth of the regular expression's work.
func (p pattern) mayMatch(name string) bool {
	between := len(name) - len(p.head) - len(p.tail)
	if len(p.vars) == 1 && strings.EqualFold(p.vars[0], "mac") && between != 12 && between != 17 {
		return false
	}
	return between >= 0 &&
		strings.EqualFold(name[:len(p.head)], p.head) && strings.EqualFold(name[len(name)-len(p.tail):], p.tail)
}

var placeholder = regexp.MustCompile(`\{([A-Za-z0-9_]+)\}`)

// SetPatterns compiles the spellings of the file's name. variables are the pack's own, name to regular expression.
func (f *File) SetPatterns(variables map[string]string) error {
	for _, name := range append([]string{f.Name}, f.Also...) {
		p, err := compilePattern(name, variables)
		if err != nil {
			return err
		}
		f.patterns = append(f.patterns, p)
	}
	return nil
}

// compilePattern makes the expression that names as phones send them are matched with.
func compilePattern(text string, variables map[string]string) (pattern, error) {
	var p pattern
	if text == "" || strings.HasPrefix(text, "/") || strings.Contains(text, "//") || strings.ContainsRune(text, '\\') {
		return p, fmt.Errorf("file name %q is empty, begins with a slash, or holds // or a backslash", text)
	}
	var b strings.Builder
	end := 0
	for _, m := range placeholder.FindAllStringSubmatchIndex(text, -1) {
		if end == 0 {
			p.head = text[:m[0]]
		}
		b.WriteString(regexp.QuoteMeta(text[end:m[0]]))
		end = m[1]
		name := text[m[2]:m[3]]
		expr := variables[name]
		switch name {
		case "mac", "MAC":
			expr = "[0-9a-f]{12}|[0-9a-f]{2}(?:-[0-9a-f]{2}){5}|[0-9a-f]{2}(?::[0-9a-f]{2}){5}" // as phones of all times write it
		case "mac_dash", "mac_underscore":
			expr = "[0-9a-f]{2}(?:" + macSeparator(name) + "[0-9a-f]{2}){5}"
		case "model":
			expr = `[^/]+?`
		case "any":
			expr = `[^/]+`
		case "path":
			expr = `.+`
		default:
			if expr == "" {
				return p, fmt.Errorf("file name %q: {%s} must be one of mac, MAC, mac_dash, mac_underscore, model, any, path and the pack's variables", text, name)
			}
		}
		p.vars = append(p.vars, name)
		b.WriteString("((?:" + expr + "))")
	}
	b.WriteString(regexp.QuoteMeta(text[end:]))
	p.tail = text[end:]
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

// HasMAC reports whether one of the file's spellings holds the phone's MAC.
func (f *File) HasMAC() bool {
	return slices.ContainsFunc(f.patterns, func(p pattern) bool {
		return slices.ContainsFunc(p.vars, func(v string) bool { return v == "mac" || v == "MAC" || macSeparator(v) != "" })
	})
}

// macSeparator is what separates the pairs of a MAC for a placeholder of file names: 00-15-65-12-34-56 for mac_dash.
// It is "" for all others.
func macSeparator(placeholder string) string {
	switch placeholder {
	case "mac_dash":
		return "-"
	case "mac_underscore":
		return "_"
	}
	return ""
}

// SetTemplate makes the file rendered: by a template that other files may share, in the template's format.
func (f *File) SetTemplate(t *render.Template) {
	f.template = &boundTemplates{template: t}
	f.settings = templateSettings(t)
}

// Rendered reports whether the file has contents that are rendered.
func (f *File) Rendered() bool { return f.template != nil || f.Of != "" }

// HasParams reports whether the file is rendered as parameters, which settings and operators can add to.
func (f *File) HasParams() bool { return f.template != nil && f.format().HasParams() }

// Fields returns the fields and functions that the file's template uses, as render.Template.Fields does.
func (f *File) Fields() []string {
	if f.template == nil {
		return nil
	}
	return f.template.template.Fields()
}

func (f *File) format() *render.Format { return f.template.template.Format }

// TemplateSettings returns the settings that the file's template prints itself.
func (f *File) TemplateSettings() []string { return f.settings }

// SameAs makes a checksum as well guarded as the file that it is the checksum of.
func (f *File) SameAs(of *File) {
	f.Kind, f.Template, f.Challenge, f.settings = of.Kind, of.Template, of.Challenge, of.settings
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
