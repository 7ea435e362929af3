package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"plugtone/admin/access"
	"plugtone/admin/client"
	"plugtone/admin/problem"
	"plugtone/provision"
)

// explain has the dry run of DHCP and of a file request.
type explain struct{ *core }

func (s explain) register() {
	huma.Register(s.api, access.Op(http.MethodPost, "/explain", "explain", "explain", "Show what DHCP and the file servers would answer, and why", access.Viewer), s.answer)
}

func (s explain) answer(ctx context.Context, in *struct {
	Body client.ExplainRequest
}) (*struct{ Body client.Explanation }, error) {
	q, err := question(in.Body)
	if err == nil {
		q.Subnet, err = s.ownSubnet("body.subnet", in.Body.Subnet)
	}
	if err != nil {
		return nil, err
	}
	x, err := s.Phones.Explain(ctx, q)
	if err != nil {
		return nil, problem.From(err)
	}
	for i := range x.Files {
		x.Files[i].Digest = s.digest(ctx, x.Files[i].Digest)
	}
	if x.Answer != nil {
		x.Answer.Digest = s.digest(ctx, x.Answer.Digest)
	}
	out := client.Explanation{Explanation: x}
	if !x.MAC.IsZero() {
		leases, err := s.publicLeases(s.Leases.LeasesOf(x.MAC))
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
		return q, problem.Field("body", "", "needs mac, or path and ip")
	case r.MAC != "" && r.Path != "":
		return q, problem.Field("body", "", "needs either mac or path, not both")
	case r.Path != "" && r.IP == "":
		return q, problem.Field("body.ip", "", "is needed with path: the answer depends on the requester")
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
	return q, nil
}
