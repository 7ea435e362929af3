package api

import (
	"context"
	"errors"
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"

	"plugtone/admin/access"
	"plugtone/admin/document"
	"plugtone/admin/masking"
	"plugtone/admin/paging"
	"plugtone/admin/problem"
	"plugtone/admin/writing"
	"plugtone/provision/fleet"
)

// registrars has the operations on SIP servers.
type registrars struct{ *core }

func (s registrars) register() {
	const path = "/registrars/{name}"
	huma.Register(s.api, access.Op(http.MethodGet, "/registrars", "list-registrars", "registrars", "List registrars", access.Viewer),
		func(_ context.Context, in *paging.Input) (*listOutput[fleet.Registrar], error) {
			out := &listOutput[fleet.Registrar]{}
			return out, s.view(func(f fleet.View) (err error) {
				all := paging.Map(f.Registrars(), func(r *fleet.Registrar) fleet.Registrar { return masking.Registrar(*r) })
				out.Body, err = paging.Page(*in, all, func(r fleet.Registrar) string { return r.Name },
					func(r fleet.Registrar, q string) bool { return contains(q, r.Name, r.Host) })
				return err
			})
		})
	huma.Register(s.api, access.Op(http.MethodGet, path, "get-registrar", "registrars", "Read a registrar", access.Viewer),
		func(ctx context.Context, in *struct {
			NameInput
			ReadInput
		}) (*recordOutput[fleet.Registrar], error) {
			return s.read(ctx, in.Name, in.ReadInput)
		})
	for _, method := range [...]string{http.MethodPut, http.MethodPatch} {
		huma.Register(s.api, access.Op(method, path, writeVerb(method)+"-registrar", "registrars", writeSummary(method, "a registrar"), access.Operator),
			func(ctx context.Context, in *struct {
				NameInput
				writing.Precondition
				BodyInput
			}) (*recordOutput[fleet.Registrar], error) {
				return s.write(ctx, in.Name, in.Precondition, &in.BodyInput, method == http.MethodPatch)
			})
		documentBody[fleet.Registrar](s.core, method, path)
	}
	huma.Register(s.api, access.Op(http.MethodDelete, path, "delete-registrar", "registrars", "Delete a registrar", access.Operator),
		func(ctx context.Context, in *struct {
			NameInput
			DeleteInput
		}) (*struct{}, error) {
			return nil, s.remove(ctx, "registrar "+in.Name, in.DeleteInput,
				func(f fleet.View) (uint64, error) { return revisionOf(f.Registrar(in.Name)) },
				func(e fleet.Edit) error { return fleet.RemoveRegistrar(e, in.Name, in.Force) })
		})
}

func (s registrars) read(ctx context.Context, name string, in ReadInput) (*recordOutput[fleet.Registrar], error) {
	rec, err := readRecord(ctx, s.core, in, "registrar", func(r *fleet.Registrar) string { return r.Name },
		func(f fleet.View) (*fleet.Registrar, error) { return f.Registrar(name) })
	if err != nil {
		return nil, err
	}
	if !in.Reveal {
		rec = masking.Registrar(rec)
	}
	return recordAnswer(rec, rec.Revision, false), nil
}

func (s registrars) write(ctx context.Context, name string, pre writing.Precondition, body *BodyInput, patch bool) (*recordOutput[fleet.Registrar], error) {
	doc, err := body.document()
	if err != nil {
		return nil, err
	}
	rec, created, _, err := s.update(name, pre, doc, patch).run(ctx, s.core)
	if err != nil {
		return nil, problem.From(err)
	}
	return recordAnswer(masking.Registrar(*rec), rec.Revision, created), nil
}

func (s registrars) update(name string, pre writing.Precondition, doc document.Object, patch bool) recordUpdate[fleet.Registrar] {
	return recordUpdate[fleet.Registrar]{
		noun: "registrar " + name, pre: pre, body: doc, patch: patch, wire: reflect.TypeFor[fleet.Registrar](),
		key:  map[string]string{"name": name},
		find: func(f fleet.View) (*fleet.Registrar, error) { return f.Registrar(name) },
		prepare: func(f fleet.View, merged document.Object) error {
			return portFollows(f, name, doc, merged)
		},
		check: func(_ fleet.View, r *fleet.Registrar) error { return fleet.CheckRegistrar(r) },
		put:   func(e fleet.Edit, r *fleet.Registrar) error { return e.PutRegistrar(r) },
	}
}

// portFollows removes the port from merged, so that it gets its default again, when the record has the default of its transport and the
// body sets none. Without it, changing udp to tls would leave TLS on 5060.
func portFollows(f fleet.View, name string, body, merged document.Object) error {
	old, err := f.Registrar(name)
	if errors.Is(err, fleet.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if _, given := body["port"]; !given && old.Port == fleet.DefaultPort(old.Transport) {
		delete(merged, "port")
	}
	return nil
}
