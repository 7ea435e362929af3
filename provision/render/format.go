package render

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// Format describes the syntax of a file. A pack declares its formats; those without parameters (xml, json, text) need no
// declaration.
type Format struct {
	Kind      string            `yaml:"kind"`       // lines, tree; or the documents xml, json, text
	MediaType string            `yaml:"media_type"` // default text/plain, application/xml or application/json
	Bool      []string          `yaml:"bool"`       // words for true and false
	Empty     *string           `yaml:"empty"`      // printed instead of an empty value
	Repeat    []string          `yaml:"repeat"`     // parameters that may occur more than once
	Value     string            `yaml:"value"`      // shape around every value, default {value}
	Header    []string          `yaml:"header"`     // lines: first lines of the file
	Footer    []string          `yaml:"footer"`     // lines: last lines
	Line      string            `yaml:"line"`       // lines: one parameter, default "{name} = {value}"
	Newline   string            `yaml:"newline"`    // lines: lf (default) or crlf
	Escape    map[string]string `yaml:"escape"`     // lines: replacement of a character
	Refuse    string            `yaml:"refuse"`     // characters that a value can't hold
	MaxLine   int               `yaml:"max_line"`   // lines: longest line in bytes
	Spaces    bool              `yaml:"spaces"`     // lines: names of parameters may hold spaces
	QuoteWhen string            `yaml:"quote_when"` // lines: a value that holds one of these is put in double quotes
	Root      string            `yaml:"root"`       // tree: name and attributes of the root element
	Path      string            `yaml:"path"`       // tree: where a parameter without a slash goes, default {name}
	Index     string            `yaml:"index"`      // tree: the attribute that [3] is short for

	line    *regexp.Regexp
	parts   [3]string // what precedes the name, between name and value, and after the value
	escaper *strings.Replacer
	root    step
	names   *nameCache
}

// Document gives the built-in format of this name: xml, json or text.
func Document(kind string) (*Format, bool) {
	switch kind {
	case "xml", "json", "text":
		f := &Format{Kind: kind}
		return f, f.Check() == nil
	}
	return nil, false
}

// HasParams reports whether files of this format are parameters, which settings and operators can add to.
func (f *Format) HasParams() bool { return f.Kind == "lines" || f.Kind == "tree" }

// Check fills in defaults and returns everything that is wrong with the declaration.
func (f *Format) Check() error {
	var errs []error
	problem := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	media := map[string]string{"lines": "text/plain; charset=utf-8", "text": "text/plain; charset=utf-8",
		"tree": "application/xml", "xml": "application/xml", "json": "application/json"}
	if media[f.Kind] == "" {
		return fmt.Errorf("kind %q must be one of lines, tree, xml, json, text", f.Kind)
	}
	f.names = &nameCache{}
	if f.MediaType == "" {
		f.MediaType = media[f.Kind]
	}
	switch len(f.Bool) {
	case 0:
		f.Bool = []string{"1", "0"}
		if f.Kind == "xml" || f.Kind == "json" {
			f.Bool = []string{"true", "false"}
		}
	case 2:
	default:
		problem("bool takes two words, for true and for false, not %d", len(f.Bool))
	}
	if f.Value == "" {
		f.Value = "{value}"
	}
	if strings.Count(f.Value, "{value}") != 1 {
		problem("value %q must hold {value} once", f.Value)
	}
	if f.Kind == "lines" {
		errs = append(errs, f.checkLines())
	} else if f.Line != "" || f.Newline != "" || len(f.Header)+len(f.Footer)+len(f.Escape)+f.MaxLine > 0 || f.Spaces || f.QuoteWhen != "" {
		problem("line, newline, header, footer, escape, max_line, spaces and quote_when belong to kind lines only")
	}
	if f.Kind == "tree" {
		errs = append(errs, f.checkTree())
	} else if f.Root != "" || f.Path != "" || f.Index != "" {
		problem("root, path and index belong to kind tree only")
	}
	return errors.Join(errs...)
}

