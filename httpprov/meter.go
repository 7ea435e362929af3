package httpprov

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
)

// stretch is how much of a streamed file is sent before its phone gets another Config.WriteTime.
const stretch = 1 << 20

// meter counts what a response writer is given. It has ReadFrom, so that a file goes from the disk to the socket within
// the kernel.
type meter struct {
	rw     http.ResponseWriter
	s      *Server
	status int
	sent   int64
	want   int64 // Content-Length of a response that has one
	err    error // the first of the writes
	broken bool  // a panic in the middle
}

// Header is the response's.
func (m *meter) Header() http.Header { return m.rw.Header() }

// WriteHeader notes the status and the promised length.
func (m *meter) WriteHeader(status int) {
	m.status = status
	m.want, _ = strconv.ParseInt(m.rw.Header().Get("Content-Length"), 10, 64)
	m.rw.WriteHeader(status)
}

func (m *meter) Write(p []byte) (int, error) {
	n, err := m.rw.Write(p)
	m.note(int64(n), err)
	return n, err
}

func (m *meter) note(n int64, err error) {
	m.sent += n
	if m.err == nil {
		m.err = err
	}
}

// ReadFrom sends r in stretches. net/http hands each to sendfile(2) when r is a file behind an io.LimitedReader, as
// http.ServeContent's is.
func (m *meter) ReadFrom(r io.Reader) (total int64, err error) {
	to, ok := m.rw.(io.ReaderFrom)
	from, limited := r.(*io.LimitedReader)
	if !ok || !limited {
		return io.Copy(struct{ io.Writer }{m}, r)
	}
	control := http.NewResponseController(m.rw)
	for from.N > 0 {
		// Where there is no deadline to move, the server's own stays in force.
		_ = control.SetWriteDeadline(m.s.cfg.Now().Add(m.s.cfg.WriteTime))
		part := &io.LimitedReader{R: from.R, N: min(from.N, stretch)}
		n, err := to.ReadFrom(part)
		from.N -= n
		total += n
		m.note(n, err)
		if err != nil || n == 0 {
			return total, err
		}
	}
	return total, nil
}

// refuse writes a whole answer that is no file: the same headers and body whatever was asked for.
func (m *meter) refuse(status int, body string) error {
	h := m.Header()
	h.Del("Etag") // of the file that couldn't be read
	h.Del("Accept-Ranges")
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("Cache-Control", "private, no-cache")
	m.rw.WriteHeader(status)
	_, err := io.WriteString(m.rw, body)
	if err == http.ErrBodyNotAllowed { // HEAD
		err = nil
	}
	return err
}

// short tells of a body that ended early.
func (m *meter) short(method string) error {
	switch {
	case m.err != nil:
		return m.err
	case method == http.MethodHead || m.status == http.StatusNotModified || m.sent >= m.want:
		return nil
	}
	return fmt.Errorf("%d of %d bytes were sent", m.sent, m.want)
}
