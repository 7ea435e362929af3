package page

import (
	"cmp"
	"errors"
	"net/http"
	"strings"
	"time"
)

// stream writes server-sent events.
type stream struct {
	w  http.ResponseWriter
	rc *http.ResponseController
}

// newStream sends the header at once. The time limits of the listener are for requests that end.
func newStream(w http.ResponseWriter) (*stream, error) {
	s := &stream{w, http.NewResponseController(w)}
	w.Header().Set("Content-Type", "text/event-stream")
	w.WriteHeader(http.StatusOK)
	// A writer without deadlines has none to lift.
	_ = errors.Join(s.rc.SetReadDeadline(time.Time{}), s.rc.SetWriteDeadline(time.Time{}))
	return s, s.rc.Flush()
}

func (s *stream) event(name, data string) error {
	var b strings.Builder
	if name != "" {
		b.WriteString("event: " + name + "\n")
	}
	for line := range strings.Lines(data) {
		b.WriteString("data: " + strings.TrimRight(line, "\r\n") + "\n")
	}
	b.WriteString("\n")
	if _, err := s.w.Write([]byte(b.String())); err != nil {
		return err
	}
	return s.rc.Flush()
}

// errEnded is what a stream ends with after its session.
var errEnded = errors.New("the session has ended")

// Stream answers with server-sent events, for hx-sse, until send returns an error or the browser goes away. Each event is the template NAME of a
// file, executed with a value. send returns an error when the session has ended.
func (s Screen) Stream(r *Request, file string, follow func(send func(event, name string, value any) error) error) error {
	set, err := s.templates.set(file)
	if err != nil {
		return err
	}
	events, err := newStream(r.w)
	if err != nil {
		return err
	}
	err = follow(func(event, name string, value any) error {
		if r.session != nil {
			if live, err := r.frame.Sessions.Live(r.session); err != nil || !live {
				return cmp.Or(err, errEnded)
			}
		}
		var b strings.Builder
		if err := set.ExecuteTemplate(&b, name, value); err != nil {
			return err
		}
		return events.event(event, b.String())
	})
	if err != nil && r.Context().Err() == nil {
		r.frame.Log.Debug("stream ended", "path", r.URL.Path, "err", err)
	}
	return nil
}

// Watch streams a template as long as what it shows may change: it reads a value each second, and sends it as an event when its digest differs
// from the one before. It ends when read reports that nothing will change any more.
func (s Screen) Watch(r *Request, file, name string, read func() (value any, digest string, more bool, err error)) error {
	return s.Stream(r, file, func(send func(event, name string, value any) error) error {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for sent := ""; ; {
			value, digest, more, err := read()
			if err != nil {
				return err
			}
			if digest != sent {
				if err := send("", name, value); err != nil {
					return err
				}
				sent = digest
			}
			if !more {
				return send("end", name, value) // the element has hx-sse:close="end"
			}
			select {
			case <-r.Context().Done():
				return nil
			case <-tick.C:
			}
		}
	})
}
