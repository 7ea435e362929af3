package selector

import (
	"strings"
	"unicode"
)

// Term is one condition as it is written.
type Term struct {
	Field string
	Op    string // = or !=; "" for a text without
	Value string // as written, with its quotes

	problem string // of the value
}

// String returns the term as it is written.
func (t Term) String() string { return t.Field + t.Op + t.Value }

// Text returns the value without quotes and backslashes.
func (t Term) Text() string {
	return strings.Join(unquote(t.Value), "*")
}

// Split separates the conditions of an expression. A value in double quotes may have commas, and blanks at its ends; in it a quote is
// written twice or after a backslash, and a backslash before * or a backslash means that character itself.
func Split(expr string) (terms []Term) {
	for rest := expr; rest != ""; {
		var t Term
		if t, rest = cutTerm(rest); t != (Term{}) {
			terms = append(terms, t)
		}
	}
	return terms
}

// cutTerm reads the first term up to its comma.
func cutTerm(expr string) (t Term, rest string) {
	end := strings.IndexByte(expr, ',')
	equals := strings.IndexByte(expr, '=')
	if equals < 0 || end >= 0 && end < equals {
		text, rest, _ := strings.Cut(expr, ",")
		return Term{Field: strings.TrimSpace(text)}, rest
	}
	t.Field, t.Op = strings.TrimSpace(expr[:equals]), "="
	if field, not := strings.CutSuffix(t.Field, "!"); not {
		t.Field, t.Op = strings.TrimSpace(field), "!="
	}
	value := strings.TrimLeftFunc(expr[equals+1:], unicode.IsSpace)
	if !strings.HasPrefix(value, `"`) {
		text, rest, _ := strings.Cut(value, ",")
		t.Value = strings.TrimSpace(text)
		return t, rest
	}
	n := closingQuote(value)
	if n < 0 {
		t.Value, t.problem = value, `has no closing "`
		return t, ""
	}
	more, rest, _ := strings.Cut(value[n+1:], ",")
	t.Value = value[:n+1]
	if more = strings.TrimRightFunc(more, unicode.IsSpace); more != "" { // blanks before it stay: without them a quote would count as the value's
		t.Value, t.problem = t.Value+more, `has text after the closing "; a quote in the value is written twice`
	}
	return t, rest
}

// closingQuote returns the place of the quote that ends a value, -1 without one.
func closingQuote(value string) int {
	for i := 1; i < len(value); i++ {
		switch value[i] {
		case '\\':
			i++
		case '"':
			if i+1 == len(value) || value[i+1] != '"' {
				return i
			}
			i++
		}
	}
	return -1
}

// unquote returns the parts of a value between those * that match any text.
func unquote(value string) (parts []string) {
	if !strings.HasPrefix(value, `"`) {
		return strings.Split(value, "*")
	}
	value = strings.TrimSuffix(value[1:], `"`)
	var part strings.Builder
	for i := 0; i < len(value); i++ {
		c := value[i]
		switch next := i + 1; {
		case c == '*':
			parts = append(parts, part.String())
			part.Reset()
			continue
		case next < len(value) && (c == '\\' && strings.IndexByte(`"\*`, value[next]) >= 0 || c == '"' && value[next] == '"'):
			i++
		}
		part.WriteByte(value[i])
	}
	return append(parts, part.String())
}

// Quote writes a value that matches this text alone.
func Quote(text string) string {
	if !strings.ContainsAny(text, `,"\*`) && text == strings.TrimSpace(text) {
		return text
	}
	return `"` + strings.NewReplacer(`"`, `\"`, `\`, `\\`, `*`, `\*`).Replace(text) + `"`
}

// Last separates the last term of an expression that is being written from what is before it.
func Last(expr string) (before string, t Term) {
	for rest := expr; rest != ""; {
		t, next := cutTerm(rest)
		if next == "" && (t.problem != "" || !strings.HasSuffix(rest, ",")) {
			return expr[:len(expr)-len(rest)], t
		}
		rest = next
	}
	return expr, Term{}
}
