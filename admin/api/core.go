package api

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"plugtone/admin/access"
	"plugtone/admin/client"
	"plugtone/admin/problem"
	"plugtone/admin/writing"
	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/provision/timeline"
)

// recordOutput is one record with its ETag.
type recordOutput[T any] struct {
	Status int
	ETag   string `header:"ETag" doc:"revision of the record in quotes, for If-Match" example:"\"17\""`
	Body   T
}

func recordAnswer[T any](body T, rev uint64, created bool) *recordOutput[T] {
	status := http.StatusOK
	if created {
		status = http.StatusCreated
	}
	return &recordOutput[T]{Status: status, ETag: writing.Tag(rev), Body: body}
}

type listOutput[T any] struct{ Body client.Page[T] }

// DeleteInput has the parameters of a DELETE. It is exported, like the other inputs, because huma reads embedded types only then.
type DeleteInput struct {
	writing.Precondition
	Force bool `query:"force" doc:"also when other records use it: they are changed so that they no longer do"`
}

// RevealInput has the parameter that includes secrets.
type RevealInput struct {
	Reveal bool `query:"reveal" doc:"with secrets in clear; needs the role admin, and is noted in the audit log"`
}

// ReadInput has the parameters of the GET of one record.
type ReadInput struct {
	RevealInput
	IfNoneMatch string `header:"If-None-Match" doc:"ETag of an earlier answer: 304 while the record has not changed; its status may have" example:"\"17\""`
}

// changed returns the answer 304 when the client has this revision already.
func (in ReadInput) changed(rev uint64) error {
	if in.IfNoneMatch == "" || !writing.MatchesTag(in.IfNoneMatch, rev) {
		return nil
	}
	return huma.ErrorWithHeaders(huma.Status304NotModified(), http.Header{"Etag": {writing.Tag(rev)}})
}

// NameInput is the name of a record in a URL.
type NameInput struct {
	Name string `path:"name" doc:"name of the record" example:"main"`
}

// The requests about one record with a name.
type (
	namedRead struct {
		NameInput
		ReadInput
	}
	namedWrite struct {
		NameInput
		writing.Precondition
		BodyInput
	}
	namedDelete struct {
		NameInput
		DeleteInput
	}
)

// registerRecord registers the operations on one record, of which T is the type in the API.
func registerRecord[T, Read, Found, Write, Saved, Delete any](s *core, path, noun, a string,
	read func(context.Context, *Read) (*Found, error),
	write func(_ context.Context, _ *Write, patch bool) (*Saved, error),
	remove func(context.Context, *Delete) (*struct{}, error)) {
	tag := noun + "s"
	huma.Register(s.api, access.Op(http.MethodGet, path, "get-"+noun, tag, "Read "+a+" "+noun, access.Viewer), read)
	for _, method := range [...]string{http.MethodPut, http.MethodPatch} {
		patch := method == http.MethodPatch
		verb, summary := "put", "Create or replace "+a+" "+noun
		if patch {
			verb, summary = "patch", "Change members of "+a+" "+noun+" (JSON merge patch, RFC 7396)"
		}
		huma.Register(s.api, access.Op(method, path, verb+"-"+noun, tag, summary, access.Operator),
			func(ctx context.Context, in *Write) (*Saved, error) { return write(ctx, in, patch) })
		documentBody[T](s, method, path)
	}
	huma.Register(s.api, access.Op(http.MethodDelete, path, "delete-"+noun, tag, "Delete "+a+" "+noun, access.Operator), remove)
}

// view runs f on the current records and converts its error into an answer.
func (s *core) view(f func(fleet.View) error) error { return problem.From(s.Records.View(f)) }

// remove deletes a record in one edit.
func (s *core) remove(ctx context.Context, noun string, in DeleteInput, rev func(fleet.View) (uint64, error), del func(fleet.Edit) error) error {
	action := "remove " + noun
	if in.Force {
		action += " by force"
	}
	return problem.From(s.writer.Edit(ctx, action, func(e fleet.Edit) error {
		r, err := rev(e)
		if err != nil {
			return err
		}
		if err := in.Met(noun, r); err != nil {
			return err
		}
		return del(e)
	}))
}

// revision returns the revision within a record, nil for any other value.
func revision(rec any) *uint64 {
	switch r := rec.(type) {
	case *fleet.Registrar:
		return &r.Revision
	case *fleet.Extension:
		return &r.Revision
	case *fleet.Profile:
		return &r.Revision
	case *fleet.Device:
		return &r.Revision
	}
	return nil
}

