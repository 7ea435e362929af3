package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"plugtone/admin/access"
	"plugtone/admin/client"
	"plugtone/admin/feed"
	"plugtone/admin/problem"
	"plugtone/dhcp"
	"plugtone/provision/timeline"
)

// events are timeline entries as they happen.
type events struct{ *core }

const (
	heartbeat = 15 * time.Second // a comment this often shows both ends that the other is there
)

type eventsInput struct {
	MAC string `query:"mac" doc:"only this phone's"`
	mac dhcp.MAC
}

// Resolve reads the MAC before the stream begins, while an error can still be told.
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
	o := op(http.MethodGet, "/events", "follow-events", "operation", "Follow timeline entries as they happen (server-sent events)", access.Viewer)
	o.Description += " The event \"entry\" has a timeline entry as data; \"lost\" tells how many entries a follower missed that did not keep up."
	reg := s.api.OpenAPI().Components.Schemas
	reg.Schema(reflect.TypeFor[client.Lost](), true, "Lost")
	o.Responses = map[string]*huma.Response{"200": {Description: "The stream", Content: map[string]*huma.MediaType{
		"text/event-stream": {Schema: reg.Schema(reflect.TypeFor[timeline.Entry](), true, "Entry")}}}}
	huma.Register(s.api, o, func(ctx context.Context, in *eventsInput) (*huma.StreamResponse, error) {
		return &huma.StreamResponse{Body: func(c huma.Context) {
			r, w := humago.Unwrap(c)
			f, stop := s.Feed.Follow()
			defer stop()
			// A stream that can't be written to has no reader: nobody is left to be told.
			_ = in.stream(r.Context(), w, f, func(e timeline.Entry) timeline.Entry { return s.entry(ctx, e) })
		}}, nil
	})
}

// stream sends entries until the reader goes away or the daemon stops. The header leaves at once: a reader then knows that
// nothing from now on escapes it.
func (in *eventsInput) stream(ctx context.Context, w http.ResponseWriter, f *feed.Follower, show func(timeline.Entry) timeline.Entry) error {
	w.Header().Set("Content-Type", "text/event-stream")
	out := &eventWriter{w: w, rc: http.NewResponseController(w)}
	// The listener's bounds are for requests that end. Where a connection knows no deadlines it has none to lift.
	_ = errors.Join(out.rc.SetReadDeadline(time.Time{}), out.rc.SetWriteDeadline(time.Time{}))
	if err := out.write(": following\n\n"); err != nil {
		return err
	}
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-beat.C:
			if err := out.write(": still here\n\n"); err != nil {
				return err
			}
		case e := <-f.Entries:
			if lost := f.Lost.Swap(0); lost > 0 {
				if err := out.event("lost", client.Lost{Entries: lost}); err != nil {
					return err
				}
			}
			if in.MAC != "" && e.MAC != in.mac {
				continue
			}
			if err := out.event("entry", show(e)); err != nil {
				return err
			}
		}
	}
}

type eventWriter struct {
	w  http.ResponseWriter
	rc *http.ResponseController
}

func (o *eventWriter) event(name string, data any) error {
	b, err := json.Marshal(data)
	if err != nil {
		return err
	}
	return o.write(fmt.Sprintf("event: %s\ndata: %s\n\n", name, b))
}

// followerPatience is how long a follower may take to read what it is sent.
const followerPatience = 30 * time.Second

func (o *eventWriter) write(text string) error {
	stalled := time.AfterFunc(followerPatience, func() { _ = o.rc.SetWriteDeadline(time.Unix(1, 0)) })
	defer stalled.Stop()
	if _, err := o.w.Write([]byte(text)); err != nil {
		return err
	}
	return o.rc.Flush()
}