func (f *Format) checkLines() error {
	if f.Line == "" {
		f.Line = "{name} = {value}"
	}
	before, rest, ok1 := strings.Cut(f.Line, "{name}")
	between, after, ok2 := strings.Cut(rest, "{value}")
	if !ok1 || !ok2 || between == "" {
		return fmt.Errorf("line %q must hold {name}, something between, and {value}", f.Line)
	}
	switch f.Newline {
	case "", "lf":
		f.Newline = "\n"
	case "crlf":
		f.Newline = "\r\n"
	case "\n", "\r\n":
	default:
		return fmt.Errorf("newline %q is neither lf nor crlf", f.Newline)
	}
	for from := range f.Escape {
		if len([]rune(from)) != 1 {
			return fmt.Errorf("escape %q is not one character", from)
		}
	}
	f.parts = [3]string{before, between, after}
	if len(f.Escape) > 0 {
		var pairs []string
		for _, from := range sortedKeys(f.Escape) {
			pairs = append(pairs, from, f.Escape[from])
		}
		f.escaper = strings.NewReplacer(pairs...)
	}
	if f.QuoteWhen != "" && !strings.Contains(f.Refuse, `"`) {
		return errors.New(`quote_when needs a double quote in refuse, for a value can't hold what ends it`)
	}
	name := `(\S+?)`
	if f.Spaces {
		name = `(\S.*?)`
	}
	vb, va, _ := strings.Cut(f.Value, "{value}")
	// The space before an empty value at the end of a line is not written, and so need not be read.
	value := regexp.QuoteMeta(between+vb) + "(.*)" + regexp.QuoteMeta(va+after)
	if trimmed := strings.TrimRight(between, " "); vb+va+after == "" {
		value = regexp.QuoteMeta(trimmed) + "(?:" + regexp.QuoteMeta(between[len(trimmed):]) + "(.*))?"
	}
	var err error
	f.line, err = regexp.Compile("^" + regexp.QuoteMeta(before) + name + value + "$")
	return err
}

// Words gives the format's words for true and false.
func (f *Format) Words() [2]string { return [2]string{f.Bool[0], f.Bool[1]} }

// CheckName returns why a parameter can't have this name.
func (f *Format) CheckName(name string) error { return f.name(name).err }

func (f *Format) checkPlainName(name string) error {
	plain := plainName
	if f.Spaces {
		plain = spacedName
	}
	if len(name) > 200 || !plain.MatchString(name) {
		return fmt.Errorf("parameter name %.60q is not made of letters, digits and . _ - : / %% $ @ + [ ]", name)
	}
	return nil
}

// CheckValue returns why a value can't be in a file of this format.
func (f *Format) CheckValue(value string) error {
	if err := checkText(value); err != nil {
		return err
	}
	if f.Empty != nil && *f.Empty != "" && value == *f.Empty {
		return fmt.Errorf("is %q, the word for nothing, which this file can't carry: leave it empty instead", value)
	}
	if i := strings.IndexAny(value, f.Refuse); f.Refuse != "" && i >= 0 {
		return fmt.Errorf("holds %q, which this file can't carry", value[i:i+1])
	}
	if f.Kind != "lines" {
		return nil
	}
	if strings.ContainsAny(value, "\n\r\t") {
		for _, c := range []struct{ char, name string }{{"\n", "a line break"}, {"\r", "a line break"}, {"\t", "a tab"}} {
			if strings.Contains(value, c.char) && f.Escape[c.char] == "" {
				return fmt.Errorf("holds %s, which this file can't carry", c.name)
			}
		}
	}
	if value != strings.TrimSpace(value) && !f.quoted() {
		return errors.New("begins or ends with a space, which this file can't carry")
	}
	return nil
}

// quoted reports whether every value is enclosed, so that spaces at its ends are kept.
func (f *Format) quoted() bool {
	_, after, _ := strings.Cut(f.Line, "{value}")
	return after != "" || f.Value != "{value}" || strings.Contains(f.QuoteWhen, " ")
}

// Write gives the bytes of a file with these parameters.
func (f *Format) Write(params []Param) ([]byte, error) {
	for _, p := range params {
		if err := f.CheckValue(p.Value); err != nil {
			return nil, fmt.Errorf("parameter %s: its value %w", p.Name, err)
		}
	}
	if f.Kind == "tree" {
		return f.writeTree(params)
	}
	size := 256
	for _, p := range params {
		size += len(p.Name) + len(p.Value) + len(f.Line) + 2
	}
	b := make([]byte, 0, size)
	for _, h := range f.Header {
		b = append(append(b, h...), f.Newline...)
	}
	for _, p := range params {
		start := len(b)
		b = append(append(append(b, f.parts[0]...), p.Name...), f.parts[1]...)
		b = append(append(b, f.escapeValue(p.Value)...), f.parts[2]...)
		for len(b) > start && b[len(b)-1] == ' ' {
			b = b[:len(b)-1]
		}
		if n := len(b) - start; f.MaxLine > 0 && n+len(f.Newline) > f.MaxLine {
			return nil, fmt.Errorf("parameter %s: its line is %d bytes long, allowed are %d", p.Name, n, f.MaxLine)
		}
		b = append(b, f.Newline...)
	}
	for _, h := range f.Footer {
		b = append(append(b, h...), f.Newline...)
	}
	return b, nil
}

