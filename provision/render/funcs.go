package render

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"text/template"
	"time"
)

// builtins are the functions of text/template that templates may use. call, html, js and urlquery are left out: the
// first runs code, the others escape for formats that aren't ours.
var builtins = map[string]bool{
	"and": true, "or": true, "not": true, "eq": true, "ne": true, "lt": true, "le": true, "gt": true, "ge": true,
	"index": true, "len": true, "slice": true,
}

// Funcs are the functions of every template. Those that make text keep a secret secret.
func Funcs() template.FuncMap {
	text1 := func(f func(string) string) func(any) (any, error) {
		return func(v any) (any, error) {
			return taint(func(a []any) (string, error) { return f(fmt.Sprint(a[0])), nil }, v)
		}
	}
	text2 := func(f func(s, arg string) string) func(string, any) (any, error) {
		return func(arg string, v any) (any, error) {
			return taint(func(a []any) (string, error) { return f(fmt.Sprint(a[0]), arg), nil }, v)
		}
	}
	return template.FuncMap{
		"print": func(args ...any) (any, error) {
			return taint(func(a []any) (string, error) { return fmt.Sprint(a...), nil }, args...)
		},
		"printf":     printf,
		"lower":      text1(strings.ToLower),
		"upper":      text1(strings.ToUpper),
		"trim":       text1(strings.TrimSpace),
		"digest":     text1(digest),
		"trimPrefix": text2(strings.TrimPrefix),
		"trimSuffix": text2(strings.TrimSuffix),
		"replace": func(from, to string, v any) (any, error) {
			return taint(func(a []any) (string, error) { return strings.ReplaceAll(fmt.Sprint(a[0]), from, to), nil }, v)
		},
		"contains":  func(part, s string) bool { return strings.Contains(s, part) },
		"hasPrefix": func(prefix, s string) bool { return strings.HasPrefix(s, prefix) },
		"hasSuffix": func(suffix, s string) bool { return strings.HasSuffix(s, suffix) },
		"split":     func(sep, s string) []string { return strings.Split(s, sep) },
		"join": func(sep string, v any) (string, error) {
			l, err := list(v)
			return strings.Join(l, sep), err
		},
		"list": func(v ...string) []string { return v },
		"seq":  seq,
		"int":  integer,
		"add":  func(a, b int) int { return a + b },
		"sub":  func(a, b int) int { return a - b },
		"mul":  func(a, b int) int { return a * b },
		"div":  divide,
		"mod":  modulo,
		"default": func(d, v any) any {
			if truth, ok := template.IsTrue(v); ok && truth {
				return v
			}
			return d
		},
		"choose": func(c, yes, no any) any {
			if truth, ok := template.IsTrue(c); ok && truth {
				return yes
			}
			return no
		},
		"refuse":  refuse,
		"seconds": func(v any) (int, error) { return whole(v, time.Second) },
		"minutes": func(v any) (int, error) { return whole(v, time.Minute) },
		"hours":   func(v any) (int, error) { return whole(v, time.Hour) },
	}
}

func printf(format string, args ...any) (any, error) {
	return taint(func(a []any) (string, error) {
		// Whether the format fits is tried with texts of no meaning: what operators type may look like fmt's complaint.
		try := slices.Clone(a)
		for i := range try {
			if _, ok := try[i].(string); ok {
				try[i] = "x"
			}
		}
		if s := fmt.Sprintf(format, try...); strings.Contains(s, "%!") && !strings.Contains(format, "%!") {
			return "", fmt.Errorf("format %q does not fit its arguments", format)
		}
		return fmt.Sprintf(format, a...), nil
	}, args...)
}

// digest distinguishes texts: a phone that fetches a file again only when its address changes gets one that does.
func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:6])
}

// integer reads a number that a pack holds as text, such as a variable of a model.
func integer(v any) (int, error) {
	n, err := strconv.Atoi(fmt.Sprint(v))
	if err != nil {
		return 0, fmt.Errorf("%.40q is not a whole number", fmt.Sprint(v))
	}
	return n, nil
}

func divide(a, b int) (int, error) {
	if b == 0 {
		return 0, fmt.Errorf("division of %d by zero", a)
	}
	return a / b, nil
}

func modulo(a, b int) (int, error) {
	if b == 0 {
		return 0, fmt.Errorf("division of %d by zero", a)
	}
	return a % b, nil
}

// seq counts from a to b, both included.
func seq(a, b int) ([]int, error) {
	if b-a > 10000 {
		return nil, fmt.Errorf("seq %d %d: more than 10000 numbers", a, b)
	}
	var out []int
	for i := a; i <= b; i++ {
		out = append(out, i)
	}
	return out, nil
}

// Whole gives a duration in units, rounded up so that a short one does not become never.
func Whole(v any, unit time.Duration) (int, error) { return whole(v, unit) }

func whole(v any, unit time.Duration) (int, error) {
	var d time.Duration
	switch x := v.(type) {
	case time.Duration:
		d = x
	case interface{ Std() time.Duration }:
		d = x.Std()
	default:
		return 0, fmt.Errorf("%T is not a duration", v)
	}
	return int((d + unit - 1) / unit), nil
}
