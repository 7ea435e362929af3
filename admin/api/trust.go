package api

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"plugtone/admin/access"
	"plugtone/admin/client"
	"plugtone/admin/problem"
	"plugtone/admin/writing"
	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/provision/setting"
	"plugtone/provision/trust"
)

// trustWindows has the operations on enrollment windows and the phones' own credentials.
type trustWindows struct{ *core }

type windowOutput struct{ Body trust.Window }

func (s trustWindows) register() {
	huma.Register(s.api, access.Op(http.MethodGet, "/enroll", "list-windows", "trust", "List the windows in which files need no proof", access.Viewer),
		func(context.Context, *struct{}) (*itemsOutput[trust.Window], error) {
			return items(s.Trust.Windows()), nil
		})
	huma.Register(s.api, access.Op(http.MethodPost, "/enroll", "enroll-all", "trust",
		"Open a window in which the files of all phones need no proof", access.Admin),
		func(ctx context.Context, in *struct{ Body client.EnrollRequest }) (*windowOutput, error) {
			return s.enroll(ctx, dhcp.MAC{}, in.Body)
		})
	huma.Register(s.api, access.Op(http.MethodPost, "/devices/{mac}/enroll", "enroll-device", "trust", "Open a window in which the files of a phone need no proof", access.Operator),
		func(ctx context.Context, in *struct {
			MACInput
			Body client.EnrollRequest
		}) (*windowOutput, error) {
			mac, err := in.Parse()
			if err != nil {
				return nil, err
			}
			return s.enroll(ctx, mac, in.Body)
		})
	huma.Register(s.api, access.Op(http.MethodGet, "/devices/{mac}/credentials", "get-credentials", "trust", "Read a phone's own HTTP user and password", access.Viewer), s.credentials)
	huma.Register(s.api, access.Op(http.MethodPost, "/devices/{mac}/credentials/rotate", "rotate-credentials", "trust",
		"Give a phone a new password", access.Operator),
		func(ctx context.Context, in *struct {
			MACInput
			writing.Input
			Force bool `query:"force" doc:"also when the phone has not used its last password yet"`
		}) (*struct{ Body client.Login }, error) {
			mac, err := in.Parse()
			if err != nil {
				return nil, err
			}
			d, err := fleet.RotateCredentials(s.writer.For(ctx), access.Of(ctx).Name, mac, in.Force, s.Now())
			if err != nil {
				return nil, problem.From(err)
			}
			return &struct{ Body client.Login }{s.publicCredentials(d, false)}, nil
		})
	export := access.Op(http.MethodGet, "/credentials", "export-credentials", "trust", "Export the users and passwords of all phones as CSV", access.Admin)
	export.Responses = map[string]*huma.Response{"200": {Description: "mac,vendor,model,label,url,user,password", Content: map[string]*huma.MediaType{"text/csv": {}}}}
	huma.Register(s.api, export, s.exportCredentials)
}

// minEnrollBits is the shortest prefix for which an operator may open a window. A shorter one counts as anywhere.
const minEnrollBits = 8

func (s trustWindows) enroll(ctx context.Context, mac dhcp.MAC, in client.EnrollRequest) (*windowOutput, error) {
	length, err := setting.ParseDuration(in.For)
	if err != nil {
		return nil, problem.Field("body.for", in.For, err.Error())
	}
	from, err := parsePrefix("body.from", in.From)
	if err != nil {
		return nil, err
	}
	if c := access.Of(ctx); length > 0 && from.Bits() < minEnrollBits && c.Role < access.Admin {
		return nil, huma.Error403Forbidden(fmt.Sprintf("a window for requests from anywhere needs the role admin, and %s is %s; name the phone's network in from, /%d or smaller",
			c.Name, c.Role, minEnrollBits))
	}
	phones := "all"
	if !mac.IsZero() {
		phones = mac.String()
	}
	// Without an audit entry no window is opened.
	if err := s.note(ctx, "enroll "+phones+" for "+in.For, "window", phones, "changed"); err != nil {
		return nil, problem.From(err)
	}
	w, err := s.Trust.Enroll(mac, from, time.Duration(length))
	if err != nil {
		return nil, problem.From(err)
	}
	return &windowOutput{w}, nil
}

func (s trustWindows) credentials(ctx context.Context, in *struct {
	MACInput
	RevealInput
}) (*struct{ Body client.Login }, error) {
	mac, err := in.Parse()
	if err != nil {
		return nil, err
	}
	if err := access.MayReveal(ctx, in.Reveal); err != nil {
		return nil, err
	}
	var d *fleet.Device
	err = s.view(func(f fleet.View) error {
		var err error
		d, err = f.DeviceByAny(mac)
		return err
	})
	if err != nil {
		return nil, err
	}
	if in.Reveal {
		if err := s.revealed(ctx, "device", d.MAC.String()); err != nil {
			return nil, problem.From(err)
		}
	}
	return &struct{ Body client.Login }{s.publicCredentials(d, in.Reveal)}, nil
}

func (s trustWindows) publicCredentials(d *fleet.Device, reveal bool) client.Login {
	out := client.Login{MAC: d.MAC, URL: s.Trust.ServerURL()}
	if c := d.Credentials; c != nil {
		out.User, out.ChangedAt, out.Changing = c.User, c.ChangedAt, c.Previous != ""
		if reveal {
			out.Password = c.Password.Reveal()
		}
	}
	return out
}

func (s trustWindows) exportCredentials(ctx context.Context, _ *struct{}) (*struct {
	ContentType string `header:"Content-Type"`
	Body        []byte
}, error) {
	if err := s.revealed(ctx, "credentials", "all"); err != nil {
		return nil, problem.From(err)
	}
	var b bytes.Buffer
	if err := s.view(func(f fleet.View) error { return fleet.WriteCredentials(&b, f, s.Trust.ServerURL()) }); err != nil {
		return nil, err
	}
	return &struct {
		ContentType string `header:"Content-Type"`
		Body        []byte
	}{"text/csv; charset=utf-8", b.Bytes()}, nil
}
