// Package render turns a template and a phone into the bytes of one file, so that a value can never break out of the
// place it is printed in: every printed value passes the escaper of the file's format, which the parse tree is rewritten
// to call. It has formats, not vendors: how a vendor writes its files is data in the vendor's pack.
package render

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Sensitive is a value that may only be in files that need proof.
type Sensitive interface{ Reveal() string }

// secret is what a function makes of a Sensitive argument: it stays sensitive.
type secret string

func (s secret) Reveal() string { return string(s) }
func (s secret) String() string { return "***" }

// Plain gives the text of a printable value, and whether it is sensitive. Lists, durations and absent values have no
// one right text: the template must choose one.
func Plain(v any, words [2]string) (text string, sensitive bool, err error) {
	switch x := v.(type) {
	case nil:
		return "", false, fmt.Errorf("has no value: test it with {{with}} first")
	case Sensitive:
		return x.Reveal(), true, nil
	case string:
		return x, false, nil
	case bool:
		if x {
			return words[0], false, nil
		}
		return words[1], false, nil
	case int:
		return strconv.Itoa(x), false, nil
	case int64:
		return strconv.FormatInt(x, 10), false, nil
	case float64:
		return strconv.FormatFloat(x, 'g', -1, 64), false, nil
	}
	return "", false, fmt.Errorf("is a %T, which can't be printed directly: use join, seconds, minutes or a field of it", v)
}

// checkText refuses what no configuration format of any phone carries: bytes that aren't UTF-8, and control characters
// besides tab and line break.
func checkText(s string) error {
	for i, r := range s {
		if r == utf8.RuneError {
			if _, n := utf8.DecodeRuneInString(s[i:]); n <= 1 {
				return fmt.Errorf("is not valid UTF-8 at byte %d", i)
			}
		}
		if r == 0x7f || r < 0x20 && r != '\t' && r != '\n' && r != '\r' || r == 0xfffe || r == 0xffff {
			return fmt.Errorf("has the control character %U", r)
		}
	}
	return nil
}

// taint calls f on the text of its arguments; the result is sensitive when one of them is.
func taint(f func(args []any) (string, error), args ...any) (any, error) {
	plain := make([]any, len(args))
	hot := false
	for i, a := range args {
		if s, ok := a.(Sensitive); ok {
			hot, a = true, s.Reveal()
		}
		plain[i] = a
	}
	out, err := f(plain)
	if err != nil {
		return nil, err
	}
	if hot {
		return secret(out), nil
	}
	return out, nil
}

// list gives the elements of a list value.
func list(v any) ([]string, error) {
	switch x := v.(type) {
	case nil:
		return nil, nil
	case []string:
		return x, nil
	case string:
		if x == "" {
			return nil, nil
		}
		return strings.Split(x, ","), nil
	}
	return nil, fmt.Errorf("%T is not a list", v)
}

// escapeJSON gives a whole JSON literal, so that templates write {"name": {{.Label}}} without quotes.
func (f *Format) escapeJSON(v any, secrets bool) (string, error) {
	switch v.(type) {
	case bool, int, int64, float64, []string:
		b, err := json.Marshal(v)
		return string(b), err
	}
	s, hot, err := Plain(v, f.Words())
	if err != nil {
		return "", err
	}
	if hot && !secrets {
		return "", errors.New("is secret and can't be in a file that is given without proof")
	}
	if err := f.CheckValue(s); err != nil {
		return "", err
	}
	b, err := json.Marshal(s)
	return string(b), err
}
