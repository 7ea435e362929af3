package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"plugtone/admin/access"
	"plugtone/admin/client"
	"plugtone/admin/merging"
	"plugtone/admin/paging"
	"plugtone/admin/problem"
	"plugtone/admin/writing"
	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/provision/resolve"
)

// discovery has the operations on phones without a device record.
type discovery struct{ *core }

func (s discovery) register() {
	huma.Register(s.api, access.Op(http.MethodGet, "/discovered", "list-discovered", "discovered", "List phones without a record", access.Viewer),
		func(ctx context.Context, in *struct {
			paging.Input
			merging.Choice
		}) (*struct{ Body client.DiscoveredPage }, error) {
			found, silent, err := s.list(ctx, in.Choice)
			if err != nil {
				return nil, problem.From(err)
			}
			out := &struct{ Body client.DiscoveredPage }{}
			out.Body.Unanswered = silent
			out.Body.Page, err = paging.Page(in.Input, paging.Values(found), func(d fleet.Discovered) string { return d.MAC.String() },
				func(d fleet.Discovered, q string) bool {
					return contains(q, d.Vendor, d.Model, d.Hostname, d.IP.String()) || containsMAC(q, d.MAC)
				})
			return out, err
		})
	huma.Register(s.api, access.Op(http.MethodGet, "/discovered/{mac}", "get-discovered", "discovered", "Read a discovered phone", access.Viewer),
		func(ctx context.Context, in *MACInput) (*struct{ Body fleet.Discovered }, error) {
			mac, err := in.Parse()
			if err != nil {
				return nil, err
			}
			d, err := s.find(ctx, mac, merging.Choice{})
			if err != nil {
				return nil, problem.From(err)
			}
			return &struct{ Body fleet.Discovered }{d}, nil
		})
	adopt := access.Op(http.MethodPost, "/discovered/{mac}/adopt", "adopt-discovered", "discovered", "Make a discovered phone a device", access.Operator)
	adopt.DefaultStatus = http.StatusCreated
	huma.Register(s.api, adopt, s.adopt)
	huma.Register(s.api, access.Op(http.MethodDelete, "/discovered/{mac}", "forget-discovered", "discovered", "Remove a phone from the discovered list", access.Operator),
		func(ctx context.Context, in *struct {
			MACInput
			merging.Choice
		}) (*struct{}, error) {
			mac, err := in.Parse()
			if err != nil {
				return nil, err
			}
			others, err := merging.Forget(ctx, s.Members, in.Choice, mac)
			if err != nil {
				return nil, problem.From(err)
			}
			_, err = s.find(ctx, mac, merging.Choice{Member: merging.Local})
			if err == nil {
				err = s.Discovered.ForgetPhone(mac)
			}
			if err != nil && !(others && errors.Is(err, fleet.ErrNotFound)) {
				return nil, problem.From(err)
			}
			return nil, problem.From(s.note(ctx, "forget discovered "+mac.String(), "discovered", mac.String(), "deleted"))
		})
}

// list returns the phones without a record that the members of the cluster have seen, and the members that did not answer.
func (s discovery) list(ctx context.Context, in merging.Choice) (list []fleet.Discovered, silent []client.Unanswered, err error) {
	own, err := s.Discovered.DiscoveredPhones()
	if err != nil || s.Members == nil {
		return own, nil, err
	}
	list, silent = merging.Discovered(ctx, s.Members, in, own)
	err = s.Records.View(func(v fleet.View) error { // another member may have made the record
		list = slices.DeleteFunc(list, func(d fleet.Discovered) bool { _, err := v.Device(d.MAC); return err == nil })
		return nil
	})
	return list, silent, err
}

func (s discovery) find(ctx context.Context, mac dhcp.MAC, in merging.Choice) (fleet.Discovered, error) {
	all, silent, err := s.list(ctx, in)
	if err != nil {
		return fleet.Discovered{}, err
	}
	for _, d := range all {
		if d.MAC == mac {
			return d, nil
		}
	}
	err = fmt.Errorf("phone %s on the discovered list: %w", mac, fleet.ErrNotFound)
	for _, u := range silent {
		err = fmt.Errorf("%w; member %s: %s", err, u.Member, u.Problem)
	}
	return fleet.Discovered{}, err
}

func (s discovery) adopt(ctx context.Context, in *struct {
	MACInput
	writing.Input
	Body *client.AdoptRequest
}) (*recordOutput[client.Device], error) {
	mac, err := in.Parse()
	if err != nil {
		return nil, err
	}
	found, err := s.find(ctx, mac, merging.Choice{})
	if err != nil {
		return nil, problem.From(err)
	}
	d := fleet.Device{MAC: mac, Enabled: true, Vendor: found.Vendor, Model: found.Model}
	if in.Body != nil {
		d.Lines, d.Profile, d.Label = in.Body.Lines, in.Body.Profile, in.Body.Label
	}
	if v, ok := s.Packs().Vendor(d.Vendor); ok && d.Model != "" {
		// The phone is adopted without its model if the pack lacks it.
		if _, ok := v.Model(d.Model); !ok {
			d.Model = ""
		}
	}
	var left []resolve.LeftOutCount
	err = s.writer.Edit(ctx, "adopt device "+mac.String(), func(e fleet.Edit) (err error) {
		_, err = e.Device(mac)
		if err == nil {
			return huma.Error409Conflict(fmt.Sprintf("device %s exists already", mac))
		}
		if !errors.Is(err, fleet.ErrNotFound) {
			return err
		}
		if err := resolve.CheckDevice(e, s.Packs(), &d); err != nil {
			return err
		}
		if err := e.PutDevice(&d); err != nil {
			return err
		}
		rendering := s.Phones.Rendering()
		rendering.Own = mac
		left, err = rendering.Validate(e, []dhcp.MAC{mac})
		return err
	})
	if err != nil {
		return nil, problem.From(writing.WithLeftOut(err, left))
	}
	if err := s.Discovered.ForgetPhone(mac); err != nil && !errors.Is(err, fleet.ErrNotFound) {
		s.Log.Warn("forget discovered phone", "mac", mac, "err", err)
	}
	dev := publicDevice(d, access.Of(ctx))
	s.addStatus(ctx, &dev)
	dev.Warnings = devices(s).warnings(&d)
	return recordAnswer(dev, d.Revision, true), nil
}
