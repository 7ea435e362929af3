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
	heartbeat = 15 * time.Second // a comment this often shows both ends that the other is connected
)

type eventsInput struct {
	MAC  string `query:"mac" doc:"only entries of the phone with this MAC address" example:"00:15:65:12:34:56"`
	Last string `header:"Last-Event-ID" doc:"id of the last event received: the stream begins after it" example:"k3v9q2x7-4711"`
	mac  dhcp.MAC
}

// Resolve reads the MAC before the stream begins, when an error can still be answered.
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
	reg := s.api.OpenAPI().Components.Schemas
	data := &huma.Schema{OneOf: []*huma.Schema{
		reg.Schema(reflect.TypeFor[timeline.Entry](), true, "Entry"), reg.Schema(reflect.TypeFor[client.Lost](), true, "Lost")}}
	o.Responses = map[string]*huma.Response{"200": {Description: "The stream", Content: map[string]*huma.MediaType{"text/event-stream": {Schema: data}}}}
	huma.Register(s.api, o, func(ctx context.Context, in *eventsInput) (*huma.StreamResponse, error) {
		return &huma.StreamResponse{Body: func(c huma.Context) {
			r, w := humago.Unwrap(c)
			f, missed, lost, stop := s.Feed.Follow(in.Last)
			defer stop()
			stream := &eventStream{w: w, rc: http.NewResponseController(w), mac: in.mac,
				show: func(e timeline.Entry) timeline.Entry { return s.entry(ctx, e) }}
			_ = stream.run(r.Context(), f, missed, lost) // the reader is gone
		}}, nil
	})
}

// eventStream sends entries as server-sent events.
type eventStream struct {
	w    http.ResponseWriter
	rc   *http.ResponseController
	mac  dhcp.MAC // only this phone's; zero: all
	show func(timeline.Entry) timeline.Entry
}

// run sends entries until the reader goes away or the daemon stops. The header leaves at once, so that a reader knows that it receives
// everything from now on.
func (o *eventStream) run(ctx context.Context, f *feed.Follower, missed []feed.Item, lost bool) error {
	o.w.Header().Set("Content-Type", "text/event-stream")
	// The listener's time limits are for requests that end. A connection without deadlines has none to lift.
	_ = errors.Join(o.rc.SetReadDeadline(time.Time{}), o.rc.SetWriteDeadline(time.Time{}))
	if err := o.write(": following\n\n"); err != nil {
		return err
	}
	if lost {
		if err := o.event("", "lost", client.Lost{}); err != nil {
			return err
		}
	}
	for _, item := range missed {
		if err := o.item(item); err != nil {
			return err
		}
	}
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-beat.C:
			err = o.write(": still here\n\n")
		case item := <-f.Items:
			if n := f.Lost.Swap(0); n > 0 {
				err = o.event("", "lost", client.Lost{Entries: n})
			}
			err = errors.Join(err, o.item(item))
		}
		if err != nil {
			return err
		}
	}
}

func (o *eventStream) item(item feed.Item) error {
	if !o.mac.IsZero() && item.Entry.MAC != o.mac {
		return nil
	}
	return o.event(item.ID, "entry", o.show(item.Entry))
}

func (o *eventStream) event(id, name string, data any) error {
	b, err := json.Marshal(data)
	if err != nil {
		return err
	}
	if id != "" {
		id = "id: " + id + "\n"
	}
	return o.write(fmt.Sprintf("%sevent: %s\ndata: %s\n\n", id, name, b))
}

// followerTimeout is how long a follower may take to read one event.
const followerTimeout = 30 * time.Second

func (o *eventStream) write(text string) error {
	stalled := time.AfterFunc(followerTimeout, func() { _ = o.rc.SetWriteDeadline(time.Unix(1, 0)) })
	defer stalled.Stop()
	if _, err := o.w.Write([]byte(text)); err != nil {
		return err
	}
	return o.rc.Flush()
}
