package admin

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"plugtone/admin/client"
	"plugtone/dhcp"
	"plugtone/provision"
	"plugtone/provision/fleet"
)

// phoneRoutes are about phones that have no record, or need none: discovered ones, and dry runs.
func (s *Server) phoneRoutes() {
	huma.Register(s.api, op(http.MethodGet, "/discovered", "list-discovered", "discovered", "List phones without a record", viewer),
		func(_ context.Context, in *ListInput) (*listOutput[fleet.Discovered], error) {
			found, err := s.cfg.Discovered.DiscoveredPhones()
			if err != nil {
				return nil, problem(err)
			}
			out := &listOutput[fleet.Discovered]{}
			out.Body, err = page(*in, values(found), func(d fleet.Discovered) string { return d.MAC.String() },
				func(d fleet.Discovered, q string) bool {
					return contains(q, d.Vendor, d.Model, d.Hostname, d.IP.String()) || containsMAC(q, d.MAC)
				})
			return out, err
		})
	huma.Register(s.api, op(http.MethodGet, "/discovered/{mac}", "get-discovered", "discovered", "Read a discovered phone", viewer),
		func(_ context.Context, in *MACInput) (*struct{ Body fleet.Discovered }, error) {
			mac, err := in.parse()
			if err != nil {
				return nil, err
			}
			d, err := s.discovered(mac)
			if err != nil {
				return nil, problem(err)
			}
			return &struct{ Body fleet.Discovered }{d}, nil
		})
	adopt := op(http.MethodPost, "/discovered/{mac}/adopt", "adopt-discovered", "discovered", "Make a discovered phone a device", operator)
	adopt.DefaultStatus = http.StatusCreated
	huma.Register(s.api, adopt, s.adopt)
	huma.Register(s.api, op(http.MethodDelete, "/discovered/{mac}", "forget-discovered", "discovered", "Take a phone off the discovered list", operator),
		func(ctx context.Context, in *MACInput) (*struct{}, error) {
			mac, err := in.parse()
			if err != nil {
				return nil, err
			}
			if _, err := s.discovered(mac); err != nil {
				return nil, problem(err)
			}
			if err := s.cfg.Discovered.ForgetPhone(mac); err != nil {
				return nil, problem(err)
			}
			return nil, problem(s.note(ctx, "forget discovered "+mac.String(), "discovered", mac.String(), "deleted"))
		})
	huma.Register(s.api, op(http.MethodPost, "/explain", "explain", "explain", "Tell what DHCP and the file servers would answer, and why; changes nothing", viewer), s.explain)
}

func (s *Server) discovered(mac dhcp.MAC) (fleet.Discovered, error) {
	all, err := s.cfg.Discovered.DiscoveredPhones()
	if err != nil {
		return fleet.Discovered{}, err
	}
	for _, d := range all {
		if d.MAC == mac {
			return d, nil
		}
	}
	return fleet.Discovered{}, fmt.Errorf("phone %s on the discovered list: %w", mac, fleet.ErrNotFound)
}

// note writes an audit entry for a change that is no edit of the records.
func (s *Server) note(ctx context.Context, action, kind, name, change string) error {
	return s.cfg.Audit.RecordAudit(fleet.AuditEntry{
		Time: s.cfg.Now(), Actor: callerOf(ctx).name, Action: action,
		Records: []fleet.AuditRecord{{Kind: kind, Name: name, Change: change}},
	})
}

func (s *Server) adopt(ctx context.Context, in *struct {
	MACInput
	Body *client.AdoptRequest
}) (*recordOutput[client.Device], error) {
	mac, err := in.parse()
	if err != nil {
		return nil, err
	}
	found, err := s.discovered(mac)
	if err != nil {
		return nil, problem(err)
	}
	d := fleet.Device{MAC: mac, Enabled: true, Vendor: found.Vendor, Model: found.Model}
	if in.Body != nil {
		d.Lines, d.Profile, d.Label = in.Body.Lines, in.Body.Profile, in.Body.Label
	}
	if v, ok := s.cfg.Packs().Vendor(d.Vendor); ok && d.Model != "" {
		// A model that the phone named and the pack doesn't know is no reason to refuse the phone.
		if _, known := v.Model(d.Model); !known {
			d.Model = ""
		}
	}
	err = s.cfg.Records.Edit(callerOf(ctx).name, "adopt device "+mac.String(), func(e fleet.Edit) error {
		_, err := e.Device(mac)
		if err == nil {
			return huma.Error409Conflict(fmt.Sprintf("device %s exists already", mac))
		}
		if !errors.Is(err, fleet.ErrNotFound) {
			return err
		}
		if err := provision.CheckDevice(e, s.cfg.Packs(), &d); err != nil {
			return err
		}
		if err := e.PutDevice(&d); err != nil {
			return err
		}
		return s.cfg.Phones.Renders(e, []dhcp.MAC{mac})
	})
	if err != nil {
		return nil, problem(err)
	}
	if err := s.cfg.Discovered.ForgetPhone(mac); err != nil && !errors.Is(err, fleet.ErrNotFound) {
		s.cfg.Log.Warn("forget discovered phone", "mac", mac, "err", err)
	}
	return recordAnswer(publicDevice(d, callerOf(ctx)), d.Revision, true), nil
}

func (s *Server) explain(ctx context.Context, in *struct {
	Body client.ExplainRequest
}) (*struct{ Body client.Explanation }, error) {
	q, err := question(in.Body)
	if err != nil {
		return nil, err
	}
	x, err := s.cfg.Phones.Explain(ctx, q)
	if err != nil {
		return nil, problem(err)
	}
	for i := range x.Files {
		x.Files[i].Digest = s.digest(ctx, x.Files[i].Digest)
	}
	if x.Answer != nil {
		x.Answer.Digest = s.digest(ctx, x.Answer.Digest)
	}
	out := client.Explanation{Explanation: x}
	if !x.MAC.IsZero() {
		leases, err := s.shown(s.cfg.Leases.LeasesOf(x.MAC))
		if err != nil {
			return nil, err
		}
		out.Leases = leases
	}
	return &struct{ Body client.Explanation }{out}, nil
}

func question(r client.ExplainRequest) (q provision.Question, err error) {
	switch {
	case r.MAC == "" && r.Path == "":
		return q, invalidField("body", "", "needs mac, or path and ip")
	case r.MAC != "" && r.Path != "":
		return q, invalidField("body", "", "has both mac and path; one of them is the question")
	case r.Path != "" && r.IP == "":
		return q, invalidField("body.ip", "", "is needed with path: who asks decides what is answered")
	}
	if r.MAC != "" {
		if q.MAC, err = parseMAC("body.mac", r.MAC); err != nil {
			return q, err
		}
	}
	if r.IP != "" {
		if q.From, err = parseIP("body.ip", r.IP); err != nil {
			return q, err
		}
	}
	q.Path, q.UserAgent = r.Path, r.UserAgent
	q.Subnet, err = parsePrefix("body.subnet", r.Subnet)
	return q, err
}
