package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/provision/setting"
)

// document is a record as JSON objects.
type document map[string]any

// readOnly are members that a read returns and a write ignores, so that what was read can be written back.
var readOnly = [...]string{"revision", "created_at", "updated_at", "status"}

// Precondition is what a write says about the record it expects.
type Precondition struct {
	IfMatch     string `header:"If-Match" doc:"the ETag of the record that is to be changed; 412 when it has moved on"`
	IfNoneMatch string `header:"If-None-Match" doc:"* : only if there is no such record yet"`
}

// met checks the precondition against the record's revision; 0 stands for no record.
func (p Precondition) met(noun string, rev uint64) error {
	if p.IfNoneMatch == "*" && rev != 0 {
		return huma.Error412PreconditionFailed(noun + " exists already")
	}
	switch {
	case p.IfMatch == "":
		return nil
	case rev == 0:
		return huma.Error412PreconditionFailed(noun + " is not there (any more)")
	case p.IfMatch == "*":
		return nil
	}
	for tag := range strings.SplitSeq(p.IfMatch, ",") {
		if strings.TrimSpace(tag) == revisionTag(rev) {
			return nil
		}
	}
	return huma.Error412PreconditionFailed(fmt.Sprintf("%s has moved on to revision %d; read it again", noun, rev))
}

// write is one PUT or PATCH of a record of type T.
type write[T any] struct {
	noun    string // extension 1001@main, for messages and the audit log
	pre     Precondition
	body    document
	patch   bool                         // body is a JSON merge patch (RFC 7396)
	wire    reflect.Type                 // what the API shows of T: gives the schema
	key     map[string]string            // members that the path names
	find    func(fleet.View) (*T, error) // the record as it is
	check   func(fleet.View, *T) error
	put     func(fleet.Edit, *T) error
	meta    func(*T) *uint64 // its revision
	prepare func(fleet.View, document) error
	bad     faults                                   // found before the body was looked at
	affects func(fleet.View, *T) ([]dhcp.MAC, error) // devices whose files it has a part in; nil: none
}

// errUnchanged ends an edit that would change nothing: a repeated PUT makes no new revision.
var errUnchanged = errors.New("unchanged")

// run makes the change in one edit. It returns the record as kept, and whether it is new.
func (w write[T]) run(ctx context.Context, s *Server) (rec *T, created bool, err error) {
	verb := "set "
	if w.patch {
		verb = "change "
	}
	err = s.cfg.Records.Edit(callerOf(ctx).name, verb+w.noun, func(e fleet.Edit) error {
		old, err := w.find(e)
		if err != nil && !errors.Is(err, fleet.ErrNotFound) {
			return err
		}
		if err != nil {
			old = nil
			if w.patch {
				return err
			}
		}
		created = old == nil
		var rev uint64
		if old != nil {
			rev = *w.meta(old)
		}
		if err := w.pre.met(w.noun, rev); err != nil {
			return err
		}
		rec, err = w.build(s, e, old)
		if err != nil {
			return err
		}
		if old != nil && same(old, rec) {
			rec = old
			return errUnchanged
		}
		if err := w.put(e, rec); err != nil || w.affects == nil {
			return err
		}
		macs, err := w.affects(e, rec)
		if err != nil {
			return err
		}
		return s.cfg.Phones.Renders(e, macs)
	})
	if err != nil && !errors.Is(err, errUnchanged) {
		return nil, false, err
	}
	return rec, created, nil
}

// build makes the new record from the old one and the body, or names every fault of the body.
func (w write[T]) build(s *Server, f fleet.View, old *T) (*T, error) {
	bad := faults{slices.Clone(w.bad.found)}
	doc := copied(w.body)
	for _, name := range readOnly {
		delete(doc, name)
	}
	was := document{}
	if old != nil {
		var err error
		if was, err = toDocument(old); err != nil {
			return nil, err
		}
	}
	texts(doc, &bad)
	s.conforms(w.wire, doc, &bad)
	unmask(doc, was, s.cfg.Packs(), &bad)
	doc = w.joined(was, doc)
	for name, value := range w.key {
		if got, ok := doc[name].(string); ok && got != value && !sameKey(name, got, value) {
			bad.add(name, got, "differs from the one in the path, "+value)
		}
		doc[name] = value
	}
	if w.prepare != nil {
		if err := w.prepare(f, doc); err != nil {
			return nil, err
		}
	}
	if made, ok := was["created_at"]; ok {
		doc["created_at"] = made
	}
	rec := new(T)
	if err := fromDocument(doc, rec); err != nil {
		bad.add("", "", err.Error())
		return nil, bad.err()
	}
	if old != nil {
		*w.meta(rec) = *w.meta(old)
	}
	if err := bad.domain(w.check(f, rec)); err != nil {
		return nil, err
	}
	return rec, bad.err()
}

// joined puts the body onto the record as it was.
func (w write[T]) joined(was, doc document) document {
	if !w.patch {
		keepSecrets(doc, was)
		return withoutNulls(doc)
	}
	doc = merged(was, doc)
	for _, name := range readOnly {
		delete(doc, name)
	}
	return doc
}

// sameKey tells whether two spellings name one thing: MACs have several.
func sameKey(name, a, b string) bool {
	if name != "mac" {
		return false
	}
	m, err := parseMAC("body.mac", a)
	return err == nil && m.String() == b
}

