package setting

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Check turns every value into its canonical form and reports all that can't be. A nil value removes the setting.
// v itself is not changed.
func (v Values) Check() (Values, []FieldError) {
	var problems []FieldError
	out := make(Values, len(v))
	for _, name := range slices.Sorted(maps.Keys(v)) {
		raw := v[name]
		if raw == nil {
			continue
		}
		d, ok := Lookup(name)
		if !ok {
			problems = append(problems, FieldError{Field: name, Message: strings.TrimPrefix(Unknown(name).Error(), fmt.Sprintf("setting %.60q ", name))})
			continue
		}
		c, err := d.Canonical(raw)
		if err != nil {
			problems = append(problems, d.problem(raw, err))
			continue
		}
		out[name] = c
	}
	if len(out) == 0 {
		out = nil
	}
	return out, problems
}

// problem describes the error of the value raw. Of a list with more than one item it names the item.
func (d Def) problem(raw any, err error) FieldError {
	var item *itemError
	if errors.As(err, &item) {
		if items, _ := texts(raw); len(items) > 1 {
			return FieldError{Field: d.Name, Value: item.value, Message: fmt.Sprintf("item %d %s", item.position, item.reason)}
		}
	}
	p := FieldError{Field: d.Name, Message: "allowed is " + d.Allowed()}
	if !d.IsSecret() {
		p.Value = fmt.Sprint(raw)
	}
	return p
}

// UnmarshalJSON gives every known setting its canonical type. It does not check values: what the catalogue doesn't take
// is kept as it was read, so that Check can name it and a record written by another version still opens.
func (v *Values) UnmarshalJSON(b []byte) error {
	var raw map[string]any
	dec := json.NewDecoder(bytes.NewReader(b))
	if err := dec.Decode(&raw); err != nil {
		return err
	}
	if raw == nil {
		*v = nil
		return nil
	}
	out := make(Values, len(raw))
	for name, x := range raw {
		out[name] = retype(name, x)
	}
	*v = out
	return nil
}

// retype turns what JSON gave into the Go type of the setting, where it can be.
func retype(name string, x any) any {
	d, ok := Lookup(name)
	if !ok {
		return x
	}
	switch d.Type {
	case Hidden:
		if s, ok := x.(string); ok {
			return Secret(s)
		}
	case Time:
		if s, ok := x.(string); ok {
			if t, err := ParseDuration(s); err == nil {
				return t
			}
		}
	case Int:
		if n, ok := wholeNumber(x); ok {
			return n
		}
	case List, Choices:
		if l, ok := x.([]any); ok {
			if items, ok := texts(l); ok {
				return items
			}
		}
	}
	return x
}

// Typed reports whether v has the Go type of the setting's canonical values.
func (d Def) Typed(v any) bool {
	ok := false
	switch d.Type {
	case Bool:
		_, ok = v.(bool)
	case Int:
		_, ok = v.(int)
	case Time:
		_, ok = v.(Duration)
	case Hidden:
		_, ok = v.(Secret)
	case List, Choices:
		_, ok = v.([]string)
	default:
		_, ok = v.(string)
	}
	return ok
}

// Clone copies v and the lists in it.
func (v Values) Clone() Values {
	if v == nil {
		return nil
	}
	out := make(Values, len(v))
	for name, x := range v {
		if l, ok := x.([]string); ok {
			x = slices.Clone(l)
		}
		out[name] = x
	}
	return out
}

// Public returns v without its secrets.
func (v Values) Public() Values {
	out := v.Clone()
	for name, x := range out {
		d, ok := Lookup(name)
		if _, secret := x.(Secret); secret || ok && d.IsSecret() {
			delete(out, name)
		}
	}
	return out
}

// Print writes a canonical value as Parse reads it.
func Print(v any) string {
	switch v := v.(type) {
	case []string:
		return strings.Join(v, ",")
	case Secret:
		return string(v)
	}
	return fmt.Sprint(v)
}
