package importing

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"plugtone/admin/client"
	"plugtone/admin/web/page"
	"plugtone/admin/web/preview"
	"plugtone/provision/apply"
	"plugtone/provision/impact"
)

// upload is a file as it was sent.
type upload struct{ Name, Text string }

// review is what is known of a file.
type review struct {
	upload
	Format  string // csv, yaml or json
	Of      string // whose table it is
	Columns []column
	Problem string // why the file can't be read
	Rows    []faulty
	Detail  string // of the problems
	Preview *preview.Preview

	Verdicts []verdict
	MoreRows int // records that have no row
	Tally    []tally
	AskYes   bool // a prune removes more than a tenth
	Changed  bool // the choices are not those that were checked
	prune    bool
	yes      bool

	yaml *apply.YAML
}

// column is one column of a table with its choices.
type column struct {
	apply.Column
	Name    string // of the form's field
	Chosen  string
	Options []page.Option
	Guessed bool
}

// faulty is one problem of a row.
type faulty struct{ Row, Column, Value, Message string }

// newReview reads the parts of a file that the page needs. The API checks the rest.
func newReview(up *upload, form *page.Form) *review {
	v := &review{upload: *up, prune: form.Get("prune") != "", yes: form.Get("yes") != ""}
	v.AskYes = v.prune && v.yes
	if v.Name == "" {
		v.Name = "pasted text"
	}
	v.Format = apply.FormatOf(v.Name, []byte(v.Text))
	var err error
	switch v.Format {
	case "csv":
		err = v.columns(form)
	case "yaml":
		v.yaml, err = apply.ParseYAML(v.Name, []byte(v.Text), maxFile)
	}
	if err != nil {
		v.Problem = err.Error()
	}
	return v
}

func (v *review) columns(form *page.Form) error {
	of, list, err := apply.Columns([]byte(v.Text))
	v.Of = of
	for i, c := range list {
		x := column{Column: c, Name: "column" + strconv.Itoa(i)}
		_, decided := form.Values[x.Name]
		switch {
		case decided:
			x.Chosen = form.Get(x.Name)
		case c.Field != "":
			x.Chosen = c.Field
		case c.Guess != "":
			x.Chosen, x.Guessed = c.Guess, true
		default:
			x.Chosen = "-"
		}
		x.Options = options(x.Chosen, c.Field)
		v.Columns = append(v.Columns, x)
	}
	return err
}

// lines is how many lines the choices name.
const lines = 6

// options lists what a column may be, with what it is.
func options(chosen, field string) []page.Option {
	values := apply.Fields()
	for i := range lines {
		values = append(values, "line"+strconv.Itoa(i+1))
	}
	for _, x := range []string{field, chosen} {
		if x != "" && x != "-" && !slices.Contains(values, x) {
			values = append(values, x)
		}
	}
	out := []page.Option{{Value: "-", Text: "leave out", Chosen: chosen == "-"}}
	for _, x := range values {
		out = append(out, page.Option{Value: x, Text: strings.ReplaceAll(x, "_", " "), Chosen: x == chosen})
	}
	return out
}

// body returns the file as the API takes it.
func (v *review) body() io.Reader {
	if v.yaml != nil {
		return strings.NewReader(string(v.yaml.JSON))
	}
	return strings.NewReader(v.Text)
}

func (v *review) options() client.ApplyOptions {
	o := client.ApplyOptions{Table: v.Format == "csv", Prune: v.prune, Yes: v.prune && v.yes}
	for _, c := range v.Columns {
		if c.Chosen != c.Field {
			o.Map = append(o.Map, c.Header+"="+c.Chosen)
		}
	}
	return o
}

// Digest identifies what is applied, and how: what is applied must be what was checked.
func (v *review) Digest() string {
	o := v.options()
	text := strings.ReplaceAll(v.Text, "\r\n", "\n") // browsers send CR LF
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %v %v %v %q", o.Map, o.Table, o.Prune, o.Yes, text))
	return hex.EncodeToString(sum[:8])
}

// refused adds the problems of a file that the API refuses, and reports whether it did.
func (v *review) refused(err error) bool {
	var p *client.Problem
	if !errors.As(err, &p) || !client.IsInvalid(err) && !client.IsConflict(err) {
		return false
	}
	v.Detail = p.Detail
	v.AskYes = v.AskYes || v.prune && client.IsConflict(err)
	for _, d := range p.Errors {
		v.Rows = append(v.Rows, v.faulty(d))
	}
	return true
}

// tried adds what a dry run found. With conflicts the file can't be applied.
func (v *review) tried(p impact.Preview) {
	v.verdicts(p)
	switch p.Conflicts {
	case 0:
		v.Preview = preview.Of(p, nil)
	case 1:
		v.Detail = "1 row conflicts; nothing can be changed"
	default:
		v.Detail = fmt.Sprintf("%d rows conflict; nothing can be changed", p.Conflicts)
	}
}

func (v *review) faulty(d client.Detail) faulty {
	place := strings.TrimPrefix(strings.TrimPrefix(d.Location, "body."), "query.")
	out := faulty{Row: place, Message: d.Message}
	if v.yaml != nil {
		if at := v.yaml.Find(place); at.Line > 0 {
			out.Row, out.Column = "line "+strconv.Itoa(at.Line), place
		}
	}
	if row, col, ok := strings.Cut(place, ", column "); ok {
		out.Row, out.Column = row, col
	}
	if text, ok := d.Value.(string); ok {
		out.Value = text
	}
	return out
}
