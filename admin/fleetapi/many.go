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
	"plugtone/admin/document"
	"plugtone/admin/problem"
	"plugtone/admin/writing"
	"plugtone/dhcp"
	"plugtone/provision/apply"
	"plugtone/provision/fleet"
	"plugtone/provision/selector"
)

// manyDevices has the operation that changes or deletes many devices in one change.
type manyDevices struct {
	*core
	editor api.Editor
}

func (s manyDevices) register() {
	huma.Register(s.api, access.Op(http.MethodPost, "/devices/change", "change-devices", "fleet", "Change or delete many devices at once", access.Operator), s.change)
}

func (s manyDevices) change(ctx context.Context, in *struct {
	writing.Input
	Body client.ManyDevices
}) (*struct{ Body client.Applied }, error) {
	macs, err := s.selected(ctx, "macs", in.Body.MACs, in.Body.Where)
	if err != nil {
		return nil, err
	}
	verb := "change"
	if in.Body.Delete {
		verb = "delete"
	}
	defer s.grantRecords(len(macs))()
	r := newApplying(fleets(s), nil)
	c, _, err := s.edit(ctx, fleet.Write{Action: fmt.Sprintf("%s %d devices", verb, len(macs))}, func(e fleet.Edit) ([]dhcp.MAC, error) {
		r.applied = newApplied()
		for i, mac := range macs {
			if err := s.one(e, r, i, mac, in.Body); err != nil {
				return nil, err
			}
		}
		if err := r.render(e); err != nil {
			return nil, err
		}
		return nil, r.verdict()
	})
	r.out.Change = c.ID
	r.out.Rows, r.out.More = r.rows.values()
	return &struct{ Body client.Applied }{r.out}, writing.WithLeftOut(err, r.out.LeftOut)
}

// selected returns the devices of a request: those named in its member, and those for which the conditions hold.
func (s *core) selected(ctx context.Context, member string, named []dhcp.MAC, expr string) ([]dhcp.MAC, error) {
	if len(named) == 0 && expr == "" {
		return nil, problem.Field("body", "", "needs "+member+" or where")
	}
	macs := slices.Clone(named)
	if expr == "" {
		return macs, nil
	}
	where, err := selector.Parse(expr)
	if err != nil {
		return nil, problem.From(err)
	}
	found, err := s.Index.Select(ctx, where)
	if err != nil {
		return nil, problem.From(err)
	}
	for _, mac := range found {
		if !slices.Contains(named, mac) {
			macs = append(macs, mac)
		}
	}
	return macs, nil
}

// one changes or deletes one device, the i-th.
func (s manyDevices) one(e fleet.Edit, r *applying, i int, mac dhcp.MAC, in client.ManyDevices) error {
	d, err := e.Device(mac)
	if errors.Is(err, fleet.ErrNotFound) {
		r.bad(i, "macs", mac.String(), "no such device")
		return nil
	}
	if err != nil {
		return err
	}
	if in.Delete {
		r.out.Deleted++
		return e.DeleteDevice(mac)
	}
	doc := document.Copy(document.Object(in.Set))
	if doc == nil {
		doc = document.Object{}
	}
	if len(in.Keys) > 0 {
		keys := slices.Clone(d.Keys)
		for _, k := range in.Keys {
			keys = slices.DeleteFunc(keys, func(o fleet.Key) bool { return o.Area == k.Area && o.Slot == k.Slot })
			if k.Type != "" {
				keys = append(keys, k)
			}
		}
		fleet.SortKeys(keys)
		list, err := document.ToObject(map[string]any{"keys": keys})
		if err != nil {
			return err
		}
		doc["keys"] = list["keys"]
	}
	doc["mac"] = mac.String()
	place := "device " + mac.String()
	return r.object(e, apply.Object{Kind: fleet.KindDevice, Place: place, Order: i, Doc: doc, Where: func(path string) string {
		if path == "" {
			return place
		}
		return place + ", " + path
	}}, false) // what another device has is no reason to try again: all devices get the same
}
