package admin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"plugtone/admin/client"
	"plugtone/dhcp"
	"plugtone/provision/fleet"
)

// recordOutput is one record with its ETag.
type recordOutput[T any] struct {
	Status int
	ETag   string `header:"ETag" doc:"the revision, for If-Match"`
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
	Force bool `query:"force" doc:"also when others depend on it: they are changed so that they no longer do"`
}

// RevealInput asks for secrets.
type RevealInput struct {
	Reveal bool `query:"reveal" doc:"with secrets in clear; for the role admin, and noted in the audit log"`
}

// NameInput is a record's name in a path.
type NameInput struct {
	Name string `path:"name"`
}

// view runs f on the records as they are now and turns its error into an answer.
func (s *Server) view(f func(fleet.View) error) error { return problem(s.cfg.Records.View(f)) }

// remove deletes a record in one edit.
func (s *Server) remove(ctx context.Context, noun string, in DeleteInput, rev func(fleet.View) (uint64, error), del func(fleet.Edit) error) error {
	action := "remove " + noun
	if in.Force {
		action += " by force"
	}
	return problem(s.cfg.Records.Edit(callerOf(ctx).name, action, func(e fleet.Edit) error {
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

func publicRegistrar(r fleet.Registrar) fleet.Registrar {
	r.Settings = r.Settings.Public()
	return r
}

func (s *Server) registrarRoutes() {
	const path = "/registrars/{name}"
	huma.Register(s.api, op(http.MethodGet, "/registrars", "list-registrars", "registrars", "List registrars", viewer),
		func(_ context.Context, in *ListInput) (*listOutput[fleet.Registrar], error) {
			out := &listOutput[fleet.Registrar]{}
			return out, s.view(func(f fleet.View) (err error) {
				all := mapped(f.Registrars(), func(r *fleet.Registrar) fleet.Registrar { return publicRegistrar(*r) })
				out.Body, err = page(*in, all, func(r fleet.Registrar) string { return r.Name },
					func(r fleet.Registrar, q string) bool { return contains(q, r.Name, r.Host) })
				return err
			})
		})
	huma.Register(s.api, op(http.MethodGet, path, "get-registrar", "registrars", "Read a registrar", viewer),
		func(ctx context.Context, in *struct {
			NameInput
			RevealInput
		}) (*recordOutput[fleet.Registrar], error) {
			return s.readRegistrar(ctx, in.Name, in.Reveal)
		})
	for _, method := range [...]string{http.MethodPut, http.MethodPatch} {
		huma.Register(s.api, op(method, path, writeVerb(method)+"-registrar", "registrars", writeSummary(method, "a registrar"), operator),
			func(ctx context.Context, in *struct {
				NameInput
				Precondition
				BodyInput
			}) (*recordOutput[fleet.Registrar], error) {
				return s.writeRegistrar(ctx, in.Name, in.Precondition, &in.BodyInput, method == http.MethodPatch)
			})
		documentBody[fleet.Registrar](s, method, path)
	}
	huma.Register(s.api, op(http.MethodDelete, path, "delete-registrar", "registrars", "Delete a registrar", operator),
		func(ctx context.Context, in *struct {
			NameInput
			DeleteInput
		}) (*struct{}, error) {
			return nil, s.remove(ctx, "registrar "+in.Name, in.DeleteInput,
				func(f fleet.View) (uint64, error) { return revisionOf(f.Registrar(in.Name)) },
				func(e fleet.Edit) error { return fleet.RemoveRegistrar(e, in.Name, in.Force) })
		})
}

func (s *Server) readRegistrar(ctx context.Context, name string, reveal bool) (*recordOutput[fleet.Registrar], error) {
	if err := mayReveal(ctx, reveal); err != nil {
		return nil, err
	}
	var rec fleet.Registrar
	err := s.view(func(f fleet.View) error {
		r, err := f.Registrar(name)
		if err == nil {
			rec = *r
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if !reveal {
		rec = publicRegistrar(rec)
	} else if err := s.revealed(ctx, "registrar", name); err != nil {
		return nil, problem(err)
	}
	return recordAnswer(rec, rec.Revision, false), nil
}

func (s *Server) writeRegistrar(ctx context.Context, name string, pre Precondition, body *BodyInput, patch bool) (*recordOutput[fleet.Registrar], error) {
	doc, err := body.document()
	if err != nil {
		return nil, err
	}
	rec, created, err := write[fleet.Registrar]{
		noun: "registrar " + name, pre: pre, body: doc, patch: patch, wire: reflect.TypeFor[fleet.Registrar](),
		key:  map[string]string{"name": name},
		find: func(f fleet.View) (*fleet.Registrar, error) { return f.Registrar(name) },
		prepare: func(f fleet.View, merged document) error {
			return portFollows(f, name, doc, merged)
		},
		check: func(_ fleet.View, r *fleet.Registrar) error { return fleet.CheckRegistrar(r) },
		put:   func(e fleet.Edit, r *fleet.Registrar) error { return e.PutRegistrar(r) },
		meta:  func(r *fleet.Registrar) *uint64 { return &r.Revision },
	}.run(ctx, s)
	if err != nil {
		return nil, problem(err)
	}
	return recordAnswer(publicRegistrar(*rec), rec.Revision, created), nil
}

// portFollows lets a port that was never chosen go with the transport: who changes udp to tls does not mean TLS on 5060.
func portFollows(f fleet.View, name string, body, merged document) error {
	old, err := f.Registrar(name)
	if errors.Is(err, fleet.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if _, said := body["port"]; !said && old.Port == fleet.DefaultPort(old.Transport) {
		delete(merged, "port")
	}
	return nil
}

func publicExtension(e fleet.Extension) fleet.Extension {
	e.Password = ""
	return e
}

func extensionName(e *fleet.Extension) string { return e.Number + "@" + e.Registrar }

// ExtensionInput is an extension in a path.
type ExtensionInput struct {
	Number string `path:"number" doc:"NUMBER, or NUMBER@REGISTRAR when two registrars have the number"`
}

func (s *Server) extensionRoutes() {
	const path = "/extensions/{number}"
	huma.Register(s.api, op(http.MethodGet, "/extensions", "list-extensions", "extensions", "List extensions", viewer),
		func(_ context.Context, in *struct {
			ListInput
			Registrar string `query:"registrar" doc:"only those on this registrar"`
		}) (*listOutput[fleet.Extension], error) {
			out := &listOutput[fleet.Extension]{}
			return out, s.view(func(f fleet.View) (err error) {
				all := mapped(f.Extensions(), func(e *fleet.Extension) fleet.Extension { return publicExtension(*e) })
				all = only(all, func(e fleet.Extension) bool { return in.Registrar == "" || e.Registrar == in.Registrar })
				out.Body, err = page(in.ListInput, all, func(e fleet.Extension) string { return e.Number + "\x00" + e.Registrar },
					func(e fleet.Extension, q string) bool {
						return contains(q, e.Number, e.DisplayName, e.AuthUser, e.Registrar)
					})
				return err
			})
		})
	huma.Register(s.api, op(http.MethodGet, path, "get-extension", "extensions", "Read an extension", viewer),
		func(ctx context.Context, in *struct {
			ExtensionInput
			RevealInput
		}) (*recordOutput[fleet.Extension], error) {
			return s.readExtension(ctx, in.Number, in.Reveal)
		})
	for _, method := range [...]string{http.MethodPut, http.MethodPatch} {
		huma.Register(s.api, op(method, path, writeVerb(method)+"-extension", "extensions", writeSummary(method, "an extension"), operator),
			func(ctx context.Context, in *struct {
				ExtensionInput
				Precondition
				BodyInput
			}) (*recordOutput[fleet.Extension], error) {
				return s.writeExtension(ctx, in.Number, in.Precondition, &in.BodyInput, method == http.MethodPatch)
			})
		documentBody[fleet.Extension](s, method, path)
	}
	huma.Register(s.api, op(http.MethodDelete, path, "delete-extension", "extensions", "Delete an extension", operator),
		func(ctx context.Context, in *struct {
			ExtensionInput
			DeleteInput
		}) (*struct{}, error) {
			var found *fleet.Extension
			return nil, s.remove(ctx, "extension "+in.Number, in.DeleteInput,
				func(f fleet.View) (rev uint64, err error) {
					if found, err = findExtension(f, in.Number); err != nil {
						return 0, err
					}
					return found.Revision, nil
				},
				func(e fleet.Edit) error {
					return fleet.RemoveExtension(e, found.Number, found.Registrar, in.Force)
				})
		})
}

// findExtension finds NUMBER or NUMBER@REGISTRAR. A number that two registrars have is a conflict that names both.
func findExtension(f fleet.View, ref string) (*fleet.Extension, error) {
	if number, registrar := fleet.ParseExtension(ref); registrar == "" {
		all, err := f.ExtensionsNumbered(number)
		if err == nil && len(all) > 1 {
			return nil, manyRegistrars(number, all)
		}
	}
	return fleet.FindExtension(f, ref)
}

func manyRegistrars(number string, all []*fleet.Extension) error {
	names := make([]string, len(all))
	for i, e := range all {
		names[i] = extensionName(e)
	}
	return huma.Error409Conflict(fmt.Sprintf("extension %s is on more than one registrar: say which of %s", number, strings.Join(names, ", ")))
}

func (s *Server) readExtension(ctx context.Context, ref string, reveal bool) (*recordOutput[fleet.Extension], error) {
	if err := mayReveal(ctx, reveal); err != nil {
		return nil, err
	}
	var rec fleet.Extension
	err := s.view(func(f fleet.View) error {
		e, err := findExtension(f, ref)
		if err == nil {
			rec = *e
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if !reveal {
		rec = publicExtension(rec)
	} else if err := s.revealed(ctx, "extension", extensionName(&rec)); err != nil {
		return nil, problem(err)
	}
	return recordAnswer(rec, rec.Revision, false), nil
}

// writeExtension finds out on which registrar the extension is: the path says it, or the body, or there is one extension
// of this number, or (in CheckExtension) one registrar. A registrar that differs from the record's moves the extension,
// and the lines that are bound to it.
func (s *Server) writeExtension(ctx context.Context, ref string, pre Precondition, body *BodyInput, patch bool) (*recordOutput[fleet.Extension], error) {
	doc, err := body.document()
	if err != nil {
		return nil, err
	}
	number, registrar := fleet.ParseExtension(ref)
	key := map[string]string{"number": number}
	if !patch {
		if registrar != "" {
			key["registrar"] = registrar
		} else {
			registrar, _ = doc["registrar"].(string)
		}
	}
	var old *fleet.Extension
	rec, created, err := write[fleet.Extension]{
		noun: "extension " + ref, pre: pre, body: doc, patch: patch, wire: reflect.TypeFor[fleet.Extension](), key: key,
		find: func(f fleet.View) (_ *fleet.Extension, err error) {
			old, err = findForWrite(f, number, registrar)
			return old, err
		},
		prepare: func(_ fleet.View, doc document) error {
			if said, _ := doc["registrar"].(string); said == "" && old != nil {
				doc["registrar"] = old.Registrar
			}
			return nil
		},
		check: fleet.CheckExtension,
		put: func(e fleet.Edit, x *fleet.Extension) error {
			if old != nil && old.Registrar != x.Registrar {
				if err := fleet.MoveExtension(e, number, old.Registrar, x.Registrar); err != nil {
					return err
				}
			}
			return e.PutExtension(x)
		},
		meta: func(x *fleet.Extension) *uint64 { return &x.Revision },
		affects: func(f fleet.View, x *fleet.Extension) ([]dhcp.MAC, error) {
			return f.DevicesWith(x.Number, x.Registrar)
		},
	}.run(ctx, s)
	if err != nil {
		return nil, problem(err)
	}
	return recordAnswer(publicExtension(*rec), rec.Revision, created), nil
}

// findForWrite finds the extension that a write means. One that lost its registrar is found under any.
func findForWrite(f fleet.View, number, registrar string) (*fleet.Extension, error) {
	if registrar != "" {
		x, err := f.Extension(number, registrar)
		if !errors.Is(err, fleet.ErrNotFound) {
			return x, err
		}
		if lost, err2 := f.Extension(number, ""); err2 == nil {
			return lost, nil
		}
		return nil, err
	}
	all, err := f.ExtensionsNumbered(number)
	switch {
	case err != nil:
		return nil, err
	case len(all) == 0:
		return nil, fmt.Errorf("extension %s: %w", number, fleet.ErrNotFound)
	case len(all) > 1:
		return nil, manyRegistrars(number, all)
	}
	return all[0], nil
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
	return "Create or replace " + what + "; a secret that is absent is kept, null clears it"
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
