package fleetapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"plugtone/admin/access"
	"plugtone/admin/api"
	"plugtone/admin/client"
	"plugtone/admin/masking"
	"plugtone/admin/problem"
	"plugtone/admin/writing"
	"plugtone/dhcp"
	"plugtone/provision/changes"
	"plugtone/provision/fleet"
	"plugtone/provision/resolve"
)

// histories has the operations on the revisions of single records.
type histories struct{ *core }

// revisionsMax is how many revisions of a record are listed.
const revisionsMax = 100

func (s histories) register() {
	huma.Register(s.api, access.Op(http.MethodGet, "/devices/{mac}/history", "get-device-history", "devices", "List the revisions of a device, newest first", access.Viewer), s.device)
	huma.Register(s.api, access.Op(http.MethodPost, "/devices/{mac}/rollback", "post-device-rollback", "devices", "Set a device back to an earlier revision", access.Operator), s.rollback)
	huma.Register(s.api, access.Op(http.MethodGet, "/extensions/{number}/history", "get-extension-history", "extensions", "List the revisions of an extension, newest first", access.Viewer),
		func(ctx context.Context, in *api.ExtensionInput) (*historyOutput, error) {
			name, err := s.extensionName(in.Number)
			if err != nil {
				return nil, err
			}
			return s.record(ctx, fleet.KindExtension, name)
		})
	for kind, plural := range map[string]string{fleet.KindRegistrar: "registrars", fleet.KindProfile: "profiles"} {
		huma.Register(s.api, access.Op(http.MethodGet, "/"+plural+"/{name}/history", "get-"+kind+"-history", plural, "List the revisions of a "+kind+", newest first", access.Viewer),
			func(ctx context.Context, in *api.NameInput) (*historyOutput, error) {
				return s.record(ctx, kind, in.Name)
			})
	}
}

type historyOutput struct{ Body client.RecordHistory }

// extensionName returns NUMBER@REGISTRAR. A number alone is that of the only extension that has it.
func (s histories) extensionName(ref string) (string, error) {
	number, registrar := fleet.ParseExtension(ref)
	if registrar != "" {
		return ref, nil
	}
	err := s.view(func(f fleet.View) error {
		x, err := fleet.FindExtension(f, ref)
		if err == nil {
			registrar = x.Registrar
		}
		return err
	})
	return number + "@" + registrar, err
}

func (s histories) record(ctx context.Context, kind, name string) (*historyOutput, error) {
	list, err := s.revisions(ctx, kind, name)
	return &historyOutput{client.RecordHistory{Kind: kind, Name: name, Items: list}}, err
}

// revisions reads the history of a record. A record without one is an answer 404.
func (s histories) revisions(ctx context.Context, kind, name string) ([]client.Revision, error) {
	list, err := s.Changes.RecordHistory(kind, name, revisionsMax)
	if err != nil {
		return nil, problem.From(err)
	}
	if len(list) == 0 {
		return nil, huma.Error404NotFound(fmt.Sprintf("%s %s: no such %s now or in the past", kind, name, kind))
	}
	out := []client.Revision{}
	for _, r := range list {
		rev := client.Revision{Revision: r.Change.ID, Time: r.Change.Time, Actor: r.Change.Actor, From: r.Change.From, Action: r.Change.Action,
			Message: r.Change.Message, Deleted: r.After == nil}
		if rev.Members, err = changes.Members(r.Before, r.After, access.Of(ctx).Role < access.Operator); err != nil {
			return nil, problem.From(err)
		}
		if d := deviceOf(r); d != nil {
			rev.Device = &client.Device{Device: masking.Device(*d, access.Of(ctx))}
		}
		out = append(out, rev)
	}
	return out, nil
}

// deviceOf returns the device after a change, or the one that was deleted; nil for other records.
func deviceOf(r fleet.RecordRevision) *fleet.Device {
	switch {
	case r.After != nil:
		return r.After.Device
	case r.Before != nil:
		return r.Before.Device
	}
	return nil
}

func (s histories) device(ctx context.Context, in *api.MACInput) (*struct{ Body client.History }, error) {
	mac, err := in.Parse()
	if err != nil {
		return nil, err
	}
	list, err := s.revisions(ctx, fleet.KindDevice, mac.String())
	return &struct{ Body client.History }{client.History{MAC: mac, Items: list}}, err
}

// rollback writes an old revision as a new one. It is checked again, because an extension may have been deleted since.
func (s histories) rollback(ctx context.Context, in *struct {
	api.MACInput
	writing.Precondition
	Body client.RollbackRequest
}) (*deviceOutput, error) {
	mac, err := in.Parse()
	if err != nil {
		return nil, err
	}
	revisions, err := s.Changes.RecordHistory(fleet.KindDevice, mac.String(), revisionsMax)
	if err != nil {
		return nil, problem.From(err)
	}
	i := slices.IndexFunc(revisions, func(r fleet.RecordRevision) bool { return r.Change.ID == in.Body.Revision && deviceOf(r) != nil })
	if i < 0 {
		return nil, huma.Error404NotFound(fmt.Sprintf("device %s has no revision %d that is kept", mac, in.Body.Revision))
	}
	rec := deviceOf(revisions[i])
	action := fmt.Sprintf("roll device %s back to revision %d", mac, in.Body.Revision)
	_, _, err = s.edit(ctx, fleet.Write{Action: action}, func(e fleet.Edit) ([]dhcp.MAC, error) {
		old, err := e.Device(mac)
		var rev uint64
		switch {
		case err == nil:
			rev = old.Revision
		case errors.Is(err, fleet.ErrNotFound):
			old = nil
		default:
			return nil, err
		}
		if err := in.Met("device "+mac.String(), rev); err != nil {
			return nil, err
		}
		if old != nil {
			rec.Source, rec.SourceMembers, rec.Gone = old.Source, old.SourceMembers, old.Gone
		}
		if err := resolve.CheckDevice(e, s.Packs(), rec); err != nil {
			return nil, err
		}
		if err := fleet.CheckOwnedDevice(old, rec); err != nil {
			return nil, err
		}
		return []dhcp.MAC{mac}, e.PutDevice(rec)
	})
	if err != nil {
		return nil, err
	}
	return &deviceOutput{ETag: writing.Tag(rec.Revision), Body: client.Device{Device: masking.Device(*rec, access.Of(ctx))}}, nil
}

// deviceOutput is a device with its ETag.
type deviceOutput struct {
	ETag string `header:"ETag" doc:"revision of the record in quotes, for If-Match" example:"\"17\""`
	Body client.Device
}
