package httpprov

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"plugtone/provision"
	"plugtone/provision/filename"
	"plugtone/provision/fleet"
)

// Limits of what is taken from a request.
const (
	maxName          = 1024
	maxUserAgent     = 512
	maxAuthorization = 2049 // one more than credentials may be long: what is cut off is invalid
)

// The bodies of refusals. They hold nothing of the request, and nothing that depends on a phone's record.
const (
	bodyNotFound = "not found\n"
	bodyLogin    = "login required\n"
	bodyMethod   = "method not allowed\n"
	bodyUnknown  = "method not implemented\n"
	bodyLater    = "try again later\n"
	bodyLarge    = "too large\n"
)

// handle answers one request.
func (s *Server) handle(rw http.ResponseWriter, r *http.Request) {
	e, ok := r.Context().Value(connInfoKey{}).(*connInfo)
	if !ok {
		e = &connInfo{}
	}
	req := provision.Request{
		Time: s.cfg.Now(), Transport: fleet.Transport(s.cfg.name()), Method: r.Method, Name: strings.Clone(r.URL.Path), // else it would keep the whole request line in memory
		From: e.from.Addr(), Local: e.local, UserAgent: clip(r.UserAgent(), maxUserAgent),
		Authorization: clip(r.Header.Get("Authorization"), maxAuthorization),
		Certificate:   s.certificate(r, e),
	}
	if writes(r) {
		req.Size = r.ContentLength
	}
	conn, _ := e.conn.(*replyConn)
	w := countingWriter{rw: rw, s: s, conn: conn}
	a := s.lookUp(r, req)
	if a.Known {
		s.limits.protect(e)
	}
	defer s.limits.answered(e)
	content, upload := a.Content, a.Upload
	err := s.respond(&w, r, &a)
	if content != nil {
		content.Close()
	}
	if upload != nil {
		upload.Abort() // does nothing once the file is stored
	}
	if s.hungUp(r, &w, &a) {
		a.Outcome, a.Reason, a.Err = provision.Aborted, "the client closed the connection", nil
	}
	s.report(req, a, w.sent, err)
	if w.broken {
		panic(http.ErrAbortHandler) // ends the connection, so that half a file isn't taken for a whole one
	}
}

// hungUp reports whether a request failed because the client ended the connection: before it had an answer, or in the middle of a
// file. An upload that ends early has an outcome of its own.
func (s *Server) hungUp(r *http.Request, w *countingWriter, a *provision.Answer) bool {
	switch a.Outcome {
	case provision.InternalError:
		return r.Context().Err() != nil && !s.stopping.Load()
	case provision.Served:
		var conn *net.OpError
		return errors.As(w.err, &conn)
	}
	return false
}

// certificate returns what the client's certificate proves, nil without one.
func (s *Server) certificate(r *http.Request, e *connInfo) *provision.Certificate {
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 || s.cfg.ClientCAs == nil {
		return nil
	}
	return e.proves(r.TLS.PeerCertificates, s.cfg.ClientCAs(), s.certificateTime())
}

// certificateTime is the time at which certificates of phones are checked; zero while the clock is wrong.
func (s *Server) certificateTime() time.Time {
	if s.cfg.ClockWrong != nil && s.cfg.ClockWrong() {
		return time.Time{}
	}
	return s.cfg.Now()
}

// writes reports whether a request carries a file.
func writes(r *http.Request) bool { return r.Method == http.MethodPut || r.Method == http.MethodPost }

// lookUp calls the Answerer, except for names that no file has. It recovers from panics and checks the outcome.
func (s *Server) lookUp(r *http.Request, req provision.Request) (a provision.Answer) {
	defer func() {
		if v := recover(); v != nil {
			a = internalError(fmt.Errorf("panic: %v", v))
			s.cfg.Log.Error(s.cfg.name()+": panic in answer", "file", req.Name, "addr", req.From, "panic", v)
		}
	}()
	if why := filename.Problem(req.Name, maxName); why != "" {
		return provision.Answer{Outcome: provision.NotFound, Reason: why, Status: http.StatusNotFound}
	}
	a = s.answer.Answer(r.Context(), req)
	switch a.Outcome {
	case provision.Served, provision.NotFound, provision.Expected404, provision.Refused, provision.Rejected, provision.InternalError:
	case provision.Received:
		if !writes(r) || a.Upload == nil {
			return internalError(fmt.Errorf("an upload in answer to %s", r.Method))
		}
	default:
		return internalError(fmt.Errorf("answer without an outcome (%q)", a.Outcome))
	}
	return a
}

func internalError(err error) provision.Answer {
	return provision.Answer{Outcome: provision.InternalError, Reason: err.Error(), Status: http.StatusServiceUnavailable, Err: err}
}