// conforms checks names and types of a body's members against the schema of t. What is faulty it cuts out.
func (s *Server) conforms(t reflect.Type, doc document, bad *faults) {
	reg := s.api.OpenAPI().Components.Schemas
	schema := reg.Schema(t, false, t.Name())
	res := &huma.ValidateResult{}
	path := huma.NewPathBuffer([]byte{}, 0)
	path.Push("body")
	huma.Validate(reg, schema, path, huma.ModeWriteToServer, map[string]any(withoutNulls(doc)), res)
	// The schema check takes names in any case; here a name is what it is, or two spellings of one member could meet.
	for name := range doc {
		if _, ok := schema.Properties[name]; ok {
			continue
		}
		for known := range schema.Properties {
			if strings.EqualFold(name, known) {
				res.Errors = append(res.Errors, &huma.ErrorDetail{Location: "body." + name, Message: unknownMember + "; it is written " + known})
			}
		}
	}
	for _, d := range tidy(res.Errors) {
		if d.Message == unknownMember {
			d.Message += nearMember(reg, schema, d.Location)
		}
		bad.detail(d)
		if member, ok := strings.CutPrefix(d.Location, "body."); ok {
			cut(doc, member)
		}
	}
}

// merged applies a JSON merge patch (RFC 7396, 2).
func merged(target, patch document) document {
	out := maps.Clone(target)
	if out == nil {
		out = document{}
	}
	for name, v := range patch {
		switch v := v.(type) {
		case nil:
			delete(out, name)
		case map[string]any:
			was, _ := out[name].(map[string]any)
			out[name] = map[string]any(merged(was, v))
		default:
			out[name] = v
		}
	}
	return out
}

// withoutNulls copies a document without its members that are null: in a record they mean the same as absent ones. So does
// an empty reserved_ip, which is no address.
func withoutNulls(doc document) document {
	out := document{}
	for name, v := range doc {
		switch v := v.(type) {
		case nil:
		case map[string]any:
			out[name] = map[string]any(withoutNulls(v))
		default:
			if name != "reserved_ip" || v != "" {
				out[name] = v
			}
		}
	}
	return out
}

// keepSecrets fills in secrets that the body doesn't mention: who could not read them must not lose them by writing back.
// A secret that is null is cleared.
func keepSecrets(doc, was document) {
	if old, ok := was["password"]; ok {
		if _, said := doc["password"]; !said {
			doc["password"] = old
		}
	}
	old, _ := was["settings"].(map[string]any)
	given, said := doc["settings"]
	if said && given == nil {
		return
	}
	settings, _ := given.(map[string]any)
	settings = maps.Clone(settings)
	for name, v := range old {
		if d, ok := setting.Lookup(name); !ok || !d.IsSecret() {
			continue
		}
		if settings == nil {
			settings = map[string]any{}
		}
		if _, said := settings[name]; !said {
			settings[name] = v
		}
	}
	if settings != nil {
		doc["settings"] = settings
	}
}

// same tells whether two records say the same, their times aside.
func same[T any](a, b *T) bool {
	da, errA := toDocument(a)
	db, errB := toDocument(b)
	if errA != nil || errB != nil {
		return false
	}
	for _, doc := range []document{da, db} {
		for _, name := range readOnly {
			delete(doc, name)
		}
		// An empty list and none are one.
		maps.DeleteFunc(doc, func(_ string, v any) bool {
			list, ok := v.([]any)
			return v == nil || ok && len(list) == 0
		})
	}
	return reflect.DeepEqual(da, db)
}

func toDocument(v any) (document, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("%w: record can't be written as JSON: %w", fleet.ErrInternal, err)
	}
	var doc document
	return doc, json.Unmarshal(b, &doc)
}

// fromDocument reads a record whose names, types and texts were checked.
func fromDocument(doc document, rec any) error {
	b, err := json.Marshal(doc)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, rec); err != nil {
		return errors.New(strings.TrimPrefix(err.Error(), "json: "))
	}
	return nil
}

// texts checks the members whose text is parsed when the record is read, so that the fault has a name. What is faulty it
// cuts out.
func texts(doc document, bad *faults) {
	if s, ok := doc["register_expires"].(string); ok {
		if _, err := setting.ParseDuration(s); err != nil {
			bad.add("register_expires", s, "is none of 90s, 15m, 1h30m, 8d and the like")
			delete(doc, "register_expires")
		}
	}
	if s, ok := doc["reserved_ip"].(string); ok && s != "" {
		if _, err := parseIP("", s); err != nil {
			bad.add("reserved_ip", s, ipForm)
			delete(doc, "reserved_ip")
		}
	}
	macs, _ := doc["other_macs"].([]any)
	for i, m := range macs {
		if text, ok := m.(string); ok {
			if _, err := parseMAC("", text); err != nil {
				bad.add(fmt.Sprintf("other_macs[%d]", i), text, macForms)
				macs[i] = nil
			}
		}
	}
}

// readBody reads a JSON object.
func readBody(contentType string, raw []byte) (document, error) {
	ct, _, _ := strings.Cut(contentType, ";")
	switch strings.ToLower(strings.TrimSpace(ct)) {
	case "", "application/json", "application/merge-patch+json":
	default:
		return nil, huma.Error415UnsupportedMediaType(fmt.Sprintf("content type %.60q: send application/json", ct))
	}
	var doc document
	dec := json.NewDecoder(bytes.NewReader(raw))
	if err := dec.Decode(&doc); err != nil {
		return nil, huma.Error400BadRequest("the body is not a JSON object: " + strings.TrimPrefix(err.Error(), "json: "))
	}
	if doc == nil || dec.More() {
		return nil, huma.Error400BadRequest("the body is not one JSON object")
	}
	return doc, nil
}
