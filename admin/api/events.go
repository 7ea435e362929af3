package api

import (
	"context"
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"plugtone/admin/access"
	"plugtone/admin/client"
	"plugtone/admin/merging"
	"plugtone/admin/problem"
	"plugtone/dhcp"
	"plugtone/provision/timeline"
)

// events has the operation that follows timeline entries.
type events struct{ *core }

type eventsInput struct {
	MAC  string `query:"mac" doc:"only entries of the phone with this MAC address" example:"00:15:65:12:34:56"`
	Last string `header:"Last-Event-ID" doc:"id of the last event received: the stream begins after it" example:"k3v9q2x7-4711"`
	mac  dhcp.MAC
}

// Resolve parses the MAC before the stream begins, while an error can still be answered.
func (in *eventsInput) Resolve(huma.Context) []error {
	if in.MAC == "" {
		return nil
	}
	var err error
	if in.mac, err = dhcp.ParseMAC(in.MAC); err != nil {
		return []error{&huma.ErrorDetail{Location: "query.mac", Value: in.MAC, Message: problem.MACForms}}
	}
	return nil
}

func (s events) register() {
	o := access.Op(http.MethodGet, "/events", "follow-events", "operation", "Follow timeline entries as they happen (server-sent events)", access.Viewer)
	reg := s.api.OpenAPI().Components.Schemas
	data := &huma.Schema{OneOf: []*huma.Schema{
		reg.Schema(reflect.TypeFor[timeline.Entry](), true, "Entry"), reg.Schema(reflect.TypeFor[client.Lost](), true, "Lost")}}
	o.Responses = map[string]*huma.Response{"200": {Description: "The stream", Content: map[string]*huma.MediaType{"text/event-stream": {Schema: data}}}}
	huma.Register(s.api, o, func(ctx context.Context, in *eventsInput) (*huma.StreamResponse, error) {
		return &huma.StreamResponse{Body: func(c huma.Context) {
			r, w := humago.Unwrap(c)
			following, stop := context.WithCancel(r.Context())
			defer stop()
			others := merging.Follow(following, s.Members, in.mac)
			// An error means that the reader has gone, or may follow no more.
			_ = s.Feed.Serve(following, w, in.Last, others, func(e timeline.Entry) (timeline.Entry, bool) {
				if !in.mac.IsZero() && e.MAC != in.mac {
					return e, false
				}
				if !s.valid(access.Of(ctx)) {
					stop()
					return e, false
				}
				e.Member = merging.Self(s.Members)
				return s.publicEntry(ctx, e), true
			})
		}}, nil
	})
}

// valid reports whether the token of a caller still exists and has the same role: a stream may be older than that.
func (s events) valid(c access.Caller) bool {
	if c.Token == "" {
		return true
	}
	t, err := s.Tokens.TokenByHash(c.Token)
	return err == nil && access.ParseRole(t.Role) == c.Role
}