// respond writes the answer.
func (s *Server) respond(w *countingWriter, r *http.Request, a *provision.Answer) (err error) {
	defer func() {
		if v := recover(); v != nil {
			s.cfg.Log.Error(s.cfg.name()+": panic in response", "file", a.Name, "panic", v)
			err = fmt.Errorf("panic: %v", v)
			w.broken = true
		}
	}()
	h := w.Header()
	switch {
	case a.Outcome == provision.Received:
		return s.receive(w, r, a)
	case writes(r):
		return s.noUpload(w, r, a)
	case r.Method == http.MethodDelete || r.Method == http.MethodPatch:
		h.Set("Allow", "GET, HEAD")
		h.Set("Connection", "close") // else net/http reads what may come with it
		return orErr(w.refuse(http.StatusMethodNotAllowed, bodyMethod), ErrNoUpload)
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		h.Set("Connection", "close")
		return w.refuse(http.StatusNotImplemented, bodyUnknown)
	case a.Outcome == provision.Served:
		return s.file(w, r, a)
	case a.Outcome == provision.InternalError:
		return s.tryLater(w, a)
	}
	return s.refuse(w, r, a)
}

// refuse answers a request for a file that is denied or absent: with a delay, or not at all, after many guessed names.
func (s *Server) refuse(w *countingWriter, r *http.Request, a *provision.Answer) error {
	if a.Delay > 0 {
		delay := time.NewTimer(a.Delay)
		defer delay.Stop()
		select {
		case <-delay.C:
		case <-r.Context().Done():
			a.Silent = true
		}
	}
	if a.Silent {
		w.broken = true
		return nil
	}
	if a.Status == http.StatusUnauthorized && a.Challenge != "" {
		w.Header()["Www-Authenticate"] = strings.Split(a.Challenge, "\n")
		return w.refuse(http.StatusUnauthorized, bodyLogin)
	}
	return w.refuse(http.StatusNotFound, bodyNotFound)
}

// file sends the requested file. The plain case, a whole rendered file, is short; conditions, ranges and streams are left
// to http.ServeContent, which neither redirects nor guesses the type once it is set.
func (s *Server) file(w *countingWriter, r *http.Request, a *provision.Answer) error {
	h := w.Header()
	mediaType := a.MediaType
	if mediaType == "" {
		mediaType = "application/octet-stream"
	}
	values := [...]string{mediaType, "bytes", "private, no-cache", a.ETag, ""} // of all headers, in one piece of memory
	h["Content-Type"] = values[0:1:1]
	h["Accept-Ranges"] = values[1:2:2]
	h["Cache-Control"] = values[2:3:3] // no proxy may store what only this phone may have
	if a.ETag != "" {
		h["Etag"] = values[3:4:4]
	}
	if a.Content == nil && !conditional(r.Header) {
		values[4] = strconv.Itoa(len(a.Body))
		h["Content-Length"] = values[4:5:5]
		w.WriteHeader(http.StatusOK)
		if r.Method == http.MethodHead {
			return nil
		}
		return w.writeBody(a.Body)
	}
	var content io.ReadSeeker = bytes.NewReader(a.Body)
	if a.Content != nil {
		content = a.Content
		if _, err := content.Seek(0, io.SeekEnd); err != nil {
			*a = internalError(fmt.Errorf("read %.80q: %w", a.Name, err))
			return s.tryLater(w, a)
		}
	}
	http.ServeContent(w, r, "", time.Time{}, content)
	if w.status == http.StatusNotModified {
		a.Outcome = provision.NotModified
	}
	return w.short(r.Method)
}

// tryLater answers after an internal error, so that the phone retries.
func (s *Server) tryLater(w *countingWriter, a *provision.Answer) error {
	w.Header().Set("Retry-After", strconv.Itoa(int(s.cfg.RetryAfter/time.Second)))
	return orErr(w.refuse(http.StatusServiceUnavailable, bodyLater), a.Err)
}

// conditional reports whether a request is for something else than the whole file.
func conditional(h http.Header) bool {
	for _, name := range []string{"If-None-Match", "Range", "If-Match"} {
		if _, ok := h[name]; ok {
			return true
		}
	}
	return false
}

// report calls the Observer, unless Run has ended.
func (s *Server) report(req provision.Request, a provision.Answer, sent int64, err error) {
	s.mu.Lock()
	if s.stopped {
		s.mu.Unlock()
		return
	}
	s.reports.Add(1)
	s.mu.Unlock()
	defer s.reports.Done()
	defer func() {
		if v := recover(); v != nil {
			s.cfg.Log.Error(s.cfg.name()+": panic in observer", "panic", v)
		}
	}()
	s.observe(req, a, sent, s.cfg.Now().Sub(req.Time), err)
}

func clip(s string, n int) string {
	if len(s) > n {
		s = s[:n]
	}
	return strings.Clone(s) // else the substring would keep the whole header block in memory
}

// orErr returns the first of two errors that isn't nil.
func orErr(a, b error) error {
	if a != nil {
		return a
	}
	return b
}
