package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"plugtone/admin/access"
	"plugtone/admin/client"
	"plugtone/admin/document"
	"plugtone/admin/masking"
	"plugtone/admin/paging"
	"plugtone/admin/problem"
	"plugtone/admin/writing"
	"plugtone/dhcp"
	"plugtone/provision/fleet"
)

// extensions has the operations on SIP accounts.
type extensions struct{ *core }

func extensionName(e *fleet.Extension) string { return e.Number + "@" + e.Registrar }

// ExtensionInput is an extension in a URL.
type ExtensionInput struct {
	Number string `path:"number" doc:"NUMBER, or NUMBER@REGISTRAR when two registrars have the number" example:"1001@main"`
}

func (s extensions) register() {
	huma.Register(s.api, access.Op(http.MethodGet, "/extensions", "list-extensions", "extensions", "List extensions", access.Viewer),
		func(_ context.Context, in *struct {
			paging.Input
			Registrar string `query:"registrar" doc:"only extensions of this registrar" example:"main"`
		}) (*listOutput[fleet.Extension], error) {
			out := &listOutput[fleet.Extension]{}
			return out, s.view(func(f fleet.View) (err error) {
				all := paging.Map(f.Extensions(), func(e *fleet.Extension) fleet.Extension { return masking.Extension(*e) })
				all = paging.Filter(all, func(e fleet.Extension) bool { return in.Registrar == "" || e.Registrar == in.Registrar })
				out.Body, err = paging.Page(in.Input, all, func(e fleet.Extension) string { return e.Number + "\x00" + e.Registrar },
					func(e fleet.Extension, q string) bool {
						return contains(q, e.Number, e.DisplayName, e.AuthUser, e.Registrar)
					})
				return err
			})
		})
	registerRecord[fleet.Extension](s.core, "/extensions/{number}", "extension", "an", s.read, s.write, s.delete)
}

// findExtension finds NUMBER or NUMBER@REGISTRAR. Its error is the answer 409 when several registrars have the number.
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
	return huma.Error409Conflict(fmt.Sprintf("extension %s is on more than one registrar: name one of %s", number, strings.Join(names, ", ")))
}

type extensionRead struct {
	ExtensionInput
	ReadInput
}

func (s extensions) read(ctx context.Context, in *extensionRead) (*recordOutput[fleet.Extension], error) {
	return readMasked(ctx, s.core, in.ReadInput, "extension", extensionName,
		func(f fleet.View) (*fleet.Extension, error) { return findExtension(f, in.Number) }, masking.Extension)
}

type extensionWrite struct {
	ExtensionInput
	writing.Precondition
	BodyInput
}

// write changes an extension. Its registrar is the one in the URL, else the one in the body, else that of the only extension with the
// number, else (in CheckExtension) the only registrar. A registrar other than the record's moves the extension and the lines that use it.
func (s extensions) write(ctx context.Context, in *extensionWrite, patch bool) (*recordOutput[client.SavedExtension], error) {
	doc, err := in.document()
	if err != nil {
		return nil, err
	}
	number, named := fleet.ParseExtension(in.Number)
	registrar := named
	if !patch && named == "" {
		registrar, _ = doc["registrar"].(string)
	}
	update, fixed := s.update(in.Number, number, registrar, in.Precondition, doc, patch)
	if !patch && named != "" {
		fixed["registrar"] = named
	}
	rec, created, left, err := update.run(ctx, s.core)
	if err != nil {
		return nil, problem.From(err)
	}
	return recordAnswer(client.SavedExtension{Extension: masking.Extension(*rec), LeftOut: left}, rec.Revision, created), nil
}

type extensionDelete struct {
	ExtensionInput
	DeleteInput
}

func (s extensions) delete(ctx context.Context, in *extensionDelete) (*struct{}, error) {
	var found *fleet.Extension
	return nil, s.remove(ctx, "extension "+in.Number, in.DeleteInput,
		func(f fleet.View) (rev uint64, err error) {
			if found, err = findExtension(f, in.Number); err != nil {
				return 0, err
			}
			return found.Revision, nil
		},
		func(e fleet.Edit) error { return fleet.RemoveExtension(e, found.Number, found.Registrar, in.Force) })
}

// update returns the update of an extension, and the members that its body must not change.
func (s extensions) update(ref, number, registrar string, pre writing.Precondition, doc document.Object, patch bool) (recordUpdate[fleet.Extension], map[string]string) {
	fixed := map[string]string{"number": number}
	var old *fleet.Extension
	var bad problem.List
	if password, given := doc["password"].(string); given && password == "" {
		bad.Add("password", "", "is empty: phones can't register with it; null removes the password")
	}
	return recordUpdate[fleet.Extension]{bad: bad,
		noun: "extension " + ref, pre: pre, body: doc, patch: patch, wire: reflect.TypeFor[fleet.Extension](), key: fixed,
		find: func(f fleet.View) (_ *fleet.Extension, err error) {
			old, err = findForWrite(f, number, registrar)
			return old, err
		},
		prepare: func(_ fleet.View, doc document.Object) error {
			if registrar, _ := doc["registrar"].(string); registrar == "" && old != nil {
				doc["registrar"] = old.Registrar
			}
			return nil
		},
		check: fleet.CheckExtension,
		put: func(e fleet.Edit, x *fleet.Extension) error {
			if err := fleet.CheckOwned(old, x); err != nil {
				return err
			}
			if old != nil && old.Registrar != x.Registrar {
				if err := fleet.MoveExtension(e, number, old.Registrar, x.Registrar); err != nil {
					return err
				}
			}
			return e.PutExtension(x)
		},
		affects: func(f fleet.View, x *fleet.Extension) ([]dhcp.MAC, error) {
			return f.DevicesWith(x.Number, x.Registrar)
		},
	}, fixed
}

// findForWrite finds the extension of a write. One whose registrar was deleted is found under any registrar.
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
