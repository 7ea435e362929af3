package httpprov

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"plugtone/provision"
	"plugtone/provision/fleet"
)

// Longer than this no name of a file is, and no user agent is worth keeping.
const (
	maxName          = 1024
	maxUserAgent     = 512
	maxAuthorization = 2049 // one more than an answer to a challenge may be long: what is cut off is no answer
)

// The bodies of refusals. They hold nothing of the request, and nothing that depends on a phone's record.
const (
	bodyNotFound = "not found\n"
	bodyLogin    = "login required\n"
	bodyMethod   = "method not allowed\n"
	bodyUnknown  = "method not implemented\n"
	bodyFault    = "try again later\n"
	bodyLarge    = "too large\n"
)

// handle answers one request.
func (s *Server) handle(rw http.ResponseWriter, r *http.Request) {
	e, known := r.Context().Value(endsKey{}).(*ends)
	if !known {
		e = &ends{}
	}
	req := provision.Request{
		Time: s.cfg.Now(), Transport: fleet.Transport(s.cfg.name()), Method: r.Method, Name: r.URL.Path,
		From: e.from.Addr(), Local: e.local, UserAgent: clip(r.UserAgent(), maxUserAgent),
		Authorization: clip(r.Header.Get("Authorization"), maxAuthorization),
		Certificate:   s.certificate(r, e),
	}
	if writes(r) {
		req.Size = r.ContentLength
	}
	w := meter{rw: rw, s: s}
	a := s.ask(r, req)
	if a.Known {
		s.crowd.keep(e)
	}
	defer s.crowd.answered(e)
	content, upload := a.Content, a.Upload
	err := s.respond(&w, r, &a)
	if content != nil {
		content.Close()
	}
	if upload != nil {
		upload.Abort() // nothing, when it has been kept
	}
	s.report(req, a, w.sent, err)
	if w.broken {
		panic(http.ErrAbortHandler) // ends the connection, so that half a file isn't taken for a whole one
	}
}

// certificate is what the client's certificate proves, nil without one.
func (s *Server) certificate(r *http.Request, e *ends) *provision.Certificate {
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 || s.cfg.ClientCAs == nil {
		return nil
	}
	return e.proves(r.TLS.PeerCertificates, s.cfg.ClientCAs(), s.cfg.Now())
}

// writes tells whether a request carries a file.
func writes(r *http.Request) bool { return r.Method == http.MethodPut || r.Method == http.MethodPost }

// ask is Answer, proof against panics, against names that no file has, and against answers that say nothing.
func (s *Server) ask(r *http.Request, req provision.Request) (a provision.Answer) {
	defer func() {
		if v := recover(); v != nil {
			a = fault(fmt.Errorf("panic: %v", v))
			s.cfg.Log.Error(s.cfg.name()+": panic in answer", "file", req.Name, "addr", req.From, "panic", v)
		}
	}()
	if why := badName(req.Name); why != "" {
		return provision.Answer{Outcome: provision.NotFound, Reason: why, Status: http.StatusNotFound}
	}
	a = s.answer.Answer(r.Context(), req)
	switch a.Outcome {
	case provision.Served, provision.NotFound, provision.Expected404, provision.Refused, provision.Rejected, provision.Fault:
	case provision.Received:
		if !writes(r) || a.Upload == nil {
			return fault(fmt.Errorf("an upload in answer to %s", r.Method))
		}
	default:
		return fault(fmt.Errorf("answer without an outcome (%q)", a.Outcome))
	}
	return a
}

func fault(err error) provision.Answer {
	return provision.Answer{Outcome: provision.Fault, Reason: err.Error(), Status: http.StatusServiceUnavailable, Err: err}
}

// badName says why a path can't be that of a file, "" when it can.
func badName(name string) string {
	if len(name) > maxName {
		return "the name is longer than " + strconv.Itoa(maxName) + " bytes"
	}
	for i := range len(name) {
		if name[i] < ' ' || name[i] == 0x7f {
			return "the name holds a control character"
		}
	}
	return ""
}

// respond writes the answer.
func (s *Server) respond(w *meter, r *http.Request, a *provision.Answer) (err error) {
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
	case a.Outcome == provision.Fault:
		return s.fault(w, a)
	}
	return s.refuse(w, r, a)
}

// refuse answers a requester that may not have the file, or for whom there is none: late or not at all, when it guesses.
func (s *Server) refuse(w *meter, r *http.Request, a *provision.Answer) error {
	if a.Delay > 0 {
		late := time.NewTimer(a.Delay)
		defer late.Stop()
		select {
		case <-late.C:
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

// file sends what was asked for. The plain case, a whole rendered file, is short; conditions, ranges and streams are left
// to http.ServeContent, which neither redirects nor guesses the type once it is set.
func (s *Server) file(w *meter, r *http.Request, a *provision.Answer) error {
	h := w.Header()
	mediaType := a.MediaType
	if mediaType == "" {
		mediaType = "application/octet-stream"
	}
	h["Content-Type"] = []string{mediaType}
	h["Accept-Ranges"] = []string{"bytes"}
	h["Cache-Control"] = []string{"private, no-cache"} // no proxy may keep what only this phone may have
	if a.ETag != "" {
		h["Etag"] = []string{a.ETag}
	}
	if a.Content == nil && !conditional(r.Header) {
		h["Content-Length"] = []string{strconv.Itoa(len(a.Body))}
		w.WriteHeader(http.StatusOK)
		if r.Method == http.MethodHead {
			return nil
		}
		_, err := w.Write(a.Body)
		return err
	}
	var content io.ReadSeeker = bytes.NewReader(a.Body)
	if a.Content != nil {
		content = a.Content
		if _, err := content.Seek(0, io.SeekEnd); err != nil {
			*a = fault(fmt.Errorf("read %.80q: %w", a.Name, err))
			return s.fault(w, a)
		}
	}
	http.ServeContent(w, r, "", time.Time{}, content)
	if w.status == http.StatusNotModified {
		a.Outcome = provision.NotModified
	}
	return w.short(r.Method)
}

// fault tells the phone to come again, because the fault is ours.
func (s *Server) fault(w *meter, a *provision.Answer) error {
	w.Header().Set("Retry-After", strconv.Itoa(int(s.cfg.RetryAfter/time.Second)))
	return orErr(w.refuse(http.StatusServiceUnavailable, bodyFault), a.Err)
}

// conditional tells whether a request asks for something else than the whole file as it is.
func conditional(h http.Header) bool {
	for _, name := range []string{"If-None-Match", "Range", "If-Match"} {
		if _, ok := h[name]; ok {
			return true
		}
	}
	return false
}

// report tells the observer, unless Run has ended.
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
	return strings.Clone(s) // not the whole header block, which the substring would keep
}

// orErr is the first of two errors that isn't nil.
func orErr(a, b error) error {
	if a != nil {
		return a
	}
	return b
}
