package admin

import (
	"context"
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"

	"plugtone/dhcp"
	"plugtone/provision"
)

// publicProfile leaves out secrets, and masks what may be one; see publicExtras.
func publicProfile(p provision.Profile, c caller) provision.Profile {
	p.Settings = p.Settings.Public()
	p.VendorSettings = publicExtras(p.VendorSettings, c)
	if p.Keys == nil {
		p.Keys = []provision.Key{}
	}
	return p
}

func (s *Server) profileRoutes() {
	const path = "/profiles/{name}"
	huma.Register(s.api, op(http.MethodGet, "/profiles", "list-profiles", "profiles", "List profiles", viewer),
		func(ctx context.Context, in *ListInput) (*listOutput[provision.Profile], error) {
			out := &listOutput[provision.Profile]{}
			return out, s.view(func(f provision.Fleet) (err error) {
				all := mapped(f.Profiles(), func(p *provision.Profile) provision.Profile { return publicProfile(*p, callerOf(ctx)) })
				out.Body, err = page(*in, all, func(p provision.Profile) string { return p.Name },
					func(p provision.Profile, q string) bool { return contains(q, p.Name, p.Parent) })
				return err
			})
		})
	huma.Register(s.api, op(http.MethodGet, path, "get-profile", "profiles", "Read a profile", viewer),
		func(ctx context.Context, in *struct {
			NameInput
			RevealInput
		}) (*recordOutput[provision.Profile], error) {
			return s.readProfile(ctx, in.Name, in.Reveal)
		})
	for _, method := range [...]string{http.MethodPut, http.MethodPatch} {
		huma.Register(s.api, op(method, path, writeVerb(method)+"-profile", "profiles", writeSummary(method, "a profile"), operator),
			func(ctx context.Context, in *struct {
				NameInput
				Precondition
				BodyInput
			}) (*recordOutput[provision.Profile], error) {
				return s.writeProfile(ctx, in.Name, in.Precondition, &in.BodyInput, method == http.MethodPatch)
			})
		documentBody[provision.Profile](s, method, path)
	}
	huma.Register(s.api, op(http.MethodDelete, path, "delete-profile", "profiles", "Delete a profile", operator),
		func(ctx context.Context, in *struct {
			NameInput
			DeleteInput
		}) (*struct{}, error) {
			return nil, s.remove(ctx, "profile "+in.Name, in.DeleteInput,
				func(f provision.Fleet) (uint64, error) { return revisionOf(f.Profile(in.Name)) },
				func(e provision.Edit) error { return provision.RemoveProfile(e, in.Name, in.Force) })
		})
}

func (s *Server) readProfile(ctx context.Context, name string, reveal bool) (*recordOutput[provision.Profile], error) {
	if err := mayReveal(ctx, reveal); err != nil {
		return nil, err
	}
	var rec provision.Profile
	err := s.view(func(f provision.Fleet) error {
		p, err := f.Profile(name)
		if err == nil {
			rec = *p
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if !reveal {
		rec = publicProfile(rec, callerOf(ctx))
	} else if err := s.revealed(ctx, "profile", name); err != nil {
		return nil, problem(err)
	}
	return recordAnswer(rec, rec.Revision, false), nil
}

func (s *Server) writeProfile(ctx context.Context, name string, pre Precondition, body *BodyInput, patch bool) (*recordOutput[provision.Profile], error) {
	doc, err := body.document()
	if err != nil {
		return nil, err
	}
	rec, created, err := write[provision.Profile]{
		noun: "profile " + name, pre: pre, body: doc, patch: patch, wire: reflect.TypeFor[provision.Profile](),
		key:  map[string]string{"name": name},
		find: func(f provision.Fleet) (*provision.Profile, error) { return f.Profile(name) },
		check: func(f provision.Fleet, p *provision.Profile) error {
			return provision.CheckProfile(f, s.cfg.Packs(), p)
		},
		put:  func(e provision.Edit, p *provision.Profile) error { return e.PutProfile(p) },
		meta: func(p *provision.Profile) *uint64 { return &p.Revision },
		affects: func(f provision.Fleet, p *provision.Profile) ([]dhcp.MAC, error) {
			return provision.DevicesUsing(f, p.Name)
		},
	}.run(ctx, s)
	if err != nil {
		return nil, problem(err)
	}
	return recordAnswer(publicProfile(*rec, callerOf(ctx)), rec.Revision, created), nil
}
