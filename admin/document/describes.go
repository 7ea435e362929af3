package document

import (
	"encoding"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
)

// Comparer compares documents with records. It is for one goroutine.
type Comparer struct{ types map[reflect.Type][]member }

// NewComparer returns a Comparer.
func NewComparer() *Comparer { return &Comparer{map[reflect.Type][]member{}} }

// member is a member of a struct in JSON.
type member struct {
	name    string
	field   int
	options string // omitempty, omitzero
}

// members returns the members of a struct.
func (c *Comparer) members(t reflect.Type) []member {
	list, known := c.types[t]
	if known {
		return list
	}
	for i := range t.NumField() {
		name, options, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		list = append(list, member{name, i, options})
	}
	c.types[t] = list
	return list
}

// Describes reports whether doc, as a merge patch, leaves a record as it is; rec is a pointer to a struct. It is what Same reports of the
// merged objects, without converting the record. When it is not certain it returns false.
func (c *Comparer) Describes(doc Object, rec any) bool {
	return c.mergeLeaves(doc, reflect.ValueOf(rec).Elem(), readOnly[:])
}

// mergeLeaves reports whether a patch leaves the struct as it is.
func (c *Comparer) mergeLeaves(patch map[string]any, rec reflect.Value, ignored []string) bool {
	for name, v := range patch {
		if slices.Contains(ignored, name) {
			continue
		}
		field, omitted, ok := c.memberOf(rec, name)
		if !ok || !(omitted && empty(v)) && !c.leaves(v, field, omitted) {
			return false
		}
	}
	return true
}

// leaves reports whether a value of a patch leaves a member as it is. omitted means that JSON has no such member.
func (c *Comparer) leaves(v any, field reflect.Value, omitted bool) bool {
	inner, isObject := v.(map[string]any)
	if !isObject {
		return !omitted && c.equals(v, field)
	}
	switch field = deref(field); {
	case !field.IsValid() || omitted:
		return false
	case field.Kind() == reflect.Struct && !isText(field):
		return c.mergeLeaves(inner, field, nil)
	}
	was, isObject := toJSON(field).(map[string]any)
	return isObject && Same(Merge(was, inner), was)
}

// equals reports whether JSON has v for a value.
func (c *Comparer) equals(v any, field reflect.Value) bool {
	switch field = deref(field); {
	case !field.IsValid():
		return empty(v)
	case isText(field):
		text, ok := v.(string)
		b, err := field.Interface().(encoding.TextMarshaler).MarshalText()
		return ok && err == nil && text == string(b)
	}
	switch field.Kind() {
	case reflect.String:
		text, ok := v.(string)
		return ok && text == field.String()
	case reflect.Bool:
		on, ok := v.(bool)
		return ok && on == field.Bool()
	case reflect.Int:
		n, ok := v.(float64)
		return ok && n == float64(field.Int())
	case reflect.Slice:
		list, ok := v.([]any)
		if !ok || len(list) != field.Len() {
			return ok && len(list) == 0 && field.Len() == 0 || v == nil && field.Len() == 0
		}
		for i, item := range list {
			if !c.equals(item, field.Index(i)) {
				return false
			}
		}
		return true
	case reflect.Struct:
		object, ok := v.(map[string]any)
		return ok && c.isObjectOf(object, field)
	}
	return SameValue(v, toJSON(field))
}

// isObjectOf reports whether an object has exactly the members that JSON has for a struct.
func (c *Comparer) isObjectOf(object map[string]any, rec reflect.Value) bool {
	n := 0
	for _, m := range c.members(rec.Type()) {
		field, omitted := m.of(rec)
		if omitted {
			continue
		}
		v, given := object[m.name]
		if !given || !c.equals(v, field) {
			return false
		}
		n++
	}
	return n == len(object)
}

// memberOf returns a member of a struct by its name in JSON, and whether JSON leaves it out.
func (c *Comparer) memberOf(rec reflect.Value, name string) (field reflect.Value, omitted, ok bool) {
	for _, m := range c.members(rec.Type()) {
		if m.name == name {
			field, omitted = m.of(rec)
			return field, omitted, true
		}
	}
	return field, false, false
}

func (m member) of(rec reflect.Value) (field reflect.Value, omitted bool) {
	field = rec.Field(m.field)
	switch m.options {
	case "omitempty":
		omitted = isEmpty(field)
	case "omitzero":
		omitted = field.IsZero()
	}
	return field, omitted
}

// isEmpty is what omitempty leaves out.
func isEmpty(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Slice, reflect.Map:
		return v.Len() == 0
	case reflect.Struct, reflect.Array:
		return false
	}
	return v.IsZero()
}

// deref follows a pointer; the zero Value is nil.
func deref(v reflect.Value) reflect.Value {
	if v.Kind() == reflect.Pointer {
		return v.Elem()
	}
	return v
}

// isText reports whether JSON has a text for a value that is none itself.
func isText(v reflect.Value) bool {
	_, ok := v.Interface().(encoding.TextMarshaler)
	return ok
}

// toJSON returns what JSON has for a value.
func toJSON(v reflect.Value) (out any) {
	b, err := json.Marshal(v.Interface())
	if err == nil {
		err = json.Unmarshal(b, &out)
	}
	if err != nil {
		return nil
	}
	return out
}
