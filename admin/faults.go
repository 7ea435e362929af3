package admin

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"plugtone/admin/client"
	"plugtone/provision"
	"plugtone/provision/fleet"
)

// faults collects what is wrong with a body, over all steps that look at it: a value that can't be read must not hide the
// others. What a step finds is cut out of the body, so that the next one looks at the rest.
type faults struct{ found []*huma.ErrorDetail }

// add notes a fault of the member at path. What a later step says of a member that is faulty already is left out: it looked
// at the hole.
func (b *faults) add(path, value, message string) {
	location := "body"
	if path != "" {
		location += "." + path
	}
	b.detail(faultAt(location, value, message))
}

func (b *faults) detail(d *huma.ErrorDetail) {
	if !slices.ContainsFunc(b.found, func(f *huma.ErrorDetail) bool { return within(d.Location, f.Location) }) {
		b.found = append(b.found, d)
	}
}

// err is the answer that names them all, or nil.
func (b *faults) err() error {
	if len(b.found) == 0 {
		return nil
	}
	details := make([]error, len(b.found))
	for i, d := range b.found {
		details[i] = d
	}
	return huma.Error422UnprocessableEntity(countFaults(len(details)), details...)
}

// domain adds the faults that a check of the record found. Any other error is returned.
func (b *faults) domain(err error) error {
	var invalid fleet.ValidationError
	if !errors.As(err, &invalid) {
		return err
	}
	for _, f := range invalid {
		b.add(f.Field, f.Value, f.Message)
	}
	return nil
}

// within tells whether a location is outer, or a part of it.
func within(location, outer string) bool {
	rest, ok := strings.CutPrefix(location, outer)
	return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
}

// faultAt is one fault, with what may be repeated of the value.
func faultAt(location, value, message string) *huma.ErrorDetail {
	d := &huma.ErrorDetail{Message: message, Location: location}
	if value != "" && !confidential(location) {
		d.Value = client.Shorten(value)
	}
	return d
}

// confidential tells whether the value at a location may be a secret: an answer must not repeat what was sent in confidence.
func confidential(location string) bool {
	return strings.Contains(location, "password") || strings.Contains(location, "vendor_settings") && provision.LooksSecret(location)
}

// cut takes the member at path out of a document. An element of a list becomes null: the others keep their places.
func cut(doc document, path string) {
	if !cutAt(map[string]any(doc), path) {
		top, _, _ := strings.Cut(path, ".")
		top, _, _ = strings.Cut(top, "[")
		delete(doc, top)
	}
}

func cutAt(v any, path string) bool {
	switch v := v.(type) {
	case map[string]any:
		if _, ok := v[path]; ok {
			delete(v, path)
			return true
		}
		for name, inner := range v {
			rest, ok := strings.CutPrefix(path, name)
			if ok && rest != "" && (rest[0] == '.' || rest[0] == '[') && cutAt(inner, strings.TrimPrefix(rest, ".")) {
				return true
			}
		}
	case []any:
		index, rest, _ := strings.Cut(strings.TrimPrefix(path, "["), "]")
		i, err := strconv.Atoi(index)
		if err != nil || i < 0 || i >= len(v) {
			return false
		}
		if rest == "" {
			v[i] = nil
			return true
		}
		return cutAt(v[i], strings.TrimPrefix(rest, "."))
	}
	return false
}

// copied copies JSON with all that is in it.
func copied[T any](v T) T {
	switch x := any(v).(type) {
	case document:
		return any(document(copied(map[string]any(x)))).(T)
	case map[string]any:
		out := make(map[string]any, len(x))
		for name, inner := range x {
			out[name] = copied(inner)
		}
		return any(out).(T)
	case []any:
		out := make([]any, len(x))
		for i, inner := range x {
			out[i] = copied(inner)
		}
		return any(out).(T)
	}
	return v
}
