package fleetapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"plugtone/admin/access"
	"plugtone/admin/advice"
	"plugtone/admin/api"
	"plugtone/admin/client"
	"plugtone/admin/masking"
	"plugtone/admin/problem"
	"plugtone/admin/writing"
	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/provision/reassign"
)

// reassigning has the operations that move what phones have in one step.
type reassigning struct{ *core }

func (s reassigning) register() {
	copied := access.Op(http.MethodPost, "/devices/{mac}/copy", "copy-device", "devices", "Create a device like another", access.Operator)
	copied.DefaultStatus = http.StatusCreated
	huma.Register(s.api, copied, s.copyDevice)
	huma.Register(s.api, access.Op(http.MethodPost, "/devices/{mac}/swap", "swap-devices", "devices", "Exchange what two phones are for", access.Operator), s.swap)
	huma.Register(s.api, access.Op(http.MethodPost, "/devices/{mac}/replace", "replace-device", "devices", "Replace a phone by another", access.Operator), s.replace)
	huma.Register(s.api, access.Op(http.MethodPost, "/keys/fill", "fill-keys", "devices", "Give phones keys for a range of extensions", access.Operator), s.fill)
}

// LossyInput has the parameters of an operation by which phones may lose something.
type LossyInput struct {
	writing.Input
	Yes bool `query:"yes" doc:"also when the phones lose what their models can't have"`
}

type reassignedOutput struct{ Body client.Reassigned }

// lossy is the answer to an operation by which phones would lose something, without the confirmation.
func lossy(lost []string) error {
	details := make([]error, len(lost))
	for i, text := range lost {
		details[i] = &huma.ErrorDetail{Message: text}
	}
	text := "1 thing would be lost"
	if len(lost) != 1 {
		text = fmt.Sprintf("%d things would be lost", len(lost))
	}
	return huma.Error409Conflict(text, details...)
}

// do makes a change of several devices. The answer to a dry run has what is lost; otherwise that needs the confirmation yes.
func (s reassigning) do(ctx context.Context, action string, yes bool, f func(reassign.Office) (reassign.Result, error)) (*reassignedOutput, error) {
	dry := writing.OptionsOf(ctx).DryRun
	var r reassign.Result
	c, left, err := s.edit(ctx, fleet.Write{Action: action}, func(e fleet.Edit) (macs []dhcp.MAC, err error) {
		r, err = f(reassign.Office{Edit: e, Packs: s.Packs(), Site: s.Site(), Now: s.Now()})
		var refused *reassign.Conflict
		switch {
		case errors.As(err, &refused):
			return nil, huma.Error409Conflict(refused.Error())
		case err == nil && len(r.Lost) > 0 && !yes && !dry:
			return nil, lossy(r.Lost)
		}
		return r.MACs(), err
	})
	var tried *writing.Answer
	if errors.As(err, &tried) {
		tried.Lost = r.Lost
	}
	if err != nil {
		return nil, err
	}
	s.forget(r.MACs())
	out := client.Reassigned{Change: c, Devices: []client.Device{}, LeftOut: left, Lost: r.Lost}
	for _, d := range r.Devices {
		out.Devices = append(out.Devices, client.Device{Device: masking.Device(*d, access.Of(ctx))})
	}
	return &reassignedOutput{out}, nil
}

// forget takes phones that have records now off the discovered list.
func (s reassigning) forget(macs []dhcp.MAC) {
	for _, mac := range macs {
		if err := s.Discovered.ForgetPhone(mac); err != nil && !errors.Is(err, fleet.ErrNotFound) {
			s.Log.Warn("forget discovered phone", "mac", mac, "err", err)
		}
	}
}

// twoMACs parses the MAC of the URL and one of the body.
func twoMACs(in api.MACInput, member, text string) (a, b dhcp.MAC, err error) {
	if a, err = in.Parse(); err != nil {
		return a, b, err
	}
	if b, err = dhcp.ParseMAC(text); err != nil {
		err = problem.Field("body."+member, text, problem.MACForms)
	}
	return a, b, err
}

