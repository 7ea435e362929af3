package setting

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Parse reads the text of a setting, as a command line gives it: lists are separated by commas.
func Parse(name, text string) (any, error) {
	d, err := lookup(name)
	if err != nil {
		return nil, err
	}
	switch d.Type {
	case Bool:
		switch strings.ToLower(text) {
		case "true", "yes", "on", "1":
			return true, nil
		case "false", "no", "off", "0":
			return false, nil
		}
		return nil, d.bad(text)
	case Int:
		n, err := strconv.Atoi(text)
		if err != nil {
			return nil, d.bad(text)
		}
		return d.Canonical(n)
	case List, Choices:
		return d.Canonical(splitList(text))
	}
	return d.Canonical(text)
}

// ParseAssignment reads NAME=VALUE. An empty VALUE means that the setting is to be removed: then the value is nil.
func ParseAssignment(s string) (name string, value any, err error) {
	name, text, ok := strings.Cut(s, "=")
	if !ok {
		return "", nil, fmt.Errorf("setting %.60q is not NAME=VALUE", s)
	}
	if text == "" {
		_, err := lookup(name)
		return name, nil, err
	}
	value, err = Parse(name, text)
	return name, value, err
}

// Unknown is the error for a setting that the catalogue doesn't have, with the nearest names.
func Unknown(name string) error {
	near := Nearest(name, slices.Sorted(maps.Keys(catalogue())))
	if len(near) == 0 {
		return fmt.Errorf("setting %.60q is unknown", name)
	}
	return fmt.Errorf("setting %.60q is unknown; near: %s", name, strings.Join(near, ", "))
}

func lookup(name string) (Def, error) {
	d, ok := Lookup(name)
	if !ok {
		return Def{}, Unknown(name)
	}
	return d, nil
}

// bad is the error for a value that isn't allowed. Secrets aren't repeated.
func (d Def) bad(v any) error {
	if d.IsSecret() {
		return fmt.Errorf("setting %s: allowed is %s", d.Name, d.Allowed())
	}
	return fmt.Errorf("setting %s: %.60q is not allowed; allowed is %s", d.Name, fmt.Sprint(v), d.Allowed())
}

// Canonical turns v into the setting's canonical value. Its error names what is allowed.
func (d Def) Canonical(v any) (any, error) {
	switch d.Type {
	case Bool:
		if b, ok := v.(bool); ok {
			return b, nil
		}
		return nil, d.bad(v)
	case Int:
		n, ok := wholeNumber(v)
		if !ok || n < d.Min || n > d.Max {
			return nil, d.bad(v)
		}
		return n, nil
	case Time:
		return d.duration(v)
	case List, Choices:
		return d.list(v)
	case Hidden:
		s, ok := text(v)
		if !ok || s == "" || utf8.RuneCountInString(s) > d.Max || OneLine(s) != nil || !d.Form.check(s) {
			return nil, d.bad(v)
		}
		return Secret(s), nil
	case Choice:
		// YAML decodes an unquoted off as false, so false is accepted for off.
		if b, ok := v.(bool); ok && !b && slices.Contains(d.Choices, "off") {
			return "off", nil
		}
		s, ok := text(v)
		if !ok || !slices.Contains(d.Choices, strings.ToLower(s)) {
			return nil, d.bad(v)
		}
		return strings.ToLower(s), nil
	}
	s, ok := text(v)
	if !ok || s == "" || utf8.RuneCountInString(s) > d.Max || OneLine(s) != nil || !d.Form.check(s) {
		return nil, d.bad(v)
	}
	return s, nil
}

func (d Def) duration(v any) (any, error) {
	var t Duration
	switch v := v.(type) {
	case Duration:
		t = v
	case time.Duration:
		t = Duration(v)
	case string:
		p, err := ParseDuration(v)
		if err != nil {
			return nil, d.bad(v)
		}
		t = p
	default:
		return nil, d.bad(v)
	}
	if t == 0 && d.Off {
		return t, nil
	}
	// Phones take whole seconds.
	if time.Duration(t) < d.MinDuration || time.Duration(t) > d.MaxDuration || time.Duration(t)%time.Second != 0 {
		return nil, d.bad(t)
	}
	return t, nil
}

func (d Def) list(v any) (any, error) {
	items, ok := texts(v)
	if !ok || len(items) < d.Min || len(items) > d.Max {
		return nil, d.bad(v)
	}
	out := make([]string, 0, len(items))
	for i, s := range items {
		s = strings.TrimSpace(s)
		if d.Type == Choices {
			s = strings.ToLower(s)
		}
		if reason := d.checkItem(out, s); reason != "" {
			return nil, &itemError{setting: d.Name, position: i + 1, value: s, reason: reason}
		}
		out = append(out, s)
	}
	return out, nil
}

// checkItem returns what is wrong with the item s of a list that begins with before; "" when nothing is.
func (d Def) checkItem(before []string, s string) string {
	allowed := "is not allowed; allowed is " + d.Allowed()
	if d.Type == Choices {
		if !slices.Contains(d.Choices, s) || slices.Contains(before, s) {
			return allowed
		}
		return ""
	}
	if s == "" || len(s) > 255 || OneLine(s) != nil || !d.Form.check(s) {
		return allowed
	}
	if key, twice := sameKey(d.Form, before, s); twice {
		return fmt.Sprintf("has %.60q a second time; join the two or take one out", key)
	}
	return ""
}

// itemError is a validation error of one item of a list.
type itemError struct {
	setting  string
	position int // counts from 1
	value    string
	reason   string // "is not allowed; allowed is ..." and the like
}

func (e *itemError) Error() string {
	return fmt.Sprintf("setting %s: item %d, %.60q, %s", e.setting, e.position, e.value, e.reason)
}

// wholeNumber reads the number types that JSON and YAML decoders give.
func wholeNumber(v any) (int, bool) {
	switch n := v.(type) {
	case int:
		return n, true
	case int64:
		return int(n), true
	case uint64:
		return int(n), n <= math.MaxInt32
	case float64:
		return int(n), n == math.Trunc(n) && math.Abs(n) <= math.MaxInt32
	case json.Number:
		i, err := strconv.Atoi(n.String())
		return i, err == nil
	}
	return 0, false
}

func text(v any) (string, bool) {
	switch s := v.(type) {
	case string:
		return s, true
	case Secret:
		return string(s), true
	}
	return "", false
}

// texts reads a list; one text alone is a list of one, or of what its commas separate.
func texts(v any) ([]string, bool) {
	switch l := v.(type) {
	case []string:
		return l, true
	case string:
		return splitList(l), true
	case []any:
		out := make([]string, 0, len(l))
		for _, e := range l {
			s, ok := e.(string)
			if !ok {
				return nil, false
			}
			out = append(out, s)
		}
		return out, true
	}
	return nil, false
}

func splitList(s string) []string {
	if strings.TrimSpace(s) == "" {
		return nil
	}
	parts := strings.Split(s, ",")
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	return parts
}
