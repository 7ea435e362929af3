package apply

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
)

// Table is a table of phones, one a row.
type Table struct {
	Format  string // whose table it is: plugtone, or the PBX whose columns were recognised
	columns []column
	rows    []row
}

type row struct {
	line  int
	cells []string
}

// utf8BOM may precede the first column.
var utf8BOM = []byte("\xef\xbb\xbf")

// ParseTable reads a CSV file: a header, then one phone a row. The separator is a comma, semicolon or tab, whichever the header
// has most of. rename maps columns of the header to fields; "-" leaves one out.
func ParseTable(b []byte, rename map[string]string) (*Table, error) {
	b = bytes.TrimPrefix(b, utf8BOM)
	if at := invalidUTF8(b); at > 0 {
		return nil, fleet.ValidationError{{Field: fmt.Sprintf("row %d", at), Message: "is not UTF-8 text; save the file as CSV UTF-8"}}
	}
	r := csv.NewReader(bytes.NewReader(b))
	r.Comma, r.FieldsPerRecord, r.LazyQuotes = separator(b), -1, false
	r.ReuseRecord = false
	head, err := r.Read()
	if errors.Is(err, io.EOF) {
		return nil, fleet.ValidationError{{Field: "row 1", Message: "the file is empty; the first row names the columns"}}
	}
	if err != nil {
		return nil, syntaxError(err)
	}
	t := &Table{}
	if t.Format, t.columns, err = readHeader(head, rename); err != nil {
		return nil, err
	}
	for {
		cells, err := r.Read()
		if errors.Is(err, io.EOF) {
			return t, nil
		}
		if err != nil {
			return nil, syntaxError(err)
		}
		line, _ := r.FieldPos(0)
		if !slices.ContainsFunc(cells, func(c string) bool { return strings.TrimSpace(c) != "" }) {
			continue
		}
		t.rows = append(t.rows, row{line, cells})
	}
}

// invalidUTF8 returns the number of the first line that is not UTF-8, 0 when all are.
func invalidUTF8(b []byte) int {
	if utf8.Valid(b) {
		return 0
	}
	for i, line := range bytes.Split(b, []byte("\n")) {
		if !utf8.Valid(line) {
			return i + 1
		}
	}
	return 1
}

// separator returns what the header has most of, outside of quotes.
func separator(b []byte) rune {
	head, _, _ := bytes.Cut(b, []byte("\n"))
	count := map[rune]int{}
	quoted := false
	for _, r := range string(head) {
		if r == '"' {
			quoted = !quoted
		}
		if !quoted {
			count[r]++
		}
	}
	best := ','
	for _, r := range []rune{';', '\t'} {
		if count[r] > count[best] {
			best = r
		}
	}
	return best
}

func syntaxError(err error) error {
	var p *csv.ParseError
	if errors.As(err, &p) {
		return fleet.ValidationError{{Field: fmt.Sprintf("row %d", p.Line), Message: p.Err.Error() + "; a value with a quote, separator or line break is written in quotes, and a quote in it twice"}}
	}
	return err
}

// Len returns the number of rows.
func (t *Table) Len() int { return len(t.rows) }

// Steps returns how many records Objects gives at most.
func (t *Table) Steps() int { return len(t.accountRows()) + len(t.rows) }

// Objects calls f with the records of each row: first the extensions of a PBX's table, then the devices, both in the order of their keys.
// find returns the device that has a MAC, nil when there is none: what a row does not name of its lines and keys stays. problems are given
// with an Object without Doc.
func (t *Table) Objects(find func(dhcp.MAC) (*fleet.Device, error), f func(Object, *Problem) error) error {
	for _, i := range t.accountRows() {
		x := t.reader(i)
		if err := x.read(func(dhcp.MAC) (*fleet.Device, error) { return nil, nil }); err != nil {
			return err
		}
		if x.account == nil || len(x.problems) > 0 {
			continue // the row has no extension, or is reported below
		}
		if err := f(*x.account, nil); err != nil {
			return err
		}
	}
	mac := t.place("mac")
	for _, i := range inOrder(len(t.rows), func(i int) string { return macKey(t.cell(i, mac)) }) {
		x := t.reader(i)
		if err := x.read(find); err != nil {
			return err
		}
		for i := range x.problems {
			if err := f(Object{Kind: fleet.KindDevice, Place: x.place, Order: x.order}, &x.problems[i]); err != nil {
				return err
			}
		}
		if len(x.problems) > 0 {
			continue
		}
		if err := f(x.device, nil); err != nil {
			return err
		}
	}
	return nil
}

// accountRows returns the rows of a PBX's table that have a line, by its number.
func (t *Table) accountRows() []int {
	at := t.place("line")
	if at < 0 {
		return nil
	}
	rows := inOrder(len(t.rows), func(i int) string { return t.cell(i, at) })
	return slices.DeleteFunc(rows, func(i int) bool { return t.cell(i, at) == "" })
}

// place returns the place of the column with a field that occurs once, -1 when there is none. "line" is that of a PBX's table.
func (t *Table) place(field string) int {
	return slices.IndexFunc(t.columns, func(c column) bool { return c.field == field && c.n == 0 })
}

func (t *Table) reader(i int) *rowReader {
	return &rowReader{table: t, row: t.rows[i], order: i, place: fmt.Sprintf("row %d", t.rows[i].line)}
}

// cell returns a value without blanks around it, "" when the row has no such column.
func (t *Table) cell(row, column int) string {
	cells := t.rows[row].cells
	if column >= len(cells) {
		return ""
	}
	return cell(strings.TrimSpace(cells[column]))
}

// column is one column of a table.
type column struct {
	header string
	field  string // mac, label, line, key, set ...; "-" for none
	n      int    // of a line
	area   string // of a key
	slot   int
	name   string // of a setting
}

// plainFields are the fields that are members of a device, as text.
var plainFields = []string{"vendor", "model", "label", "profile", "location", "serial", "notes", "reserved_ip"}

// otherFields are read in their own way.
var otherFields = []string{"mac", "tags", "other_macs", "enabled"}

// accountFields come from PBXs: what a line's account is, for extensions that do not exist yet.
var accountFields = []string{"line", "line_number", "display_name", "auth_user", "password", "server"}

// fieldOf reads the name of a field: mac, label, line1, key:AREA:SLOT, set:NAME and so on.
func fieldOf(text string) (column, error) {
	c := column{field: text}
	switch {
	case text == "-", slices.Contains(plainFields, text), slices.Contains(otherFields, text), slices.Contains(accountFields, text):
		return c, nil
	case strings.HasPrefix(text, "set:"):
		c.field, c.name = "set", text[len("set:"):]
		return c, checkSetting(c.name)
	case strings.HasPrefix(text, "key:"):
		k, err := fleet.ParseKey(text[len("key:"):] + "=")
		c.field, c.area, c.slot = "key", k.Area, k.Slot
		return c, err
	case strings.HasPrefix(text, "line"):
		n, err := strconv.Atoi(text[len("line"):])
		if err == nil && n >= 1 && n <= fleet.MaxLines {
			c.field, c.n = "line", n
			return c, nil
		}
	}
	names := slices.Concat(plainFields, otherFields, []string{"line1", "key:line:1", "set:NAME"})
	return c, fmt.Errorf("is unknown%s; allowed are %s", fleet.Nearest(text, names), strings.Join(names, " "))
}
