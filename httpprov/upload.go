package httpprov

import (
	"errors"
	"io"
	"net/http"
	"time"

	"plugtone/provision"
)

// receive stores the body of a PUT or POST, when all of it has been received.
func (s *Server) receive(w *countingWriter, r *http.Request, a *provision.Answer) error {
	// Config.ReadTime is meant for requests without a body.
	wait := s.cfg.WriteTime * time.Duration(1+max(r.ContentLength, 0)/chunkSize)
	control := http.NewResponseController(w.rw)
	_ = control.SetReadDeadline(s.cfg.Now().Add(wait))
	body := &source{r: r.Body}
	_, err := io.Copy(struct{ io.Writer }{a.Upload}, body)
	w.sent = a.Upload.Size()
	err = a.Receive(err)
	// The deadline for the response has run since the headers came, and a phone without one sends its file again.
	_ = control.SetWriteDeadline(s.cfg.Now().Add(s.cfg.WriteTime))
	if err != nil {
		w.Header().Set("Connection", "close") // else net/http reads the rest of the body
	}
	switch {
	case err == nil:
		return w.refuse(http.StatusOK, "")
	case a.Outcome == provision.InternalError:
		return s.tryLater(w, a)
	case body.failed != nil:
		w.broken = true // the client reads no response
		return body.failed
	}
	return orErr(w.refuse(http.StatusRequestEntityTooLarge, bodyLarge), err)
}

// source notes read errors, to distinguish a phone that stops sending from a disk that fails.
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

// noUpload answers a PUT or POST that is not accepted. The connection ends, because the body is not read.
func (s *Server) noUpload(w *countingWriter, r *http.Request, a *provision.Answer) error {
	h := w.Header()
	h.Set("Connection", "close")
	switch {
	case a.Outcome == provision.InternalError:
		return s.tryLater(w, a)
	case a.Outcome == provision.Refused:
		return orErr(s.refuse(w, r, a), ErrNoUpload)
	case a.Status == http.StatusRequestEntityTooLarge:
		return orErr(w.refuse(http.StatusRequestEntityTooLarge, bodyLarge), ErrNoUpload)
	}
	h.Set("Allow", "GET, HEAD")
	return orErr(w.refuse(http.StatusMethodNotAllowed, bodyMethod), ErrNoUpload)
}
