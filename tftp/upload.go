package tftp

import (
	"errors"
	"fmt"
	"io"
	"strconv"

	"plugtone/provision"
)

// told is an error whose fixed text the library may send to the phone.
type told string

func (t told) Error() string { return string(t) }

// What phones are told when their upload ends without being kept.
const (
	toldLarge told = textLarge
	toldLost  told = "the file could not be kept"
)

// upload is the library's write handler. The last ACK leaves only after it has returned nil, so that a phone which
// believes that its file is kept is right.
func (s *Server) upload(name string, wt io.WriterTo) (err error) {
	defer func() {
		if v := recover(); v != nil {
			s.cfg.Log.Error("tftp: panic in upload", "panic", v)
			err = toldLost
		}
	}()
	id, _ := strconv.ParseUint(name, 10, 64) // our own, see forLibrary
	s.mu.Lock()
	t := s.byID[id]
	s.mu.Unlock()
	if t == nil { // the shutdown was faster
		return toldLost
	}
	a := t.answer
	err = a.Receive(s.take(t, wt))
	t.sent.Store(a.Size)
	s.mu.Lock()
	t.answer = a
	s.mu.Unlock()
	s.finish(t, err)
	if err != nil {
		return toldLost // has no effect when the transfer has been ended already
	}
	return nil
}

// take lets the library write the file, and says how it ended.
func (s *Server) take(t *transfer, wt io.WriterTo) (err error) {
	w := &writer{s: s, t: t}
	defer func() {
		switch v := recover().(type) {
		case nil:
		case quit:
			err = v.err
		default:
			s.cfg.Log.Error("tftp: panic in transfer", "file", t.asked.name, "addr", t.from, "panic", v)
			err = fmt.Errorf("panic: %v", v)
		}
		if w.failed != nil {
			err = w.failed
		}
	}()
	_, err = wt.WriteTo(w)
	return err
}

// writer takes the library's bytes, and ends transfers that are too large, too long or outlive the server.
type writer struct {
	s      *Server
	t      *transfer
	failed error
}

func (w *writer) Write(p []byte) (int, error) {
	switch {
	case w.s.stopping.Load():
		w.failed = ErrStopped
	case w.s.cfg.Now().After(w.t.deadline): // F18
		w.failed = ErrTooLong
	default:
		var n int
		if n, w.failed = w.t.answer.Upload.Write(p); w.failed == nil {
			return n, nil
		}
	}
	if errors.Is(w.failed, provision.ErrTooLarge) {
		return 0, toldLarge
	}
	return 0, w.failed // the hook keeps quiet about it
}
