package apply

import (
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"slices"
	"strings"
)

// Column is a column of a table, for people who map it to a field.
type Column struct {
	Header  string
	Field   string // that it is read as without a mapping; "" when it is not known
	Guess   string // a field that its header may mean, where it is not known; "" without one
	Example string // its first value that is not empty
}

// Columns returns the columns of a table, and whose table it is: plugtone, or the PBX whose columns were recognised.
func Columns(b []byte) (format string, out []Column, err error) {
	b = bytes.TrimPrefix(b, utf8BOM)
	r := csv.NewReader(bytes.NewReader(b))
	r.Comma, r.FieldsPerRecord = separator(b), -1
	head, err := r.Read()
	if errors.Is(err, io.EOF) {
		return "", nil, errors.New("the file is empty; the first row names the columns")
	}
	if err != nil {
		return "", nil, syntaxError(err)
	}
	format = "plugtone"
	other := foreignTable(head)
	if other != nil {
		format = other.name
	}
	taken := map[string]bool{}
	for _, text := range head {
		c := Column{Header: strings.TrimSpace(text)}
		if c.Field = knownField(other, c.Header); c.Field != "-" {
			taken[c.Field] = true
		}
		out = append(out, c)
	}
	for i := range out {
		if out[i].Field != "" {
			continue
		}
		if g := guess(out[i].Header); g != "" && !taken[g] {
			out[i].Guess, taken[g] = g, true
		}
	}
	return format, out, examples(r, out)
}

// knownField returns the field that a header stands for; "" when it is not known.
func knownField(other *foreign, header string) string {
	if other != nil {
		c, err := other.column(header)
		if err != nil {
			return ""
		}
		return c.field
	}
	name := header
	if lower := strings.ToLower(header); !strings.HasPrefix(lower, "set:") {
		name = lower
	}
	c, err := fieldOf(name)
	if err != nil || slices.Contains(accountFields, c.field) && c.n == 0 {
		return ""
	}
	return name
}

// exampleRows is how many rows are read for examples.
const exampleRows = 20

func examples(r *csv.Reader, out []Column) error {
	for range exampleRows {
		cells, err := r.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return syntaxError(err)
		}
		for i := range out {
			if i < len(cells) && out[i].Example == "" {
				out[i].Example = strings.TrimSpace(cells[i])
			}
		}
	}
	return nil
}

// headerWords are words of headers with the fields that they usually mean, those that decide first.
var headerWords = [][2]string{
	{"mac", "mac"}, {"ethernet", "mac"}, {"serial", "serial"}, {"sn", "serial"}, {"extension", "line1"}, {"ext", "line1"}, {"nebenstelle", "line1"},
	{"durchwahl", "line1"}, {"account", "line1"}, {"number", "line1"}, {"model", "model"}, {"modell", "model"}, {"type", "model"}, {"vendor", "vendor"},
	{"brand", "vendor"}, {"manufacturer", "vendor"}, {"hersteller", "vendor"}, {"profile", "profile"}, {"profil", "profile"}, {"template", "profile"},
	{"location", "location"}, {"room", "location"}, {"raum", "location"}, {"site", "location"}, {"floor", "location"}, {"building", "location"},
	{"standort", "location"}, {"ip", "reserved_ip"}, {"tag", "tags"}, {"tags", "tags"}, {"group", "tags"}, {"note", "notes"}, {"notes", "notes"},
	{"comment", "notes"}, {"description", "notes"}, {"bemerkung", "notes"}, {"label", "label"}, {"name", "label"}, {"user", "label"}, {"person", "label"},
}

// guess returns the field that the words of a header mean; "" when none is known.
func guess(header string) string {
	words := strings.Split(headerName(header), "_")
	for _, g := range headerWords {
		if slices.Contains(words, g[0]) {
			return g[1]
		}
	}
	return ""
}

// Fields lists the fields that a column may be mapped to, without keys and settings, which have names of their own: key:AREA:SLOT, set:NAME.
func Fields() []string {
	return slices.Concat([]string{"mac"}, plainFields, []string{"tags", "other_macs", "enabled"})
}