// shape gives the value as it is before escaping.
func (f *Format) shape(value string) string {
	if value == "" && f.Empty != nil {
		return *f.Empty
	}
	if f.Value == "{value}" {
		return value
	}
	return strings.Replace(f.Value, "{value}", value, 1)
}

func (f *Format) escapeValue(value string) string {
	if value == "" && f.Empty != nil {
		return *f.Empty
	}
	if f.escaper != nil {
		value = f.escaper.Replace(value)
	}
	if f.QuoteWhen != "" && strings.ContainsAny(value, f.QuoteWhen) {
		value = `"` + value + `"`
	}
	if f.Value == "{value}" {
		return value
	}
	return strings.Replace(f.Value, "{value}", value, 1)
}

// Verify reads a file back and compares it with the parameters it was written from; of a document it reports whether it
// is well formed.
func (f *Format) Verify(data []byte, params []Param) error {
	switch f.Kind {
	case "xml":
		return wellFormed(data)
	case "json":
		if !json.Valid(data) {
			return errors.New("is no valid JSON")
		}
		return nil
	case "text":
		return checkText(string(data))
	case "tree":
		return f.verifyTree(data, params)
	}
	got, err := f.ParseLines(data)
	if err != nil {
		return err
	}
	if len(got) != len(params) {
		return fmt.Errorf("holds %d parameters, not %d", len(got), len(params))
	}
	for i, p := range params {
		if got[i] != p {
			return fmt.Errorf("reads back as %s = %q, not %s = %q", got[i].Name, got[i].Value, p.Name, p.Value)
		}
	}
	return nil
}

// ParseLines reads a file of kind lines as a phone would.
func (f *Format) ParseLines(data []byte) ([]Param, error) {
	text, ok := strings.CutSuffix(string(data), f.Newline)
	if !ok && len(data) > 0 {
		return nil, errors.New("does not end with a line break")
	}
	lines := strings.Split(text, f.Newline)
	if len(data) == 0 {
		lines = nil
	}
	if len(lines) < len(f.Header)+len(f.Footer) || !slices.Equal(lines[:len(f.Header)], f.Header) ||
		!slices.Equal(lines[len(lines)-len(f.Footer):], f.Footer) {
		return nil, errors.New("does not begin and end with the header and footer of its format")
	}
	var out []Param
	for _, line := range lines[len(f.Header) : len(lines)-len(f.Footer)] {
		m := f.line.FindStringSubmatch(line)
		if m == nil {
			return nil, fmt.Errorf("line %.80q is not a parameter", line)
		}
		out = append(out, Param{Name: m[1], Value: f.unescapeValue(m[2])})
	}
	return out, nil
}

func (f *Format) unescapeValue(v string) string {
	if f.Empty != nil && v == *f.Empty {
		return ""
	}
	if inner, ok := strings.CutPrefix(v, `"`); ok && f.QuoteWhen != "" {
		v = strings.TrimSuffix(inner, `"`)
	}
	var b strings.Builder
next:
	for v != "" {
		for from, to := range f.Escape {
			if rest, ok := strings.CutPrefix(v, to); ok {
				b.WriteString(from)
				v = rest
				continue next
			}
		}
		b.WriteByte(v[0])
		v = v[1:]
	}
	return b.String()
}

func wellFormed(data []byte) error {
	d := xml.NewDecoder(bytes.NewReader(data))
	roots := 0
	depth := 0
	for {
		t, err := d.Token()
		if err == io.EOF {
			if roots != 1 {
				return fmt.Errorf("has %d root elements instead of one", roots)
			}
			return nil
		}
		if err != nil {
			return err
		}
		switch e := t.(type) {
		case xml.StartElement:
			if depth == 0 {
				roots++
			}
			depth++
			seen := make(map[xml.Name]bool)
			for _, a := range e.Attr {
				if seen[a.Name] {
					return fmt.Errorf("element %s has the attribute %s twice", e.Name.Local, a.Name.Local)
				}
				seen[a.Name] = true
			}
		case xml.EndElement:
			depth--
		}
	}
}

func sortedKeys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }
