package api

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"plugtone/admin/access"
	"plugtone/admin/client"
	"plugtone/admin/problem"
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
	return &recordOutput[T]{Status: status, ETag: revisionTag(rev), Body: body}
}

type listOutput[T any] struct{ Body client.Page[T] }

// DeleteInput is what a DELETE takes. Like the other inputs it is exported because huma reads embedded types only then.
type DeleteInput struct {
	Precondition
	Force bool `query:"force" doc:"also when other records use it: they are changed so that they no longer do"`
}

// RevealInput asks for secrets.
type RevealInput struct {
	Reveal bool `query:"reveal" doc:"with secrets in clear; needs the role admin, and is noted in the audit log"`
}

// ReadInput is what the GET of one record takes.
type ReadInput struct {
	RevealInput
	IfNoneMatch string `header:"If-None-Match" doc:"ETag of an earlier answer: 304 while the record has not changed; its status may have" example:"\"17\""`
}

// changed returns the answer 304 when the reader has this revision already.
func (in ReadInput) changed(rev uint64) error {
	if in.IfNoneMatch == "" || !matchesTag(in.IfNoneMatch, rev) {
		return nil
	}
	return huma.ErrorWithHeaders(huma.Status304NotModified(), http.Header{"Etag": {revisionTag(rev)}})
}

// matchesTag reports whether a list of entity tags has that of a revision.
func matchesTag(list string, rev uint64) bool {
	for tag := range strings.SplitSeq(list, ",") {
		if strings.TrimPrefix(strings.TrimSpace(tag), "W/") == revisionTag(rev) {
			return true
		}
	}
	return false
}

// NameInput is a record's name in a path.
type NameInput struct {
	Name string `path:"name" doc:"name of the record" example:"main"`
}

// view runs f on the records as they are now and turns its error into an answer.
func (s *core) view(f func(fleet.View) error) error { return problem.From(s.Records.View(f)) }

// remove deletes a record in one edit.
func (s *core) remove(ctx context.Context, noun string, in DeleteInput, rev func(fleet.View) (uint64, error), del func(fleet.Edit) error) error {
	action := "remove " + noun
	if in.Force {
		action += " by force"
	}
	return problem.From(s.Records.Edit(access.Of(ctx).Name, action, func(e fleet.Edit) error {
		r, err := rev(e)
		if err != nil {
			return err
		}
		if err := in.met(noun, r); err != nil {
			return err
		}
		return del(e)
	}))
}

func writeVerb(method string) string {
	if method == http.MethodPatch {
		return "patch"
	}
	return "put"
}

func writeSummary(method, what string) string {
	if method == http.MethodPatch {
		return "Change members of " + what + " (JSON merge patch, RFC 7396)"
	}
	return "Create or replace " + what
}

// revisionOf is the revision of a record just read.
func revisionOf[T interface {
	*fleet.Registrar | *fleet.Profile | *fleet.Device
}](rec T, err error) (uint64, error) {
	if err != nil {
		return 0, err
	}
	switch r := any(rec).(type) {
	case *fleet.Registrar:
		return r.Revision, nil
	case *fleet.Profile:
		return r.Revision, nil
	case *fleet.Device:
		return r.Revision, nil
	}
	return 0, nil
}

// addStatus says how the phone stands. A phone of which that can't be told (its files can't be rendered, say) is still
// shown: one bad record must not hide the others.
func (s *core) addStatus(ctx context.Context, d *client.Device) {
	st, err := s.Phones.Status(ctx, d.MAC)
	if err != nil {
		s.Log.Warn("device status", "mac", d.MAC, "err", err)
		return
	}
	d.Status = &st
}

// note writes an audit entry for a change that is no edit of the records.
func (s *core) note(ctx context.Context, action, kind, name, change string) error {
	return s.Audit.RecordAudit(fleet.AuditEntry{
		Time: s.Now(), Actor: access.Of(ctx).Name, Action: action,
		Records: []fleet.AuditRecord{{Kind: kind, Name: name, Change: change}},
	})
}

// revealed records in the audit log that secrets were shown. What can't be recorded is not shown.
func (s *core) revealed(ctx context.Context, kind, name string) error {
	return s.note(ctx, "reveal "+kind+" "+name, kind, name, "revealed")
}

// shown turns leases into what operators see of them.
func (s *core) shown(leases []dhcp.Lease) ([]client.Lease, error) {
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

// digest is what the caller sees of a file's digest. Who may not see secrets could find a short one, a PIN, by trying which
// one makes the file that has this digest; so he sees another value, which is as good for telling whether files are the same.
func (s *core) digest(ctx context.Context, real string) string {
	if real == "" || access.Of(ctx).Role >= access.Admin {
		return real
	}
	h := hmac.New(sha256.New, []byte(s.salt))
	h.Write([]byte(real))
	return hex.EncodeToString(h.Sum(nil))
}

// entry is what the caller sees of an entry.
func (s *core) entry(ctx context.Context, e timeline.Entry) timeline.Entry {
	e.Digest = s.digest(ctx, e.Digest)
	return e
}

// revisionTag is the ETag of a record.
func revisionTag(rev uint64) string { return `"` + strconv.FormatUint(rev, 10) + `"` }
