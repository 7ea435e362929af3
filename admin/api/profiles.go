package api

import (
	"context"
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
	"plugtone/provision/resolve"
)

// profiles has the operations on profiles.
type profiles struct{ *core }

func (s profiles) register() {
	huma.Register(s.api, access.Op(http.MethodGet, "/profiles", "list-profiles", "profiles", "List profiles", access.Viewer),
		func(ctx context.Context, in *paging.Input) (*listOutput[fleet.Profile], error) {
			out := &listOutput[fleet.Profile]{}
			return out, s.view(func(f fleet.View) (err error) {
				all := paging.Map(f.Profiles(), func(p *fleet.Profile) fleet.Profile { return masking.Profile(*p, access.Of(ctx)) })
				out.Body, err = paging.Page(*in, all, func(p fleet.Profile) string { return p.Name },
					func(p fleet.Profile, q string) bool { return contains(q, p.Name, p.Parent) })
				return err
			})
		})
	registerRecord[fleet.Profile](s.core, "/profiles/{name}", "profile", "a", s.read, s.write, s.delete)
}

func (s profiles) read(ctx context.Context, in *namedRead) (*recordOutput[fleet.Profile], error) {
	return readMasked(ctx, s.core, in.ReadInput, "profile", func(p *fleet.Profile) string { return p.Name },
		func(f fleet.View) (*fleet.Profile, error) { return f.Profile(in.Name) },
		func(p fleet.Profile) fleet.Profile { return masking.Profile(p, access.Of(ctx)) })
}

func (s profiles) write(ctx context.Context, in *namedWrite, patch bool) (*recordOutput[client.SavedProfile], error) {
	doc, err := in.document()
	if err != nil {
		return nil, err
	}
	rec, created, left, err := s.update(in.Name, in.Precondition, doc, patch).run(ctx, s.core)
	if err != nil {
		return nil, problem.From(err)
	}
	out := client.SavedProfile{Profile: masking.Profile(*rec, access.Of(ctx)), Warnings: advice.SettingFiles(s.Files, rec.Settings), LeftOut: left}
	return recordAnswer(out, rec.Revision, created), nil
}

func (s profiles) delete(ctx context.Context, in *namedDelete) (*struct{}, error) {
	return nil, s.remove(ctx, "profile "+in.Name, in.DeleteInput,
		func(f fleet.View) (uint64, error) { return revisionOf(f.Profile(in.Name)) },
		func(e fleet.Edit) error { return fleet.RemoveProfile(e, in.Name, in.Force) })
}

func (s profiles) update(name string, pre writing.Precondition, doc document.Object, patch bool) recordUpdate[fleet.Profile] {
	var old *fleet.Profile
	return recordUpdate[fleet.Profile]{
		noun: "profile " + name, pre: pre, body: doc, patch: patch, wire: reflect.TypeFor[fleet.Profile](),
		key: map[string]string{"name": name},
		find: func(f fleet.View) (_ *fleet.Profile, err error) {
			old, err = f.Profile(name)
			return old, err
		},
		check: func(f fleet.View, p *fleet.Profile) error {
			return resolve.CheckProfile(f, s.Packs(), p)
		},
		put: func(e fleet.Edit, p *fleet.Profile) error {
			if err := fleet.CheckOwnedProfile(old, p); err != nil {
				return err
			}
			return e.PutProfile(p)
		},
		affects: func(f fleet.View, p *fleet.Profile) ([]dhcp.MAC, error) {
			return fleet.DevicesUsing(f, p.Name)
		},
	}
}