// revisionOf returns the revision of a record just read.
func revisionOf[T any](rec *T, err error) (uint64, error) {
	if err != nil {
		return 0, err
	}
	return *revision(rec), nil
}

// readRecord finds the record of a GET. It checks the role for secrets and If-None-Match, and records a reveal in the audit log.
func readRecord[T any](ctx context.Context, s *core, in ReadInput, kind string, name func(*T) string, find func(fleet.View) (*T, error)) (rec T, err error) {
	if err := access.MayReveal(ctx, in.Reveal); err != nil {
		return rec, err
	}
	err = s.view(func(f fleet.View) error {
		found, err := find(f)
		if err == nil {
			rec = *found
		}
		return err
	})
	if err == nil {
		err = in.changed(*revision(&rec))
	}
	if err == nil && in.Reveal {
		err = problem.From(s.revealed(ctx, kind, name(&rec)))
	}
	return rec, err
}

// readMasked is readRecord for a record that is answered as it is stored, without secrets unless they are revealed.
func readMasked[T any](ctx context.Context, s *core, in ReadInput, kind string, name func(*T) string, find func(fleet.View) (*T, error), mask func(T) T) (*recordOutput[T], error) {
	rec, err := readRecord(ctx, s, in, kind, name, find)
	if err != nil {
		return nil, err
	}
	if !in.Reveal {
		rec = mask(rec)
	}
	return recordAnswer(rec, *revision(&rec), false), nil
}

// vendorID returns the id of a vendor, given that or an alias. Any other name is returned as it is.
func (s *core) vendorID(name string) string {
	if v, ok := s.Packs().Vendor(name); ok {
		return v.ID
	}
	return name
}

// addStatus adds the status of the phone. A device without one, because its files can't be rendered for instance, is still shown: one bad
// record must not hide the others.
func (s *core) addStatus(ctx context.Context, d *client.Device) {
	st, err := s.Phones.Status(ctx, d.MAC)
	if err != nil {
		s.Log.Warn("device status", "mac", d.MAC, "err", err)
		return
	}
	d.Status = &st
}

// note writes an audit entry for a change that is not an edit of the records.
func (s *core) note(ctx context.Context, action, kind, name, change string) error {
	return s.Audit.RecordAudit(fleet.AuditEntry{
		Time: s.Now(), Actor: access.Of(ctx).Name, Action: action,
		Records: []fleet.AuditRecord{{Kind: kind, Name: name, Change: change}},
	})
}

// revealed records in the audit log that secrets were shown. When that fails, they must not be shown.
func (s *core) revealed(ctx context.Context, kind, name string) error {
	return s.note(ctx, "reveal "+kind+" "+name, kind, name, "revealed")
}

// publicLeases returns leases as operators see them.
func (s *core) publicLeases(leases []dhcp.Lease) ([]client.Lease, error) {
	out := make([]client.Lease, 0, len(leases))
	err := s.view(func(f fleet.View) error {
		for _, l := range leases {
			_, err := f.DeviceByAny(l.MAC)
			if err != nil && !errors.Is(err, fleet.ErrNotFound) {
				return err
			}
			out = append(out, client.Lease{
				IP: l.Addr, MAC: l.MAC, Subnet: l.Subnet, State: l.State, Device: err == nil, Vendor: l.Vendor, Hostname: l.Hostname,
				StartsAt: l.Starts, ExpiresAt: l.Expires, VendorClass: dhcp.TextOrHex([]byte(l.VendorClass)),
				CircuitID: dhcp.TextOrHex([]byte(l.CircuitID)), RemoteID: dhcp.TextOrHex([]byte(l.RemoteID)),
			})
		}
		return nil
	})
	return out, err
}

// digest returns a file's digest as the caller may see it. Without the role for secrets, a caller could find a short one, such as a PIN,
// by trying which one gives a file with this digest. Such a caller gets another value, which is also equal only for equal files.
func (s *core) digest(ctx context.Context, real string) string {
	if real == "" || access.Of(ctx).Role >= access.Admin {
		return real
	}
	h := hmac.New(sha256.New, []byte(s.salt))
	h.Write([]byte(real))
	return hex.EncodeToString(h.Sum(nil))
}

// publicEntry returns a timeline entry as the caller may see it.
func (s *core) publicEntry(ctx context.Context, e timeline.Entry) timeline.Entry {
	e.Digest = s.digest(ctx, e.Digest)
	return e
}
