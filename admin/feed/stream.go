package feed

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"plugtone/admin/client"
	"plugtone/provision/timeline"
)

const (
	heartbeat    = 15 * time.Second // how often a comment shows both ends that the other is connected
	writeTimeout = 30 * time.Second // how long a follower may take to read one event
)

// Serve sends entries to w as server-sent events, after the one with the id last, until ctx ends or the reader goes away. show returns
// an entry as the reader may see it, and whether it is sent. Entries of others, which may be nil, are sent as they are if show would send them.
func (f *Feed) Serve(ctx context.Context, w http.ResponseWriter, last string, others <-chan timeline.Entry, show func(timeline.Entry) (timeline.Entry, bool)) error {
	follower, missed, lost, stop := f.Follow(last)
	defer stop()
	s := &stream{w: w, rc: http.NewResponseController(w), show: show}
	w.Header().Set("Content-Type", "text/event-stream")
	// The listener's time limits are for requests that end. A connection without deadlines has none to lift.
	_ = errors.Join(s.rc.SetReadDeadline(time.Time{}), s.rc.SetWriteDeadline(time.Time{}))
	// The header is sent at once: from then on the reader receives every entry.
	if err := s.write(": following\n\n"); err != nil {
		return err
	}
	if lost {
		if err := s.event("", "lost", client.Lost{}); err != nil {
			return err
		}
	}
	for _, item := range missed {
		if err := s.item(item); err != nil {
			return err
		}
	}
	return s.follow(ctx, follower, others)
}

// stream writes server-sent events.
type stream struct {
	w    http.ResponseWriter
	rc   *http.ResponseController
	show func(timeline.Entry) (timeline.Entry, bool)
}

func (s *stream) follow(ctx context.Context, f *Follower, others <-chan timeline.Entry) error {
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-beat.C:
			err = s.write(": still here\n\n")
		case e := <-others:
			if _, ok := s.show(e); ok {
				err = s.event("", "entry", e)
			}
		case item := <-f.Items:
			if n := f.Lost.Swap(0); n > 0 {
				err = s.event("", "lost", client.Lost{Entries: n})
			}
			err = errors.Join(err, s.item(item))
		}
		if err != nil {
			return err
		}
	}
}

func (s *stream) item(item Item) error {
	entry, ok := s.show(item.Entry)
	if !ok {
		return nil
	}
	return s.event(item.ID, "entry", entry)
}

func (s *stream) event(id, name string, data any) error {
	b, err := json.Marshal(data)
	if err != nil {
		return err
	}
	if id != "" {
		id = "id: " + id + "\n"
	}
	return s.write(fmt.Sprintf("%sevent: %s\ndata: %s\n\n", id, name, b))
}

func (s *stream) write(text string) error {
	stalled := time.AfterFunc(writeTimeout, func() { _ = s.rc.SetWriteDeadline(time.Unix(1, 0)) })
	defer stalled.Stop()
	if _, err := s.w.Write([]byte(text)); err != nil {
		return err
	}
	return s.rc.Flush()
}
