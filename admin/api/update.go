package api

import (
	"context"
	"errors"
	"reflect"

	"plugtone/admin/document"
	"plugtone/admin/problem"
	"plugtone/admin/writing"
	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/provision/resolve"
)

// recordUpdate is one PUT or PATCH of a record of type T.
type recordUpdate[T any] struct {
	noun    string // extension 1001@main, for messages and the audit log
	pre     writing.Precondition
	body    document.Object
	patch   bool                         // body is a JSON merge patch (RFC 7396)
	create  bool                         // with patch: a record that does not exist is created
	wire    reflect.Type                 // the API's type for T, which has the schema
	key     map[string]string            // members that the URL names
	find    func(fleet.View) (*T, error) // the stored record
	check   func(fleet.View, *T) error
	put     func(fleet.Edit, *T) error
	prepare func(fleet.View, document.Object) error
	bad     problem.List                             // found before the body is checked
	affects func(fleet.View, *T) ([]dhcp.MAC, error) // devices whose files depend on it; nil: none
	own     dhcp.MAC                                 // the device, if the record is one
}

// run makes the change in one edit. It returns the stored record, whether it is new, and what phones newly do not get.
func (w recordUpdate[T]) run(ctx context.Context, s *core) (rec *T, created bool, left []resolve.LeftOutCount, err error) {
	verb := "set "
	if w.patch {
		verb = "change "
	}
	err = s.writer.Edit(ctx, verb+w.noun, func(e fleet.Edit) (err error) {
		if rec, created, err = w.apply(s, e); err != nil || w.affects == nil {
			return err
		}
		macs, err := w.affects(e, rec)
		if err != nil {
			return err
		}
		rendering := s.Phones.Rendering()
		rendering.Own = w.own
		left, err = rendering.Validate(e, macs)
		return err
	})
	if err != nil && !errors.Is(err, writing.ErrUnchanged) {
		return nil, false, nil, writing.WithLeftOut(err, left)
	}
	return rec, created, left, nil
}

// apply makes the change within an edit. A record that is so already is writing.ErrUnchanged.
func (w recordUpdate[T]) apply(s *core, e fleet.Edit) (rec *T, created bool, err error) {
	old, err := w.find(e)
	if err != nil && !errors.Is(err, fleet.ErrNotFound) {
		return nil, false, err
	}
	if err != nil {
		old = nil
		if w.patch && !w.create {
			return nil, false, err
		}
	}
	var rev uint64
	if old != nil {
		rev = *revision(old)
	}
	if err := w.pre.Met(w.noun, rev); err != nil {
		return nil, false, err
	}
	if rec, err = w.build(s, e, old); err != nil {
		return nil, false, err
	}
	if old != nil && (rec == old || document.Equal(old, rec)) {
		return old, false, writing.ErrUnchanged
	}
	return rec, old == nil, w.put(e, rec)
}

// build returns the new record, made of the old one and the body: old itself when the body has nothing else than it. Its error
// names every problem of the body.
func (w recordUpdate[T]) build(s *core, f fleet.View, old *T) (*T, error) {
	bad := w.bad.Clone()
	doc := document.Copy(w.body)
	doc.StripReadOnly()
	was := document.Object{}
	if old != nil {
		var err error
		if was, err = document.ToObject(old); err != nil {
			return nil, err
		}
	}
	if w.patch && old != nil && bad.Err() == nil && document.Same(document.Merge(was, doc), was) {
		return old, nil // what is stored has been checked
	}
	document.ParseFields(doc, &bad)
	document.ValidateSchema(s.api.OpenAPI().Components.Schemas, w.wire, doc, &bad)
	document.Unmask(doc, was, s.vendorID, &bad)
	doc = w.joined(was, doc)
	for name, value := range w.key {
		if got, ok := doc[name].(string); ok && got != value && !sameKey(name, got, value) {
			bad.Add(name, got, "can't be changed here; it is "+value)
		}
		doc[name] = value
	}
	if w.prepare != nil {
		if err := w.prepare(f, doc); err != nil {
			return nil, err
		}
	}
	for _, name := range []string{"created_at", "source", "source_members", "gone"} { // kept, with any body
		if value, ok := was[name]; ok {
			doc[name] = value
		}
	}
	rec := new(T)
	if err := document.FromObject(doc, rec); err != nil {
		bad.Add("", "", err.Error())
		return nil, bad.Err()
	}
	if old != nil {
		*revision(rec) = *revision(old)
	}
	if err := bad.Check(w.check(f, rec)); err != nil {
		return nil, err
	}
	return rec, bad.Err()
}

// joined applies the body to the stored record.
func (w recordUpdate[T]) joined(was, doc document.Object) document.Object {
	if !w.patch {
		document.KeepSecrets(doc, was)
		return document.WithoutNulls(doc)
	}
	doc = document.Merge(was, doc)
	doc.StripReadOnly()
	return doc
}

// sameKey reports whether two spellings of a MAC are equal.
func sameKey(name, a, b string) bool {
	if name != "mac" {
		return false
	}
	m, err := parseMAC("body.mac", a)
	return err == nil && m.String() == b
}
