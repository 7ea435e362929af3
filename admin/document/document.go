// Package document edits records as JSON objects. It reads a body, checks it against the schema of its type, and applies it to the
// record as a replacement or as a merge patch (RFC 7396). The rules of provisioning are in package provision.
package document

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"plugtone/provision/fleet"
)

// Object is a record as JSON objects.
type Object map[string]any

// readOnly are the members that a GET returns and a PUT ignores, so that a client can write back what it read.
var readOnly = [...]string{"revision", "created_at", "updated_at", "status", "source", "source_members", "gone", "warnings", "left_out"}

// StripReadOnly deletes the read-only members.
func (doc Object) StripReadOnly() {
	for _, name := range readOnly {
		delete(doc, name)
	}
}

// ReadBody parses a JSON object. Its errors are answers: 415 for another content type, 400 otherwise.
func ReadBody(contentType string, raw []byte) (Object, error) {
	ct, _, _ := strings.Cut(contentType, ";")
	switch strings.ToLower(strings.TrimSpace(ct)) {
	case "", "application/json", "application/merge-patch+json":
	default:
		return nil, huma.Error415UnsupportedMediaType(fmt.Sprintf("content type %.60q: send application/json", ct))
	}
	var doc Object
	dec := json.NewDecoder(bytes.NewReader(raw))
	if err := dec.Decode(&doc); err != nil {
		return nil, huma.Error400BadRequest("the body is not a JSON object: " + strings.TrimPrefix(err.Error(), "json: "))
	}
	if doc == nil || dec.More() {
		return nil, huma.Error400BadRequest("the body is not one JSON object")
	}
	return doc, nil
}

// ToObject converts a record into an object.
func ToObject(v any) (Object, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("%w: record can't be encoded as JSON: %w", fleet.ErrInternal, err)
	}
	var doc Object
	return doc, json.Unmarshal(b, &doc)
}

// FromObject converts an object into a record. The members must have been checked.
func FromObject(doc Object, rec any) error {
	b, err := json.Marshal(doc)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, rec); err != nil {
		return errors.New(strings.TrimPrefix(err.Error(), "json: "))
	}
	return nil
}

// Equal reports whether two records are equal except for read-only members.
func Equal[T any](a, b *T) bool {
	da, errA := ToObject(a)
	db, errB := ToObject(b)
	return errA == nil && errB == nil && Same(da, db)
}

// Same reports whether two objects are equal except for read-only members. An empty list or object equals an absent one.
func Same(a, b Object) bool {
	return sameMembers(a, b, readOnly[:])
}

func sameMembers(a, b map[string]any, ignored []string) bool {
	for name, v := range a {
		if !slices.Contains(ignored, name) && !SameValue(v, b[name]) {
			return false
		}
	}
	for name, v := range b {
		if _, both := a[name]; !both && !slices.Contains(ignored, name) && !empty(v) {
			return false
		}
	}
	return true
}

// SameValue reports whether two JSON values are equal, by the rules of Same.
func SameValue(a, b any) bool {
	if empty(a) || empty(b) {
		return empty(a) && empty(b)
	}
	x, ok := a.(map[string]any)
	y, both := b.(map[string]any)
	if ok && both {
		return sameMembers(x, y, nil)
	}
	return reflect.DeepEqual(a, b)
}

// empty reports whether a value stands for an absent one.
func empty(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case []any:
		return len(v) == 0
	case map[string]any:
		for _, inner := range v {
			if !empty(inner) {
				return false
			}
		}
		return true
	}
	return false
}

// Copy returns a deep copy of a JSON value.
func Copy[T any](v T) T {
	switch x := any(v).(type) {
	case Object:
		return any(Object(Copy(map[string]any(x)))).(T)
	case map[string]any:
		out := make(map[string]any, len(x))
		for name, inner := range x {
			out[name] = Copy(inner)
		}
		return any(out).(T)
	case []any:
		out := make([]any, len(x))
		for i, inner := range x {
			out[i] = Copy(inner)
		}
		return any(out).(T)
	}
	return v
}

// remove deletes the member at path. An element of a list becomes null, so that the others keep their index.
func remove(doc Object, path string) {
	if !removeAt(map[string]any(doc), path) {
		top, _, _ := strings.Cut(path, ".")
		top, _, _ = strings.Cut(top, "[")
		delete(doc, top)
	}
}

func removeAt(v any, path string) bool {
	switch v := v.(type) {
	case map[string]any:
		if _, ok := v[path]; ok {
			delete(v, path)
			return true
		}
		for name, inner := range v {
			below, ok := strings.CutPrefix(path, name)
			if ok && below != "" && (below[0] == '.' || below[0] == '[') && removeAt(inner, strings.TrimPrefix(below, ".")) {
				return true
			}
		}
	case []any:
		index, below, _ := strings.Cut(strings.TrimPrefix(path, "["), "]")
		i, err := strconv.Atoi(index)
		if err != nil || i < 0 || i >= len(v) {
			return false
		}
		if below == "" {
			v[i] = nil
			return true
		}
		return removeAt(v[i], strings.TrimPrefix(below, "."))
	}
	return false
}
