package page

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"plugtone/admin/client"
)

// Form is a form with what was typed and what is wrong with it.
type Form struct {
	Values   url.Values
	Problems map[string]string // by field
	Message  string            // what is wrong with no single field
	Status   int               // HTTP status with which the form is shown again
	Conflict *Conflict         // set when another user changed the record meanwhile
}

// NewForm returns a form with the values of a record.
func NewForm(values url.Values) *Form {
	return &Form{Values: values, Problems: map[string]string{}, Status: http.StatusOK}
}

// Form returns the form that the browser sent.
func (r *Request) Form() (*Form, error) {
	if err := r.ParseForm(); err != nil {
		return nil, err
	}
	return NewForm(r.PostForm), nil
}

// Get returns the text of a field without spaces around it.
func (f *Form) Get(name string) string { return strings.TrimSpace(f.Values.Get(name)) }

// Fail adds the error of an API call to the form, and reports whether the form should be shown again with its Status. Other errors, such as
// 403 and 500, are the handler's to return. fields names the form's fields where they differ from the API's members: {"lines[0].extension": "line1"}.
func (f *Form) Fail(err error, fields map[string]string) bool {
	var p *client.Problem
	if !errors.As(err, &p) {
		return false
	}
	switch p.Status {
	case http.StatusBadRequest, http.StatusConflict, http.StatusPreconditionFailed, http.StatusUnprocessableEntity:
	default:
		return false
	}
	f.Status = p.Status
	var rest []string
	for _, d := range p.Errors {
		member := strings.TrimPrefix(strings.TrimPrefix(d.Location, "body."), "query.")
		if to, ok := fields[member]; ok {
			member = to
		}
		if _, ok := f.Values[member]; ok && f.Problems[member] == "" {
			f.Problems[member] = d.Message
			continue
		}
		rest = append(rest, d.String())
	}
	switch {
	case len(rest) > 0 && len(rest) < len(p.Errors):
		f.Message = strings.Join(rest, "\n")
	case len(f.Problems) == 0:
		f.Message = strings.Join(slices.Insert(rest, 0, p.Detail), "\n")
	}
	return true
}

// FailWrite is Fail for a write that was made with an ETag; nil does nothing. When another user changed the record meanwhile, the form also shows
// the conflict that compare returns, with the ETag of the record as it is now. It returns the errors that are the handler's.
func (f *Form) FailWrite(err error, fields map[string]string, etag string, compare func() *Conflict) error {
	if client.IsPrecondition(err) {
		f.Conflict = compare()
		f.Values.Set("etag", etag)
	}
	if err != nil && !f.Fail(err, fields) {
		return err
	}
	return nil
}

// Field is one field of a form, for the template "field".
type Field struct {
	Name, Label, Type string // Type is text, number, password, textarea, select or checkbox
	Hint              string
	Value, Problem    string
	Options           []Option // of a select; of a line of text, what is suggested
	Required          bool
	ReadOnly          bool
}

// Suggest returns the field with texts that are suggested while it is typed.
func (x Field) Suggest(options []Option) Field {
	x.Options = options
	return x
}

// Must returns the field as one that must not be empty.
func (x Field) Must() Field {
	x.Required = true
	return x
}

// Option is one choice of a select.
type Option struct {
	Value, Text string
	Chosen      bool
}

func (f *Form) field(kind, name, label string, hint []string) Field {
	return Field{Name: name, Label: label, Type: kind, Hint: strings.Join(hint, " "), Value: f.Values.Get(name), Problem: f.Problems[name]}
}

// Text returns a line of text.
func (f *Form) Text(name, label string, hint ...string) Field {
	return f.field("text", name, label, hint)
}

// Area returns several lines of text.
func (f *Form) Area(name, label string, hint ...string) Field {
	return f.field("textarea", name, label, hint)
}

// Number returns a whole number.
func (f *Form) Number(name, label string, hint ...string) Field {
	return f.field("number", name, label, hint)
}

// Password returns a text that is not shown.
func (f *Form) Password(name, label string, hint ...string) Field {
	return f.field("password", name, label, hint)
}

// Check returns a box to tick; its value is "on".
func (f *Form) Check(name, label string, hint ...string) Field {
	return f.field("checkbox", name, label, hint)
}

// Select returns a choice.
func (f *Form) Select(name, label string, options []Option, hint ...string) Field {
	x := f.field("select", name, label, hint)
	x.Options = slices.Clone(options)
	for i := range x.Options {
		x.Options[i].Chosen = x.Options[i].Value == x.Value
	}
	return x
}

// ReadNumber reads a number of the form; 0 when the field is empty, or has a problem.
func ReadNumber(f *Form, name string, least, most int) int {
	text := f.Get(name)
	if text == "" {
		return 0
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < least || n > most {
		f.Problems[name] = fmt.Sprintf("must be a number from %d to %d", least, most)
		return 0
	}
	return n
}

// Conflict is both versions of a record that two users changed, for the template "conflict". The form is shown again with the ETag of the
// stored version, so that sending it again takes this user's.
type Conflict struct {
	Who  string // and when, as far as it is known
	Rows []ConflictRow
}

// ConflictRow is one member that differs.
type ConflictRow struct{ Member, Yours, Theirs string }

// Compare returns the conflict of what a user sent with what is stored now, nil when they are equal. members are the fields with their labels,
// as NAME=LABEL.
func Compare(who string, yours, theirs url.Values, members ...string) *Conflict {
	c := &Conflict{Who: who}
	for _, m := range members {
		name, label, _ := strings.Cut(m, "=")
		if y, t := yours.Get(name), theirs.Get(name); y != t {
			c.Rows = append(c.Rows, ConflictRow{label, y, t})
		}
	}
	if len(c.Rows) == 0 {
		return nil
	}
	return c
}