func (s reassigning) copyDevice(ctx context.Context, in *struct {
	api.MACInput
	writing.Input
	Body client.CopyRequest
}) (*reassignedOutput, error) {
	from, to, err := twoMACs(in.MACInput, "to", in.Body.To)
	if err != nil {
		return nil, err
	}
	return s.do(ctx, fmt.Sprintf("copy device %s to %s", from, to), true, func(o reassign.Office) (reassign.Result, error) {
		return o.Copy(from, to, in.Body.Label, in.Body.Lines)
	})
}

func (s reassigning) swap(ctx context.Context, in *struct {
	api.MACInput
	LossyInput
	Body client.SwapRequest
}) (*reassignedOutput, error) {
	a, b, err := twoMACs(in.MACInput, "with", in.Body.With)
	if err != nil {
		return nil, err
	}
	return s.do(ctx, fmt.Sprintf("swap devices %s and %s", a, b), in.Yes, func(o reassign.Office) (reassign.Result, error) {
		return o.Swap(a, b)
	})
}

func (s reassigning) replace(ctx context.Context, in *struct {
	api.MACInput
	LossyInput
	Body client.ReplaceRequest
}) (*reassignedOutput, error) {
	old, by, err := twoMACs(in.MACInput, "by", in.Body.By)
	if err != nil {
		return nil, err
	}
	is := reassign.Hardware{Model: in.Body.Model}
	if is.Model == "" {
		if is, err = s.recognised(by); err != nil {
			return nil, err
		}
	}
	return s.do(ctx, fmt.Sprintf("replace device %s by %s", old, by), in.Yes, func(o reassign.Office) (reassign.Result, error) {
		return o.Replace(old, by, is)
	})
}

// recognised returns what a phone without a record was recognised as; nothing when it was not, or has a record.
func (s reassigning) recognised(mac dhcp.MAC) (is reassign.Hardware, err error) {
	found, err := s.Discovered.DiscoveredPhones()
	if err != nil {
		return is, problem.From(err)
	}
	for _, d := range found {
		if d.MAC == mac {
			is.Vendor, is.Model = advice.Recognised(s.Packs(), d)
		}
	}
	return is, nil
}

func (s reassigning) fill(ctx context.Context, in *struct {
	writing.Input
	Body client.FillRequest
}) (*reassignedOutput, error) {
	b := in.Body
	fill := reassign.Fill{Area: b.Area, From: b.From, Type: b.Type, Extensions: b.Extensions, Sort: b.Sort, SkipOwn: b.SkipOwn, Overwrite: b.Overwrite}
	if b.Profile != "" {
		if len(b.Devices) > 0 || b.Where != "" {
			return nil, problem.Field("body.profile", b.Profile, "either a profile gets the keys, or devices do")
		}
		return s.do(ctx, "fill keys of profile "+b.Profile, true, func(o reassign.Office) (reassign.Result, error) { return o.FillProfile(b.Profile, fill) })
	}
	macs := make([]dhcp.MAC, len(in.Body.Devices))
	for i, text := range in.Body.Devices {
		mac, err := dhcp.ParseMAC(text)
		if err != nil {
			return nil, problem.Field(fmt.Sprintf("body.devices[%d]", i), text, problem.MACForms)
		}
		macs[i] = mac
	}
	macs, err := s.selected(ctx, "devices", macs, in.Body.Where)
	if err != nil {
		return nil, err
	}
	defer s.grantRecords(len(macs))()
	action := fmt.Sprintf("fill keys of %d devices", len(macs))
	if len(macs) == 1 {
		action = "fill keys of device " + macs[0].String()
	}
	return s.do(ctx, action, true, func(o reassign.Office) (reassign.Result, error) { return o.FillKeys(macs, fill) })
}
