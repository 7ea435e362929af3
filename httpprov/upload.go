package httpprov

import (
	"errors"
	"io"
	"net/http"
	"time"

	"plugtone/provision"
)

// receive takes the body of a PUT or POST. It is kept only when all of it has come.
func (s *Server) receive(w *meter, r *http.Request, a *provision.Answer) error {
	// Config.ReadTime is meant for requests without a body.
	wait := s.cfg.WriteTime * time.Duration(1+max(r.ContentLength, 0)/stretch)
	control := http.NewResponseController(w.rw)
	_ = control.SetReadDeadline(s.cfg.Now().Add(wait))
	body := &source{r: r.Body}
	_, err := io.Copy(struct{ io.Writer }{a.Upload}, body)
	w.sent = a.Upload.Size()
	err = a.Receive(err)
	// That for the answer has run since the headers came, and a phone that isn't told sends its file once more.
	_ = control.SetWriteDeadline(s.cfg.Now().Add(s.cfg.WriteTime))
	if err != nil {
		w.Header().Set("Connection", "close") // else net/http reads the rest of what is not wanted
	}
	switch {
	case err == nil:
		return w.refuse(http.StatusOK, "")
	case a.Outcome == provision.Fault:
		return s.fault(w, a)
	case body.failed != nil:
		w.broken = true // nobody is there to read an answer
		return body.failed
	}
	return orErr(w.refuse(http.StatusRequestEntityTooLarge, bodyLarge), err)
}

// source tells a phone that stops sending from a disk that stops taking.
type source struct {
	r      io.Reader
	failed error
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		s.failed = err
	}
	return n, err
}

// noUpload answers a PUT or POST that is not taken. The connection ends, because what was to be uploaded is not read.
func (s *Server) noUpload(w *meter, r *http.Request, a *provision.Answer) error {
	h := w.Header()
	h.Set("Connection", "close")
	switch {
	case a.Outcome == provision.Fault:
		return s.fault(w, a)
	case a.Outcome == provision.Refused:
		return orErr(s.refuse(w, r, a), ErrNoUpload)
	case a.Status == http.StatusRequestEntityTooLarge:
		return orErr(w.refuse(http.StatusRequestEntityTooLarge, bodyLarge), ErrNoUpload)
	}
	h.Set("Allow", "GET, HEAD")
	return orErr(w.refuse(http.StatusMethodNotAllowed, bodyMethod), ErrNoUpload)
}
