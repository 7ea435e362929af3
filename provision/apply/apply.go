// Package apply reads whole fleets from documents and tables, and writes tables. It changes nothing: the records are checked and
// stored by its callers.
package apply

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"plugtone/provision/fleet"
)

// Object is one record of a file.
type Object struct {
	Kind  string
	Place string         // where it is: devices[3], row 7
	Order int            // its position among all records of the file
	Doc   map[string]any // its members as JSON values
	// Where returns the place of a member, such as lines[0].extension, and the name of what holds it there.
	Where func(path string) string
	// Missing means that the record is created only when it does not exist yet.
	Missing bool
}

// Problem is something wrong with a file.
type Problem struct {
	Place   string // devices[3].label, or row 7, column label
	Value   string // as given; "" for secrets
	Message string
}

// Document is a fleet as one JSON object.
type Document struct {
	Private bool // it was written without secrets: those of existing records are kept
	parts   map[string][]json.RawMessage
}

// sections are the members of a document with the kinds of their records, in the order in which they are applied.
var sections = []struct{ member, kind string }{
	{"registrars", fleet.KindRegistrar}, {"extensions", fleet.KindExtension}, {"profiles", fleet.KindProfile}, {"devices", fleet.KindDevice},
}

// ParseDocument reads a document. Its members are registrars, extensions, profiles and devices, each a list of records.
func ParseDocument(b []byte) (*Document, error) {
	var top map[string]json.RawMessage
	dec := json.NewDecoder(bytes.NewReader(b))
	if err := dec.Decode(&top); err != nil {
		return nil, fmt.Errorf("the document is not a JSON object: %s", strings.TrimPrefix(err.Error(), "json: "))
	}
	if top == nil || dec.More() {
		return nil, errors.New("the document is not one JSON object")
	}
	d := &Document{parts: map[string][]json.RawMessage{}}
	var bad fleet.ValidationError
	for name, raw := range top {
		kind, known := kindOf(name)
		switch {
		case name == "private":
			if err := json.Unmarshal(raw, &d.Private); err != nil {
				bad.Add(name, "", "must be true or false")
			}
		case !known:
			bad.Add(name, "", "is unknown%s; allowed are registrars, extensions, profiles, devices", fleet.Nearest(name, sectionNames()))
		default:
			list := []json.RawMessage{}
			if err := json.Unmarshal(raw, &list); err != nil {
				bad.Add(name, "", "must be a list of records")
			}
			d.parts[kind] = list
		}
	}
	return d, bad.Err()
}

func sectionNames() (names []string) {
	for _, s := range sections {
		names = append(names, s.member)
	}
	return names
}

func kindOf(member string) (string, bool) {
	for _, s := range sections {
		if s.member == member {
			return s.kind, true
		}
	}
	return "", false
}

// Has reports whether the document has a list of this kind of record, which may be empty.
func (d *Document) Has(kind string) bool { return d.parts[kind] != nil }

// Len returns the number of records.
func (d *Document) Len() int {
	n := 0
	for _, part := range d.parts {
		n += len(part)
	}
	return n
}

// Objects calls f with each record in the order in which they are applied: what others refer to comes first. Profiles come
// after their parents, other records in the order of their keys, in which they are stored fastest. A record that can't be read is given
// without its Doc, with the problem.
func (d *Document) Objects(f func(Object, *Problem) error) error {
	before := 0
	for _, s := range sections {
		part := d.parts[s.kind]
		list := make([]Object, 0, len(part))
		for _, i := range byKey(s.kind, part) {
			place := fmt.Sprintf("%s[%d]", s.member, i)
			o := Object{Kind: s.kind, Place: place, Order: before + i, Where: func(path string) string {
				if path == "" {
					return place
				}
				return place + "." + path
			}}
			if s.kind == fleet.KindProfile {
				if err := json.Unmarshal(part[i], &o.Doc); err == nil && o.Doc != nil {
					list = append(list, o)
					continue
				}
			}
			if err := give(o, part[i], f); err != nil {
				return err
			}
		}
		for _, o := range parentsFirst(list) {
			if err := f(o, nil); err != nil {
				return err
			}
		}
		before += len(part)
	}
	return nil
}

func give(o Object, raw json.RawMessage, f func(Object, *Problem) error) error {
	if err := json.Unmarshal(raw, &o.Doc); err != nil || o.Doc == nil {
		return f(o, &Problem{Place: o.Place, Message: "is not an object of members and values"})
	}
	return f(o, nil)
}

// parentsFirst sorts profiles so that each follows its parent where the list has it. A loop is left as it is.
func parentsFirst(list []Object) []Object {
	name := func(o Object, member string) string { s, _ := o.Doc[member].(string); return s }
	rest := slices.Clone(list)
	out := make([]Object, 0, len(list))
	for len(rest) > 0 {
		waiting := map[string]bool{}
		for _, o := range rest {
			waiting[name(o, "name")] = true
		}
		n := len(rest)
		rest = slices.DeleteFunc(rest, func(o Object) bool {
			if waiting[name(o, "parent")] {
				return false
			}
			out = append(out, o)
			return true
		})
		if len(rest) == n {
			return append(out, rest...)
		}
	}
	return out
}

// toAny converts a value into what JSON would give.
func toAny(v any) (out any) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil
	}
	if json.Unmarshal(b, &out) != nil {
		return nil
	}
	return out
}
