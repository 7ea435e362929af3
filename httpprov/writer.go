package httpprov

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
)

// chunkSize is how much of a streamed file is sent before its phone gets another Config.WriteTime.
const chunkSize = 1 << 20

// countingWriter counts what is written to a response. It has ReadFrom, so that a file goes from the disk to the socket within
// the kernel.
type countingWriter struct {
	rw     http.ResponseWriter
	s      *Server
	conn   *replyConn // nil with TLS
	status int
	sent   int64
	want   int64 // Content-Length of a response that has one
	err    error // the first of the writes, from the connection or a file
	broken bool  // the connection must end: a panic in the middle, or nothing may be answered
}

// Header returns the response's header.
func (w *countingWriter) Header() http.Header { return w.rw.Header() }

// WriteHeader stores the status and the promised length.
func (w *countingWriter) WriteHeader(status int) {
	w.status = status
	w.want, _ = strconv.ParseInt(w.rw.Header().Get("Content-Length"), 10, 64)
	w.rw.WriteHeader(status)
}

func (w *countingWriter) Write(p []byte) (int, error) {
	n, err := w.rw.Write(p)
	w.note(int64(n), err)
	return n, err
}

// writeBody writes a whole body, whose length has been announced.
func (w *countingWriter) writeBody(body []byte) error {
	if w.conn != nil && len(body) >= headSize {
		w.conn.joins = true
		defer func() { w.conn.joins = false }()
	}
	_, err := w.Write(body)
	return err
}

func (w *countingWriter) note(n int64, err error) {
	w.sent += n
	if w.err == nil {
		w.err = err
	}
}

// ReadFrom sends r in chunks. net/http hands each to sendfile(2) when r is a file behind an io.LimitedReader, as
// http.ServeContent's is.
func (w *countingWriter) ReadFrom(r io.Reader) (total int64, err error) {
	to, ok := w.rw.(io.ReaderFrom)
	from, limited := r.(*io.LimitedReader)
	if !ok || !limited {
		return io.Copy(struct{ io.Writer }{w}, r)
	}
	control := http.NewResponseController(w.rw)
	for from.N > 0 {
		// Where there is no deadline to move, the server's own applies.
		_ = control.SetWriteDeadline(w.s.cfg.Now().Add(w.s.cfg.WriteTime))
		part := &io.LimitedReader{R: from.R, N: min(from.N, chunkSize)}
		n, err := to.ReadFrom(part)
		from.N -= n
		total += n
		w.note(n, err)
		if err != nil || n == 0 {
			return total, err
		}
	}
	return total, nil
}

// refuse writes a whole response that is no file: the same headers and body for every request.
func (w *countingWriter) refuse(status int, body string) error {
	h := w.Header()
	h.Del("Etag") // of the file that couldn't be read
	h.Del("Accept-Ranges")
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("Cache-Control", "private, no-cache")
	w.rw.WriteHeader(status)
	_, err := io.WriteString(w.rw, body)
	if err == http.ErrBodyNotAllowed { // HEAD
		err = nil
	}
	return err
}

// short returns an error for a body that ended early.
func (w *countingWriter) short(method string) error {
	switch {
	case w.err != nil:
		return w.err
	case method == http.MethodHead || w.status == http.StatusNotModified || w.sent >= w.want:
		return nil
	}
	return fmt.Errorf("%d of %d bytes were sent", w.sent, w.want)
}
