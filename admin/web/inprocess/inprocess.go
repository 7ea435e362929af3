// Package inprocess answers HTTP requests by a handler of the same process, without a connection. The admin page calls the API by it, so that
// roles, checks, ETags and the audit log are the API's own.
package inprocess

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
)

// Transport is an http.RoundTripper over a handler. The handler receives the context of the request with its values, among them the caller.
// Answers are streamed: RoundTrip returns when the handler has written its header.
type Transport struct{ Handler http.Handler }

// errAborted is what a reader gets when the handler gave up in the middle of its answer.
var errAborted = errors.New("the answer ended early")

// RoundTrip implements http.RoundTripper.
func (t Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancel(r.Context())
	in := r.Clone(ctx)
	in.RequestURI, in.Proto, in.ProtoMajor, in.ProtoMinor = r.URL.RequestURI(), "HTTP/1.1", 1, 1
	if in.Body == nil {
		in.Body = http.NoBody
	}
	pr, pw := io.Pipe()
	w := &response{header: http.Header{}, pipe: pw, begun: make(chan struct{})}
	go func() {
		defer in.Body.Close()
		defer func() {
			if recover() != nil { // http.ErrAbortHandler; the handler recovers all else
				w.end(errAborted)
				return
			}
			w.end(nil)
		}()
		t.Handler.ServeHTTP(w, in)
	}()
	select {
	case <-w.begun:
	case <-ctx.Done():
		pr.Close()
		cancel()
		return nil, ctx.Err()
	}
	return &http.Response{
		Status: http.StatusText(w.status), StatusCode: w.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: w.sent, ContentLength: -1, Request: r, Body: &body{pr, cancel},
	}, nil
}

// body ends the handler's context when it is closed.
type body struct {
	*io.PipeReader
	cancel context.CancelFunc
}

// Close implements io.Closer.
func (b *body) Close() error {
	b.cancel()
	return b.PipeReader.Close()
}

// response is the handler's http.ResponseWriter.
type response struct {
	header, sent http.Header
	status       int
	pipe         *io.PipeWriter
	begin        sync.Once
	begun        chan struct{} // closed when the header is complete
}

// Header implements http.ResponseWriter.
func (w *response) Header() http.Header { return w.header }

// WriteHeader implements http.ResponseWriter.
func (w *response) WriteHeader(status int) {
	if status < 200 { // informational
		return
	}
	w.begin.Do(func() {
		w.status, w.sent = status, w.header.Clone()
		close(w.begun)
	})
}

// Write implements http.ResponseWriter.
func (w *response) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.pipe.Write(b)
}

// Flush implements http.Flusher. Nothing is buffered.
func (w *response) Flush() { w.WriteHeader(http.StatusOK) }

func (w *response) end(err error) {
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
	}
	w.WriteHeader(http.StatusOK)
	w.pipe.CloseWithError(err)
}
