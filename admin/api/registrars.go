package api

import (
	"context"
	"errors"
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"

	"plugtone/admin/access"
	"plugtone/admin/advice"
	"plugtone/admin/client"
	"plugtone/admin/document"
	"plugtone/admin/masking"
	"plugtone/admin/paging"
	"plugtone/admin/problem"
	"plugtone/admin/writing"
	"plugtone/dhcp"
	"plugtone/provision/fleet"
)

// registrars has the operations on SIP servers.
type registrars struct{ *core }

func (s registrars) register() {
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
	registerRecord[fleet.Registrar](s.core, "/registrars/{name}", "registrar", "a", s.read, s.write, s.delete)
}

func (s registrars) read(ctx context.Context, in *namedRead) (*recordOutput[fleet.Registrar], error) {
	return readMasked(ctx, s.core, in.ReadInput, "registrar", func(r *fleet.Registrar) string { return r.Name },
		func(f fleet.View) (*fleet.Registrar, error) { return f.Registrar(in.Name) }, masking.Registrar)
}

func (s registrars) write(ctx context.Context, in *namedWrite, patch bool) (*recordOutput[client.SavedRegistrar], error) {
	doc, err := in.document()
	if err != nil {
		return nil, err
	}
	rec, created, left, err := s.update(in.Name, in.Precondition, doc, patch).run(ctx, s.core)
	if err != nil {
		return nil, problem.From(err)
	}
	return recordAnswer(client.SavedRegistrar{Registrar: masking.Registrar(*rec), Warnings: advice.SettingFiles(s.Files, rec.Settings), LeftOut: left}, rec.Revision, created), nil
}

func (s registrars) delete(ctx context.Context, in *namedDelete) (*struct{}, error) {
	return nil, s.remove(ctx, "registrar "+in.Name, in.DeleteInput,
		func(f fleet.View) (uint64, error) { return revisionOf(f.Registrar(in.Name)) },
		func(e fleet.Edit) error { return fleet.RemoveRegistrar(e, in.Name, in.Force) })
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
		affects: func(f fleet.View, r *fleet.Registrar) ([]dhcp.MAC, error) {
			return fleet.DevicesOn(f, map[string]bool{r.Name: true})
		},
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
